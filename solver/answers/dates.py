"""Dates, times of day, months and days of the week, in both languages -> one key each; never a subtraction.

A time keeps its half of the day beside it, as a unit: 3:30 may be either 3:30 am or pm, 15:30 is 3:30 pm.
"""

import re
from fractions import Fraction

from solver.answers.keys import Key
from solver.answers.numerals import chinese

_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_MONTH = {name[:length]: number for number, name in enumerate(_MONTHS, 1) for length in (3, 4, len(name))}
_NAME = "(" + "|".join(sorted(_MONTH, key=len, reverse=True)) + r")\.?"
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(\d{4})"
_HAN = r"[\d零〇一二三四五六七八九十]"
_ISO = re.compile(rf"{_YEAR}([-/.])(\d{{1,2}})\2(\d{{1,2}})")
_YEAR_MONTH = re.compile(r"([12]\d{3})-(0[1-9]|1[0-2])")
_MONTH_FIRST = re.compile(rf"{_NAME}\s*(?:the\s+)?{_DAY}(?:(?:\s*,\s*|\s+){_YEAR})?", re.IGNORECASE)
_DAY_FIRST = re.compile(rf"(?:the\s+)?{_DAY}\s*(?:of\s+)?{_NAME}(?:(?:\s*,\s*|\s+){_YEAR})?", re.IGNORECASE)
_MONTH_YEAR = re.compile(rf"{_NAME}(?:\s*,\s*|\s+){_YEAR}", re.IGNORECASE)
_CHINESE = re.compile(rf"(?:({_HAN}{{2,4}})\s*年)?\s*({_HAN}{{1,3}})\s*月\s*(?:({_HAN}{{1,3}})\s*[日号])?")
_AMERICAN = re.compile(r"\d{1,2}/\d{1,2}/\d{4}")
_CLOCK = re.compile(
    r"(\d{1,2})(?::(\d{2})(?::(\d{2}))?)?\s*"
    r"(?:(a\.?\s?m\.?|p\.?\s?m\.?|noon|midnight)|(?:o'? ?clock)\s*([ap]\.?m\.?)?)?",
    re.IGNORECASE,
)
_CHINESE_CLOCK = re.compile(
    rf"(凌晨|早上|早晨|清晨|上午|中午|下午|傍晚|晚上|夜里)?\s*({_HAN}{{1,3}}|两)\s*(?:点钟?|时|:)\s*"
    rf"(?:(半)|(一刻|三刻)|(?:过|零)?({_HAN}{{1,3}})\s*分?|整)?(?:\s*({_HAN}{{1,3}})\s*秒)?"
)
_MORNING = ("凌晨", "早上", "早晨", "清晨", "上午")
_MONTH_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def moment(text: str) -> Key | None:
    """The key of a text that is a date or a time of day, else None."""
    lowered = text.lower().strip()
    return _date(lowered) or _time(lowered)


def _date(text: str) -> Key | None:
    if match := _CHINESE.fullmatch(text):
        return _chinese_date(match)
    if text.rstrip(".") in _MONTH:
        return Key("text", _MONTHS[_MONTH[text.rstrip(".")] - 1])
    if _AMERICAN.fullmatch(text):
        return Key("date", text)
    return _western_date(text)


def _western_date(text: str) -> Key | None:
    if match := _ISO.fullmatch(text):
        return _day(int(match[1]), int(match[3]), int(match[4]))
    if match := _YEAR_MONTH.fullmatch(text):
        return _day(int(match[1]), int(match[2]), 0)
    if match := _MONTH_FIRST.fullmatch(text):
        return _day(int(match[3] or 0), _MONTH[match[1]], int(match[2]))
    if match := _DAY_FIRST.fullmatch(text):
        return _day(int(match[3] or 0), _MONTH[match[2]], int(match[1]))
    if match := _MONTH_YEAR.fullmatch(text):
        return _day(int(match[2]), _MONTH[match[1]], 0)
    return None


def _chinese_date(match: re.Match[str]) -> Key | None:
    year, month, day = (int(chinese(part) or 0) if part else 0 for part in match.groups())
    if year or day:
        return _day(year, month, day)
    if not 1 <= month <= 12:
        return None
    return Key("text", _MONTHS[month - 1], alt=(Key("number", Fraction(month), "month of the year"),))


def _day(year: int, month: int, day: int) -> Key | None:
    if not 1 <= month <= 12 or not 0 <= day <= _MONTH_DAYS[month - 1]:
        return None
    return Key("date", f"{year}-{month}-{day}")


def _time(text: str) -> Key | None:
    if text in ("noon", "正午", "midday"):
        return _moment(12, 0, 0, "pm")
    if text in ("midnight", "午夜"):
        return _moment(12, 0, 0, "am")
    if match := _CLOCK.fullmatch(text):
        return _clock(match, text)
    if match := _CHINESE_CLOCK.fullmatch(text):
        return _chinese_clock(match)
    return None


def _clock(match: re.Match[str], text: str) -> Key | None:
    half = (match[4] or match[5] or "").replace(".", "").replace(" ", "")
    if not match[2] and not half and "clock" not in text:
        return None
    half = {"noon": "pm", "midnight": "am"}.get(half, half)
    found = _moment(int(match[1]), int(match[2] or 0), int(match[3] or 0), half)
    if found is None or half or match[3] or not match[2] or not int(match[2]) or not int(match[1]):
        return found
    terms = (Key("number", Fraction(1)), Key("number", Fraction(int(match[2]), int(match[1]))))
    return found._replace(alt=(Key("ratio", terms),))


def _chinese_clock(match: re.Match[str]) -> Key | None:
    part, hour, half, quarter, minute, second = match.groups()
    if "点" not in match[0] and not part:
        return None  # 3时 is a duration, 3:4 a ratio
    minutes = 30 if half else {"一刻": 15, "三刻": 45}.get(quarter or "", 0)
    minutes = int(chinese(minute) or 0) if minute else minutes
    hours = int(chinese(hour) or 0)
    side = "" if not part else "am" if part in _MORNING else "pm"
    if part == "中午" and hours == 11:
        side = "am"
    return _moment(hours, minutes, int(chinese(second) or 0) if second else 0, side)


def _moment(hour: int, minute: int, second: int, half: str) -> Key | None:
    """Minutes and seconds of half a day, and which half where it is known."""
    if hour > 24 or minute > 59 or second > 59:
        return None
    if hour > 12 or hour == 0 or (hour == 12 and not half):
        half = "am" if hour in (0, 24) else "pm"
    return Key("time", Fraction((hour % 12) * 3600 + minute * 60 + second), half)
