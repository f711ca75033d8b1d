r"""Readers of what has parts: tuples, intervals, sets, unions, ratios, matrices, determinants, cases.

Each takes a normal text and `read`, which reads a part, and gives a key that accounts for all of the text, or None.
"""

import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise, permutations

from solver.answers.keys import EQUATION, INFINITY, MINUS_INFINITY, RESIDUE, Key, parts
from solver.answers.normal import closing, split
from solver.answers.numbers import number
from solver.answers.shapes import EMPTY, EVERYTHING, interval, shaped

Read = Callable[[str], Key | None]
COMMA = re.compile(r"\s*[,;]\s*(?:and\s+)?")
_UNION = re.compile(r"\s*(?:\\cup|\\bigcup|∪)\s*")
_COMMON = re.compile(r"\s*(?:\\cap|\\bigcap)\s*")
_BAR = re.compile(r"\s*(?:\||\\mid(?![a-z])|:)\s*")
_COLON = re.compile(r"\s*(?::|(?<=[0-9一二三四五六七八九十百])\s*比|(?<=\d) to (?=\d))\s*")
_MATRIX = re.compile(
    r"[(\[]?\s*\\begin\s*\{([pbvBV]?matrix|smallmatrix|array)\}(?:\s*\{[clr| ]*\})?(.*)\\end\s*\{\1\}\s*[)\]]?",
    re.DOTALL,
)
_SCALED_MATRIX = re.compile(r"([^&=,]{1,40}?)(?=[(\[]?\s*\\begin\s*\{(?:[pb]?matrix|array)\}).+", re.DOTALL)
_FRENCH = re.compile(r"([\[\]])([^\[\]]+)([\[\]])")
_CASES = re.compile(
    r"\\?\{?\s*\\begin\s*\{(?:d?cases|array|aligned|rcases)\}(?:\s*\{[lcr| ]*\})?(.*)"
    r"\\end\s*\{(?:d?cases|array|aligned|rcases)\}",
    re.DOTALL,
)
_WHEN = re.compile(r"^(?:if|when|for|where|当|若|如果)\s*|\s*(?:时|的时候)$", re.IGNORECASE)
_OTHERWISE = re.compile(r"otherwise|else|其他|其它|否则|其余|elsewhere", re.IGNORECASE)
_ALL_NUMBERS = frozenset((r"\R", "allrealnumbers", "allreals", "allreal", "全体实数", "任意实数", "一切实数", "实数集"))
_NUMBER_SETS = {
    r"\Z": "integers", r"\N": "naturals", r"\Q": "rationals",
    r"\N^*": "positive integers", r"\N_+": "positive integers", r"\N^+": "positive integers",
    r"\Z^+": "positive integers", r"\Z_+": "positive integers", r"\N^{*}": "positive integers",
    r"\N_{+}": "positive integers", r"\N^{+}": "positive integers", r"\Z^{+}": "positive integers",
    r"\Z_{+}": "positive integers",
}  # fmt: skip
_NOTHING = frozenset((r"\emptyset", "emptyset", "theemptyset", "空集"))


def gathered(kind: str, members: Sequence[Key | None], marks: tuple[str, ...] = ()) -> Key | None:
    """One key of many; None when one of them has none, or there is none."""
    known = [part for part in members if part is not None]
    return None if len(known) < len(members) or not known else shaped(kind, known, marks)


def together(found: Key | None, members: Sequence[Key | None]) -> Key | None:
    """`x = 1, y = 2` also says (1, 2): the values of letters that follow each other in the alphabet, in their order."""
    told = [
        (part.name, parts(part)[0] if part.kind == EQUATION else part._replace(name="")) for part in members if part
    ]
    names = sorted(name for name, _ in told)
    follow = all(len(name) == 1 for name in names) and all(ord(two) == ord(one) + 1 for one, two in pairwise(names))
    plain = all(value.kind in ("number", RESIDUE) and not value.unit and not value.alt for _, value in told)
    if found is None or not 2 <= len(told) <= 4 or not follow or not plain or found.alt:
        return found
    values = dict(told)
    return found._replace(alt=(shaped("tuple", [values[name] for name in names])._replace(name=",".join(names)),))


def constant_set(text: str, read: Read) -> Key | None:
    r"""`\mathbb{R}` and the empty set, by name."""
    squeezed = text.replace(" ", "")
    if squeezed == "...":
        return Key("text", squeezed)
    if squeezed in _NOTHING or squeezed.lower() in _NOTHING:
        return EMPTY
    if squeezed in _NUMBER_SETS:
        return Key("text", _NUMBER_SETS[squeezed])
    if squeezed in _ALL_NUMBERS or squeezed.lower() in _ALL_NUMBERS:
        return EVERYTHING
    removed = re.fullmatch(r"\\R\s*(?:\\setminus|\\backslash|\\)\s*(\\\{.*\\\})", text)
    points = read(removed[1]) if removed else None
    if points is None:
        return None
    taken = list(points.value) if points.kind == "set" and isinstance(points.value, frozenset) else [points]
    rays = [
        shaped("union", [interval("(", MINUS_INFINITY, one, ")"), interval("(", one, INFINITY, ")")]) for one in taken
    ]
    return shaped("both", rays)


def union(text: str, read: Read) -> Key | None:
    """Parts with a union or an intersection sign between them."""
    if "=" in text or r"\in " in text or r"\in(" in text or r"\in[" in text:
        return None  # of a name, or relations
    for sign, kind in ((_UNION, "union"), (_COMMON, "both")):
        if len(parts := split(text, sign)) > 1:
            return gathered(kind, [read(part) for part in parts])
    return None


def bracketed(text: str, read: Read) -> Key | None:
    """Tuples, intervals, lists in brackets; `(a, b)` is one key whether a point or an open interval is meant."""
    if text.startswith(r"\langle") and text.endswith(r"\rangle"):
        return gathered("angle", [read(part) for part in split(text[7:-7], COMMA)])
    if text[0] == "]" or (text[0] == "[" and text[-1] == "["):  # ]1, 2[ is (1, 2)
        turned = _FRENCH.fullmatch(text)
        ends = split(turned[2], COMMA) if turned else []
        text = f"{'[('[text[0] == ']']}{turned[2]}{'])'[text[-1] == '[']}" if turned and len(ends) == 2 else text
    if text[0] not in "([" or text[-1] not in ")]" or closing(text, 0) != len(text) - 1:
        return None
    parts = [read(part) for part in split(text[1:-1], COMMA)]
    if len(parts) == 1:
        return parts[0] if text[0] == "(" else gathered("list", parts)
    if text[0] + text[-1] == "()":
        return gathered("tuple", parts)
    found = gathered("interval" if len(parts) == 2 else "list", parts, (text[0], text[-1]))
    rows = text[1:].lstrip().startswith("[") and _rows(text, read)
    return found._replace(alt=(rows,)) if found and rows else found


def _rows(text: str, read: Read) -> Key | None:
    """`[[1, 2], [3, 4]]`: a matrix as programs write it."""
    rows = [split(row.strip()[1:-1], COMMA) for row in split(text[1:-1], COMMA) if row.startswith("[")]
    return gathered("matrix", [gathered("row", [read(cell) for cell in row]) for row in rows])


def set_of(text: str, read: Read) -> Key | None:
    r"""`\{1, 2\}`, and `\{x \mid x > 2\}` as the solutions of its condition."""
    if not (text.startswith(r"\{") and text.endswith(r"\}")) or r"\}" in text[2:-2]:
        return _sets_within(text, read)
    inner = text[2:-2].strip()
    if not inner:
        return EMPTY
    told = split(inner, _BAR)
    if len(told) == 2 and (built := _built(told[0], told[1], read)) is not None:
        return built
    return gathered("set", spliced(split(inner, COMMA), read))


def _sets_within(text: str, read: Read) -> Key | None:
    if not (text.startswith(r"\{") and text.endswith(r"\}")) or closing(text, 1) != len(text) - 1:
        return None
    return gathered("set", [read(part) for part in split(text[2:-2], COMMA)])


def _built(element: str, condition: str, read: Read) -> Key | None:
    """What a set builder gathers: the solutions of its condition for a letter, else the two as they stand."""
    letter = re.fullmatch(r"([A-Za-z])(?:\s*\\in\s*\\R)?", element)
    found = read(condition)
    if found is None:
        return None
    if letter is not None and found.name == letter[1] and found.kind != EQUATION:
        return found._replace(name="")
    told = read(element)
    return None if told is None else Key("builder", (told.bare(), found.bare()))


def spliced(texts: Sequence[str], read: Read) -> list[Key | None]:
    r"""The keys of parts; `\pm 1` among them is two of them."""
    found: list[Key | None] = []
    for text in texts:
        one = read(text)
        several = one is not None and one.kind == "set" and r"\pm" in text and isinstance(one.value, frozenset)
        found += list(one.value) if several and one is not None and isinstance(one.value, frozenset) else [one]
    return found


def ratio(text: str, read: Read) -> Key | None:
    """`3:4`, `3比4`, `2:3:5`: every term by the first; a time of day is read before."""
    terms = split(text, _COLON) if "=" not in text else []
    if len(terms) < 2 or not all(terms):
        return None
    values = [number(term) for term in terms]
    if all(value is not None and value > 0 for value in values):
        known = [value for value in values if value is not None]
        found = Key("ratio", tuple(Key("number", value / known[0]) for value in known))
        return Key("text", text, alt=(found,)) if " to " in text else found  # 10 to 20 may be a range
    keys = [read(term) for term in terms]
    if any(key is None or key.kind not in ("number", RESIDUE) for key in keys):
        return None
    first = terms[0]
    return Key("ratio", (Key("number", Fraction(1)), *(Key(RESIDUE, f"({term})/({first})") for term in terms[1:])))


def matrix(text: str, read: Read) -> Key | None:
    """A matrix row by row; between bars it is its determinant."""
    scaled = _SCALED_MATRIX.fullmatch(text)
    factor = scaled[1].strip() if scaled and scaled[1] not in ("(", "[", "|") else ""
    if factor:
        text = text[len(scaled[1] if scaled else "") :]
    match = _MATRIX.fullmatch(text.strip("|") if text.startswith("|") else text)
    if match is None or r"\begin" in match[2]:
        return None
    rows = [row.split("&") for row in match[2].replace(r"\hline", "").split(r"\\") if row.strip()]
    if factor:
        factor = f"{factor}1" if factor in ("-", "+") else factor.removesuffix(r"\cdot").removesuffix(r"\times")
        rows = [[f"({factor})({cell})" for cell in row] for row in rows]
    if match[1] in ("vmatrix", "Vmatrix") or text.startswith("|"):
        return None if factor else _determinant(rows)
    if match[1] == "array" and text[0] not in "([":
        return None
    return gathered("matrix", [gathered("row", [read(cell) for cell in row]) for row in rows])


def _determinant(rows: Sequence[Sequence[str]]) -> Key | None:
    """The determinant as the sum of its products, for a worker to compute."""
    size = len(rows)
    if not 1 <= size <= 3 or any(len(row) != size for row in rows):
        return None
    terms = []
    for order in permutations(range(size)):
        turns = sum(order[i] > order[j] for i in range(size) for j in range(i + 1, size))
        terms.append("+-"[turns % 2] + "".join(f"({rows[row][column].strip()})" for row, column in enumerate(order)))
    return Key(RESIDUE, "".join(terms))


def cases(text: str, read: Read) -> Key | None:
    """Pieces with their conditions, in any order; without conditions, equations that hold together."""
    match = _CASES.fullmatch(text)
    if match is None or r"\begin" in match[1]:
        return None
    rows = [row.strip().strip(",;") for row in match[1].split(r"\\") if row.strip()]
    pieces = [[part.strip().strip(",;") for part in row.split("&", 1)] for row in rows]
    pieces = [part if len(part) == 2 else split(part[0], COMMA) for part in pieces]
    if all(len(piece) == 1 for piece in pieces):
        told = [read(piece[0]) for piece in pieces]
        return together(gathered("set", told), told)
    if any(len(piece) != 2 for piece in pieces):
        return None
    return gathered("cases", [gathered("piece", [read(value), _condition(told, read)]) for value, told in pieces])


def _condition(text: str, read: Read) -> Key | None:
    text = text.strip().strip(",;()").strip() if text.startswith("(") and "," not in text else text.strip()
    if _OTHERWISE.fullmatch(text):
        return Key("text", "otherwise")
    return read(_WHEN.sub("", text))
