"""A last line that is nothing but an answer, closes a calculation or names the value: the last and weakest rule.

    "37"    "= 12.5"    "(B)"    "55 + 36 = 91"    "Probability: 5/36"    "So the value is 19."    "| Total | 45 |"

Only where the response ends on it; closing courtesies below it are passed over. Checks, plans, questions, refusals and
lines of a list or a table say nothing. Never asked about a truncated text.
"""

import re

from solver.answers.equations import NUMBER, UNIT, alone, named, plain_unit, result, solutions
from solver.answers.statements import clean, stated

_TAIL = 1200  # characters of the end that are looked at
_COURTESY = re.compile(
    r"(?:\W*(?:i )?hope (?:this|that|it)\b.*|let me know\b.*|feel free\b.*|good luck.*|如有.*|希望.*"
    r"|如果你?您?还?有.*"
    r"|\W*|Q\.?E\.?D\.?|\\end\{[a-z*]+\}\W*|[。.]?(?:证毕|解答完毕))",
    re.IGNORECASE,
)
_SILENT = re.compile(
    r"[?？]\s*$|\b(?:cannot|can't|unable|sorry|unclear|missing|perhaps|maybe|possibly|if|please|let me|let's"
    r"|check(?:s|ing)?"
    r"|verif\w+|suppose|assume|example|e\.g|step|first(?:ly)?|next|need to|needs? more|note|hint|remember|recall"
    r"|not sure"
    r"|don't|does not|option [A-H]|would|try|given|substitut\w+|plug\w*|page|chapter|figure|problem \d"
    r"|question \d|hmm"
    r"|guess|wait)\b|boxed"
    r"|无法|不能|抱歉|请|如果|假如|可能|缺少|检验|验证|验算|代入|例如|比如|假设|不妨|首先|其次|第一步|提示|注意"
    r"|设|已知|如图|等等",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"(?:[\s*_`#]|>(?![-−\d])"
    r"|[-•]\s|(?:therefore|thus|hence|so|then|finally|in total|altogether|in conclusion|consequently"
    r"|solving(?: for \w| this| it| the \w{1,12}){0,2}|(?:this |which )?gives us"
    r"|we (?:get|have|obtain|find)(?: that)?|this (?:gives|means|is|equals)|which (?:gives|is|equals)"
    r"|giving)\b[,:]?\s"
    r"|(?:因此|所以|故而?|综上(?:所述)?|最后|最终|从而|于是|即|解得|可得|得|一共|总共|共)[，,:：]?\s?|[∴⇒→]|=>|&?=)*",
    re.IGNORECASE,
)
_CONCLUDES = re.compile(
    r"\b(?:therefore|thus|hence|so|finally|solving|in total|altogether|in conclusion|consequently"
    r"|the (?:\w+ ){0,3}(?:value|total|sum|integer"
    r"|result|number|area|volume|probability|length|perimeter|average|mean|product|difference|remainder|distance"
    r"|speed|time"
    r"|cost|price|ratio|median|maximum|minimum|solution|root|measure|angle|radius))\b"
    r"|因此|所以|故|综上|最后|最终|从而|于是|解得|可得|一共|总共|共[需有计要]|还剩|剩下|∴"
    r"|(?:[和差积商值根数率比长宽高角距]|面积|体积|周长|速度|时间|价格|最[大小多少高低][\u4e00-\u9fff]?)(?:等于|[是为])",
    re.IGNORECASE,
)
_LABEL = re.compile(r"([^:：=\d$\\\n]{1,60}?)\s?[:：]\s?(?=\S)")
_OPTION_NAME = re.compile(r"[\W_]*[A-HＡ-Ｈ][\W_]*|[a-z]")
_OPTION = re.compile(r"[*\s]*[（(]?[A-H][)）.．、]\s?\S")
_BRACKETED_OPTION = re.compile(r"[*\s]*([（(][A-H][)）])\s.{1,60}")
_VALUE_AT_END = re.compile(
    r"(?:\b(?:(?:is|are|be)(?:\s(?:therefore|thus|then|hence|simply|exactly|now|equal\sto))?|equals|gives?|gets?|has|have|costs?|needs?|takes?|pays?|earns?|makes?)|=|为|是|有|得到?"
    r"|等于|需要?|剩下?|共|要)"
    rf"\s*[:：]?\s*({NUMBER}{UNIT}|\$[^$\n]{{1,200}}\${UNIT}|\\\([^\n]{{1,200}}?\\\))"
    r"(?:\s(?:left|remaining|in total|in all|altogether|each|more|total|per \w{1,9}))?\s*[.。!！]?$"
)
_CLAUSE = re.compile(
    r"[^$]{0,40}?(?:\$[^$]{1,40}\$)?[^$]{0,20}(?:\bis|为|是|等于)\s?(\$[^$]{1,100}\$)[.。]?", re.DOTALL
)
_LAST_CLAUSE = re.compile(
    r"[,，;；]\s*((?:(?:and )?(?:so|hence|thus|therefore)\b|所以|因此|故)"
    r"(?![^$]*\$(?:[^$]*\$[^$]*\$)*[^$]*$)[^,，;；]*)$"
)
_OUTSIDE = re.compile(r"[,，;；、]\s?(?=[^$]*(?:\$[^$]*\$[^$]*)*$)")  # a comma in no formula
_NOTHING = re.compile(
    r"(?:所以|因此|故|综上|可知|从而)[^。.]{0,30}?((?:没有|无)实?数?[解根])[.。]?$"
    r"|\b(?:there (?:is|are)|(?:it|equation|system|inequality|problem) has) (no (?:real )?solutions?)[.]?$"
    r"|\b(no (?:real )?solutions?) exists?[.]?$",
    re.IGNORECASE,
)
_INSIDE = re.compile(r"^(?:\$+|\\\(|\\\[)\s*|[\s.,。]*(?:\$+|\\\)|\\\])$")
_FORMULA = re.compile(r"\$[^$\n]{1,200}\$|\\\([^\n]{1,200}?\\\)")
_NUMBERS = re.compile(NUMBER)
_ANOTHER = re.compile(
    r"(?:\b(?:or|and)\b|或|和|[\d$)）][^,，、]{0,4}[,，、]).{0,6}$"
)  # what ends is one of several values
_EQUALS = re.compile(
    rf"=\s?({NUMBER}(?:\s?[\u4e00-\u9fff]{{1,3}}(?=[\s。，,.)）]|$))?)"
    r"(?![.,]?\d|\.\.|\s\d|\s?[-+*×÷^=\\(_<>]|\s?/\s?[\d(]|[A-Z]|[a-z](?![a-z]))"
)
_OPERATION = re.compile(r"\d[^=.。!?]{0,30}\s?(?:[-+*/×÷]|(?<=[\d\s])x(?=[\s\d]))\s?[^=]{0,40}$")
_UNKNOWN = re.compile(r"(?<![A-Za-z'])[b-wyzB-HJ-Z](?![A-Za-z'])|\d[A-Za-z](?![A-Za-z\d])|[A-Za-z)]\s?\^|[A-Za-z]_")
_BOLD = re.compile(r"\*\*(?!\d)|(?<!\d)\*\*")
_CALCULATION = re.compile(r"\d[\d\s.,+\-−*/×÷()]{0,60}$")
_SENTENCES = re.compile(r"(?<=[.!])\s+(?=[A-Z$\d(]|\\[A-Za-z(\[])|(?<=[。！；])")
_TOTAL = re.compile(r"total|sum|answer|result|合计|总计|总和|答案|结果|总共", re.IGNORECASE)


def last_line(text: str) -> tuple[str, str] | None:
    """Answer of the last line and this rule's name, or None."""
    lines = text[-_TAIL:].splitlines()
    while lines and _COURTESY.fullmatch(lines[-1].strip()):
        lines.pop()
    if not lines or (len(text) > _TAIL and len(lines) == 1 and "\n" not in text[-_TAIL:]):
        return None
    last = lines.pop().strip()
    if (option := _BRACKETED_OPTION.fullmatch(last)) and not any(map(_OPTION.match, lines)):
        return option[1], "last-line"
    answer = _row(last) if last.startswith("|") else _read(last)
    return None if answer is None else (answer, "last-line")


def _read(line: str) -> str | None:
    """The answer of a line of text."""
    sentence = _SENTENCES.split(line.rstrip("。；"))[-1]
    if _SILENT.search(sentence):
        return None
    whole = sentence.strip() == line.strip("。； ")
    sentence = _BOLD.sub("", sentence)
    bare = _bare(sentence)
    if whole or _CONCLUDES.search(sentence):
        found = (bare if solutions(bare) else None) or _alone(bare) or _labelled(bare) or result(bare)
        if found is not None:
            return found
    if nothing := _NOTHING.search(sentence):
        return nothing[1] or nothing[2] or nothing[3]
    if clause := _LAST_CLAUSE.search(sentence):
        sentence = sentence[clause.start(1) :]
    return _values(sentence) or _calculated(sentence) or _concluded(sentence) or _names(sentence)


def _bare(line: str) -> str:
    """The line without leading words and marks of emphasis."""
    lead = _LEAD.match(line)
    return line[lead.end() if lead else 0 :].strip("*_` \t").rstrip("。.;；").strip().removesuffix(r"\\").strip()


def _row(line: str) -> str | None:
    """The last cell of a table's row that is labelled as the total."""
    cells = [cell.strip("*_ ") for cell in line.strip("| ").split("|")]
    return clean(cells[-1]) if len(cells) > 1 and _TOTAL.search(cells[0]) and alone(cells[-1]) else None


def _alone(bare: str) -> str | None:
    """The line when it is a value; of an equation between dollars, what `result` says."""
    if not alone(bare):
        return None
    inside = _INSIDE.sub("", bare)
    if "=" not in inside:
        return plain_unit(bare)
    return result(inside) or (bare if named(inside) and "=" not in inside.partition("=")[2] else None)


def _labelled(bare: str) -> str | None:
    """`Probability: $\\frac{5}{36}$`; an option or a step is no such label."""
    label = _LABEL.match(bare)
    if label is None or _OPTION_NAME.fullmatch(label[1].strip()) or len(label[1].split()) > 6:
        return None
    value = bare[label.end() :].strip()
    return _alone(value) or result(value)


def _concluded(sentence: str) -> str | None:
    """A sentence that begins with "so" or its like and holds one value only: 所以最多可以装 12 箱."""
    lead = _LEAD.match(sentence)
    if lead is None or not _CONCLUDES.search(lead[0]):
        return None
    rest = sentence[lead.end() :].strip()
    formulas = _FORMULA.findall(rest)
    if len(formulas) == 1 and not _NUMBERS.search(_FORMULA.sub("", rest)):
        inside = formulas[0].strip("$").removeprefix(r"\(").removesuffix(r"\)").strip()
        return (
            clean(inside[1:])
            if inside.startswith("=")
            else result(inside) or (clean(inside) if alone(inside) else None)
        )
    if formulas and _FORMULA.match(rest):
        return stated(rest)
    answer = stated(rest) if len(_NUMBERS.findall(rest)) == 1 else None
    return answer if answer is not None and alone(answer) else None


def _values(sentence: str) -> str | None:
    """最大值为 $3$，最小值为 $-1$: every clause says a value in a formula, and the answer is all of them."""
    clauses = [_CLAUSE.fullmatch(one.strip()) for one in _OUTSIDE.split(sentence)]
    told = [clause[1] for clause in clauses if clause]
    if len(told) < 2 or not all(clauses[-len(told) :]):
        return None
    return ", ".join(one.strip("$") for one in told)


def _calculated(sentence: str) -> str | None:
    """The result of the last calculation of a sentence: She makes 9 * 2 = $18 every day."""
    matches = [*_EQUALS.finditer(sentence)]
    before = sentence[max(0, matches[-1].start() - 80) : matches[-1].start()] if matches else ""
    if _OPERATION.search(before) is None or _UNKNOWN.search(before) or _ANOTHER.search(before):
        return None
    return plain_unit(matches[-1][1].strip())


def _names(sentence: str) -> str | None:
    """A sentence that ends on the value, and concludes or calculates it."""
    match = _VALUE_AT_END.search(sentence.strip())
    if match is None or _ANOTHER.search(sentence.strip()[: match.start()]):
        return None
    before = _CALCULATION.search(sentence.strip()[: match.start()])
    calculated = sentence.strip()[match.start()] == "=" and before is not None and re.search(r"[-+*/×÷]", before[0])
    return stated(match[1]) or clean(match[1]) if calculated or _CONCLUDES.search(sentence) else None
