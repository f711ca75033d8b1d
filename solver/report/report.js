// The browsable table. Text of models and inputs comes from the data blocks and reaches the page as text nodes only.
(() => {
  const block = (id) => document.getElementById(id).textContent;
  const ROWS = JSON.parse(block("rows")), FACTS = JSON.parse(block("facts"));
  const [ID, PROBLEM, PREDICTED, REFERENCE, FLAGGED, AGREEMENT, TOKENS, VALID, SAMPLES] = Array(9).keys();
  const TOLD = {
    right: "the vote is right", wrong: "the vote is not right, or there is none", tied: "another class weighed the same",
    truncated: "at least one sample was cut off", split: "the winner has at most half of the valid votes",
    "no answer": "no sample has a gradable answer", failed: "no response at all",
    abstained: "a vote was cast, but the strategy kept silent",
  };
  const EXCLUDE = { right: ["wrong", "no answer", "failed"], wrong: ["right"], "no answer": ["right"], failed: ["right"], abstained: ["right", "wrong"] };
  const state = { page: 0, filters: new Set(), words: [], order: "input", hits: [] };
  const find = (id) => document.getElementById(id);
  const body = document.querySelector("#table tbody");

  const el = (name, kind, ...inside) => {
    const node = document.createElement(name);
    if (kind) node.className = kind;
    node.append(...inside);
    return node;
  };
  const number = (value) => value.toLocaleString("en-US");

  // Characters that turn the direction of text or cannot be seen are shown by their number.
  const ODD = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;
  const plain = (text) => text.replace(/\r\n?/g, "\n").replace(ODD, (c) => `⟨U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);

  // Mathematics: $..$, $$..$$, \(..\), \[..\], a bare environment or box; at most FORMULAS a text.
  const FORMULAS = 300;
  const FORMULA = /\$\$([^$]{1,2000})\$\$|\\\[([\s\S]{1,2000}?)\\\]|\\\(([\s\S]{1,2000}?)\\\)|\$(?=[^\s$])([^$\n]{0,499}[^\s$\\])\$(?!\d)|(\\begin\{(align\*?|aligned|equation\*?|gather\*?|cases|[pbv]?matrix|array)\}[\s\S]{1,2000}?\\end\{\6\})|(\\f?boxed\s{0,3}\{(?:[^{}]|\{(?:[^{}]|\{[^{}]{0,200}\}){0,200}\}){0,400}\})/g;
  const withMathematics = (text) => {
    const out = document.createDocumentFragment(), shown = plain(text);
    let from = 0, count = 0;
    for (const match of shown.matchAll(FORMULA)) {
      if (++count > FORMULAS) break;
      const [whole, dollars, square, round, dollar, environment, , box] = match;
      const display = dollars !== undefined || square !== undefined || environment !== undefined;
      try {
        const node = mathematics(dollars ?? square ?? round ?? dollar ?? environment ?? box.replace(/^\\fboxed/, "\\boxed"), display);
        node.setAttribute("title", whole.slice(0, 300));
        out.append(shown.slice(from, match.index), node);
        from = match.index + whole.length;
      } catch { /* not understood: the source stands as it is */ }
    }
    out.append(shown.slice(from));
    return out;
  };
  const answer = (text) => {
    if (text === null) return "–";
    const bare = text.replace(/^\$+|\$+$/g, "");
    if (!/[\\^_]/.test(bare)) return plain(text);
    try { return mathematics(bare, false); } catch { return plain(text); }
  };

  const verdict = (flags) => {
    const is = (name) => flags & FACTS.flags[name];
    const [sign, word, kind] = is("failed") ? ["✕", "failed", "wrong"] : is("no answer") ? ["○", "no answer", "none"]
      : is("abstained") ? ["○", "abstained", "none"]
      : is("right") ? ["✓", "right", "right"] : is("wrong") ? ["✗", "wrong", "wrong"] : ["·", "not judged", "none"];
    const node = el("span", `verdict ${kind}`, `${sign} ${word}`);
    return is("tied") ? el("span", "", node, el("span", "id", "tied")) : node;
  };
  const meter = (share) => {
    const bar = el("i", ""), node = el("span", "meter", bar);
    bar.style.width = `${share}%`;
    return node;
  };

  const rowOf = (index) => {
    const row = ROWS[index], line = el("tr", "row"), open = el("button", "");
    open.type = "button";
    open.setAttribute("aria-expanded", "false");
    open.append(el("bdi", "head", withMathematics(row[PROBLEM])), el("bdi", "id", plain(row[ID])));
    const agreement = row[AGREEMENT] < 0 ? ["–"] : [meter(row[AGREEMENT]), `${row[AGREEMENT]}%`];
    line.append(el("td", "", verdict(row[FLAGGED])), el("td", "", open), el("td", "", el("bdi", "", answer(row[PREDICTED]))),
      el("td", "", el("bdi", "", answer(row[REFERENCE]))), el("td", "verdict", ...agreement), el("td", "tokens", number(row[TOKENS])));
    line.addEventListener("click", () => toggle(line, open, index));
    return line;
  };
  const toggle = async (line, button, index) => {
    if (button.getAttribute("aria-expanded") === "true") {
      button.setAttribute("aria-expanded", "false");
      if (line.nextSibling?.classList.contains("opened-row")) line.nextSibling.remove();
      return;
    }
    button.setAttribute("aria-expanded", "true");
    const cell = el("td", "opened", el("p", "quiet", "opening"));
    cell.colSpan = 6;
    line.after(el("tr", "opened-row", cell));
    cell.replaceChildren(...inside(ROWS[index], await opened(index)));
  };

  const unpacked = new Map();
  const opened = async (index) => {
    const number = Math.floor(index / FACTS.page);
    if (!unpacked.has(number)) {
      const bytes = Uint8Array.from(atob(block(`block-${number}`)), (c) => c.charCodeAt(0));
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
      unpacked.set(number, JSON.parse(await new Response(stream).text()));
      if (unpacked.size > 8) unpacked.delete(unpacked.keys().next().value);
    }
    return unpacked.get(number)[index % FACTS.page];
  };

  const text = (parts) => {
    const [head, gone, tail] = parts, node = el("div", "text", withMathematics(head));
    if (gone) node.append(el("span", "gone", ` … ${number(gone)} characters left out … `), withMathematics(tail));
    return node;
  };
  const folded = (title, open, ...nodes) => {
    const node = el("details", "", el("summary", "", title), ...nodes);
    node.open = open;
    return node;
  };
  const inside = (row, one) => {
    const facts = `${number(row[SAMPLES])} samples, ${number(row[VALID])} valid, ${number(one.truncated)} truncated, ${number(row[TOKENS])} tokens`;
    const margin = one.margin === null ? "" : ` · margin ${Math.round(100 * one.margin)}%`;
    const out = [el("div", "text", withMathematics(one.text)), el("p", "quiet", `${facts}${margin} · status ${one.status}`)];
    out.push(...one.parts.map((part, place) => partOf(part, place === 0)));
    if (one.more) out.push(el("p", "remark", `${number(one.more)} more classes are not listed.`));
    return out;
  };
  const partOf = (part, isFirst) => {
    const kind = part.correct === true ? "right" : part.correct === false && part.answer !== null ? "wrong" : "";
    const node = el("div", `answer ${kind}`);
    if (part.answer === null) {
      node.append(el("p", "", el("b", "", "without a vote")), el("p", "quiet", `samples k: ${part.voters.join(", ")}`));
    } else {
      const weight = part.weight === part.votes ? "" : `, weight ${+part.weight.toPrecision(4)}`;
      const told = el("span", kind || "none", ` ${number(part.votes)} vote${part.votes === 1 ? "" : "s"}${weight}${kind && `, ${kind}`}`);
      node.append(el("p", "", el("b", "", el("bdi", "", answer(part.answer))), told));
      const spelled = part.spellings.length > 1 ? `spelled ${part.spellings.map(plain).join(" · ")} — ` : "";
      node.append(el("p", "quiet", el("bdi", "", `${spelled}samples k: ${part.voters.join(", ")}`)));
    }
    const sample = part.sample;
    if (!sample) return node;
    const by = part.rule ? `, by ${part.rule}` : "", ended = sample.status === "ok" ? "" : `, ${sample.status}`;
    const nodes = [];
    if (sample.reasoning) nodes.push(folded("reasoning", false, text(sample.reasoning)));
    if (sample.error) nodes.push(el("p", "remark", plain(sample.error.slice(0, 500))));
    nodes.push(text(sample.said));
    node.append(folded(`sample k=${part.k}${by}, ${number(sample.tokens)} tokens${ended}`, isFirst, ...nodes));
    return node;
  };

  // Filters, search, order, pages
  const HAY = ROWS.map((row) => `${row[ID]}\n${row[PROBLEM]}\n${row[PREDICTED] ?? ""}\n${row[REFERENCE] ?? ""}`.toLowerCase());
  const ORDERS = {
    doubt: (a, b) => ROWS[a][AGREEMENT] - ROWS[b][AGREEMENT] || a - b, sure: (a, b) => ROWS[b][AGREEMENT] - ROWS[a][AGREEMENT] || a - b,
    long: (a, b) => ROWS[b][TOKENS] - ROWS[a][TOKENS] || a - b,
  };
  const choose = () => {
    const wanted = [...state.filters].reduce((sum, name) => sum | FACTS.flags[name], 0);
    state.hits = [];
    for (let index = 0; index < ROWS.length; index++) {
      const flags = ROWS[index][FLAGGED];
      if ((flags & wanted) === wanted && state.words.every((word) => HAY[index].includes(word))) state.hits.push(index);
    }
    if (ORDERS[state.order]) state.hits.sort(ORDERS[state.order]);
    state.page = 0;
    show();
  };
  const show = () => {
    const pages = Math.max(1, Math.ceil(state.hits.length / FACTS.page)), from = state.page * FACTS.page;
    const here = state.hits.slice(from, from + FACTS.page);
    body.replaceChildren(...here.map(rowOf));
    const range = here.length ? `${number(from + 1)} to ${number(from + here.length)} of ` : "";
    find("count").textContent = `${range}${number(state.hits.length)} problems${state.hits.length < ROWS.length ? ` (${number(ROWS.length)} without filters)` : ""}`;
    const turn = (name, to) => {
      const button = el("button", "", name);
      button.type = "button";
      button.disabled = to < 0 || to >= pages;
      button.addEventListener("click", () => { state.page = to; show(); find("problems").scrollIntoView(); });
      return button;
    };
    find("pages").replaceChildren(turn("← back", state.page - 1), el("span", "quiet", `page ${number(state.page + 1)} of ${number(pages)}`), turn("on →", state.page + 1));
    find("pages").hidden = pages === 1;
  };
  for (const [name, bit] of Object.entries(FACTS.flags)) {
    const count = ROWS.reduce((sum, row) => sum + Boolean(row[FLAGGED] & bit), 0);
    if (!count && ["failed", "abstained"].includes(name)) continue;
    const button = el("button", "", name, el("span", "of", number(count)));
    button.type = "button";
    button.title = TOLD[name];
    button.dataset.filter = name;
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => {
      if (!state.filters.delete(name)) {
        (EXCLUDE[name] ?? []).forEach((other) => state.filters.delete(other));
        state.filters.add(name);
      }
      for (const one of find("filters").children) one.setAttribute("aria-pressed", String(state.filters.has(one.dataset.filter)));
      choose();
    });
    find("filters").append(button);
  }
  let waiting = 0;
  find("search").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      state.words = find("search").value.toLowerCase().split(/\s+/).filter(Boolean);
      choose();
    }, 120);
  });
  find("sort").addEventListener("change", () => { state.order = find("sort").value; choose(); });
  choose();
  document.documentElement.dataset.ready = "yes";
})();
