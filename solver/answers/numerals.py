"""Numbers in words: Chinese numerals (with or without Arabic digits in them) and English number words.

A small exact grammar each; anything outside it is not a number. `3万` is 30000 here and nowhere read as 3.
"""

import re
from fractions import Fraction

_DIGIT = {
    "零": 0, "〇": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9,
    "壹": 1, "贰": 2, "叁": 3, "肆": 4, "伍": 5, "陆": 6, "柒": 7, "捌": 8, "玖": 9,
}  # fmt: skip
_PLACE = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000}
_GROUP = {"万": 10**4, "亿": 10**8}
_ARABIC = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
_SCALED = re.compile(rf"({_ARABIC.pattern})\s*([十百千]?)([万亿]?亿?)零?")
_SIMPLE = frozenset(_DIGIT) | frozenset(_PLACE) | frozenset(_GROUP)
_RUN = re.compile("[零〇一二两三四五六七八九十百千万亿]+")
SPOKEN = re.compile("正负|零下|根号|圆周率|的[平立]方(?![根和差数米])")
"""What spoken_formula puts into signs."""
_HALVES = {"半": Fraction(1, 2), "一半": Fraction(1, 2)}
_LONGEST = 40


def chinese(text: str) -> Fraction | None:
    """三百二十五, 负五, 3.5万, 三分之二, 百分之五十, 三又二分之一, 三点一四, 一半."""
    if not text or len(text) > _LONGEST:
        return None
    if text[0] == "负":
        value = chinese(text[1:])
        return None if value is None else -value
    if "又" in text:
        parts = [chinese(part) for part in text.split("又", 1)]
        return None if parts[0] is None or parts[1] is None else parts[0] + parts[1]
    if "分之" in text:
        under, _, over = text.partition("分之")
        bottom, top = (Fraction(100) if under == "百" else chinese(under)), chinese(over)
        return None if top is None or not bottom else top / bottom
    if "点" in text and text[-1] in _GROUP and (part := chinese(text[:-1])) is not None:  # 十二点五万
        return part * _GROUP[text[-1]]
    return _HALVES.get(text) or _scaled(text) or _decimal(text)


def _scaled(text: str) -> Fraction | None:
    """3.5万; 3亿2千万 and 1万2000 piece by piece, every piece smaller than the place before it."""
    total, place, index = Fraction(0), 0, 0
    while index < len(text):
        match = _SCALED.match(text, index)
        if match is None:
            return None
        value, own = Fraction(match[1].replace(",", "")), 1
        for mark in match[2] + match[3]:
            own *= _PLACE.get(mark) or _GROUP[mark]
        if index and not (value * own < place and value.denominator == 1):
            return None
        total, place, index = total + value * own, own, match.end()
    return None if text.endswith("零") or not index else total


def spoken_formula(text: str) -> str:
    """2倍根号3, 二分之根号三, x的平方, 正负3 in signs; only for a text that `SPOKEN` finds something in."""
    text = (
        re.sub(r"零下(?=[\d一二两三四五六七八九十])", "-", text.replace("正负", "±"))
        .replace("圆周率", "π")
        .replace("负根号", "-根号")
    )
    if "根号" in text:
        text = re.sub("倍?根号下?", "√", text)
        text = _RUN.sub(lambda run: run[0] if (value := chinese(run[0])) is None else str(value), text)
        if (parted := re.fullmatch(r"(-?)\s*(\d{1,9})分之(.+)", text.replace("负", "-"))) is not None:
            text = rf"{parted[1]}\frac{{{parted[3]}}}{{{parted[2]}}}"
    text = re.sub(r"(?<=[A-Za-z\d)}])的平方(?![根和差数米])", "^{2}", text)
    return re.sub(r"(?<=[A-Za-z\d)}])的立方(?![根和差数米])", "^{3}", text)


def _decimal(text: str) -> Fraction | None:
    whole, dot, places = text.partition("点")
    integer = _integer(whole)
    if integer is None or any(mark not in _DIGIT for mark in places) or (dot and not places):
        return None
    return integer + Fraction(int("".join(str(_DIGIT[mark]) for mark in places) or "0"), 10 ** len(places))


def _integer(text: str) -> int | None:
    """Positional reading: sections below 万 gathered, then scaled; None outside the grammar."""
    if not text or any(mark not in _SIMPLE for mark in text):
        return None
    if len(text) > 1 and all(mark in _DIGIT for mark in text):  # digit by digit: 二〇二四; but 三五 is three to five
        if len(text) == 2 and not set(text) & set("零〇"):
            return None
        return int("".join(str(_DIGIT[mark]) for mark in text))
    total = section = 0
    digit: int | None = None
    last = ""
    for mark in text:
        if mark in _DIGIT:
            if digit:  # two digits side by side are not a positional number
                return None
            digit = _DIGIT[mark]
        elif mark in _PLACE:
            section += (1 if digit is None else digit) * _PLACE[mark]
            digit = None
        else:
            section += digit or 0
            total = (total + section) * _GROUP[mark] if mark == "亿" else total + section * _GROUP[mark]
            section, digit = 0, None
        last = mark
    colloquial = text[-2] if len(text) > 1 and digit else ""  # 三百五 is 350, 一万二 is 12000
    if digit and last in _DIGIT and colloquial in ("百", "千", "万"):
        return total + section + digit * {"百": 10, "千": 100, "万": 1000}[colloquial]
    return total + section + (digit or 0)


_ONES = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19,
}  # fmt: skip
_TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
_SCALE = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}
_PARTS = {
    "half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fourth": 4, "fourths": 4,
    "fifth": 5, "fifths": 5, "sixth": 6, "sixths": 6, "seventh": 7, "sevenths": 7, "eighth": 8, "eighths": 8,
    "ninth": 9, "ninths": 9, "tenth": 10, "tenths": 10, "twelfth": 12, "twelfths": 12, "sixteenths": 16,
    "twentieth": 20, "twentieths": 20, "hundredth": 100, "hundredths": 100, "thousandth": 1000, "thousandths": 1000,
}  # fmt: skip
_WORDS = re.compile(r"[a-z]+|\d+(?:,\d{3})*(?:\.\d+)?", re.IGNORECASE)
_LETTERS = re.compile(r"[A-Za-z0-9,. -]+")


def english(text: str) -> Fraction | None:
    """twenty-five, one hundred and two, two thirds, 3 million, negative four; None for any other word."""
    if len(text) > 2 * _LONGEST or not _LETTERS.fullmatch(text):
        return None
    words = [word.lower() for word in _WORDS.findall(text)]
    if words in ([], ["minus"], ["negative"]) or not any(word.isalpha() for word in words):
        return None
    sign = 1
    if words[0] in ("minus", "negative"):
        sign, words = -1, words[1:]
    if len(words) > 3 and words[-3:-1] == ["and", "a"] and words[-1] in ("half", "quarter", "third"):
        whole = _count(words[:-3])
        return None if whole is None else sign * (whole + Fraction(1, _PARTS[words[-1]]))
    if words == ["half"]:
        return sign * Fraction(1, 2)
    if words[0] in ("a", "an") and words[1:] and words[1] in ("hundred", *_SCALE):
        words[0] = "one"
    if len(words) > 1 and words[-1] in _PARTS:
        over = Fraction(1) if words[:-1] in (["a"], ["an"]) else _count(words[:-1])
        return None if over is None else sign * over / _PARTS[words[-1]]
    value = _count(words)
    return None if value is None else sign * value


def _count(words: list[str]) -> Fraction | None:
    if not words or words[0] in ("and", "hundred", *_SCALE):
        return None
    total, section = Fraction(0), Fraction(0)
    previous = ""
    for word in words:
        if word in _ONES:
            if previous in _ONES or previous[:1].isdigit() or (previous in _TENS and not 0 < _ONES[word] < 10):
                return None
            section += _ONES[word]
        elif word in _TENS:
            if previous in _ONES or previous in _TENS or previous[:1].isdigit():
                return None
            section += _TENS[word]
        elif word == "hundred":
            section *= 100
        elif word in _SCALE:
            total, section = total + section * _SCALE[word], Fraction(0)
        elif word[0].isdigit() and not previous:
            section = Fraction(word.replace(",", ""))
        elif word != "and" or previous not in ("hundred", *_SCALE):
            return None
        previous = word
    return total + section
