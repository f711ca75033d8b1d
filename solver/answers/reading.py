r"""Answer -> typed exact key, in microseconds and in pure Python; equal keys are equal answers.

    "\frac{6}{8}"  -> number 3/4            "(1, 2)"   -> tuple of two numbers      "east" -> text
    "x = 5 cm"     -> number 5, name x, unit cm      "B. 12" -> choice B      "2\sqrt{3}" -> residue

Unit and name stand outside the value, because a missing one is no difference while two are (`partition` decides).
What has no exact key here is a residue: a leaf that `residue.py` resolves in a killable process. Structure is read
here even then, so `(1, \sqrt 2)` is a tuple with one residue leaf.

A key is total: every part of the text is accounted for, or there is no key. Words are texts, never products of letters.
"""

import re
from collections.abc import Callable, Hashable
from fractions import Fraction

from solver.answers.choices import choice
from solver.answers.keys import INFINITY, MINUS_INFINITY, RESIDUE, Key, leaves
from solver.answers.normal import closing, normal, split
from solver.answers.numbers import number
from solver.answers.words import CURRENCY, unit, words

LONGEST = 2000  # characters of an answer; longer ones are prose, not answers
LONGEST_RESIDUE = 400
_DEEPEST = 6

_NAME = (
    r"(?:\\?[A-Za-z]+(?:_\s*\{?\s*\w+\s*\}?)?'{0,2}(?:\s*\([A-Za-z0-9, ]{1,12}\))?|\\angle\s*[A-Z]{1,3}"
    r"|\|[A-Za-z]{1,2}\||[\u4e00-\u9fff]{1,10}|[\u4e00-\u9fff]{0,6}[A-Za-z])"
)
_ASSIGNED = re.compile(rf"({_NAME})\s*(?:=|\\in|:=|:(?=\s*[\d\\-]))\s*(\S.*)", re.DOTALL)
_NAMED = re.compile(_NAME)
_MIRROR = str.maketrans("<>", "><")
_RELATION = re.compile(r"(<=|>=|<|>)")
_COMMA = re.compile(r"\s*,\s*(?:(?:and|or)\s+)?|\s*;\s*|\s+(?:and|or|&)\s+|\s*(?:或者|或|和|与|以及|及)\s*")
_EITHER = re.compile(r"\bor\b|或")
_ORDERED = re.compile(r"\s*[,;]\s*(?:and\s+)?")
_UNION = re.compile(r"\s*(?:\\cup|\\bigcup)\s*")
_LEADING_NUMBER = re.compile(
    r"([+-]?\s*(?:\d+\s*\\frac\s*\{\d+\}\s*\{\d+\}|\\frac\s*\{[\d.,]+\}\s*\{[\d.,]+\}|\d+\s+\d+/\d+"
    r"|(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+|\.)?(?:\s*/\s*\d+)?(?:\s*\\times\s*10\s*\^\s*(?:\{-?\d+\}|\d))?[万亿千百]*))"
    r"(\s*)(.+)",
    re.DOTALL,
)
_HAN_NUMBER = re.compile(r"([负零〇一二两三四五六七八九十百千万亿点分之又半]+)(.+)")
_RATIO = re.compile(r"(\d{1,9})\s*:\s*(\d{1,9})")
_BASED = re.compile(r"\(?([0-9A-Z]{1,40})\)?_\s*(?:\{\s*(\d{1,2})\s*\}|(\d{1,2}))")
_MATRIX = re.compile(r"\\begin\s*\{([pbvBV]?matrix|array)\}(?:\s*\{[clr| ]*\})?(.*)\\end\s*\{\1\}", re.DOTALL)
_COMMANDS = re.compile(r"\\[A-Za-z]+")
_TRAILING_UNIT = re.compile(
    r"(.*?\S)(?:\s+([A-Za-z]+(?:\s*\^\s*\{?\s*[23]\s*\}?)?)|\s*([\u4e00-\u9fff]{1,4}))", re.DOTALL
)
_CONSTANT = re.compile(r"\\(?:sqrt|pi|frac)")
_VARIABLE = re.compile(r"[A-Za-df-z]")
_HAN = re.compile(r"[\u4e00-\u9fff]")


def key(answer: str) -> Key | None:
    """The exact key of an answer; None when it is empty, too long, or needs math-verify."""
    found = read(answer)
    return None if found is None or leaves(found) else found


def read(answer: str) -> Key | None:
    """The key of an answer, residue leaves included; None when it is empty or too long to be an answer."""
    if len(answer) > LONGEST:
        return None
    text = normal(answer)
    return _read(text, 0) if text else None


def _read(text: str, depth: int) -> Key | None:
    """One answer or one part of one: the readers in order of likelihood; the first that accounts for all of it."""
    text = text.strip()
    if not text or depth > _DEEPEST:
        return None
    if (value := number(text)) is not None:
        return Key("number", value)
    if text.lstrip("+-").strip() in (r"\infty", "infinity", "无穷大", "正无穷", "负无穷"):
        return MINUS_INFINITY if text[0] in "-负" else INFINITY
    for reader in _READERS:
        if (found := reader(text, depth)) is not None:
            return found
    return _text(text) or (Key(RESIDUE, text) if len(text) <= LONGEST_RESIDUE else None)


def _measured(text: str, depth: int) -> Key | None:
    """A number with a unit after it or a currency before it."""
    if text[0] in CURRENCY or text[:2] in ("-$", "-€", "-£", "-¥"):
        bare = text.replace(text[0] if text[0] != "-" else text[1], "", 1)
        if not bare.strip():
            return None
        found = _measured(bare, depth) or _read(bare, depth + 1)
        mark = unit(text.lstrip("-")[0], spaced=False) or ""
        return found._replace(unit=found.unit or mark) if found is not None and found.kind == "number" else None
    for pattern in (_LEADING_NUMBER, _HAN_NUMBER):
        if (match := pattern.fullmatch(text)) is None or not match[1].strip():
            continue
        for cut in range(max(1, len(match[1]) - 2), len(match[1]) + 1):  # the longest unit first: 千米 before 米
            head, tail = match[1][:cut], text[cut:]
            spaced = tail[:1] == " "
            if (measure := unit(tail.strip(), spaced=spaced)) and (value := number(head.strip())) is not None:
                return Key("number", value, measure)
    return None


def _measured_expression(text: str, depth: int) -> Key | None:
    r"""`3\sqrt{2} cm`: a constant expression and a unit."""
    match = _TRAILING_UNIT.fullmatch(text)
    if match is None or _VARIABLE.search(_COMMANDS.sub("", match[1])) or not _CONSTANT.search(match[1]):
        return None
    measure = unit(match[2] or match[3], spaced=True)
    return Key(RESIDUE, match[1].strip(), measure) if measure else None


def _assigned(text: str, depth: int) -> Key | None:
    """`x = 5`, `f(x) = x^2`, `x \\in [1, 2]`: the value, with the name beside it; of a chain the last value."""
    match = _ASSIGNED.fullmatch(text)
    if match is None or _RELATION.search(match[2]):
        return None
    if len(split(match[2], _COMMA)) > 1:
        found = None if "=" in match[2] else _listed(match[2], depth + 1)
        return found._replace(name=match[1].strip()) if found is not None and found.kind == "set" else None
    name, rest = "".join(match[1].split()).replace("{", "").replace("}", ""), match[2]
    value = rest.split(r"\approx")[0].rpartition("=")[2]
    found = _read(value, depth + 1)
    return None if found is None or found.name else found._replace(name=name)


def _approximate(text: str, depth: int) -> Key | None:
    left, mark, right = text.partition(r"\approx")
    return _read(left or right, depth + 1) if mark and r"\approx" not in right else None


def _union(text: str, depth: int) -> Key | None:
    parts = split(text, _UNION)
    return _gathered("union", [_read(part, depth + 1) for part in parts]) if len(parts) > 1 else None


def _bracketed(text: str, depth: int) -> Key | None:
    """Tuples, intervals, sets; `(a, b)` is one key whether it is meant as a point or as an open interval."""
    if text[0] not in "([" or text[-1] not in ")]" or closing(text, 0) != len(text) - 1:
        return None
    parts = [_read(part, depth + 1) for part in split(text[1:-1], _ORDERED)]
    if len(parts) == 1:
        return parts[0] if text[0] == "(" else None
    if text[0] + text[-1] == "()":
        return _gathered("tuple", parts)
    found = _gathered("interval" if len(parts) == 2 else "list", parts)
    return None if found is None else found._replace(value=(text[0], text[-1], *_items(found)))


def _set(text: str, depth: int) -> Key | None:
    if text == r"\emptyset":
        return Key("set", frozenset())
    if not (text.startswith(r"\{") and text.endswith(r"\}")):
        return None
    inner = text[2:-2]
    if any(mark in inner for mark in (r"\}", "|", r"\mid", ":")):  # set builder, or more than one set
        return None
    if not inner.strip():
        return Key("set", frozenset())
    return _gathered("set", [_read(part, depth + 1) for part in split(inner, _ORDERED)])


def _inequality(text: str, depth: int) -> Key | None:
    r"""`x > 5` and `1 <= x < 2` are the intervals they describe, named x."""
    parts = [part.strip() for part in _RELATION.split(text)]
    if len(parts) == 3:
        left, sign, right = parts
        if not _NAMED.fullmatch(left):
            left, sign, right = right, sign.translate(_MIRROR), left
        low, opened, name, closed, high = (
            (r"-\infty", "<", left, sign, right)
            if sign[0] == "<"
            else (right, sign.translate(_MIRROR), left, "<", r"\infty")
        )
    elif len(parts) == 5 and parts[1][0] == parts[3][0]:
        if parts[1][0] == ">":
            parts = [part.translate(_MIRROR) if part[:1] in ("<", ">") else part for part in parts[::-1]]
        low, opened, name, closed, high = parts
    else:
        return None
    if not _NAMED.fullmatch(name) or _VARIABLE.search(_COMMANDS.sub("", low + high)):
        return None  # x > 2y is a relation, not an interval
    ends = _gathered("tuple", [_read(low, depth + 1), _read(high, depth + 1)])
    if ends is None:
        return None
    marks = ("[" if opened == "<=" else "(", "]" if closed == "<=" else ")")
    value: Hashable = ends.value if marks == ("(", ")") else (*marks, *_items(ends))
    return Key("tuple" if marks == ("(", ")") else "interval", value, ends.unit, name)


def _listed(text: str, depth: int) -> Key | None:
    """`1, 2`, `1 or 2`, `1和2`: solutions without order. Words keep their order unless a connective joins two."""
    parts = split(text, _COMMA)
    if len(parts) < 2 or not all(parts):
        return None
    keys = [_read(part, depth + 1) for part in parts]
    if any(part is not None and part.kind == "text" for part in keys):
        if _HAN.search(text) or len(text) > 60 or any(part is None or part.kind == RESIDUE for part in keys):
            return _text(text, force=True)
        if "," in text or ";" in text:
            return _gathered("order", keys)
    if any(part is not None and part.kind in ("tuple", "interval") and part.name for part in keys):
        return _gathered("union" if _EITHER.search(text) else "both", keys)  # inequalities, joined by or, by and
    return _gathered("set", keys)


def _plus_minus(text: str, depth: int) -> Key | None:
    if text.count(r"\pm") != 1:
        return None
    left, _, right = (part.strip() for part in text.partition(r"\pm"))
    signs = ("+", "-") if left else ("", "-")
    return _gathered("set", [_read(f"{left}{sign}{right}", depth + 1) for sign in signs])


def _ratio(text: str, depth: int) -> Key | None:
    match = _RATIO.fullmatch(text)
    if match is None or not int(match[2]):
        return None
    if len(match[2]) == 2 and int(match[2]) < 60 and int(match[1]) < 25:
        return Key("text", f"{int(match[1])}:{match[2]}")  # may be a time of day: 2:30 is not 1:15
    return Key("ratio", Fraction(int(match[1]), int(match[2])))


def _based(text: str, depth: int) -> Key | None:
    match = _BASED.fullmatch(text)
    if match is None or not match[1][0].isdigit():
        return None
    return Key("based", (match[1].lstrip("0") or "0", int(match[2] or match[3])))


def _matrix(text: str, depth: int) -> Key | None:
    match = _MATRIX.fullmatch(text)
    if match is None or r"\begin" in match[2]:
        return None
    rows = [row for row in match[2].split(r"\\") if row.strip()]
    cells = [_gathered("row", [_read(cell, depth + 1) for cell in row.split("&")]) for row in rows]
    bars = match[1] in ("vmatrix", "Vmatrix")
    return None if bars else _gathered("matrix", cells)


def _items(found: Key) -> tuple[Hashable, ...]:
    return tuple(found.value) if isinstance(found.value, tuple | frozenset) else (found,)


def _gathered(kind: str, parts: list[Key | None]) -> Key | None:
    """One key of many: a unit or name that all parts share stands outside, beside the whole."""
    known = [part for part in parts if part is not None]
    if len(known) < len(parts) or not known:
        return None
    shared = {}
    for mark in ("unit", "name"):
        values = {getattr(part, mark) for part in known}
        if len(values) == 1 and values != {""}:
            shared[mark] = values.pop()
            known = [part._replace(**{mark: ""}) for part in known]
    if kind == "set":
        known = _solutions(known)
        if len(set(known)) == 1:
            return known[0]._replace(unit=shared.get("unit", known[0].unit), name=shared.get("name", known[0].name))
    value: Hashable = frozenset(known) if kind in ("set", "union", "both") else tuple(known)
    return Key(kind, value, **shared)


def _solutions(parts: list[Key]) -> list[Key]:
    """`x_1 = 1, x_2 = 2` lists two solutions for x: numbered names are dropped, different names stay."""
    stems = {part.name.partition("_")[0].rstrip("0123456789") for part in parts}
    if len(stems) > 1 or len({part.name for part in parts}) < len(parts):
        return parts
    return [part._replace(name="") for part in parts]


def _text(text: str, *, force: bool = False) -> Key | None:
    said = words(text, force=force)
    return Key("text", said) if said else None


_READERS: tuple[Callable[[str, int], Key | None], ...] = (
    choice,
    _measured,
    _measured_expression,
    _ratio,
    _based,
    _approximate,
    _matrix,
    _union,
    _bracketed,
    _set,
    _assigned,
    _listed,
    _inequality,
    _plus_minus,
)
