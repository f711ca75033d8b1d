r"""Readers of amounts: a number with its unit or currency, in either language, whole or in parts.

5 cm   $18   3万元   twelve eggs   两个半小时   3小时20分钟   八成   九折   5 remainder 2   3\sqrt{2} cm
"""

import re
from fractions import Fraction

from solver.answers.keys import RESIDUE, Key
from solver.answers.numbers import number
from solver.answers.numerals import chinese, english
from solver.answers.structures import Read
from solver.answers.words import CURRENCY, known_unit, unit

_LEADING_NUMBER = re.compile(
    r"([+-]?\s*(?:\d+\s*\\frac\s*\{\d+\}\s*\{\d+\}|\\frac\s*\{[\d.,]+\}\s*\{[\d.,]+\}|\d+\s+\d+/\d+"
    r"|(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+|\.)?(?:\s*/\s*\d+)?(?:\s*\\times\s*10\s*\^\s*(?:\{-?\d+\}|\d))?[万亿千百]*))"
    r"(\s*)(.+)",
    re.DOTALL,
)
_HAN_NUMBER = re.compile(r"([负零〇一二两三四五六七八九十百千万亿点分之又半]+)(.+)")
_WORD_NUMBER = re.compile(r"((?:[a-z]+[ -]){1,6}?)(?=[a-z]+(?: [a-z]+){0,2}$)", re.IGNORECASE)
_TRAILING_UNIT = re.compile(
    r"(.*?\S)(?:\s+((?:(?:square|cubic|sq\.?)\s+)?[A-Za-z]+(?:\s*\^\s*\{?\s*[23]\s*\}?)?|[A-Za-z]{1,3}/[A-Za-z]{1,3}(?:\^\{?2\}?)?)"
    r"|\s*([\u4e00-\u9fff]{1,4}|°))",
    re.DOTALL,
)
_CODES = {"US$": "dollar", "USD": "dollar", "RMB": "yuan", "CNY": "yuan", "人民币": "yuan", "EUR": "euro", "GBP": "gbp",
          "JPY": "yen", "RS": "₹", "RS.": "₹", "INR": "₹"}  # fmt: skip
_CODE = re.compile(
    r"(US\$|USD|HK\$|NT\$|A\$|C\$|RMB|CNY|EUR|GBP|JPY|INR|Rs\.?|₹|₽|₩|人民币)\s*(-?[\d.].*)", re.IGNORECASE
)
_RATED = re.compile(r"(-?[\d.,]+)\s*(?:/\s*|(?:per|an?)\s+|每)([A-Za-z]+|[\u4e00-\u9fff]{1,3})")
_CONSTANT = re.compile(r"\\(?:sqrt|pi|frac)")
_VARIABLE = re.compile(r"[A-Za-df-z]")
_COMMANDS = re.compile(r"\\[A-Za-z]+")
_RATE_FIRST = re.compile(r"每([\u4e00-\u9fff]{1,3}?)\s*([\d零一二两三四五六七八九十百].*)")
_HALF_UNIT = re.compile(
    r"(\d+|[零一二两三四五六七八九十百]+)(个?)半(.{1,4})|(\d+|[一二两三四五六七八九十百]+)(\D{1,4}?)半"
)
_COMPOUND = re.compile(
    r"(\d+(?:\.\d+)?|[零一二两三四五六七八九十百]+)\s*((?:[A-Za-z]+|[^\d\s零一二两三四五六七八九十百A-Za-z,]{1,4}))\s*(?:,?\s*and\s+|,\s*)?"
)
_TENTHS = re.compile(r"([一二三四五六七八九\d])(?:\s*)成(?:([一二三四五六七八九半])|)")
_DISCOUNT = re.compile(r"([一二三四五六七八九]{1,2}|\d(?:\.\d)?|\d{2})\s*折")
_ARC = re.compile(r"(\d{1,6})\s*°\s*(?:(\d{1,6}(?:\.\d+)?)\s*')?\s*(?:(\d{1,6}(?:\.\d+)?)\s*'')?(?<=[°'])")
_REMAINDER = re.compile(
    r"(.+?)\s*(?:,?\s*(?:with\s+)?(?:a\s+)?(?:remainder|rem\.?)\s*(?:of\s+)?|\s*R\s*|\s*r\s+|\s*\.\.\.(?:\.\.\.)?\s*|,?\s*余数?\s*)(\d+)"
)


def rate_first(text: str, read: Read) -> Key | None:
    """每小时60千米: the rate said before its amount."""
    match = _RATE_FIRST.fullmatch(text)
    if match is None:
        return None
    found, below = read(match[2]), unit(match[1], spaced=True)
    if found is None or found.kind != "number" or not found.unit or not below:
        return None
    return found._replace(unit=f"{found.unit}/{below}")


def amount(text: str, read: Read) -> Key | None:
    """A number with a unit after it or a currency before it."""
    if text[0] in CURRENCY or text[:2] in ("-$", "-€", "-£", "-¥"):
        return _money(text, read)
    if (match := _CODE.fullmatch(text)) is not None and (found := read(match[2])) is not None and not found.unit:
        return found._replace(unit=_CODES.get(match[1].upper(), match[1].upper())) if found.kind == "number" else None
    for pattern in (_LEADING_NUMBER, _HAN_NUMBER):
        if (match := pattern.fullmatch(text)) is None or not match[1].strip():
            continue
        for cut in range(max(1, len(match[1]) - 2), len(match[1]) + 1):  # the longest unit first: 千米 before 米
            head, tail = match[1][:cut], text[cut:]
            measure = unit(tail.strip(), spaced=tail[:1] == " ")
            plain = pattern is _LEADING_NUMBER or known_unit(tail)
            if measure and plain and (value := number(head.strip())) is not None:
                return Key("number", value, measure)
    return _in_words(text)


def _money(text: str, read: Read) -> Key | None:
    mark = text[1] if text[0] == "-" else text[0]
    bare = text.replace(mark, "", 1)
    if (rated := _RATED.fullmatch(bare.strip())) is not None:
        value, below = number(rated[1]), unit(rated[2], spaced=True)
        return Key("number", value, f"{unit(mark, spaced=False)}/{below}") if value is not None and below else None
    found = read(bare) if bare.strip() else None
    if found is None or found.kind not in ("number", RESIDUE):
        return None
    return found._replace(unit=found.unit or unit(mark, spaced=False) or "")


def _in_words(text: str) -> Key | None:
    """`three apples`: number words, then the unit."""
    words = text.split(" ")
    if not 2 <= len(words) <= 8 or not text[0].isalpha() or not text.isascii():
        return None
    for cut in range(len(words) - 1, 0, -1):
        value = english(" ".join(words[:cut])) if words[cut - 1].lower() != "and" else None
        if value is not None and (measure := unit(" ".join(words[cut:]), spaced=True)):
            return Key("number", value, measure)
    return None


def compound(text: str, read: Read) -> Key | None:
    """`3小时20分钟`, `2 hours 30 minutes`, `3元5角`: an amount in two units or more, each as it stands."""
    parts: list[Key] = []
    index = 0
    while index < len(text):
        match = _COMPOUND.match(text, index)
        value = number(match[1]) if match else None
        measure = unit(match[2], spaced=True) if match and value is not None else None
        if match is None or value is None or not measure:
            return None
        measure = "min" if measure == "fen" and parts and parts[-1].unit in ("h", "degree") else measure
        parts.append(Key("number", value, measure))
        index = match.end()
    different = len({part.unit for part in parts}) == len(parts)
    return Key("amounts", tuple(parts)) if len(parts) > 1 and different else None


def half_more(text: str, read: Read) -> Key | None:
    """`两个半小时`, `三年半`: a half beside the whole."""
    match = _HALF_UNIT.fullmatch(text)
    if match is None:
        return None
    value = number(match[1] or match[4])
    measure = unit((match[2] or "") + match[3] if match[3] else match[5], spaced=True)
    measure = unit(match[3], spaced=True) if match[3] and unit(match[3], spaced=True) else measure
    return None if value is None or not measure else Key("number", value + Fraction(1, 2), measure)


def share(text: str, read: Read) -> Key | None:
    """`八成`, `七成五`, `九折`, `八五折`, `5‰`: parts of a whole, as Chinese has them."""
    if match := _TENTHS.fullmatch(text):
        tenths, rest = (
            chinese(match[1]) or number(match[1]),
            Fraction(5) if match[2] == "半" else chinese(match[2] or "零"),
        )
        return None if tenths is None or rest is None else Key("number", tenths / 10 + rest / 100)
    if match := _DISCOUNT.fullmatch(text):
        digits = [number(mark) for mark in match[1]] if len(match[1]) == 2 else [number(match[1])]
        known = [digit for digit in digits if digit is not None]
        if len(known) < len(digits):
            return None
        return Key("number", sum((digit / 10**place for place, digit in enumerate(known, 1)), Fraction(0)))
    value = number(text[:-1].strip()) if text[-1] == "‰" else None
    return None if value is None else Key("number", value / 1000)


def arc(text: str, read: Read) -> Key | None:
    """`30°15'`: degrees, minutes and seconds of arc."""
    match = _ARC.fullmatch(text)
    if match is None:
        return None
    told = zip(match.groups(), ("degree", "arc minute", "arc second"), strict=True)
    parts = tuple(Key("number", Fraction(value), measure) for value, measure in told if value)
    return parts[0] if len(parts) == 1 else Key("amounts", parts)


def remainder(text: str, read: Read) -> Key | None:
    """`5 remainder 2`, `5 R 2`, `5余2`, `5……2`: a quotient and what is left."""
    match = _REMAINDER.fullmatch(text)
    if match is None:
        return None
    quotient, rest = number(match[1].strip()), number(match[2])
    if quotient is None or rest is None:
        return None
    return Key("remainder", (Key("number", quotient), Key("number", rest)))


def measured_expression(text: str, read: Read) -> Key | None:
    r"""`3\sqrt{2} cm`: a constant expression and a unit."""
    match = _TRAILING_UNIT.fullmatch(text)
    if match is None or _VARIABLE.search(_COMMANDS.sub("", match[1])) or not _CONSTANT.search(match[1]):
        return None
    measure = unit(match[2] or match[3], spaced=True)
    return Key(RESIDUE, match[1].strip(), measure) if measure else None
