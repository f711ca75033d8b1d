r"""A statement, such as the text after "the answer is", -> the answer inside it, without the sentence's tail.

    "6 minutes for the tank of 120 liters"  ->  "6 minutes"        "$3$ and $5$, as asked"  ->  "3 and 5"
    "每人分得 8 颗"  ->  "8 颗"                                      "Yes, the graph is bipartite"  ->  "Yes"

What is no clear answer is None ("clear from the figure"), and what cannot be cut safely stays whole: a part of an
answer ("at least 5" read as 5) would be a wrong one. Looks at a bounded piece of text.
"""

import re

from solver.answers.equations import NUMBER, plain_unit, result

LONGEST = 200  # characters of a plain answer
_LONGEST_MATH = 1500
WINDOW = 2000  # characters of a statement that are looked at

_HAN_UNIT = r"\s?[\u4e00-\u9fff]{1,5}[²³]?(?=\s|[。.，,；;）)!！]|$)"
_MEASURED = re.compile(rf"{NUMBER}(?:{_HAN_UNIT})?")
_START = re.compile(rf"({NUMBER})(\s*)(.*)", re.DOTALL)
_FILLER = re.compile(
    r"(?:\n\s*[-•]\s(?=\S)|\s|\*+(?!\d)|__|`|>(?!\s?[-−\d])|[:：]|\"|“|”|\}|</?[a-z]{1,6}>"
    r"|(?:therefore|thus|hence|simply|clearly|just|exactly|indeed|then|also|actually|still|now|precisely|definitely"
    r"|obviously|only|equal\s+to|given\s+by|found\s+to\s+be|as\s+follows|most\s+likely|none\s+other\s+than"
    r"|both)\b[,:]?"
    r"|(?:就是|等于|如下|应该|确实|显然)[:：]?)*",
    re.IGNORECASE,
)
_SENTENCE = re.compile(
    r"\n|\*\*(?!\d)|`|</|[\"”]\s*(?=[,}\]]|$)|[。？?；](?!\d)|(?<!\\)[!！](?!\s?[\d)}\]\\*/.+,^=-])|\.(?=\s|$|\*"
    r"|[\u4e00-\u9fff\"”)]|[A-Z][a-z])|．(?!\d)|(?<!\\);\s(?!\s?[-−]?\d|[a-z]\w?\s?=)"
    r"|[,，]\s*(?:so|because|since|which|as|not|where|while|and\s+(?:so|the|we|this|not)|hence|thus|therefore"
    r"|with|but"
    r"|i|given|after|when|if|assuming|rounded|making|meaning|corresponding|or\s+(?:about|approximately"
    r"|equivalently)|in|by|for|using|from)\b"
    r"|[,，]\s*(?=(?:因|所|故|即|而|不|这|其|约|合|比|共|也|此|符合|满足|选项|对应|原|与|故|再"
    r"|且(?!.{0,3}=))[\u4e00-\u9fff ])"
    r"|[,，]\s*(?:i\.e\.|e\.g\.|or\s+equivalently)"
    r"|\s(?:because|since|where|whereas|assuming)\s"
    r"|\s?[（(](?:since|because|as|rounded|i\.e|out\sof|about|approx|not|which|in|from|the|that|note|see|或|即"
    r"|约|因|也|答案|单位|其|保留|精确|四舍|结果|注|取)"
    r"|，?因为|，?而?不是|，?而非|，?(?:并)?不含|\sinstead\sof\s|,?\srather\sthan\s|\sand\snot\s"
    r"|(?<=[\d$)%]),?\snot\s(?=\S{1,12}$|\S{1,12}[.\n])",
    re.IGNORECASE,
)
_MATH = re.compile(
    r"\$\$(.{1,1500}?)\$\$|(?<!\\)\$(?!\s?\$)([^$\n]{1,400}?)(?<!\\)\$(?!\d)|\\\((.{1,800}?)\\\)"
    r"|\\\[(.{1,1500}?)\\\]",
    re.DOTALL,
)
_PROSE = re.compile(r"[A-Za-z]{3,}\s[A-Za-z]{2,}")
_CONNECT = re.compile(
    r"\s{0,3}(?:,\s?(?:and|or)?|，|、|;|；|\band\b|\bor\b|和|或者?|与|以及|及|且)\s{0,3}(?=\$|\\\(|\\\[)"
)
_COPULA = re.compile(
    r"(?:\b(?:is|are|was|were|be|equals?|becomes?|equal\sto|=)|等于|应?为|是|得到?|有|共|需要?|剩下?"
    r"|要)\s*[:：]?\s*(?=\$|\\\(|\\\[)"
)
_UNIT_AFTER = re.compile(
    r"\\?[%°℃]|\s?(?:\\?%|[\u4e00-\u9fff]{1,5}(?=[。，,.；;\s]|$))"
    r"|\s?(?:(?:square|cubic)\s)?[A-Za-z]{1,12}(?=[.,;]?(?:\s*$|[.,;]?\n|\.\s|\)))",
)
_NO_ANSWER = re.compile(
    r"(?:not|correct|right|wrong|incorrect|clear|obvious|unclear|unknown|obtained|found|given|in|on|as|based|already"
    r"|reasonable|consistent|verified|confirmed|expected|below|above|because|that|to|within|likely|derived|shown"
    r"|stated"
    r"|what|how|whether|also|different|same|supposed|asked|required|needed|easy|impossible\sto|written|between\sus)\b"
    r"|(?:正确|错误|合理|显然|符合|不正确|对|错|显而易见|明显|唯一)的"
    r"|(?:多少|什么|几)(?![\u4e00-\u9fff\d])|否|不是",
    re.IGNORECASE,
)
_OPTION = re.compile(
    r"(?:(?:the\s)?(?:options?|choices?|letters?|answers?|statements?)|选项|选择?)[\s*:：\"“'$]{0,4}"
    r"(?=[（(]?[A-HＡ-Ｈ][)）]?(?![A-Za-z]))",
    re.IGNORECASE,
)
_LETTER = r"[（(]?\s?[A-HＡ-Ｈ]\s?[)）]?"
LETTERS = re.compile(
    rf"{_LETTER}(?:(?:\s?[、,，&和与]\s?|,?\s+and\s+|\s?){_LETTER})*(?![A-Za-z\d'’=+^_-]|\(\s?[-\w]|(?!选?项|正确|符合"
    rf"|答案)[\u4e00-\u9fff])"
)
_ARTICLE = re.compile(r"(?!(?:is|are|because|since|as|and|with|for|from|or|in|on|by)\b)[a-z]{2,}")
_PARTS = re.compile(r"[（(][1１①][)）]\s?[^\n]{1,60}?[;；,，。]?\s?[（(][2２②][)）][^\n。]{1,120}")
_VERDICT = re.compile(
    r"(yes|no|true|false|是的?|否|对|错|正确|错误|不能|能|可以|不可以|不是|不会|会)(?:[,，]\s?(?!\d)|\s*[—–-]\s"
    r"|[:：]\s).+",
    re.IGNORECASE | re.DOTALL,
)
_TAIL = re.compile(
    r"\s+(?:for|when|if|in|at|of|from|on|by|with|as|after|before|during|that|which|who|total|altogether|each|left"
    r"|remaining|so|while|given|using|because|among|between|under|over\s+the|to\s+(?:the|get|make|be|reach|cover|fill"
    r"|finish|complete|go|do|have)|and\s+(?:the|it|we|this|that|not|so))\b(?!\s*[-\d$\\.]+\s*$).*"
    r"|(?<=[A-Za-z])\s+to\s+[a-z]{2,}\b.*"
    r"|(?<=[A-Za-z]),?\s+or\s+\d.*",
    re.DOTALL,
)
_KEPT_WHOLE = re.compile(
    r"(?:and|or|to|out\sof|times|over|divided|plus|minus|mod|[ap]\.?m\.?|hundred|thousand|million|billion|dozen)\b",
    re.IGNORECASE,
)
_SUM = re.compile(r"[\d.,\s]+[-+*/×÷·]\s?\d")
_LIST_GOES_ON = re.compile(r"[，,、]\s*(?:and\s|or\s|[-−]?[\d$\\]|[A-Za-z]\s*=)")
_MEASURE_WORD = re.compile(r"[个只件本元人种颗条张次岁天棵头辆米块支]")
_LIMITED = re.compile(
    r"(?:at\s+(?:least|most)|(?:more|less|greater|fewer|smaller|larger)\s+than|over|under|above|below|between|up\s+to"
    r"|至少|至多|最多|最少|大于|小于|超过|不足|高于|低于|多于|少于|第|负|±|不小于|不大于)\s*(?:或?等于)?\s*$",
    re.IGNORECASE,
)
_SAID = re.compile(
    r"(?:\b(?:is|are|was|were|be|equals?|becomes?|gives?|gets?|got)|等于|应?为|是|得到?|有|共|需要?|剩下?"
    r"|要)\s*[:：]?\s*(?=[-−+±]?\\?[$￥¥€£]?\d)"
)
_VERBS = re.compile(
    r"[是为有得需要用跑骑飞跳读写画摘拿借存交赚挣喝捐运收采行走花剩分共到多少卖买做看能付给装运种修吃长高重省找等余]"
)
_OPERATOR = re.compile(r"[=<>≤≥≠^√π±∪∩∈\\+×÷]|\d\s?[-*/]\s?\d|[A-Za-z]\s?[-+*/]|\d[A-Za-z]")
_TABLE_ROW = re.compile(r"\|\s[^|]*\|.*\s\|\s*$")
_PAIRS = (("\\[", "\\]"), ("\\(", "\\)"), ("\\begin", "\\end"))


def stated(tail: str) -> str | None:
    """The answer in the statement that begins `tail`, or None."""
    blank = _FILLER.match(tail)
    tail = tail[blank.end() if blank else 0 :]
    if option := _OPTION.match(tail):
        tail = tail[option.end() :]
    if parts := _PARTS.match(tail):
        return clean(parts[0])
    span = math_at(tail, 0)
    end = _SENTENCE.search(tail, span.end() if span else 1)
    cut = end.start() if end else WINDOW
    if end and end[0] == "!" and "!" in tail[:cut]:  # (3!)! is no exclamation
        cut += 1
    statement = tail[:cut]
    if span is not None:
        joined = _CONNECT.match(tail, span.end()) is not None
        return _spans(tail, (None if joined else _said_in(tail, span.end(), len(statement))) or span)
    if _NO_ANSWER.match(statement) or _TABLE_ROW.match(statement):
        return None
    if (letters := _letters(statement)) is not None:
        return letters
    span = _math_in(tail, len(statement))
    return _reduced(clean(statement)) if span is None else _spans(tail, span)


def _letters(statement: str) -> str | None:
    """The options that open a statement, without the option's text; an article is no option, nor is `B. 12` cut."""
    match = LETTERS.match(statement)
    if match is None:
        return None
    letters, rest = match[0].strip(), statement[match.end() :].strip()
    if (letters == "A" and _ARTICLE.match(rest)) or (rest[:1] in tuple(".:：．、)") and len(letters) <= 3):
        return None
    return letters


def clean(statement: str) -> str | None:
    """A statement without emphasis, blanks and closing punctuation; None for nothing and for what is too long."""
    bare = statement.strip().strip('*_` \t"“”').rstrip("。．.,，;；:： ").strip().rstrip("\\")
    if bare.count("$") == 1 and bare.endswith("$"):
        bare = bare[:-1].rstrip()
    if not bare or len(bare) > LONGEST or not any(letter.isalnum() or letter in "∅∞{" for letter in bare):
        return None
    return None if any(bare.count(left) and not bare.count(right) for left, right in _PAIRS) else bare


def math_at(text: str, at: int) -> re.Match[str] | None:
    """The mathematics between delimiters that begins at `at`; `$15 and $3` are two prices, not a formula."""
    match = _MATH.match(text, at)
    if match is None or (match[2] and "\\" not in match[2] and _PROSE.search(match[2])):
        return None
    return match if inner(match) else None


def inner(match: re.Match[str]) -> str:
    """The formula without its delimiters."""
    return next((group for group in match.groups() if group is not None), "").strip().rstrip(",.，。;")


def _math_in(text: str, end: int) -> re.Match[str] | None:
    """The formula of a sentence that is its answer: the last after "is" and the like, else the first."""
    if "$" not in text[:end] and "\\(" not in text[:end] and "\\[" not in text[:end]:
        return None
    if said := _said_in(text, 0, end):
        return said
    for match in _MATH.finditer(text, 0):
        if match.start() >= end:
            break
        if math_at(text, match.start()):
            return match
    return None


def _said_in(text: str, begin: int, end: int) -> re.Match[str] | None:
    """The last formula that stands after "is" and the like."""
    said = [span for copula in _COPULA.finditer(text, begin, end + 2) if (span := math_at(text, copula.end()))]
    return said[-1] if said else None


def _spans(text: str, first: re.Match[str]) -> str | None:
    """One formula with its unit, or several joined by "and", commas and the like."""
    parts, end = [inner(first)], first.end()
    while (connective := _CONNECT.match(text, end)) and len(parts) < 20:
        following = math_at(text, connective.end())
        if following is None:
            break
        parts += [connective[0], inner(following)]
        end = following.end()
    unit = _UNIT_AFTER.match(text[end : end + 60])
    if len(parts) > 1:
        return "".join(parts) + (unit[0] if unit else "")
    whole = inner(first) + unit[0] if unit and not _SENTENCE.match(unit[0] + " ") else first[0]
    return whole if len(whole) <= _LONGEST_MATH else None


def _reduced(statement: str | None) -> str | None:
    """The answer of a cleaned sentence without formulas."""
    if statement is None:
        return None
    statement = plain_unit(statement)
    calculated = result(statement) if "=" in statement and _SUM.match(statement) else None
    if calculated is not None:
        return calculated
    if verdict := _VERDICT.fullmatch(statement):
        return verdict[1]
    if start := _START.fullmatch(statement):
        return _from_number(start[1], start[2], start[3])
    return _only_number(statement)


def _only_number(statement: str) -> str:
    """The number that a sentence says, where it says one; else the sentence."""
    words = len(re.findall(r"[A-Za-z]{2,}", statement)) + len(re.findall(r"[\u4e00-\u9fff]", statement)) // 2
    if words < 3 and not _verbal(statement):
        return statement
    numbers = [match for match in _MEASURED.finditer(statement) if not _part_of_word(statement, match)]
    said = [match.end() for match in _SAID.finditer(statement)]
    if len(numbers) > 1:
        if (each := _each_clause(statement)) is not None:
            return each
        numbers = [match for match in numbers if match.start() in said][-1:]
    if len(numbers) != 1 or _OPERATOR.search(_MEASURED.sub("", statement)):
        return _after_is(statement, said) or statement
    return statement if _LIMITED.search(statement[: numbers[0].start()]) else numbers[0][0].strip()


def _verbal(statement: str) -> bool:
    """A short Chinese sentence that says a number: 每人分得 8 颗."""
    match = _MEASURED.search(statement)
    return bool(match and re.search(r"[\u4e00-\u9fff]", statement[: match.start()])) and bool(
        match and _VERBS.search(statement[: match.start()])
    )


def _part_of_word(statement: str, match: re.Match[str]) -> bool:
    before = statement[: match.start()]
    return bool(before) and (before[-1].isascii() and (before[-1].isalpha() or before[-1] in "_^"))


def _each_clause(statement: str) -> str | None:
    """甲有 5 个，乙有 3 个: every clause says a number, and the answer is all of them."""
    clauses = re.split(r"[,，;；]", statement)
    found = [
        re.search(rf"(?<=[是为有得需要用行走跑花做买分])\s?({NUMBER}(?:\s?[\u4e00-\u9fff]{{1,4}})?)$", one.strip())
        for one in clauses
    ]
    return ", ".join(match[1] for match in found if match) if len(found) > 1 and all(found) else None


def _after_is(statement: str, said: list[int]) -> str | None:
    """The value at the end of a sentence with a formula in words: the area is 3x + 2."""
    if not said or re.search(r"[A-Za-z]{3,}|[\u4e00-\u9fff]{3,}", statement[said[-1] :]):
        return None
    return statement[said[-1] :].strip() if not _LIMITED.search(statement[: said[-1]]) else None


def _from_number(number: str, gap: str, rest: str) -> str:
    """A number that opens its sentence, with the unit that follows but without the words after that."""
    whole = f"{number}{gap}{rest}"
    bracketed = rest[:1] in ("(", "（")
    words = bracketed and gap and re.search(r"[A-Za-z]{2,}|[\u4e00-\u9fff]", rest)
    if not rest or words or (rest[0] in "，,、" and not _LIST_GOES_ON.match(rest)):
        return number
    if "\u4e00" <= rest[0] <= "\u9fff":
        return _from_han(number, gap, rest)
    if not gap and not bracketed:
        return _TAIL.sub("", whole)
    if _KEPT_WHOLE.match(rest) or not rest[0].isalpha() or not _TAIL.search(f" {rest}"):
        return whole
    return re.split(r"[,，]\s", _TAIL.sub("", whole))[0].rstrip()


def _from_han(number: str, gap: str, rest: str) -> str:
    """The unit is Chinese: short ones stay, and so does what may have a value (3万, 2小时30分)."""
    head = re.split(r"[,，（(]", rest)[0].rstrip()
    ends = re.search(rf"[\u4e00-\u9fff]{{4,}}\s?({NUMBER}\s?[\u4e00-\u9fff]{{1,4}})$", rest)
    if ends is not None:  # 3 小时后两车相距 120 千米
        return ends[1]
    if len(head) <= 6 or re.search(r"[\d零〇一二两三四五六七八九十百千万亿半或和]", head):
        cut = len(head) < len(rest) and not re.search(r"\d", rest[len(head) :])
        return f"{number}{gap}{head if cut else rest}"
    return f"{number}{gap}{head[0]}" if _MEASURE_WORD.match(head) else number
