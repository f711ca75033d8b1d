r"""Residue text -> tokens: numbers, commands, letters, marks. The first half of `grammar`.

A run of letters is split into the function and constant names it holds and into single letters (`2xsinx` is
`2 x sin x`); a run that would be a word is refused, because words are never products of letters.
"""

import re
from typing import NamedTuple


class RefusedError(ValueError):
    """The text is no single mathematical value that can be read whole and within bounds."""


class Token(NamedTuple):
    """kind: number, name (a function, constant or command), letter, mark, end; spaced: white space came before."""

    kind: str
    text: str
    spaced: bool


END = Token("end", "", False)
TRIGONOMETRIC = ("sin", "cos", "tan", "cot", "sec", "csc")
INVERSE = ("arcsin", "arccos", "arctan", "arccot")
FUNCTIONS = frozenset((*TRIGONOMETRIC, *INVERSE, "sinh", "cosh", "tanh", "ln", "lg", "log", "exp"))
SEVERAL = frozenset(("gcd", "lcm", "max", "min"))
GREEK = frozenset(
    (
        "alpha", "beta", "gamma", "delta", "epsilon", "varepsilon", "zeta", "eta", "theta", "vartheta", "iota", "kappa",
        "lambda", "mu", "nu", "xi", "rho", "sigma", "tau", "upsilon", "phi", "varphi", "chi", "psi", "omega", "ell",
        "Gamma", "Delta", "Theta", "Lambda", "Sigma", "Phi", "Psi", "Omega",
    )
)  # fmt: skip
_BARE = sorted(FUNCTIONS | SEVERAL | {"sqrt", "pi", "mod"} | {"asin", "acos", "atan"}, key=len, reverse=True)
_NAME_IN_RUN = re.compile("|".join(_BARE))
_OTHER_NAME = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "tg": "tan", "ctg": "cot", "arctg": "arctan"}
_MANY_LETTERS = 4  # letters in a row that may still be a product
_TOKEN = re.compile(
    r"(\s*)(?:(\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)|\d+(?:\.\d+)?|\.\d+)|\\([A-Za-z]+|[|{}])|([A-Za-z]+)"
    r"|(\*\*|<=|>=|[+\-*/^_(){}\[\]|!%°=<>,']))"
)
_MARKED = re.compile(  # a letter under an arrow or a bar is another letter
    r"\\(vec|overrightarrow|bar|overline|hat|widehat|tilde|dot)\s*(?:\{\s*([A-Za-z]{1,2})\s*\}|([A-Za-z]))"
)
_SAME_MARK = {"overrightarrow": "vec", "overline": "bar", "widehat": "hat"}
_COUNTED = (  # 5C2 and {}_5C_2 are C_5^2; 2C_3 is twice a letter
    re.compile(r"(?<![\w.])(\d{1,4})([CP])(\d{1,4})(?![\w.^])"),
    re.compile(r"(?<![\w.)}])(?:\{\s*\}\s*)?[\^_]\s*\{?(\d{1,4})\}?\s*([CP])\s*_\s*\{?(\d{1,4})\}?"),
)
_LONGEST = 600


def tokens(text: str) -> list[Token]:
    """The tokens of a whole text; raises RefusedError where it is none."""
    if len(text) > _LONGEST:
        raise RefusedError("too long")
    for counted in _COUNTED:
        text = counted.sub(r"\2_{\1}^{\3}", text)
    found: list[Token] = []
    index, end = 0, len(text.rstrip())
    while index < end:
        if marked := _MARKED.match(text, index):
            mark = _SAME_MARK.get(marked[1], marked[1])
            found.append(Token("letter", f"{mark} {marked[2] or marked[3]}", False))
            index = marked.end()
            continue
        match = _TOKEN.match(text, index)
        if match is None:
            raise RefusedError(text[index])
        found += _token(match, text)
        index = match.end()
    return found


def _token(match: re.Match[str], text: str) -> list[Token]:
    spaced = bool(match[1])
    if match[2]:
        following = text[match.end() : match.end() + 2]
        if following[:1] in ("e", "E") and (following[1:] or " ") in "0123456789+-":
            raise RefusedError("1e5 among other things")
        return [Token("number", match[2].replace(",", ""), spaced)]
    if match[3]:
        name = _OTHER_NAME.get(match[3], match[3])
        return [Token("letter" if name in GREEK else "name", name, spaced)]
    if match[4]:
        return _run(match[4], spaced)
    return [Token("mark", "^" if match[5] == "**" else match[5], spaced)]


def _run(run: str, spaced: bool) -> list[Token]:
    """A run of letters: the names in it, and single letters around them."""
    found: list[Token] = []
    index = 0
    for name in _NAME_IN_RUN.finditer(run):
        found += _letters(run[index : name.start()])
        found.append(Token("name", _OTHER_NAME.get(name[0], name[0]), False))
        index = name.end()
    found += _letters(run[index:])
    found[0] = found[0]._replace(spaced=spaced)
    return found


def _letters(run: str) -> list[Token]:
    if len(run) > _MANY_LETTERS:
        raise RefusedError("a word")
    return [Token("letter", letter, False) for letter in run]


class Cursor:
    """A place among the tokens of one text. `at` is its index, `next` the token there, `after` the one behind it."""

    def __init__(self, found: list[Token]) -> None:
        self.tokens, self.at = [*found, END], 0

    @property
    def next(self) -> Token:
        """The token to be read."""
        return self.tokens[min(self.at, len(self.tokens) - 1)]

    @property
    def after(self) -> Token:
        """The token behind the next."""
        return self.tokens[min(self.at + 1, len(self.tokens) - 1)]

    def take(self, *texts: str, kind: str = "mark") -> bool:
        """Whether the next token is one of these; then it is read."""
        token = self.next
        if token.kind != kind or token.text not in texts:
            return False
        self.at += 1
        return True

    def need(self, text: str, kind: str = "mark") -> None:
        """Reads this token. Raises RefusedError where another stands."""
        if not self.take(text, kind=kind):
            raise RefusedError(f"{text} expected")

    def finish(self) -> None:
        """Raises RefusedError where something is left."""
        if self.next.kind != "end":
            raise RefusedError(self.next.text)

    def subscript(self) -> str:
        """The name of a subscript, read to its end: its tokens, as they stand."""
        if not self.take("{"):
            token = self.next
            self.at += 1
            if token.kind not in ("number", "letter"):
                raise RefusedError("a subscript")
            return token.text
        begin = self.at
        while not self.take("}"):
            if self.next.kind == "end" or self.next.text in ("{", "_"):
                raise RefusedError("a subscript")
            self.at += 1
        return "".join(token.text for token in self.tokens[begin : self.at - 1])
