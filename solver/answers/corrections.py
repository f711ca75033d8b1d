"""What a response says after its box that takes the box back.

A correction needs a word that says so (wait, mistake, 更正) and after it a statement of an answer that differs in
value. Remarks, checks, estimates and what would hold under other conditions take nothing back.
"""

import re

from solver.answers.phrases import Place, hypothetical, places, said_at
from solver.answers.reading import read

_REACH = 10_000  # characters after the box that are read
_STRONG = re.compile(
    r"\b(?:wait|wrong|mistake[ns]?(?! of)|mistook|incorrect|correction|actually|scratch that|error|oops|misread"
    r"|miscounted"
    r"|miscalculated|misinterpreted|hold on|sorry|apologi[sz]e|forgot|overlooked|let me (?:correct|fix|redo)"
    r"|on second thought"
    r"|corrected|double[- ]counted|revised?|instead|edit:|upon (?:closer )?(?:review|inspection|reflection)"
    r"|on reflection|no, (?:that|this|it))(?!\w)"
    r"|更正|不对|错了|有误|纠正|应该?改为|修正|改正|抱歉|算错|看错|写错|弄错|搞错|漏|忘|等等|等一下|重新|失误"
    r"|订正|(?<!没有)(?<!无)(?<!没)错误|[,，。]\s?不，",
    re.IGNORECASE,
)
_COMMON = re.compile(r"\b(?:common|typical|frequent|possible|avoid)\W+(?:\w+\W+)?$|(?:常见|容易|易|常|避免|防止)的?$")
_FINAL = re.compile(
    r"\b(?:so|therefore|thus|hence)\b,? (?:the|my) (?:final|correct|right|actual|true) answer\b|(?:所以|因此"
    r"|故)(?:最终|正确)答案"
    r"|\banswer is [^.\n]{1,30}?(?:, not|,? instead of|,? rather than) |答案[是为][^。\n]{1,20}，(?:而)?不是",
    re.IGNORECASE,
)
_SHOULD = re.compile(
    r"\b(?:it|this|that|which|answer|result|value|total|sum|number|count|there)\s(?:should|must"
    r"|ought to)\s(?:actually\s|in fact\s|instead\s|really\s)?(?:be|read)\b"
    r"|\bcorrect(?:ed)?\s(?:value|result|total|sum|number|count|figure|solution|choice|option)s?\s(?:is|are|=|:)"
    r"|\b(?:correction|corrected|revised)(?:\s(?:answer|result|value))?\s?[:：]"
    r"|\bchange (?:my|the) answer to\b|应该?是|应该?为|应当[是为]|改为|更正为|修正为|改成|更正[:：]"
    r"|正确的?(?:结果|值|数值)?[应该]*[是为]",
    re.IGNORECASE,
)
_ROUGH = re.compile(r"approx|about|roughly|rounded|nearest|estimate|≈|约|近似|四舍五入|decimal|小数", re.IGNORECASE)


def correction(text: str, stop: int, boxed: str) -> str | None:
    """The answer that replaces the box which ends at `stop`, or None when the box stands."""
    tail = text[stop : stop + _REACH]
    begin = _begin(tail)
    if begin is None:
        return None
    for at, end, rule in sorted(_places(tail, begin), reverse=True):
        if hypothetical(tail, at) or _ROUGH.search(tail, max(begin, at - 60), end + 30):
            continue
        new = said_at(tail, (at, end, rule))
        if new is None or new.strip().endswith("?"):
            continue
        return new if _replaces(new, boxed) else None
    return None


def _begin(tail: str) -> int | None:
    """Where the first word of correction stands."""
    for match in _STRONG.finditer(tail):
        if not _COMMON.search(tail[max(0, match.start() - 30) : match.start()]):
            return match.start()
    final = _FINAL.search(tail)
    return final.start() if final else None


def _places(tail: str, begin: int) -> list[Place]:
    """Answer phrases and words such as "it should be", after the first word of correction."""
    found = [place for place in places(tail) if place[0] >= begin]
    return found + [(match.start(), match.end(), "should") for match in _SHOULD.finditer(tail, begin)]


def _replaces(new: str, boxed: str) -> bool:
    """Whether an answer differs from the box and is of its sort: words never replace a value, nor letters numbers."""
    now, old = read(new), read(boxed)
    if now is None or now == old:
        return False
    if old is None:
        return now.kind != "text"
    if now.kind == old.kind and now.value == old.value and not (now.unit and old.unit):
        return False
    sorts = {now.kind, old.kind}
    return not ("text" in sorts or "choice" in sorts) or len(sorts) == 1
