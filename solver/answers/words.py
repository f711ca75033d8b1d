"""The words that answers carry: units of both languages, function names, and words that mean the same in each.

Tables and their look-ups only. Units are canonical names, never conversions: 5 cm and 5 厘米 are one, 500 cm and 5 m
are two.
"""

import re


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


_UNITS = {
    "cm": "cm centimeter centimeters centimetre centimetres 厘米 公分",
    "mm": "mm millimeter millimeters millimetre millimetres 毫米",
    "dm": "dm decimeter decimeters 分米",
    "m": "m meter meters metre metres 米",
    "km": "km kilometer kilometers kilometre kilometres 千米 公里",
    "in": "inch inches 英寸",
    "ft": "ft foot feet 英尺",
    "mile": "mile miles mi 英里",
    "yd": "yard yards yd",
    "cm2": "cm^2 cm2 sqcm squarecentimeter squarecentimeters squarecentimetres 平方厘米",
    "m2": "m^2 m2 sqm squaremeter squaremeters squaremetre squaremetres 平方米",
    "km2": "km^2 km2 squarekilometer squarekilometers 平方千米 平方公里",
    "dm2": "dm^2 dm2 平方分米",
    "mm2": "mm^2 mm2 平方毫米",
    "ft2": "ft^2 ft2 sqft squarefoot squarefeet",
    "in2": "in^2 squareinch squareinches",
    "unit2": "squareunit squareunits sq.units 平方单位",
    "unit": "unit units 个单位 单位",
    "cm3": "cm^3 cm3 cubiccentimeter cubiccentimeters 立方厘米",
    "m3": "m^3 m3 cubicmeter cubicmeters 立方米",
    "dm3": "dm^3 立方分米",
    "unit3": "cubicunit cubicunits 立方单位",
    "g": "g gram grams 克",
    "kg": "kg kilogram kilograms 千克 公斤",
    "mg": "mg milligram milligrams 毫克",
    "t": "ton tons tonne tonnes 吨",
    "lb": "lb lbs pound pounds 磅",
    "oz": "oz ounce ounces 盎司",
    "L": "l liter liters litre litres 升",
    "mL": "ml milliliter milliliters 毫升",
    "gal": "gallon gallons 加仑",
    "s": "s sec second seconds 秒 秒钟",
    "min": "min mins minute minutes 分钟 分",
    "h": "h hr hrs hour hours 小时 个小时 时",
    "day": "day days 天 日",
    "week": "week weeks 周 星期 个星期",
    "month": "month months 月 个月",
    "year": "year years yearold yearsold 年 岁",
    "degree": "° degree degrees deg 度",
    "degC": "°c degreescelsius 摄氏度",
    "degF": "°f degreesfahrenheit",
    "rad": "rad radian radians 弧度",
    "m/s": "m/s meterspersecond 米/秒 米每秒",
    "km/h": "km/h kmh kph kilometersperhour 千米/时 千米/小时 公里/小时 千米每小时 公里每小时",
    "mph": "mph milesperhour",
    "dollar": "dollar dollars usd $ 美元",
    "cent": "cent cents ¢ 美分",
    "euro": "euro euros € eur 欧元",
    "yuan": "yuan ¥ 元 块 块钱 rmb cny 人民币",
    "gbp": "£ gbp 英镑",
    "piece": "piece pieces 个 只 件 块儿",
    "person": "person persons people 人 个人 名 位",
    "time": "time times 次 倍",
    "way": "way ways 种 种方法",
    "book": "book books 本 本书",
    "apple": "apple apples 个苹果",
    "student": "student students 名学生 个学生 位学生",
}
_UNIT = {alias: unit for unit, aliases in _UNITS.items() for alias in aliases.split()}
CURRENCY = frozenset("$€£¥¢")
_NOT_UNITS = _words(
    "and or to mod pi of is not if than for where sin cos tan cot csc log ln exp sqrt max gcd lcm choose over plus",
    "minus squared cubed hundred thousand million billion trillion percent am pm more less dozen",
)
_WORD = re.compile(r"[A-Za-z]+(?:[ -][A-Za-z]+){0,3}")
_HAN_UNIT = re.compile(r"[\u4e00-\u9fff]{1,6}")
_HAN_NUMERAL = re.compile(r"[零〇一二两三四五六七八九十百千万亿半或和与又点负至到约多几余]")


def unit(text: str, *, spaced: bool) -> str | None:
    """Canonical unit of the words after a number, or None when they are no unit.

    spaced: a space (or a text command) stood between number and words; without it a lone letter is a variable.
    Words outside the table are units as they stand (12 eggs), singular and in lower case.
    """
    squeezed = text.replace(" ", "").replace("{", "").replace("}", "").lower()
    if squeezed in _UNIT:
        alone = len(squeezed) == 1 and squeezed.isascii() and squeezed.isalpha()
        return None if alone and not spaced else _UNIT[squeezed]
    if _HAN_UNIT.fullmatch(squeezed):
        return None if _HAN_NUMERAL.search(squeezed) else squeezed
    words = text.lower().replace("-", " ").split()
    if not spaced or not _WORD.fullmatch(text) or len(words[0]) < 3 or not _NOT_UNITS.isdisjoint(words):
        return None
    return " ".join(_UNIT.get(word, _singular(word)) for word in words)


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 3 else word


FUNCTIONS = _words(
    "sin cos tan cot sec csc sinh cosh tanh arcsin arccos arctan arccot asin acos atan log ln lg exp sqrt max min gcd",
    "lcm det lim mod pi infty frac cdot times binom theta alpha beta gamma lambda",
)

_SAME = (
    "yes true correct right 是 是的 对 正确 真 能 可以 会",
    "no false incorrect wrong 否 不是 不对 错 错误 假 不能 不可以 不会",
    "east 东 东方 东边 东面", "west 西 西方 西边 西面", "south 南 南方 南边 南面", "north 北 北方 北边 北面",
    "northeast 东北 东北方", "northwest 西北 西北方", "southeast 东南 东南方", "southwest 西南 西南方",
    "monday 星期一 周一 礼拜一", "tuesday 星期二 周二 礼拜二", "wednesday 星期三 周三 礼拜三",
    "thursday 星期四 周四 礼拜四", "friday 星期五 周五 礼拜五", "saturday 星期六 周六 礼拜六",
    "sunday 星期日 星期天 周日 周天 礼拜天 礼拜日",
    "january 一月 1月", "february 二月 2月", "march 三月 3月", "april 四月 4月", "may 五月 5月", "june 六月 6月",
    "july 七月 7月", "august 八月 8月", "september 九月 9月", "october 十月 10月", "november 十一月 11月",
    "december 十二月 12月",
    "even 偶数 偶 even_number evennumber", "odd 奇数 奇 oddnumber", "prime 质数 素数 primenumber",
    "composite 合数 compositenumber", "red 红 红色", "blue 蓝 蓝色", "green 绿 绿色", "yellow 黄 黄色",
    "white 白 白色", "black 黑 黑色", "equal 相等 等于 一样 一样多", "increasing 递增 单调递增 增函数",
    "decreasing 递减 单调递减 减函数", "nosolution nosolutions 无解 norealsolution norealsolutions 无实数解 没有解",
    "doesnotexist dne 不存在 notexist", "undefined 无定义 没有意义 无意义",
    "cannotbedetermined 无法确定 不能确定 不确定",
    "infinitelymany 无数个 无穷多 无穷多个 无限多 infinitelymanysolutions 无穷多解",
    "acute 锐角 acutetriangle 锐角三角形", "right_triangle righttriangle 直角三角形", "obtuse 钝角 钝角三角形",
    "isosceles isoscelestriangle 等腰三角形 等腰", "equilateral equilateraltriangle 等边三角形 正三角形",
    "circle 圆", "ellipse 椭圆", "parabola 抛物线", "hyperbola 双曲线", "square 正方形", "rectangle 长方形 矩形",
    "parallel 平行", "perpendicular 垂直", "morning 早上 上午", "afternoon 下午", "evening 晚上",
)  # fmt: skip
_MEANING = {word: group.split()[0] for group in _SAME for word in group.split()}
_COMMANDS = re.compile(r"\\[A-Za-z]+")
_LETTERS = re.compile(r"[A-Za-z]{2,}")
_MATHS = re.compile(r"[\d+*/^=<>\\_|!]|(?<!\w)-|-(?=\d)")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_ARTICLES = re.compile(r"\b(?:the|a|an)\b")
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
    lowered = text.casefold()
    squeezed = _NOISE.sub("", _ARTICLES.sub(" ", lowered)) or _NOISE.sub("", lowered)
    return _MEANING.get(squeezed, squeezed)
