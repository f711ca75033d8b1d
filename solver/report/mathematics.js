"use strict";
// LaTeX -> MathML elements, for what mathematical text commonly uses. Anything unknown, too deep or too long throws, and
// the caller shows the source as it stands. Elements are made one by one; no text is ever read as markup.
const mathematics = (() => {
  const NS = "http://www.w3.org/1998/Math/MathML", LONGEST = 2000, DEEPEST = 40, MOST = 3000;
  const words = (text) => Object.fromEntries(text.trim().split(/\s+/).map((pair) => pair.split("=")));
  const LETTERS = words("alpha=α beta=β gamma=γ delta=δ epsilon=ϵ varepsilon=ε zeta=ζ eta=η theta=θ vartheta=ϑ iota=ι kappa=κ lambda=λ mu=μ nu=ν xi=ξ pi=π rho=ρ sigma=σ tau=τ upsilon=υ phi=ϕ varphi=φ chi=χ psi=ψ omega=ω Gamma=Γ Delta=Δ Theta=Θ Lambda=Λ Xi=Ξ Pi=Π Sigma=Σ Phi=Φ Psi=Ψ Omega=Ω infty=∞ emptyset=∅ varnothing=∅ ell=ℓ hbar=ℏ Re=ℜ Im=ℑ partial=∂ nabla=∇ aleph=ℵ prime=′ degree=° circ=∘ angle=∠ triangle=△ square=□ ldots=… cdots=⋯ dots=… vdots=⋮ ddots=⋱ top=⊤ bot=⊥ checkmark=✓ S=§");
  const SIGNS = words("cdot=⋅ times=× div=÷ pm=± mp=∓ ast=∗ star=⋆ bullet=• le=≤ leq=≤ leqslant=⩽ ge=≥ geq=≥ geqslant=⩾ ne=≠ neq=≠ approx=≈ equiv=≡ sim=∼ simeq=≃ cong=≅ propto=∝ ll=≪ gg=≫ lt=< gt=> in=∈ notin=∉ ni=∋ subset=⊂ subseteq=⊆ supset=⊃ supseteq=⊇ cup=∪ cap=∩ setminus=∖ wedge=∧ land=∧ vee=∨ lor=∨ neg=¬ lnot=¬ forall=∀ exists=∃ nexists=∄ to=→ rightarrow=→ longrightarrow=⟶ leftarrow=← gets=← mapsto=↦ Rightarrow=⇒ Longrightarrow=⟹ implies=⟹ Leftarrow=⇐ leftrightarrow=↔ Leftrightarrow=⇔ iff=⟺ uparrow=↑ downarrow=↓ perp=⊥ parallel=∥ mid=∣ nmid=∤ oplus=⊕ otimes=⊗ because=∵ therefore=∴ colon=: vert=| Vert=‖ lvert=| rvert=| lVert=‖ rVert=‖ langle=⟨ rangle=⟩ lfloor=⌊ rfloor=⌋ lceil=⌈ rceil=⌉ lbrace={ rbrace=} lbrack=[ rbrack=] backslash=\\");
  const LARGE = words("sum=∑ prod=∏ coprod=∐ int=∫ iint=∬ iiint=∭ oint=∮ bigcup=⋃ bigcap=⋂");
  const NAMES = new Set("sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln lg exp det dim gcd lcm max min sup inf lim limsup liminf arg deg ker Pr mod".split(" "));
  const LIMITS = new Set(["lim", "max", "min", "sup", "inf", "limsup", "liminf", "gcd", "det", "Pr"]);
  const ACCENTS = words("bar=¯ hat=^ widehat=^ tilde=~ widetilde=~ vec=→ overrightarrow=→ dot=˙ ddot=¨");
  const SPACES = { ",": ".17em", ":": ".22em", ";": ".28em", " ": ".25em", "!": "0em", quad: "1em", qquad: "2em", enspace: ".5em" };
  const FONTS = { mathbb: 0x1d538, mathbf: 0x1d400, boldsymbol: 0x1d400, mathcal: 0x1d49c, mathfrak: 0x1d504 };
  const HOLES = { C: "ℂ", H: "ℍ", N: "ℕ", P: "ℙ", Q: "ℚ", R: "ℝ", Z: "ℤ" };
  const SILENT = new Set("displaystyle textstyle scriptstyle limits nolimits big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr left right middle nonumber notag hline".split(" "));
  const GRIDS = { matrix: ["", ""], pmatrix: ["(", ")"], bmatrix: ["[", "]"], vmatrix: ["|", "|"], Vmatrix: ["‖", "‖"], Bmatrix: ["{", "}"], smallmatrix: ["", ""], cases: ["{", ""], array: ["", ""], aligned: ["", ""], align: ["", ""], "align*": ["", ""], split: ["", ""], gathered: ["", ""], gather: ["", ""], "gather*": ["", ""], equation: ["", ""], "equation*": ["", ""], eqnarray: ["", ""], "eqnarray*": ["", ""] };

  const make = (name, ...inside) => {
    const node = document.createElementNS(NS, name);
    node.append(...inside);
    return node;
  };
  const sign = (text, attributes = {}) => {
    const node = make("mo", text);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    return node;
  };
  const space = (width) => { const node = make("mspace"); node.setAttribute("width", width); return node; };
  const row = (nodes) => (nodes.length === 1 ? nodes[0] : make("mrow", ...nodes));

  class Reader {
    constructor(source) {
      if (source.length > LONGEST) throw new Error("too long");
      this.parts = source.match(/\\(?:[A-Za-z]+\*?|[\s\S])|\d+(?:[.,]\d+)*|\s+|[\s\S]/gu) || [];
      if (this.parts.length > MOST) throw new Error("too long");
      this.at = 0;
      this.depth = 0;
    }
    peek() { while (/^\s/.test(this.parts[this.at] || "")) this.at++; return this.parts[this.at]; }
    next() { const part = this.peek(); this.at++; return part; }
    expect(wanted) { if (this.next() !== wanted) throw new Error(`no ${wanted}`); }

    list(ends) {
      if (++this.depth > DEEPEST) throw new Error("too deep");
      const out = [];
      while (this.peek() !== undefined && !ends.includes(this.peek())) {
        const node = this.scripted();
        if (node) out.push(node);
      }
      this.depth--;
      return out;
    }
    group() {
      const first = this.peek() || "";
      if (/^\d./.test(first)) this.parts.splice(this.at, 1, first[0], first.slice(1)); // \frac12 is one half
      if (first !== "{") return this.atom() || make("mrow");
      this.next();
      const inside = this.list(["}"]);
      this.expect("}");
      return row(inside);
    }
    raw() {
      if (this.peek() !== "{") return this.next() || "";
      this.at++;
      let text = "", open = 1;
      for (; this.at < this.parts.length; this.at++) {
        const part = this.parts[this.at];
        open += (part === "{") - (part === "}");
        if (!open) { this.at++; return text; }
        text += part;
      }
      throw new Error("no }");
    }
    scripted() {
      const base = "^_".includes(this.peek()) ? make("mrow") : this.atom();
      let below = null, above = null;
      for (;;) {
        const part = this.peek();
        if (part === "_" && !below) { this.next(); below = this.group(); }
        else if (part === "^" && !above) { this.next(); above = this.group(); }
        else if (part === "'") { this.next(); above = above ? make("mrow", above, sign("′")) : sign("′"); }
        else if (part === "_" || part === "^") throw new Error("two scripts");
        else break;
      }
      if (!below && !above) return base;
      const held = base || make("mrow"), stacked = held.stacked;
      if (below && above) return make(stacked ? "munderover" : "msubsup", held, below, above);
      return below ? make(stacked ? "munder" : "msub", held, below) : make(stacked ? "mover" : "msup", held, above);
    }
    atom() {
      const part = this.next();
      if (part === undefined) return make("mrow");
      if (part === "{") { this.at--; return this.group(); }
      if (part === "}" || part === "&") throw new Error("stray");
      if (/^\d/.test(part)) return make("mn", part);
      if (part[0] === "\\" && part.length > 1) return this.command(part.slice(1));
      if (part === "~") return space(".25em");
      if (/^\p{L}/u.test(part)) return make("mi", part);
      return "()[]|".includes(part) ? sign(part, { stretchy: "false" }) : sign(part === "-" ? "−" : part);
    }
    command(name) {
      if (name in SPACES) return space(SPACES[name]);
      if (name === "left") return this.fence();
      if (SILENT.has(name)) { if (/^[bB]ig/.test(name) && this.peek() === "\\{") this.next(); return null; }
      if (name in LETTERS) return make("mi", LETTERS[name]);
      if (name in SIGNS) return sign(SIGNS[name], "|‖⟨⟩⌊⌋⌈⌉".includes(SIGNS[name]) ? { stretchy: "false" } : {});
      if (name in LARGE) { const node = sign(LARGE[name]); node.stacked = !name.includes("int"); return node; }
      if (NAMES.has(name)) { const node = make("mi", name); node.stacked = LIMITS.has(name); return node; }
      if (name === "overline") { const node = make("mrow", this.group()); node.setAttribute("class", "over"); return node; }
      if (name in ACCENTS) { const node = make("mover", this.group(), sign(ACCENTS[name])); node.setAttribute("accent", "true"); return node; }
      if (name in FONTS) return this.font(FONTS[name], name === "mathbb");
      if ("{}%$#&_|".includes(name)) return sign(name === "|" ? "‖" : name, { stretchy: "false" });
      return this.structure(name);
    }
    structure(name) {
      switch (name) {
        case "frac": case "dfrac": case "tfrac": case "cfrac": return make("mfrac", this.group(), this.group());
        case "binom": case "dbinom": case "tbinom": {
          const inside = make("mfrac", this.group(), this.group());
          inside.setAttribute("linethickness", "0");
          return make("mrow", sign("("), inside, sign(")"));
        }
        case "sqrt": {
          if (this.peek() !== "[") return make("msqrt", this.group());
          this.next();
          const index = row(this.list(["]"]));
          this.expect("]");
          return make("mroot", this.group(), index);
        }
        case "text": case "textbf": case "textit": case "textrm": case "mbox": return make("mtext", this.raw().replace(/^ | $/g, " "));
        case "mathrm": case "operatorname": case "operatorname*": case "mathsf": case "mathit": case "mathtt": { const node = make("mi", this.raw()); node.setAttribute("mathvariant", "normal"); return node; }
        case "boxed": case "fbox": { const node = make("mrow", this.group()); node.setAttribute("class", "boxed"); return node; }
        case "underline": return make("munder", this.group(), sign("_"));
        case "underbrace": { const node = make("munder", this.group(), sign("⏟")); node.stacked = true; return node; }
        case "overbrace": { const node = make("mover", this.group(), sign("⏞")); node.stacked = true; return node; }
        case "overset": case "stackrel": { const above = this.group(); return make("mover", this.group(), above); }
        case "underset": { const below = this.group(); return make("munder", this.group(), below); }
        case "pmod": return make("mrow", space("1em"), sign("("), make("mi", "mod"), space(".3em"), this.group(), sign(")"));
        case "bmod": return make("mrow", space(".3em"), make("mi", "mod"), space(".3em"));
        case "not": return sign((this.next() || "").replace(/^\\in$/, "∈").replace(/^\\equiv$/, "≡") + "\u0338");
        case "begin": return this.grid();
        default: throw new Error(`unknown ${name}`);
      }
    }
    font(start, doubled) {
      const letter = (c) => (doubled && HOLES[c]) || (/[A-Z]/.test(c) ? String.fromCodePoint(start + c.charCodeAt(0) - 65)
        : /[a-z]/.test(c) ? String.fromCodePoint(start + 26 + c.charCodeAt(0) - 97) : c);
      return make("mi", [...this.raw()].map(letter).join(""));
    }
    delimiter() {
      const part = this.next();
      if (part === undefined) throw new Error("no delimiter");
      const name = part.slice(1);
      if (part === ".") return sign("");
      if (part[0] !== "\\") return sign(part);
      if (name in SIGNS) return sign(SIGNS[name]);
      if ("{}|".includes(name)) return sign(name === "|" ? "‖" : name);
      throw new Error("no delimiter");
    }
    fence() {
      const open = this.delimiter(), inside = this.list(["\\right"]);
      this.expect("\\right");
      return make("mrow", open, ...inside, this.delimiter());
    }
    grid() {
      const name = this.raw();
      if (!(name in GRIDS)) throw new Error(`unknown ${name}`);
      if (name === "array") this.raw();
      const table = make("mtable"), [open, close] = GRIDS[name];
      const left = name === "cases" || name === "array", equations = /^(align|split|eqn|gather|equation)/.test(name);
      for (;;) {
        const line = make("mtr");
        for (;;) {
          line.append(make("mtd", ...this.list(["&", "\\\\", "\\end"])));
          if (this.peek() !== "&") break;
          this.next();
        }
        if (line.textContent) table.append(line);
        if (this.next() !== "\\\\") break;
      }
      if (this.parts[this.at - 1] !== "\\end" || this.raw() !== name) throw new Error("no end");
      if (left || equations) table.setAttribute("displaystyle", "true");
      return open || close ? make("mrow", sign(open, { stretchy: "true" }), table, sign(close, { stretchy: "true" })) : table;
    }
  }

  return (source, display) => {
    const reader = new Reader(source), node = make("math", make("mrow", ...reader.list([])));
    if (reader.peek() !== undefined) throw new Error("stray");
    if (display) node.setAttribute("display", "block");
    return node;
  };
})();
