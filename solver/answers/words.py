"""The words that answers carry: units of both languages, function names, and words that mean the same in each.

Tables and their look-ups only. Units are canonical names, never conversions: 5 cm and 5 厘米 are one, 500 cm and 5 m
are two.
"""

import re

from solver.answers.numerals import chinese
from solver.answers.vocabulary import SAME as _SAME


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


_UNITS = {
    "cm": "cm centimeter centimeters centimetre centimetres 厘米 公分",
    "mm": "mm millimeter millimeters millimetre millimetres 毫米",
    "dm": "dm decimeter decimeters 分米",
    "m": "m meter meters metre metres 米",
    "km": "km kilometer kilometers kilometre kilometres 千米 公里",
    "in": "in inch inches 英寸",
    "ft": "ft foot feet 英尺",
    "mile": "mile miles mi 英里",
    "yd": "yard yards yd",
    "cm2": "cm^2 cm2 sqcm squarecentimeter squarecentimeters squarecentimetre squarecentimetres 平方厘米",
    "m2": "m^2 m2 sqm squaremeter squaremeters squaremetre squaremetres 平方米",
    "km2": "km^2 km2 squarekilometer squarekilometers squarekilometre squarekilometres 平方千米 平方公里",
    "dm2": "dm^2 dm2 squaredecimeter squaredecimeters 平方分米",
    "mm2": "mm^2 mm2 squaremillimeter squaremillimeters 平方毫米",
    "ft2": "ft^2 ft2 sqft squarefoot squarefeet",
    "in2": "in^2 in2 sqin squareinch squareinches 平方英寸",
    "mile2": "mile^2 mi^2 squaremile squaremiles sqmi 平方英里",
    "yd2": "yd^2 squareyard squareyards",
    "in3": "in^3 cubicinch cubicinches",
    "ft3": "ft^3 cubicfoot cubicfeet",
    "unit2": "squareunit squareunits sq.units 平方单位",
    "unit": "unit units 个单位 单位",
    "cm3": "cm^3 cm3 cc cubiccentimeter cubiccentimeters cubiccentimetre cubiccentimetres 立方厘米",
    "m3": "m^3 m3 cubicmeter cubicmeters cubicmetre cubicmetres 立方米",
    "dm3": "dm^3 dm3 立方分米",
    "unit3": "cubicunit cubicunits 立方单位",
    "g": "g gram grams 克",
    "kg": "kg kilogram kilograms 千克 公斤",
    "mg": "mg milligram milligrams 毫克",
    "t": "ton tons tonne tonnes 吨",
    "lb": "lb lbs 磅",
    "pounds": "pound pounds",
    "oz": "oz ounce ounces 盎司",
    "L": "l liter liters litre litres 升",
    "mL": "ml milliliter milliliters 毫升",
    "gal": "gallon gallons 加仑",
    "s": "s sec second seconds 秒 秒钟",
    "min": "min mins minute minutes 分钟",
    "fen": "分",
    "h": "h hr hrs hour hours 小时 个小时 时",
    "day": "day days 天 日 号",
    "week": "week weeks 周 星期 个星期",
    "month": "month months 月 个月",
    "year": "year years yearold yearsold 年 岁",
    "degree": "° degree degrees deg 度",
    "degC": "°c degreescelsius 摄氏度",
    "degF": "°f degreesfahrenheit",
    "rad": "rad radian radians 弧度",
    "km/h": "kmh kph",
    "mile/h": "mph",
    "dollar": "dollar dollars usd $ 美元",
    "cent": "cent cents ¢ 美分",
    "yen": "yen 日元 円 jpy",
    "euro": "euro euros € eur 欧元",
    "yuan": "yuan ¥ 元 块 元钱 块钱 rmb cny 人民币",
    "gbp": "£ gbp 英镑",
    "piece": "piece pieces 个 只 件 块儿",
    "person": "person persons people 人 个人 名 位",
    "time": "time times 次 倍",
    "way": "way ways 种 种方法",
    "book": "book books 本 本书",
    "apple": "apple apples 个苹果",
    **{one: one for one in "斤两亩里尺寸丈角毛层楼页行列排组班题道章节课句字户家所套份批箱桶罐碗包串束捆筐车"},
    **{one: one for one in "辆艘架间粒颗枚朵头匹张条支棵座盒袋瓶杯双对级站步圈局场门项期届台部队盏盆幅首篇封"},
    "joule": "joule joules 焦 焦耳",
    "newton": "newton newtons 牛 牛顿",
    "watt": "watt watts 瓦 瓦特",
    "volt": "volt volts 伏 伏特",
    "ampere": "ampere amperes amp amps 安 安培",
    "kelvin": "kelvin kelvins",
    "ohm": "ohm ohms 欧 欧姆",
    "₹": "₹ rupee rupees 卢比",
    "won": "₩ won 韩元",
    "hkd": "hkd 港元 港币",
    "nm": "nm nanometer nanometers 纳米",
    "um": "um μm micrometer micrometers micron microns 微米",
    "lightyear": "lightyear lightyears 光年",
    "kB": "kb kilobyte kilobytes",
    "MB": "mb megabyte megabytes",
    "GB": "gb gigabyte gigabytes",
    "TB": "tb",
    "kJ": "kj kilojoule kilojoules 千焦",
    "kWh": "kwh 千瓦时",
    "kPa": "kpa",
    "eV": "ev",
    "dB": "db 分贝",
    "kHz": "khz",
    "bit": "bit bits 比特",
    "byte": "byte bytes 字节",
    "rpm": "rpm",
    "cal": "cal calorie calories 卡",
    "kcal": "kcal 千卡 大卡",
    "pascal": "pascal pascals pa 帕",
    "hertz": "hertz hz 赫兹",
    "mol": "mol mole moles 摩尔",
    "hectare": "hectare hectares ha 公顷",
    "acre": "acre acres 英亩",
    "kW": "kw kilowatt kilowatts 千瓦",
    "student": "student students 名学生 个学生 位学生",
}
_CAPITAL = {"N": "newton", "J": "joule", "W": "watt", "V": "volt", "A": "ampere", "K": "kelvin"}
_UNIT = {alias: unit for unit, aliases in _UNITS.items() for alias in aliases.split()}
CURRENCY = frozenset("$€£¥¢")
AMBIGUOUS = {
    "pounds": ("gbp", "lb"), "fen": ("min",), "degree": ("degC", "degF"), "yen or yuan": ("yuan", "yen"),
}  # fmt: skip
"""Units whose name may mean either of two."""
_NOT_UNITS = _words(
    "and or to mod pi of is not if than for where sin cos tan cot csc log ln exp sqrt max gcd lcm choose over plus",
    "minus squared cubed hundred thousand million billion trillion percent am pm more less dozen",
)
_INVERSE = re.compile(r"([A-Za-z]+)\s*(?:\\cdot\s*)?([A-Za-z]+)\s*\^\s*\{?\s*-\s*([12])\s*\}?")
_POWERED = re.compile(r"([A-Za-z]+)\s*\^\s*\{?\s*([23])\s*\}?")
_BELOW = re.compile(r"([A-Za-z]{3,})\s*\^\s*\{?\s*-\s*1\s*\}?")
_PER = re.compile(r"\s*/\s*|\s+per\s+|每")
_MEASURE_WORDS = (*tuple("棵只条本支张头匹辆朵件台把块盒袋瓶杯双对枚粒颗座艘架间层"), "个", "名", "位")
_WORD = re.compile(r"[A-Za-z]+(?:[ -][A-Za-z]+){0,3}")
_HAN_UNIT = re.compile(r"[\u4e00-\u9fff]{1,6}")
_HAN_NUMERAL = re.compile(r"[零〇一二两三四五六七八九十百千万亿半或和与又点负至到约多几余]")


def unit(text: str, *, spaced: bool) -> str | None:
    """Canonical unit of the words after a number, or None when they are no unit.

    spaced: a space (or a text command) stood between number and words; without it a lone letter is a variable.
    Words outside the table are units as they stand (12 eggs), singular and in lower case.
    """
    if text.strip() in (r"\Omega", "Ω"):
        return "ohm"
    if text in _CAPITAL and spaced:
        return _CAPITAL[text]
    squeezed = text.replace(" ", "").replace("{", "").replace("}", "").lower()
    if squeezed in _UNIT:
        alone = len(squeezed) == 1 and squeezed.isascii() and squeezed.isalpha()
        return None if alone and not spaced else _UNIT[squeezed]
    return _combined(text, squeezed) or _as_it_stands(text, squeezed, spaced)


def _combined(text: str, squeezed: str) -> str | None:
    """A rate, or a unit to a power."""
    if "/" in text or " per " in text or "每" in text:
        return _rate(text)
    if (below := _BELOW.fullmatch(text.strip())) is not None and below[1] in _UNIT:
        return f"/{_UNIT[below[1]]}"
    if (inverse := _INVERSE.fullmatch(text.strip())) is not None:
        return _rate(f"{inverse[1]}/{inverse[2]}" + ("^2" if inverse[3] == "2" else ""))
    if (powered := _POWERED.fullmatch(text.strip())) is not None and (measure := unit(powered[1], spaced=True)):
        return measure + powered[2]
    return None


def _as_it_stands(text: str, squeezed: str, spaced: bool) -> str | None:
    if _HAN_UNIT.fullmatch(squeezed):
        return None if _HAN_NUMERAL.search(squeezed) else _counted(squeezed)
    words = text.lower().replace("-", " ").split()
    if not spaced or not _WORD.fullmatch(text) or len(words[0]) < 3 or not _NOT_UNITS.isdisjoint(words):
        return None
    return " ".join(_UNIT.get(word, _singular(word)) for word in words)


def known_unit(text: str) -> bool:
    """Whether the words begin with a unit of the table: 三角形 is no amount."""
    squeezed = text.replace(" ", "").lower()
    return any(squeezed[:length] in _UNIT for length in range(1, len(squeezed) + 1)) and squeezed not in _MEANING


def known_word(text: str) -> str | None:
    """What a word of the table of meanings says; also a verdict with its echo: yes, it is."""
    lowered = text.lower()
    if (echo := _ECHO.fullmatch(lowered)) is not None:
        lowered = echo[1]
    return _MEANING.get(lowered)


def _rate(text: str) -> str | None:
    """`km per hour`, 元/千克: one unit for each of another."""
    parts = [part.strip() for part in _PER.split(text)]
    if len(parts) != 2 or not all(parts):
        return None
    above, below = (unit(part.removeprefix("a ").removeprefix("each "), spaced=True) for part in parts)
    return f"{above}/{below}" if above and below else None


def _counted(words: str) -> str:
    """A measure word with what it counts: 棵树. Both count the same where no other thing is counted."""
    measure = next((one for one in _MEASURE_WORDS if words.startswith(one) and len(words) > len(one)), "")
    return f"{_UNIT.get(measure, measure)}|{words.removeprefix(measure)}" if measure else words


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word


FUNCTIONS = _words(
    "sin cos tan cot sec csc sinh cosh tanh arcsin arccos arctan arccot asin acos atan log ln lg exp sqrt max min gcd",
    "lcm det lim mod pi infty frac cdot times binom theta alpha beta gamma lambda",
)

_MEANING = {word: group.split()[0] for group in _SAME for word in group.split()}
_COMMANDS = re.compile(r"\\[A-Za-z]+")
_LETTERS = re.compile(r"[A-Za-z]{2,}")
_MATHS = re.compile(r"[\d+*/^=<>\\_|!]|(?<!\w)-|-(?=\d)")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_ARTICLES = re.compile(r"\b(?:the|a|an)\b")
_CALL = re.compile(r"(?<=\w)\((?!e?s\))")  # a bracket that opens within a word is no noise
_ECHO = re.compile(
    r"(yes|no)\s*,\s*(?:it|he|she|they|there|that|this|we|you|i)\s+(?:is|are|was|were|do|does|did|can|will|has|have)"
    r"(?:\s*not|n't)?"
)
_ORDINAL = re.compile("第([零一二三四五六七八九十百千]+)")
_NOISE = re.compile(r"[\s\"'“”‘’.,;:!?()\[\]{}$*]+")


def words(text: str, *, force: bool = False) -> str | None:
    """What a text answer says; None for what reads as mathematics, unless forced."""
    bare = _COMMANDS.sub(" ", text)
    plain = [word for word in _LETTERS.findall(bare) if word.lower() not in FUNCTIONS]
    wordy = _HAN.search(bare) or any(len(word) > 3 for word in plain)
    if len(text) == 1 and text.isascii() and text.isalpha():
        return text
    return meaning(text) if force or wordy or (plain and not _MATHS.search(text)) else None


def meaning(text: str) -> str:
    """What a text answer says: lower case, no articles, spaces or punctuation; one word for both languages."""
    lowered = _CALL.sub("<", text.casefold())
    squeezed = _NOISE.sub("", _ARTICLES.sub(" ", lowered)) or _NOISE.sub("", lowered)
    if squeezed[:1] == "第" and squeezed not in _MEANING:
        squeezed = _ORDINAL.sub(lambda place: f"第{chinese(place[1]) or place[1]}", squeezed)
    return _MEANING.get(squeezed, squeezed)
