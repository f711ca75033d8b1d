"""Answer phrases of both languages: a cue ("the answer is", 故选), and the statement that follows it.

Cues are literal words found by one search each from the end; a pattern then reads a bounded piece of text around the
word. The last cue that is followed by an answer wins; one inside a supposition ("if order mattered, the answer would
be 10") counts only when nothing else does, and so do weaker cues ("option B is correct", "the result is 7").
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from solver.answers.statements import LETTERS, WINDOW, clean, stated

Place = tuple[int, int, str]
"""Start and end of a cue, and its rule."""

_END = r"(?:\s{0,9}\*\*|\s{0,9}__)?\s{0,9}"


class _Cue(NamedTuple):
    """`needles`: literals, one of which begins every match, so that a text without them costs one search each."""

    rule: str
    needles: tuple[str, ...]
    pattern: re.Pattern[str]


_IS = (
    r"(?:\bis\s{0,9}:|\b(?:is|are|was|were|equals|becomes)\b|(?:would|should|must|will|has to|can only|could only"
    r"|may)\s(?:then\s|therefore\s)?be\b"
    r"|\b(?:comes(?: out)?|turns out|works out|amounts|evaluates|simplifies)\s(?:to\sbe|to|as|at)\b|[:：=]|[-–=]>|→|⇒"
    r"|[-–—]\s"
    r"|of\s(?=[$\\]|[-−]?\d)|(?=[-−]?[\d.,/]{1,20}\s{0,3}$)|(?=\$[^$\n]{1,80}\$[.\s]{0,3}$))"
)
_HEADING = (
    r"(?=\*\*\s{0,9}\n)|(?=\s{0,3}[#*_]{0,3}\s{0,9}\n\s{0,9}\n?\s{0,9}"
    r"(?:\$|\\\[|\\\(|[-−+]?\d|[（(]?[A-H][)）.]?\s{0,9}$|\*\*))"
)
_OF = r"(?:\s{1,9}(?:to|for|of|that|which|we|I|you|in)\b[^\n.:：=]{0,80}?|,[^\n.:：=,]{1,30},|\s?\([^()\n]{1,30}\))?"
_CUES = (
    _Cue("hash", ("####",), re.compile(r"####(?!#)" + _END)),
    _Cue(
        "phrase-en",
        ("nswer", "NSWER"),
        re.compile(
            r"nswer(?:s|\(s\))?\b[\])>\"'”】]{0,2}" + _OF + r"(?:[\s)\]>}\"'”】]{0,4}(?:\*\*|__)?)?\s{0,9}"
            rf"(?:{_IS}|{_HEADING})" + _END,
            re.IGNORECASE | re.MULTILINE,
        ),
    ),
    _Cue("phrase-en", ("[Answer]", "[ANSWER]", "【Answer】"), re.compile(r"[\[【]\w{6}[\]】]" + _END)),
    _Cue("phrase-en", ("Ans", "ANS"), re.compile(r"(?<![A-Za-z])(?:Ans|ANS)(?:\*\*)?\s{0,3}[.:：=]" + _END)),
    _Cue(
        "phrase-en",
        ("inal ", "verall "),
        re.compile(
            r"(?:inal|verall)\s(?:result|value|solution|total|count|number)(?:\*\*)?\s{0,3}(?:is\b|[:：=])" + _END
        ),
    ),
    _Cue("phrase-en", ("A:", "A：", "A**:"), re.compile(r"A(?:\*\*)?\s{0,9}[:：]" + _END)),
    _Cue(
        "choice",
        ("hoose ", "select ", "Select ", "pick ", "go with ", "opt for "),
        re.compile(
            r"(?:[Cc]?hoose|[Ss]elect|pick|go\swith|opt\sfor)\s(?:(?:the\s)?(?:options?|choice|answer|letter)\s"
            r"|(?=[*($\\]{0,4}[A-H]"
            r"[*)$}]{0,4}(?:[.。,]|\s*$|\sas\b|\sand\b)))" + _END,
            re.MULTILINE,
        ),
    ),
    _Cue(
        "choice",
        ("correct ", "right ", "best ", "true "),
        re.compile(
            r"(?:correct|right|best|true)\s(?:options?|choices?|statements?|letters?|one|ones|alternatives?)\s?"
            r"(?:\([^()\n]{0,9}\)\s?)?(?:here\s|therefore\s|is\stherefore\s)?(?:is|are|must be|would be"
            r"|[:：])\s{0,3}[:：]?" + _END
        ),
    ),
    _Cue(
        "phrase-zh",
        ("答案", "结果", "得数"),
        re.compile(
            r"(?:答案|得数|(?:(?<=最终|最后|计算|正确|因此|所以|所求|运算|化简)|(?<=最终的|最后的|正确的)"
            r"|(?<=[，。；：\n 故]))结果)"
            r"(?:[\u4e00-\u9fff]{0,3}?[:：]|\s{0,9}(?:\*\*)?\s{0,9}(?:应该?(?:就)?是|应当是|应该?为|应当为|就是"
            r"|等于|便是|即为|即是|确定为|可得"
            r"|分别[为是]|依次[为是]|是(?!否)|为|即|选|大?约(?:[为是])?|大[约概][为是]?|填|得|[:：=]|[】\]］〗〕」)）]|→"
            r"|(?=\*{0,2}\s{0,3}\n\s{0,9}(?:\$|\\|[-−]?\d|[A-H]\b|\*\*))"
            r"|(?=[-−]?\d[\d.,/]{0,20}%?[。.]?\s*$)))"
            r"\s{0,9}(?:\*\*)?\s{0,9}[:：]?" + _END
        ),
    ),
    _Cue(
        "phrase-zh",
        ("答",),
        re.compile(r"(?<![^\s。；，,.;*】）)（(\]$!！?？])答(?:\*\*)?\s{0,9}(?:[:：]|(?=[^案题对错：:\s]))" + _END),
    ),
    _Cue("phrase-zh", ("填",), re.compile(r"(?<=[故应可])填(?:空)?(?:为|入|上|的是)?\s{0,9}[:：]?" + _END)),
    _Cue(
        "choice",
        ("选", "正确的"),
        re.compile(
            r"(?:(?<![可待首优挑筛任各四该])选(?:择|项)?\s{0,9}(?:择|项|为|的是|是|应为|应是)?|正确的(?:选项"
            r"|说法|结论|命题|序号|一项|有)?(?:是|为|有)?)"
            r"\s{0,9}[:：]?" + _END
        ),
    ),
)
_WEAK = (
    _Cue(
        "phrase-en",
        ("result ", "result:", "Result", "solution ", "solutions "),
        re.compile(r"(?:[Rr]esult|solutions?(?:\sset)?)\s{0,3}(?:(?:is|are)\b|[:：=])" + _END),
    ),
    _Cue(
        "choice",
        ("to option ", "matches option ", "is option ", "to choice ", "matches choice ", "is choice ", "hoice is "),
        re.compile(r"(?:to|matches|is)\s(?:option|choice)\s|hoice\sis\s" + _END),
    ),
    _Cue("phrase-zh", ("结论", "结果"), re.compile(r"(?:结论|结果)(?:是|为|[:：])" + _END)),
    _Cue(
        "phrase-zh",
        ("解", "根"),
        re.compile(r"(?:(?<=[的式程数集])(?:解集?|根)|解集)(?:分别|就)?(?:是|为)[:：]?" + _END),
    ),
)
_ADVERB = r"(?:(?:indeed|therefore|thus|clearly|both|all)\s)?"
_REVERSED = re.compile(
    r"(?:\b(?:[Oo]ption|[Cc]hoice|[Aa]nswer|[Ss]tatement)\s)?[*$(（]{0,4}(?<![A-Za-z'’])([A-HＡ-Ｈ])[*$)）.]{0,4}"
    rf"\s(?:is|must be)\s{_ADVERB}(?:the\s)?(?:only\s)?(?:correct|right|best|true|answer)(?!\s(?:for|about|since"
    rf"|when|if|that))"
    r"|\b(?:[Oo]ptions|[Cc]hoices|[Aa]nswers|[Ss]tatements)\s([A-H](?:(?:,\s?(?:and\s)?|\sand\s)[A-H]){1,6})"
    rf"\s(?:are|must be)\s{_ADVERB}(?:the\s)?(?:correct|right|true)"
    r"|(?:选项\s?)?[（(]?([A-HＡ-Ｈ])[)）]?\s?(?:选项|项)?(?:是|为)?(?:正确|符合题意|满足题意|符合条件|为正确答案)"
    r"|(?<![①-⑳])([①-⑳](?:[、,，和与\s]{0,3}[①-⑳])*)\s?(?:(?:是|都是?|均)?正确|(?:is|are)\s(?:correct|true|right))"
    r"|([-−]?[\d.,/]*\d%?|\$[^$\n]{1,80}\$)\s(?:is|will be|must be)\s(?:the|our|my)\s"
    r"(?:final\s|correct\s|right\s|desired\s|required\s)?(?:answer|result)"
)
_ANCHORS = ("correct", "right", " answer", "正确", "符合", "满足题意")
_DENIED = re.compile(
    r"(?:不|未必|并非|都|均|哪|否)[\u4e00-\u9fff]{0,3}$|\b(?:whether|not|if|neither|why)\b[^.\n]{0,20}$"
)
_SUPPOSED = re.compile(
    r"\bif\b[^.\n]*\bwould\b|\bwould have been\b|\b(?:might|may|could|would) (?:think|say|guess|believe|expect"
    r"|suspect|argue)\b"
    r"|\b(?:some|many) (?:people|students|readers)\b|\b(?:at )?first (?:sight|glance|guess|thought)\b"
    r"|\bnot true that\b|\btempting\b"
    r"|\b(?:had|were) (?:we|it|the|they|order|I)\b|\b(?:wrong|incorrect|naive)(?:ly)? (?:answer|result)"
    r"|\bpart \([a-h1-9]\)"
    r"|如果|假如|假设|要是|有人|有同学|有的同学|误以为|误认为|错误答案|容易误|似乎|看起来",
    re.IGNORECASE,
)
_CIRCLED = re.compile(r"[①-⑳](?:[、,，和\s]?[①-⑳])*")
_DOUBTED = re.compile(
    r"\b(?:whether|not sure|unsure|do not know|don't know|what|unclear if|find|until)\b[^.\n]{0,30}$|不确定"
    r"|不知道|是否",
    re.IGNORECASE,
)
_MOST = 12  # places of one cue that are looked at
_TRIED = 500  # occurrences of one needle that are looked at
_OPTION_LIST = re.compile(r"^(?:\*\*)?B(?:\*\*)?\s?[:：.)]", re.MULTILINE)
_CLAUSE_END = re.compile(r"[\n。.!?！？；;]")
_HASH_HEADING = re.compile(
    r"(?:step|part|case|final|solution|answer|note|check|verif|第.步|步骤|解|答|\d+[.)、]\s)", re.IGNORECASE
)


def phrase(text: str) -> tuple[str, str] | None:
    """Answer and rule of the last answer phrase, or None; linear in the text."""
    supposed: list[Place] = []
    found = _first(text, places(text), supposed) or _reversed(text) or _first(text, _found(text, _WEAK), supposed)
    if found is not None:
        return found
    return next(((said, place[2]) for place in supposed if (said := said_at(text, place)) is not None), None)


def _first(text: str, found: list[Place], supposed: list[Place]) -> tuple[str, str] | None:
    """The answer of the last place that has one; suppositions are put aside."""
    for place in sorted(found, reverse=True):
        if _DOUBTED.search(text[max(0, place[0] - 60) : place[0]].rpartition("\n")[2]):
            continue
        if hypothetical(text, place[0]):
            supposed.append(place)
        elif (answer := said_at(text, place)) is not None:
            return answer, place[2]
    return None


def places(text: str) -> list[Place]:
    """The last places where an answer phrase begins, in no order."""
    found = _found(text, _CUES)
    if any(text.startswith(("A:", "A：", "A*"), at) for at, _, _ in found):
        options = _OPTION_LIST.search(text) is not None
        found = [place for place in found if not _lists(text, place[0], options)]
    return found


def said_at(text: str, place: Place) -> str | None:
    """The answer that follows a cue."""
    start, end, rule = place
    tail = text[end : end + WINDOW]
    if rule == "choice":
        letters = LETTERS.match(tail.lstrip("*$ \n").removeprefix("\\text{").removeprefix("\\textbf{"))
        if letters is None and (circled := _CIRCLED.match(tail.strip("*$ \n"))):
            return circled[0]
        return letters[0].strip(" ()（）") if letters else None
    if rule == "hash":
        return _after_hashes(text, tail)
    listed = tail.startswith(("- ", "• ", "> ")) and "\n" in text[max(start, end - 9) : end]
    answer = stated(tail[2:] if listed else tail)
    return None if answer is None or "boxed" in answer else answer


def hypothetical(text: str, at: int) -> bool:
    """Whether what stands at `at` is a supposition or somebody's mistake, by the words before it in its sentence."""
    before = text[max(0, at - 120) : at]
    begin = max((match.end() for match in _CLAUSE_END.finditer(before)), default=0)
    return _SUPPOSED.search(before[begin:] + _CLAUSE_END.split(text[at : at + 20])[0]) is not None


def _found(text: str, cues: tuple[_Cue, ...]) -> list[Place]:
    """Start, end and rule of the last matches of each cue, by its needles from the end."""
    found: list[Place] = []
    for cue in cues:
        for needle in cue.needles:
            at, count = text.rfind(needle), 0
            for _ in range(_TRIED):
                if at < 0 or count == _MOST:
                    break
                if match := cue.pattern.match(text, at):
                    found.append((at, match.end(), cue.rule))
                    count += 1
                at = text.rfind(needle, 0, at)
    return found


def _lists(text: str, at: int, options: bool) -> bool:
    """Whether an `A:` names an option, or stands inside a line."""
    if not text.startswith(("A:", "A：", "A*"), at):
        return False
    return options or bool(text[text.rfind("\n", 0, at) + 1 : at].strip("* "))


def _after_hashes(text: str, tail: str) -> str | None:
    """The answer after `####`, unless it is a heading with a text below."""
    line, _, below = tail.partition("\n")
    if below.strip() and (_HASH_HEADING.match(line) or line.rstrip().endswith((":", "："))):
        return None
    if line.startswith("$") and line.count("$") == 2 and line.rstrip().endswith("$"):
        return line.strip()
    return clean(line)


def _reversed(text: str) -> tuple[str, str] | None:
    """The last "option B is correct", "42 is the answer", 选项B正确 near the end."""
    nearest = max(0, len(text) - WINDOW)
    for at in sorted((at for anchor in _ANCHORS for at in _backwards(text, anchor, nearest)), reverse=True):
        begin = max(0, at - 90)
        for match in reversed([*_REVERSED.finditer(text, begin, at + 20)]):
            before = text[max(0, match.start() - 30) : match.start()]
            if not _DENIED.search(before) and not hypothetical(text, match.start()):
                letters = match[1] or match[2] or match[3] or match[4]
                return (letters, "choice") if letters else (match[5], "phrase-en")
    return None


def _backwards(text: str, anchor: str, nearest: int) -> Iterator[int]:
    """Offsets of a word from the end, a few of them."""
    at = text.rfind(anchor, nearest)
    for _ in range(_MOST):
        if at < 0:
            break
        yield at
        at = text.rfind(anchor, nearest, at)
