r"""Residue text -> tree: a recursive descent over LaTeX and plain notation that reads all of a text or refuses it.

    "2x\sin^2 y" -> ("mul", ("mul", ("num", 2), ("sym", "x")), ("pow", ("fun", "sin", ("sym", "y")), ("num", 2)))

Second stage of residue: `latex` puts plain notation right, this gives a tree of tuples, `values` says what the tree is
worth. Nothing is evaluated here and nothing is guessed: `2 3`, `x'2`, `1e5x` are refused. Conventions of print hold:
`1/2x` is half of x, `a/bc` is a over bc, `\sin 2x` takes the product, `3\frac{1}{2}` is a mixed number.
"""

from fractions import Fraction
from typing import Any

from solver.answers.tokens import FUNCTIONS, SEVERAL, Cursor, RefusedError, Token, tokens

Tree = tuple[Any, ...]
"""A node's kind, then its parts: trees, numbers or names."""

_DEEPEST = 30
_TIMES = frozenset(("times", "cdot", "ast"))
_OPENING = {"(": ")", "[": "]", "{": "}"}
_INVERSE = {"sin": "arcsin", "cos": "arccos", "tan": "arctan", "cot": "arccot"}
_STARTS = frozenset(("frac", "sqrt", "pi", "binom", "sum", "prod", "lfloor", "lceil"))
_CALLED = frozenset("fgFG")


def tree(text: str) -> Tree:
    """The tree of a text that is one expression. Raises RefusedError for anything else."""
    parser = _Parser(tokens(text))
    found = parser.whole()
    parser.finish()
    return found


class _Parser(Cursor):
    """One pass over the tokens of one text."""

    def __init__(self, found: list[Token]) -> None:
        super().__init__(found)
        self._depth = self._bars = 0

    def whole(self) -> Tree:
        r"""A sum, or `8 \choose 2`, whose braces are gone at the top."""
        found = self.sum()
        for word, kind in (("choose", "binom"), ("over", "div")):
            if self.take(word, kind="name"):
                found = (kind, found, self.sum())
        return found

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise RefusedError("nested too deep")

    def sum(self) -> Tree:
        """Terms with plus and minus between them."""
        self._deeper()
        found = self._product()
        while self.next.kind == "mark" and self.next.text in ("+", "-"):
            minus = self.take("-") or not self.take("+")
            right = self._product()
            found = ("add", found, ("neg", right) if minus else right)
        self._depth -= 1
        return found

    def _product(self) -> Tree:
        found = self._signed()
        while True:
            if self.take("*") or (self.next.text in _TIMES and self.take(self.next.text, kind="name")):
                found = ("mul", found, self._signed())
            elif self.take("/"):
                found = ("div", found, self._denominator())
            elif self.take("bmod", "mod", kind="name"):
                found = ("mod", found, self._signed())
            elif self._starts():
                if self.next.kind == "number" and found[0] != "fact":
                    raise RefusedError("a number after a factor")
                found = ("mul", found, self._power())
            else:
                return found

    def _denominator(self) -> Tree:
        """After a slash: a number alone, else the product written without a gap."""
        if self.next.kind == "number" or self.next.text in ("(", "-", "+", "{"):
            return self._signed()
        found = self._power()
        while self._starts() and not self.next.spaced and self.next.kind != "number":
            found = ("mul", found, self._power())
        return found

    def _signed(self) -> Tree:
        minus = 0
        while self.next.kind == "mark" and self.next.text in ("+", "-"):
            minus += self.take("-") or not self.take("+")
        found = self._power()
        return ("neg", found) if minus % 2 else found

    def _starts(self) -> bool:
        token = self.next
        if token.kind in ("number", "letter"):
            return True
        if token.kind == "mark":
            return token.text in ("(", "[", "{") or (token.text == "|" and not self._bars)
        return token.kind == "name" and (token.text in _STARTS or token.text in FUNCTIONS | SEVERAL)

    def _power(self) -> Tree:
        return self._raised(self._primary())

    def _raised(self, found: Tree) -> Tree:
        while True:
            if self.take("!"):
                found = ("fact", found)
            elif self.take("%"):
                found = ("div", found, ("num", Fraction(100)))
            elif self.take("°"):
                found = ("degree", found)
            elif self.take("^"):
                found = ("pow", found, self._exponent())
            else:
                return found

    def _exponent(self) -> Tree:
        """What one caret governs: a group, a number, a letter, with its own caret before that."""
        self._deeper()
        minus = self.take("-")
        found = self._script()
        while self.take("!"):
            found = ("fact", found)
        if self.take("^"):
            found = ("pow", found, self._exponent())
        self._depth -= 1
        return ("neg", found) if minus else found

    def _script(self) -> Tree:
        r"""What stands small: a number alone takes no fraction with it, `\log_3 \frac{1}{9}`."""
        if self.next.kind != "number":
            return self._primary()
        self.at += 1
        return ("num", Fraction(self.tokens[self.at - 1].text))

    def _primary(self) -> Tree:
        token = self.next
        self.at += 1
        if token.kind == "number":
            return self._number(token)
        if token.kind == "letter":
            return self._letter(token.text)
        if token.kind == "name":
            return self._named(token.text)
        if token.text in _OPENING:
            return self._inside(_OPENING[token.text], token.text == "{")
        if token.text == "|":
            return self._absolute()
        raise RefusedError(token.text or "the end")

    def _inside(self, closing: str, braced: bool) -> Tree:
        bars, self._bars = self._bars, 0
        found = self.whole() if braced else self.sum()
        self.need(closing)
        self._bars = bars
        return found

    def _absolute(self) -> Tree:
        self._bars += 1
        found = self.sum()
        self.need("|")
        self._bars -= 1
        return ("abs", found)

    def _number(self, token: Token) -> Tree:
        value = Fraction(token.text)
        whole = value.denominator == 1
        if whole and self.next.text == "frac" and (part := self._literal_fraction()) is not None:
            return ("num", value + part)
        following = self.next
        if whole and following.kind == "number" and following.spaced and self.after.text == "/":
            under = self.tokens[self.at + 2]
            part = Fraction(0)
            if under.kind == "number" and under.text.strip("0") and "." not in under.text + following.text:
                part = Fraction(int(following.text), int(under.text))
            if not 0 < part < 1:
                raise RefusedError("two numbers side by side")
            self.at += 3
            return ("num", value + part)
        if following.text in ("_", "'") and following.kind == "mark":
            raise RefusedError("a number with a subscript or a prime")
        return ("num", value)

    def _literal_fraction(self) -> Fraction | None:
        shape = self.tokens[self.at : self.at + 7]
        marks = [token.text for token in shape]
        if len(shape) < 7 or [marks[1], marks[3], marks[4], marks[6]] != ["{", "}", "{", "}"]:
            return None
        if shape[2].kind != "number" or shape[5].kind != "number" or not marks[5].strip("0."):
            return None
        self.at += 7
        return Fraction(marks[2]) / Fraction(marks[5])

    def _letter(self, letter: str) -> Tree:
        below = self.subscript() if self.take("_") else ""
        primes = ""
        while self.take("'"):
            primes += "'"
        if letter in ("C", "A", "P") and below and self.take("^"):
            return self._chosen(letter, below, self._exponent())
        name = letter + (f"_{below}" if below else "") + primes
        if letter in _CALLED and not below and (self.next.text in ("(", "^") or primes):
            return self._called(name)
        if name in ("e", "i"):
            return ("const", name)
        return ("sym", name)

    def _chosen(self, letter: str, below: str, above: Tree) -> Tree:
        """`C_5^2`, `A_5^2`: combinations and permutations, as Chinese textbooks write them."""
        under = tree(below)
        if under[0] == above[0] == "num" and not 0 <= above[1] <= under[1]:
            return ("pow", ("sym", f"{letter}_{below}"), above)
        return ("binom" if letter == "C" else "perm", under, above)

    def _called(self, name: str) -> Tree:
        """`f(x)`: a function nobody knows; `f^{-1}(x)` is its inverse, not its reciprocal."""
        start = self.at
        if self.take("^"):
            power = self._exponent()
            if power != ("neg", ("num", Fraction(1))) or self.next.text != "(":
                self.at = start
                return ("sym", name)
            name += "^-1"
        self.need("(")
        return ("call", name, self._inside(")", False))

    def _named(self, name: str) -> Tree:
        if name in ("frac", "binom"):
            return ("div" if name == "frac" else name, self._argument(), self._argument())
        if name in ("sum", "prod"):
            return self._series(name)
        if name in FUNCTIONS:
            return self._function(name)
        if name in SEVERAL:
            return self._several(name)
        if name == "sqrt":
            return self._root()
        return ("const", "pi") if name == "pi" else self._fenced(name)

    def _fenced(self, name: str) -> Tree:
        closing = {"lfloor": "rfloor", "lceil": "rceil"}.get(name)
        if closing is None:
            raise RefusedError(name)
        found = self.sum()
        self.need(closing, kind="name")
        return (name[1:], found)

    def _argument(self) -> Tree:
        self._deeper()
        self.need("{")
        found = self._inside("}", True)
        self._depth -= 1
        return found

    def _root(self) -> Tree:
        degree: Tree = ("num", Fraction(2))
        if self.take("["):
            degree = self._inside("]", False)
        return ("root", degree, self._primary())

    def _series(self, kind: str) -> Tree:
        r"""`\sum_{k=1}^{n}` and what it sums: the product that follows."""
        self.need("_")
        self.need("{")
        name = self.next.text
        self.need(name, kind="letter")
        self.need("=")
        low = self._inside("}", True)
        self.need("^")
        high = self._exponent()
        return (kind, name, low, high, self._product())

    def _several(self, name: str) -> Tree:
        r"""`\max(2, 3)`, `\max\{2, 3\}`."""
        fence, kind = ("}", "name") if self.take("{", kind="name") else ("}" if self.take("{") else ")", "mark")
        if fence == ")":
            self.need("(")
        parts = [self.sum()]
        while self.take(","):
            parts.append(self.sum())
        self.need(fence, kind=kind)
        return (name, *parts)

    def _function(self, name: str) -> Tree:
        base: Tree | None = None
        power: Tree | None = None
        if name == "log" and self.take("_"):
            base = self._exponent()
        if self.take("^"):
            power = self._exponent()
        if power == ("neg", ("num", Fraction(1))):
            if name not in _INVERSE:
                raise RefusedError("an inverse")
            name, power = _INVERSE[name], None
        applied: Tree = ("fun", name, self._applied(), *([base] if base else []))
        return ("pow", applied, power) if power else applied

    def _applied(self) -> Tree:
        r"""What a function takes: the bracket behind it, or the product up to the next function, sign or bracket."""
        if self.next.text in _OPENING:
            found = self._primary()
            return ("degree", found) if self.take("°") else found
        minus = self.take("-")
        found = self._power()
        while self.next.kind == "letter" or (self.next.kind == "name" and self.next.text in ("pi", "frac", "sqrt")):
            found = ("mul", found, self._power())
        if found[-1] == ("const", "pi") and self.after.kind == "number" and self.take("/"):
            found = ("div", found, self._power())
        return ("neg", found) if minus else found
