"""A line of calculation -> its result: `55 + 36 = 91` is 91, `A = bh/2 = 12` names 12, an equation to solve is nothing.

Used on short texts only, by the rules for statements and for last lines.
"""

import re

NUMBER = (
    r"(?:[-−－+±]\s?)?(?:\\?[$￥¥€£]\s?)?(?:\d{1,3}(?:(?:,|\{,\})\d{3})+(?!\d)|\d+)(?:[.．]\d+)?"
    r"(?:\s?[/／]\s?\d+(?:\.\d+)?)?(?:\s?\\?[%％]|\s?(?:°|℃)[CF]?)?"
)
"""A number as it is written in a sentence: sign, currency, thousands, decimals, fraction, percent, degrees."""

UNIT = (
    r"(?:\s?(?:\\?%|°|℃)|\s?[\u4e00-\u9fff]{1,5}[²³]?|\s?[（(][\u4e00-\u9fff]{1,4}[)）]"
    r"|\s(?:(?:square|cubic)\s)?[A-Za-z]{1,12}(?:\^?[23])?(?:\s?(?:per|/)\s?[A-Za-z]{1,9})?)?"
)
_FORMULA = r"\$\$.{1,400}?\$\$|\$[^$\n]{1,400}\$|\\\(.{1,400}?\\\)|\\\[.{1,400}?\\\]"
_ALONE = re.compile(
    rf"(?:{NUMBER}{UNIT}|[（(]?[A-HＡ-Ｈ][)）]?|(?:{_FORMULA}){UNIT}"
    r"|[-+]?\d*\\(?:d?frac|sqrt|pi|text|mathrm|left|infty|pm|begin)\b[^\u4e00-\u9fff]{0,300}"
    r"|[-−(\[{\d√πx][-−\d\s.,/^*+√πex()\[\]{}∞∪]{0,60})",
    re.DOTALL,
)
_NAME = re.compile(
    r"[A-Z](?:\s?(?:\\cap|\\cup|\\setminus|∩|∪)\s?[A-Z]){1,3}"
    r"|\\?[A-Za-zα-ωΔ∠△°]{1,8}(?:_\{?\w{1,4}\}?)?'?(?:\s?[(（][\w,\s-]{1,12}[)）])?|[\u4e00-\u9fff]{1,12}"
    r"|(?:[A-Za-z]{2,12}\s){0,3}[A-Za-z]{2,12}"
)
_SIGNS = r"\d\s.,+\-−*/×÷·^()（）\[\]%$¥￥\\{}:"
_ARITHMETIC = re.compile(rf"[{_SIGNS}]*(?:\\(?:times|div|cdot|d?frac|left|right|sqrt)[{_SIGNS}]*)*")
_UNIT_WORDS = re.compile(
    r"(?<=\d)(?:\s?[\u4e00-\u9fff]{1,4}|\s[A-Za-z]{2,9}|\s[mgshL]\b|(?:cm|mm|km|kg|ml|dm)\b)|（[\u4e00-\u9fff]{1,3}）"
)
_PROSE = re.compile(r"[A-Za-z]{4,}\s|[\u4e00-\u9fff]")
_BRACKETED_UNIT = re.compile(r"(?<=[\d})])\s?[（(]([\u4e00-\u9fff]{1,4})[)）]$")

_SEVERAL = re.compile(r"\b(?:or|and)\b|或|和|，|、|;|；|,(?!\d{3})")
_VALUE = r"[-−+]?[\d./√]*(?:\\[A-Za-z]+\{[^{}]*\}(?:\{[^{}]*\})?)?[\d.]*"
_SOLUTIONS = re.compile(
    rf"[A-Za-z]\w?(?:_\{{?\w\}}?)?\s?=\s?{_VALUE}(?:(?:\s?[,，、;；]\s?|\s?\b(?:or|and)\b\s?|\s?[或和]\s?){{1,2}}"
    rf"(?:[A-Za-z]\w?(?:_\{{?\w\}}?)?\s?=\s?)?{_VALUE}){{1,6}}"
)


def solutions(text: str) -> bool:
    """Whether a text is nothing but values of unknowns: `x = 2 or x = 3`."""
    return _SOLUTIONS.fullmatch(text) is not None


def alone(text: str) -> bool:
    """Whether a text is nothing but a value: a number with its unit, a letter, a formula."""
    return _ALONE.fullmatch(text) is not None


def named(text: str) -> bool:
    """Whether a text begins with the name of a quantity."""
    return _NAME.match(text) is not None


def plain_unit(text: str) -> str:
    """`36（元）` as `36元`."""
    return _BRACKETED_UNIT.sub(r"\1", text)


def result(text: str) -> str | None:
    """The right side of a calculation, with its name if that is all it has; None for anything else."""
    left, mark, right = text.strip("$ ").rpartition("=")
    right = right.strip("& ").rstrip("\\ ")
    if (
        not mark
        or not right
        or "$" in left + right[1:]
        or _SEVERAL.search(left)
        or left.rstrip().endswith(("<", ">", "!", ":"))
    ):
        return None
    sides = [side.strip("& ").rstrip("\\ ") for side in left.split("=")]
    if any(side.count("{") != side.count("}") for side in sides):
        return None
    name = _NAME.fullmatch(sides[0]) is not None
    calculated = sides[1:] if len(sides) > 1 and re.search(r"\d\s?[-+*/×]", sides[-1]) else sides
    if not name and not all(_ARITHMETIC.fullmatch(_UNIT_WORDS.sub("", side)) for side in calculated):
        return None
    if not alone(right) and not (name and len(sides) == 1 and not _PROSE.search(right)):
        return None
    return (
        f"{sides[0]} = {right}"
        if name and len(sides) == 1 and sides[0].isascii() and " " not in sides[0]
        else plain_unit(right)
    )
