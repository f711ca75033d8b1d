r"""Numerals with a base -> their value: `1101_2`, `(25)_{\text{seven}}`, `0x1F`, `1010(二进制)`, `25 base 7`."""

import re
from fractions import Fraction

from solver.answers.keys import Key
from solver.answers.numerals import chinese, english

_NUMERAL = r"\(?\s*([0-9A-Fa-f]{1,64})\s*\)?"
_BASED = re.compile(rf"{_NUMERAL}\s*_\s*(?:\{{\s*([^{{}}]{{1,16}}?)\s*\}}|(\d{{1,2}})|\(\s*(\d{{1,2}})\s*\))")
_SAID = re.compile(
    rf"{_NUMERAL}\s*\(?\s*(?:in\s+)?(?:base[ -]?([a-z]+|\d{{1,2}})|(binary|octal|hexadecimal|decimal))\s*\)?", re.I
)
_CHINESE = re.compile(
    rf"(?:(二|三|四|五|六|七|八|九|十|十二|十六|\d{{1,2}})进制(?:数)?)?{_NUMERAL}(?:\s*\(?(二|三|四|五|六|七|八|九|十|十二|十六|\d{{1,2}})进制\)?)?"
)
_BINARY = re.compile(r"([01]{3,64})\s*\(2\)")
_PREFIXED = re.compile(r"0([xob])([0-9a-f]{1,64})", re.IGNORECASE)
_NAMES = {
    "binary": 2, "bin": 2, "b": 2, "octal": 8, "oct": 8, "o": 8, "decimal": 10, "dec": 10,
    "hexadecimal": 16, "hex": 16, "x": 16,
}  # fmt: skip
_DIGITS = "0123456789abcdef"


def based(text: str) -> Key | None:
    """The value of a text that is one numeral with its base; None where a digit does not belong to it."""
    if match := _PREFIXED.fullmatch(text):
        return _value(match[2], _NAMES[match[1].lower()])
    if match := _BASED.fullmatch(text):
        base = _base(match[2] or match[3] or match[4])
        plain = match[1][0].isdigit() or (base is not None and base > 10 and (len(match[1]) > 1 or base == 16))
        return _value(match[1], base) if plain else None
    if match := _SAID.fullmatch(text):
        return _value(match[1], _base(match[2] or match[3]))
    if match := _BINARY.fullmatch(text):
        return _value(match[1], 2)
    if "进制" in text and (match := _CHINESE.fullmatch(text)) and bool(match[1]) != bool(match[3]):
        return _value(match[2], _base(match[1] or match[3]))
    return None


def _base(text: str) -> int | None:
    text = text.strip().lower().strip("()").strip()
    text = re.sub(r"^base[ -]?", "", text).strip()
    if text in _NAMES:
        return _NAMES[text]
    if text.isdigit() and text.isascii():
        return int(text)
    named = english(text) if text.isascii() else chinese(text.removesuffix("进制"))
    return int(named) if named is not None and named.denominator == 1 and 2 <= named <= 16 else None


def _value(digits: str, base: int | None) -> Key | None:
    if base is None or not 2 <= base <= 16 or any(mark not in _DIGITS[:base] for mark in digits.lower()):
        return None
    return Key("number", Fraction(int(digits, base)))
