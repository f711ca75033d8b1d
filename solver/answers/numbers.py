r"""Normal text -> an exact rational number, or None. Never a float, never `eval`, every size capped.

Reads integers, decimals, thousands separators, fractions, mixed numbers, percent, scientific notation, small
powers, repeating decimals, Chinese numerals (三分之二, 3万, 二十五) and English number words.
"""

import re
from fractions import Fraction

from solver.answers.numerals import chinese, english

DIGITS = 300  # no number in an answer needs more; `int()` on hostile digits is quadratic
_EXPONENT = 400

_N = r"(?:\d{1,3}(?:,\d{3})+|\d{1,3}(?: \d{3})+|\d+)(?:\.\d*)?|\.\d+"
_FRACTION = rf"\\frac\s*\{{\s*([+-]?(?:{_N}))\s*\}}\s*\{{\s*([+-]?(?:{_N}))\s*\}}"
_PLAIN = re.compile(rf"({_N})")
_SLASH = re.compile(rf"\(?\s*({_N})\s*\)?\s*/\s*\(?\s*({_N})\s*\)?")
_FRAC = re.compile(_FRACTION)
_MIXED = re.compile(rf"(\d+)\s*(?:{_FRACTION})|(\d+)(?:\s+and\s+|\s+|\s*\+\s*|\s*又\s*)(\d+)\s*/\s*(\d+)")
_SCIENTIFIC = re.compile(rf"({_N})\s*(?:\\times|\\cdot|\*|[xX])\s*10\s*\^\s*\{{?\s*([+-]?\d{{1,4}})\s*\}}?")
_E = re.compile(rf"({_N})[eE]([+-]?\d{{1,3}})")
_POWER = re.compile(r"(\d{1,9})\s*\^\s*(?:\{\s*([+-]?\d{1,3})\s*\}|(\d{1,3}))")
_REPEATING = re.compile(r"(\d*)\.(\d*)(?:\\(?:overline|bar|dot)\s*\{(\d+)\}|\((\d+)\))(?:\.\.\.)?")
_TWO_DOTS = re.compile(r"(\d*)\.(\d*)\\dot\s*\{(\d)\}(\d*)\\dot\s*\{(\d)\}")
_ELLIPSIS = re.compile(r"(\d*)\.(\d*?)(\d{1,6}?)\3{2,}\.\.\.")
_DOTTED = re.compile(r"(\d{1,3}(?:\.\d{3}){2,}|\d{1,3}(?:\.\d{3})+(?=,))(?:,(\d+))?|(\d{1,3}(?:_\d{3})+)")
_PERCENT = re.compile(r"\s*(?:%|per ?cent|percentage points?|个百分点)$", re.IGNORECASE)
_LONG_DECIMAL = 10


def number(text: str) -> Fraction | None:
    """The value of `text` when the whole of it is one number, else None."""
    if text.isdigit() and text.isascii():
        return Fraction(int(text)) if len(text) <= DIGITS else None
    if len(text) > DIGITS:
        return None
    scale = 1
    if percent := _PERCENT.search(text):
        text, scale = text[: percent.start()], 100
    sign, body = _signed(text)
    value = _unsigned(body)
    return None if value is None else sign * value / scale


def _signed(text: str) -> tuple[int, str]:
    sign, text = 1, text.strip()
    if text[:1] in ("+", "-"):
        sign, text = (-1 if text[0] == "-" else 1), text[1:].strip()
    return sign, text


def _unsigned(text: str) -> Fraction | None:
    if match := _PLAIN.fullmatch(text):
        return decimal(match[1])
    if (match := _FRAC.fullmatch(text)) or (match := _SLASH.fullmatch(text)):
        return _ratio(match[1], match[2])
    if not any("0" <= mark <= "9" for mark in text):
        return chinese(text) if not text.isascii() else english(text)
    for reader in (_mixed, _powers, _repeating, _dotted):
        if (value := reader(text)) is not None:
            return value
    return chinese(text) if not text.isascii() else english(text)


def decimal(text: str) -> Fraction | None:
    """A plain decimal with optional separators, exactly; one of 10 or more significant digits that is the rounding
    of a simple fraction is that fraction (0.3333333333 is 1/3, as 1.1111111111111112 is 10/9)."""
    digits = text.replace(",", "").replace(" ", "")
    if len(digits) > DIGITS:
        return None
    value = Fraction(digits.rstrip(".") if not digits.startswith(".") else "0" + digits)
    places = len(digits.partition(".")[2])
    significant = len(digits.replace(".", "").lstrip("0"))
    if places and significant >= _LONG_DECIMAL:
        return _simplest(value, places, significant)
    return value


def _simplest(value: Fraction, places: int, significant: int) -> Fraction:
    # Machine floats err in the 16th or 17th digit; below that a decimal is the fraction that rounds to it. So few
    # denominators are tried that a random decimal of that length meets one in fewer than 1 of 1,000 cases.
    kept = places - max(0, significant - 15)
    if kept <= 0:
        return value
    near = value.limit_denominator(10 ** (min(significant, 15) // 2 - 2))
    limit = Fraction(1, 10**kept) if significant > 15 else Fraction(1, 2 * 10**kept)
    return near if abs(near - value) <= limit else value


def _ratio(over: str, under: str) -> Fraction | None:
    (sign, above), (other, below) = _signed(over), _signed(under)
    top, bottom = decimal(above), decimal(below)
    return None if top is None or not bottom else sign * other * top / bottom


def _mixed(text: str) -> Fraction | None:
    match = _MIXED.fullmatch(text)
    if match is None:
        return None
    whole, over, under = (group for group in match.groups() if group is not None)
    part = _ratio(over, under)
    return None if part is None or not 0 <= part < 1 else Fraction(int(whole)) + part


def _powers(text: str) -> Fraction | None:
    if (match := _SCIENTIFIC.fullmatch(text)) or (match := _E.fullmatch(text)):
        mantissa, exponent = decimal(match[1]), int(match[2])
        return None if mantissa is None or abs(exponent) > _EXPONENT else mantissa * Fraction(10) ** exponent
    if match := _POWER.fullmatch(text):
        mantissa, exponent = Fraction(int(match[1])), int(match[2] or match[3])
        if len(match[1]) * abs(exponent) > _EXPONENT or (mantissa == 0 and exponent <= 0):
            return None
        return mantissa**exponent
    return None


def _dotted(text: str) -> Fraction | None:
    """1.234.567, 1.234,5 as on the continent, and 1_000_000 as in programs."""
    match = _DOTTED.fullmatch(text)
    if match is None:
        return None
    whole = (match[1] or match[3]).replace(".", "").replace("_", "")
    return Fraction(f"{whole}.{match[2] or 0}")


def _repeating(text: str) -> Fraction | None:
    if match := _TWO_DOTS.fullmatch(text):
        whole, lead, cycle = match[1], match[2], match[3] + match[4] + match[5]
    elif match := _REPEATING.fullmatch(text):
        whole, lead, cycle = match[1], match[2], match[3] or match[4]
    elif match := _ELLIPSIS.fullmatch(text):
        whole, lead, cycle = match[1], match[2], match[3]
    else:
        return None
    head = Fraction(int((whole + lead) or "0"), 10 ** len(lead))
    return head + Fraction(int(cycle), 10 ** len(lead) * (10 ** len(cycle) - 1))
