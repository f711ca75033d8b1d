"""Answer phrases of both languages: a cue, then a statement, then the answer inside the statement.

Cues are literal words found by one linear scan each; the statement is the rest of the line, cut where the sentence
goes on to something else. The last cue that is followed by an answer wins.
"""

import re
from typing import NamedTuple

_END = r"(?:\s{0,9}\*\*|\s{0,9}__)?\s{0,9}"


class _Cue(NamedTuple):
    """`needles`: literals, one of which begins every match, so that a text without them costs one substring search."""

    rule: str
    needles: tuple[str, ...]
    pattern: re.Pattern[str]


_CUES = (
    _Cue("hash", ("####",), re.compile(r"####" + _END)),
    _Cue(
        "phrase-en",
        ("answer", "Answer", "ANSWER"),
        re.compile(
            r"answer\b(?:\s{1,9}(?:to|for|of)\s{1,9}[^\n.:]{0,80}?)?(?:\s{0,9}\*\*)?\s{0,9}"
            r"(?:is\s{0,9}:|is|was|would be|should be|must be|equals|[:：=]|(?=\*\*\s{0,9}\n)"
            r"|(?=\s{0,9}\n\s{0,9}\n?\$))" + _END,
            re.IGNORECASE,
        ),
    ),
    _Cue("phrase-en", ("A:", "A：", "A**:"), re.compile(r"A(?:\*\*)?\s{0,9}[:：]" + _END)),
    _Cue("phrase-en", ("I choose",), re.compile(r"I choose\b(?:\s{1,9}(?:option|choice))?" + _END)),
    _Cue(
        "phrase-zh",
        ("答案", "结果"),
        re.compile(
            r"(?:答案|(?<=最终|最后|计算|正确)结果)\s{0,9}(?:\*\*)?\s{0,9}"
            r"(?:应该是|应当是|应为|就是|等于|便是|即为|是(?!否)|为|[:：=]|】)\s{0,9}[:：]?" + _END
        ),
    ),
    _Cue("phrase-zh", ("答",), re.compile(r"(?<![^\s。；，,.;*】])答\s{0,9}[:：]" + _END)),
    _Cue(
        "choice",
        ("选",),
        re.compile(r"(?<![可待首优挑筛])选(?:择|项)?\s{0,9}(?:择|项|为|的是|是)?\s{0,9}[:：]?" + _END),
    ),
)
_MOST = 10
_OPTION_LIST = re.compile(r"^(?:\*\*)?B(?:\*\*)?\s*[:：.)]", re.MULTILINE)
_LETTERS = re.compile(r"[（(]?\s*([A-H](?:\s*[、,，和与]?\s*[A-H])*)\s*[)）]?(?![A-Za-z])")
_MATH = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_BOLD = re.compile(r"\*\*([^*\n]+)\*\*")
_SENTENCE = re.compile(
    r"\n|[。！？!?；](?!\d)|\.(?=\s|$|\*)|;\s"
    r"|[,，]\s*(?:so|because|since|which|as|not|where|and\s+(?:so|the|we|this)|hence|thus|therefore|with|i\b)"
    r"|[,，]\s*(?=(?:因|所|故|即|而|不|这|其|因为|所以|其中|也就是)[\u4e00-\u9fff])"
    r"|\s(?:because|since|where|as)\s|\s\((?:since|because|as|rounded|i\.e|或|即|约|因)|，?因为|而不是|，?(?:而)?不是",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"[-−]?[$￥¥€£]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:\s*/\s*\d+)?\s?(?:%|％|°|[\u4e00-\u9fff]{1,4}(?=[。.，,\s]|$))?"
)
_EMPTY = re.compile(r"(?:\s|\*\*|__|[:：])*")
_LONGEST = 200

CORRECTION = re.compile(
    r"\b(?:wait|wrong|mistake|incorrect|correction|actually|scratch that)\b|\bso the (?:final|correct) answer\b"
    r"|更正|不对|错了|有误|纠正|应该改为|修正",
    re.IGNORECASE,
)


def phrase(text: str) -> tuple[str, str] | None:
    """Answer and rule of the last answer phrase, or None; linear in the text."""
    found = [place for cue in _CUES for place in _places(text, cue)]
    options = _OPTION_LIST.search(text) is not None if found else False
    for start, end, rule in sorted(found, reverse=True):
        if text[start] == "A" and text[start + 1] in ":：*":
            line = text[text.rfind("\n", 0, start) + 1 : start]
            if options or line.strip("* "):
                continue  # a list of options, or no line's beginning
        if (answer := _stated(text[end : end + 4 * _LONGEST], rule)) is not None:
            return answer, rule
    return None


def _places(text: str, cue: _Cue) -> list[tuple[int, int, str]]:
    """Start, end and rule of the last matches of a cue, by its needles from the end."""
    places: list[tuple[int, int, str]] = []
    for needle in cue.needles:
        at = text.rfind(needle)
        while at >= 0 and len(places) < _MOST:
            if match := cue.pattern.match(text, at):
                places.append((at, match.end(), cue.rule))
            at = text.rfind(needle, 0, at)
    return places


def _stated(tail: str, rule: str) -> str | None:
    """The answer in the statement that begins `tail`."""
    blank = _EMPTY.match(tail)
    tail = tail[blank.end() if blank else 0 :]
    if rule == "choice":
        match = _LETTERS.match(tail)
        return match[1] if match else None
    if rule == "hash":
        return _clean(tail.partition("\n")[0])
    if match := _MATH.match(tail):
        return _clean(match[0] + _unit_after(tail[match.end() :]))
    if (match := _BOLD.match(tail)) and match.end() < len(tail):
        tail = match[1]
    statement = _SENTENCE.split(tail, maxsplit=1)[0]
    if "$" in statement and (match := _MATH.search(tail)) and match.start() < len(statement):
        return _clean(match[0] + _unit_after(tail[match.end() :]))
    return _of_sentence(_clean(statement))


def _unit_after(rest: str) -> str:
    match = re.match(r"\s?(?:%|°|[\u4e00-\u9fff]{1,3}(?=[。，,.\s]|$)|[A-Za-z]{1,12}(?=[.,\s]|$))", rest)
    return match[0] if match and not _SENTENCE.match(match[0] + " ") else ""


def _clean(statement: str) -> str | None:
    bare = statement.strip().strip("*_ \t").rstrip("。．.,，;；:：").strip()
    return bare if bare and len(bare) <= _LONGEST else None


def _of_sentence(statement: str | None) -> str | None:
    """A sentence such as 一共有 25 个苹果 or "she has 5 apples left" answers with its only number."""
    if statement is None:
        return None
    words = len(re.findall(r"[A-Za-z]{2,}", statement)) + len(re.findall(r"[\u4e00-\u9fff]", statement)) // 2
    if words < 3 or "\\" in statement:
        return statement
    numbers = _NUMBER.findall(statement)
    return numbers[0].strip() if len(numbers) == 1 else statement
