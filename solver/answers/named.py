r"""Readers of what is said of a letter: `x = 5`, `y = 2x+1`, `f(x) = x^2`, `A(1,2)`, `(x,y) = (1,2)`, `1 < x \le 4`.

A name stands beside the value; an inequality is the interval it describes. What needs algebra (`2x > 6`) is a residue.
"""

import re

from solver.answers.keys import EQUATION, INFINITY, MINUS_INFINITY, RESIDUE, Key
from solver.answers.normal import closing, split
from solver.answers.shapes import interval, shaped
from solver.answers.structures import COMMA, Read, gathered

_HAN_NAME = r"[\u4e00-\u9fff]{1,10}|[\u4e00-\u9fff]{0,6}[A-Za-z]"
_LETTER = (
    r"\\?[A-Za-z]+(?:_\s*(?:\{[^{}]{1,12}\}|\w))?'{0,2}"
    r"|\\(?:vec|overrightarrow|bar|overline|hat)\s*\{\s*[A-Za-z]{1,2}\s*\}"
)
_FUNCTION_VALUE = (
    r"\\(?:sin|cos|tan|cot)\s*(?:\^\s*\{?2\}?)?\s*(?:\\angle\s*)?(?:\d?\s*\\[a-z]+|\(\s*[^()=<>]{1,20}\)|\d?[A-Z]{1,3})"
    r"|[PEDS]\s*\([^()]{1,24}\)|\|\s*\\(?:vec|overrightarrow)\s*\{[^{}]{1,3}\}\s*\|"
    r"|\\frac\s*\{\s*[A-Z]{2}\s*\}\s*\{\s*[A-Z]{2}\s*\}|\\frac\s*\{\s*d\s*[a-z]\s*\}\s*\{\s*d\s*[a-z]\s*\}"
)
NAME = re.compile(
    rf"(?:{_FUNCTION_VALUE}"
    rf"|(?:{_LETTER})(?:\s*\([A-Za-z0-9, ]{{1,12}}\))?(?:\s*\^\s*\{{?\s*-\s*1\s*\}}?\s*\([A-Za-z]\))?"
    rf"|\\angle\s*[A-Z]{{1,3}}|\\(?:triangle|odot)\s*[A-Z]{{1,4}}|\|[A-Za-z]{{1,2}}\||[A-Z]\s*\^\s*\{{?-1\}}?|[A-Z](?:\s*\\(?:cup|cap|setminus)\s*[A-Z])+|{_HAN_NAME})"
)
_ASSIGNED = re.compile(rf"({NAME.pattern})\s*(=|\\in(?![a-z])|:=|≡|:(?=\s*[\d\\-]))\s*(\S.*)", re.DOTALL)
_TUPLE_NAMED = re.compile(r"\(\s*([A-Za-z](?:_\d)?(?:\s*,\s*[A-Za-z](?:_\d)?)+)\s*\)\s*=\s*(\(.*\))", re.DOTALL)
_POINT = re.compile(r"(?:[顶交定]?点|[Pp]oint|坐标(?:是|为)?)?\s*([A-Z](?:_\d|')?)?\s*(\(.*\))", re.DOTALL)
_COUNTED = re.compile(r"([CPA])\s*\(\s*(\d{1,4})\s*,\s*(\d{1,4})\s*\)")
_RATIO_NAMED = re.compile(r"([A-Za-z甲乙丙丁]+(?:_\d)?'?(?:\s*:\s*[A-Za-z甲乙丙丁]+(?:_\d)?'?)+)\s*=\s*([^=]+)")
_FUNCTION = re.compile(r"[A-Za-z]\(([A-Za-z])\)")
_RELATION = re.compile(r"(<=|>=|<|>)")
_ANY_RELATION = re.compile(r"<=|>=|=|<|>|\\ne(?![a-z])")
_CHAINED = re.compile(r"[a-zA-Z](?:_\w)?")  # a > b > c
_MIRROR = str.maketrans("<>", "><")
_VARIABLE = re.compile(r"[A-Za-df-z]")
_COMMANDS = re.compile(r"\\(?:frac|sqrt|pi|infty|log|ln|lg|sin|cos|tan|cdot|times)(?![a-z])")
_APPROXIMATELY = re.compile(r"\\approx|\\doteq|≈")
_LISTED = re.compile(r"\s*[,;]\s*(?:(?:and|or)\s+)?|\s+(?:and|or|&)\s+|\s*(?:或者|或|和|与|以及|及|且)\s*")
_BOUNDS = {
    ">=": "at least|no less than|not less than|no fewer than|至少|不少于|不小于|不低于|最少"
    "|greater than or equal to|more than or equal to|(?:大于|多于)或?等于",
    "<=": "at most|no more than|not more than|up to|至多|不多于|不大于|不超过|最多"
    "|less than or equal to|(?:小于|少于)或?等于",
    ">": "more than|greater than|over|above|larger than|大于|多于|超过|高于",
    "<": "less than|fewer than|under|below|smaller than|小于|少于|低于|不到|不足",
}
_MORE = {
    ">=": re.compile(r"(.+?)\s+(?:or|and)\s+(?:more|above|greater|larger|over|up)", re.IGNORECASE),
    "<=": re.compile(r"(.+?)\s+(?:or|and)\s+(?:less|fewer|below|smaller|under)", re.IGNORECASE),
}
_SIGNED = re.compile(r"(<=|>=|<|>)\s*([^<>=]+)")
_BOUND = {sign: re.compile(rf"(?:{words})\s*(?:是|为)?\s*(.+)", re.IGNORECASE) for sign, words in _BOUNDS.items()}


def assigned(text: str, read: Read) -> Key | None:
    r"""`x = 5`, `f(x) = x^2`, `x \in [1, 2]`: the value, with the name beside it; of a chain the last value."""
    if (tuple_named := _TUPLE_NAMED.fullmatch(text)) is not None:
        return _in_order(tuple_named[1], tuple_named[2], read)
    if (ratio_named := _RATIO_NAMED.fullmatch(text)) is not None:
        found = read(ratio_named[2])
        name = ratio_named[1].replace(" ", "")
        return found._replace(name=name) if found is not None and found.kind in ("ratio", "time", "number") else None
    match = _ASSIGNED.fullmatch(text)
    if match is None:
        return _turned(text, read)
    rest = match[3]
    environment = rest.lstrip(r"\{ ").startswith("begin") and r"\end" in rest
    if not environment and (_RELATION.search(rest) or _two_equations(rest)):
        return None
    if not environment and len(split(rest, _LISTED)) > 1:
        found = None if "=" in rest else read(rest)
        return found._replace(name=match[1].strip()) if found is not None and found.kind == "set" else None
    name = "".join(match[1].split()).replace("{", "").replace("}", "")
    if match[2] == r"\in" and re.fullmatch(r"[RZNQ](?:\s*[\^_]\s*\{?[*+]\}?)?", rest):
        rest = "\\" + rest
    value = rest if environment else _APPROXIMATELY.split(rest)[0].rpartition("=")[2]
    return _value(name, value, read, equation=match[2] == "=")


def _two_equations(right: str) -> bool:
    r"""Whether a right side is that of two curves: `y = \pm 2x`."""
    return r"\pm" in right and bool(_VARIABLE.search(_COMMANDS.sub("", right).replace(r"\pm", "")))


def _value(name: str, value: str, read: Read, *, equation: bool) -> Key | None:
    found = read(value)
    if found is None or found.name:
        return None
    letter = found.kind == "text" and len(value.strip()) == 1
    if (found.kind == RESIDUE or letter) and equation and len(name) == 1 and not found.unit:
        return Key(EQUATION, (found, Key(RESIDUE, f"{name}={value.strip()}")), name=name)
    if found.kind == RESIDUE and (function := _FUNCTION.fullmatch(name)) is not None:
        bound = Key(RESIDUE, rf"{function[1]} \mapsto {found.value}", name=name[0])
        return bound._replace(alt=(found._replace(name=name[0]),))
    if equation and found.kind == "number" and re.fullmatch("[a-z]{2,3}", name):  # xy = 1 is a curve, too
        return found._replace(name=name, alt=(Key(RESIDUE, f"{name}={value.strip()}"),))
    return found._replace(name=name)


def _turned(text: str, read: Read) -> Key | None:
    """`5 = x`."""
    left, sign, right = text.partition("=")
    if not sign or "=" in right or not NAME.fullmatch(right.strip()) or _ANY_RELATION.search(left):
        return None
    if NAME.fullmatch(left.strip()) or len(split(left, _LISTED)) > 1:
        return None
    return _value(right.strip(), left.strip(), read, equation=True)


def _in_order(names: str, values: str, read: Read) -> Key | None:
    """`(x,y) = (1,2)`: the tuple with its names, which also says x = 1, y = 2."""
    told = [name.strip() for name in names.split(",")]
    found = read(values)
    if found is not None and found.kind == "set":
        return found._replace(name=",".join(told))
    if found is None or found.kind != "tuple" or not isinstance(found.value, tuple) or len(found.value) != len(told):
        return None
    single = [key._replace(name=name) for name, key in zip(told, found.value, strict=True) if isinstance(key, Key)]
    return found._replace(name=",".join(told), alt=(shaped("set", single),))


def point(text: str, read: Read) -> Key | None:
    """`A(1,2)`: a point with its name; `C(5,2)` also counts combinations, `P(5,2)` and `A(5,2)` permutations."""
    match = _POINT.fullmatch(text)
    if match is None or closing(match[2], 0) != len(match[2]) - 1 or len(split(match[2][1:-1], COMMA)) < 2:
        return None
    found = read(match[2])
    if found is None or found.kind != "tuple":
        return None
    found = found._replace(name=match[1] or "")
    counted = _COUNTED.fullmatch(text)
    if counted is None or int(counted[3]) > int(counted[2]):
        return found
    return found._replace(alt=(Key(RESIDUE, f"{counted[1]}_{{{counted[2]}}}^{{{counted[3]}}}"),))


def inequality(text: str, read: Read) -> Key | None:
    r"""`x > 5` and `1 <= x < 2` are the intervals they describe, named x; a letter elsewhere is left to a worker."""
    sides = [part.strip() for part in _RELATION.split(text)]
    if len(sides) == 5 and sides[1][0] == sides[3][0] and not NAME.fullmatch(sides[2]):
        return gathered("both", [_left(" ".join(sides[:3])), _left(" ".join(sides[2:]))])
    if len(sides) >= 5 and len({sign[0] for sign in sides[1::2]}) == 1 and all(map(_CHAINED.fullmatch, sides[::2])):
        return gathered("both", [_left(" ".join(sides[at : at + 3])) for at in range(0, len(sides) - 2, 2)])
    found = _ends(sides)
    if found is None:
        return None
    low, opened, name, closed, high = found
    if not NAME.fullmatch(name) or name[0] == "|" or _VARIABLE.search(_COMMANDS.sub("", f"{low or ''} {high or ''}")):
        return None
    first = MINUS_INFINITY if low is None else read(low)
    last = INFINITY if high is None else read(high)
    if first is None or last is None:
        return None
    span = interval("[" if opened == "<=" else "(", first, last, "]" if closed == "<=" else ")")
    return span._replace(name="".join(name.split()))


def _left(text: str) -> Key:
    return Key(RESIDUE, text)


def _ends(sides: list[str]) -> tuple[str | None, str, str, str, str | None] | None:
    """Low end and its sign, the name, sign of the high end and itself."""
    if len(sides) == 5 and sides[1][0] == sides[3][0]:
        if sides[1][0] == ">":
            sides = [part.translate(_MIRROR) if part[:1] in ("<", ">") else part for part in sides[::-1]]
        return sides[0], sides[1], sides[2], sides[3], sides[4]
    if len(sides) != 3:
        return None
    left, sign, right = sides
    if not NAME.fullmatch(left):
        left, sign, right = right, sign.translate(_MIRROR), left
    if sign[0] == "<":
        return None, "<", left, sign, right
    return right, sign.translate(_MIRROR), left, "<", None


def unequal(text: str, read: Read) -> Key | None:
    r"""`x \ne 2`: every number but one."""
    left, sign, right = (part.strip() for part in text.partition(r"\ne"))
    if not sign or _ANY_RELATION.search(left + right) or not NAME.fullmatch(left):
        return None
    apart = read(right)
    if apart is None or apart.kind not in ("number", RESIDUE) or _VARIABLE.search(_COMMANDS.sub("", right)):
        return None
    rays = [interval("(", MINUS_INFINITY, apart, ")"), interval("(", apart, INFINITY, ")")]
    return shaped("union", rays)._replace(name=left)


def bound(text: str, read: Read) -> Key | None:
    """`at least 5`, 至少五, `>= 5`: no value but a bound, whatever says it; also the interval of what it bounds."""
    if (signed := _SIGNED.fullmatch(text)) is not None:
        return _bounded(signed[1], signed[2], read)
    for table in (_BOUND, _MORE):
        for sign, words in table.items():
            if (match := words.fullmatch(text)) is not None:
                return _bounded(sign, match[1], read)
    return None


def _bounded(sign: str, end: str, read: Read) -> Key | None:
    found = read(end)
    if found is None or found.kind != "number":
        return None
    value = found._replace(unit="")
    closed = sign.endswith("=")
    span = (
        interval("[" if closed else "(", value, INFINITY, ")")
        if sign[0] == ">"
        else interval("(", MINUS_INFINITY, value, "]" if closed else ")")
    )
    return Key("bound", (sign, value), found.unit, alt=(span,))


def approximate(text: str, read: Read) -> Key | None:
    r"""`\pi \approx 3.14`: the exact side."""
    sides = _APPROXIMATELY.split(text)
    return read(sides[0].strip() or sides[1]) if len(sides) == 2 else None
