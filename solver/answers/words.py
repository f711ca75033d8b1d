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
    "yuan": "yuan ¥ 元 块 块钱 rmb cny 人民币",
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
    "pascal": "pascal pascals pa 帕",
    "hertz": "hertz hz 赫兹",
    "mol": "mol mole moles 摩尔",
    "hectare": "hectare hectares ha 公顷",
    "acre": "acre acres 英亩",
    "kW": "kw kilowatt kilowatts 千瓦",
    "student": "student students 名学生 个学生 位学生",
}
_CAPITAL = {"N": "newton", "J": "joule", "W": "watt", "V": "volt", "A": "ampere", "K": "kelvin", "Ω": "ohm"}
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
    """What a word of the table of meanings says."""
    return _MEANING.get(text.lower())


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

_SAME = (
    "yes true correct right 是 是的 对 正确 真 能 可以 会",
    "no false incorrect wrong 否 不是 不对 错 错误 假 不能 不可以 不会",
    "east 东 东方 东边 东面", "west 西 西方 西边 西面", "south 南 南方 南边 南面", "north 北 北方 北边 北面",
    "northeast 东北 东北方", "northwest 西北 西北方", "southeast 东南 东南方", "southwest 西南 西南方",
    "left 左 左边 左侧", "up 上 上面 向上 upward upwards", "down 下 下面 向下 downward downwards",
    "clockwise 顺时针 顺时针方向", "counterclockwise anticlockwise 逆时针 逆时针方向",
    "monday mon 星期一 周一 礼拜一", "tuesday tue tues 星期二 周二 礼拜二", "wednesday wed 星期三 周三 礼拜三",
    "thursday thu thur thurs 星期四 周四 礼拜四", "friday fri 星期五 周五 礼拜五", "saturday sat 星期六 周六 礼拜六",
    "sunday sun 星期日 星期天 周日 周天 礼拜天 礼拜日",
    "spring 春天 春季 春", "summer 夏天 夏季 夏", "autumn fall 秋天 秋季 秋", "winter 冬天 冬季 冬",
    "even 偶数 偶 evennumber", "odd 奇数 奇 oddnumber", "prime 质数 素数 primenumber",
    "composite 合数 compositenumber", "evenfunction 偶函数", "oddfunction 奇函数", "rational 有理数 rationalnumber",
    "irrational 无理数 irrationalnumber", "integer 整数", "positive 正数 正的", "negative 负数 负的",
    "red 红 红色", "blue 蓝 蓝色", "green 绿 绿色", "yellow 黄 黄色", "white 白 白色", "black 黑 黑色",
    "orange 橙色 橙", "purple 紫 紫色", "pink 粉色 粉红 粉红色", "brown 棕色 褐色", "gray grey 灰 灰色",
    "greaterthan greater > 大于", "lessthan less < 小于", "equal = equalto 相等 等于 一样 一样多",
    "notequal 不相等 不等",
    "increasing 递增 单调递增 增函数 increasingfunction", "decreasing 递减 单调递减 减函数 decreasingfunction",
    "increase increases 增加 增大 变大", "decrease decreases 减少 减小 变小", "unchanged nochange 不变",
    "nosolution nosolutions 无解 没有解 方程无解 原方程无解 thereisnosolution",
    "norealsolution norealsolutions norealroots norealroot 无实数解 无实数根 无实根 没有实数根 方程无实数根",
    "doesnotexist dne 不存在 notexist", "undefined 无定义 没有意义 无意义", "exist exists 存在",
    "cannotbedetermined 无法确定 不能确定 不确定 cannotdetermine notenoughinformation",
    "infinitelymany 无数个 无穷多 无穷多个 无限多 infinitelymanysolutions 无穷多解 无数解 无数组解",
    "acute 锐角 acutetriangle 锐角三角形", "righttriangle 直角三角形", "obtuse 钝角 钝角三角形 obtusetriangle",
    "isosceles isoscelestriangle 等腰三角形 等腰", "equilateral equilateraltriangle 等边三角形 正三角形",
    "isoscelesrighttriangle rightisoscelestriangle 等腰直角三角形", "triangle 三角形", "rightangle 直角",
    "circle 圆 圆形", "ellipse 椭圆", "parabola 抛物线", "hyperbola 双曲线", "square 正方形", "rectangle 长方形 矩形",
    "parallelogram 平行四边形", "rhombus 菱形", "trapezoid trapezium 梯形", "pentagon 五边形", "hexagon 六边形",
    "octagon 八边形", "cube 正方体 立方体", "cylinder 圆柱 圆柱体", "cone 圆锥 圆锥体", "sphere 球 球体", "line 直线",
    "cuboid rectangularprism 长方体", "pyramid 棱锥", "point 点",
    "parallel 平行", "perpendicular 垂直", "intersecting intersect 相交", "tangent 相切",
    "morning 早上 上午", "afternoon 下午", "evening 晚上", "today 今天", "tomorrow 明天", "yesterday 昨天",
    "heads head 正面", "tails tail 反面", "boy 男孩", "girl 女孩", "boys 男生", "girls 女生",
    "possible 可能", "impossible 不可能", "certain 必然 一定", "always 总是", "never 从不", "sometimes 有时",
    "sufficientbutnotnecessary sufficientbutnotnecessarycondition 充分不必要条件 充分不必要 充分而不必要条件",
    "necessarybutnotsufficient necessarybutnotsufficientcondition 必要不充分条件 必要不充分 必要而不充分条件",
    "necessaryandsufficient necessaryandsufficientcondition 充要条件 充分必要条件 充要",
    "neithersufficientnornecessary neithersufficientnornecessarycondition 既不充分也不必要条件 既不充分也不必要",
    "diverges divergent diverge 发散", "converges convergent converge 收敛",
    "first 1st 第一 第1", "second 2nd 第二 第2", "third 3rd 第三 第3", "fourth 4th 第四 第4", "fifth 5th 第五 第5",
    "sixth 6th 第六 第6", "seventh 7th 第七 第7", "eighth 8th 第八 第8", "ninth 9th 第九 第9", "tenth 10th 第十 第10",
    "cat 猫", "dog 狗", "bird 鸟", "fish 鱼", "rabbit 兔子", "teacher 老师", "student 学生",
    "firstquadrant quadranti 第一象限", "secondquadrant quadrantii 第二象限", "thirdquadrant quadrantiii 第三象限",
    "fourthquadrant quadrantiv 第四象限",
)  # fmt: skip
_MEANING = {word: group.split()[0] for group in _SAME for word in group.split()}
_COMMANDS = re.compile(r"\\[A-Za-z]+")
_LETTERS = re.compile(r"[A-Za-z]{2,}")
_MATHS = re.compile(r"[\d+*/^=<>\\_|!]|(?<!\w)-|-(?=\d)")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_ARTICLES = re.compile(r"\b(?:the|a|an)\b")
_CALL = re.compile(r"(?<=\w)\((?!e?s\))")  # a bracket that opens within a word is no noise
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
    return _MEANING.get(squeezed, squeezed)
