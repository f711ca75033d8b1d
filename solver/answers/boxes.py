r"""Boxes: `\boxed{...}`, `\fbox{...}` and their kin -> the answer that the last of them state.

One search from the end and balanced braces within a bounded length, so linear in the text whatever it holds. Empty
boxes, placeholders and denied boxes ("..., not \boxed{9}") are passed over; a last box that never ends is no answer.
"""

import re
from functools import lru_cache
from typing import NamedTuple

_AT = re.compile(r"(?:\\f?boxed|\\fbox|\\framebox|(?<![A-Za-z\\])boxed(?=\{))(?![A-Za-z])")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_OPEN = re.compile(r"\s{0,9}(?:\[[^\[\]{}\n]{0,20}\]\s{0,9})?\{")
_BARE = re.compile(r"\s{0,9}(?:(-?\d[\d.,/%]{0,40})|([A-Za-z])(?![A-Za-z]))")
_COMMAND = re.compile(r"\s{0,9}\\[A-Za-z]{1,20}\s{0,9}(?=\{)")
_LONGEST = 10_000
_MOST = 300  # boxes looked at, from the end
_MOST_JOINED = 20

_GAP = r"(?:\s|\$|\\[()\[\],;:! ]|\\q?quad|\\text\s?\{|\}|\*|_|~|&|°|%|\\%)"
_AND = r"(?:\b(?:and|or|as well as)\b|和|或者?|与|以及|及|且)"
_NOUN = (
    r"(?:\\text\s?\{[^{}]{1,20}\}|[\u4e00-\u9fff²³]{1,4}?"
    r"|(?!(?:so|and|or|thus|hence|is|not|but|then|which)\b)[A-Za-z]{1,12})"
)
_NAME = r"(?:\\?[A-Za-z]\w{0,8}(?:_\{?\w{1,3}\}?)?\s?=)"
_JOINT = re.compile(
    rf"{_GAP}{{0,20}}(?:"
    rf"(?:[,;，、；]|{_AND}){_GAP}{{0,12}}{_AND}?{_GAP}{{0,12}}{_NAME}?"  # 1, 2 and x = 3
    rf"|{_NOUN}{_GAP}{{0,6}}[,，、]?\s?{_AND}{_GAP}{{0,6}}{_NAME}?"  # 3 cats and 4
    rf"|[\u4e00-\u9fff]{{1,2}}{_GAP}{{0,4}}[，、；][\u4e00-\u9fff]{{1,2}}"  # 3 个，乙 4
    rf"|(?:\\q?quad|\\,|\\;){{1,3}}{_NAME}?"
    rf"){_GAP}{{0,12}}"
)
_STATES = re.compile(r"[是为得即则所因故求共]")
_DENIED = re.compile(r"(?:\bnot|\brather than|\binstead of|不是|并非|而非)[\s$*\\(]{0,6}$")

_TEXT = re.compile(r"\\(?:text|mathrm|textbf|mathbf|boxed|fbox|texttt|textit|mbox|bf|rm)\s{0,9}\{([^{}]*)\}")
_SPACING = re.compile(r"\\(?:q?quad|square|Box|h?phantom|hspace|[lc]?dots|underline|[;,!: _])")
_BLANK = re.compile(r"[\s\\$.*:…_?？#~'\"`(){}\[\]—＿]*|<[\s.…]*>")
_WORDS = re.compile(r"[A-Za-z]+|[\u4e00-\u9fff]+|[^\W_]|[\\∅∞+<>=]")
_PLACES = frozenset({"answer", "answers", "result", "response", "placeholder"})
_AROUND = frozenset(
    {
        "the",
        "your",
        "my",
        "a",
        "an",
        "final",
        "correct",
        "numerical",
        "numeric",
        "exact",
        "insert",
        "put",
        "write",
        "place",
    }
    | {
        "enter",
        "here",
        "in",
        "box",
        "goes",
        "only",
        "of",
        "as",
        "is",
        "question",
        "problem",
        "solution",
        "value",
        "number",
    }
    | {"letter", "choice", "option", "expression", "integer"}
)
_ASKING = frozenset({"your", "insert", "put", "here", "enter", "place", "final", "correct"})
_PLACE_ZH = re.compile(
    r"(?:此处|这里|在这里|在此|请)?(?:填写?|写|填入|输入|放)?[你您]?的?(?:最终|最后|正确)?的?(?:答案|结果)"
    r"(?:内容|填写处|填在此处|放这里|写在这里|在这里)?"
)


class Box(NamedTuple):
    """A box of the text, or several that state one answer; end -1: it never ends, and holds nothing."""

    content: str
    start: int
    end: int


def last_box(text: str) -> Box | None:
    """The last box that holds an answer, joined with those before it that state the answer together with it."""
    boxes = _boxes(text)
    while boxes:
        found = boxes.pop()
        if found.end < 0:
            return found
        if is_answer(found.content) and not _DENIED.search(text, max(0, found.start - 30), found.start):
            return _joined(text, boxes, found)
    return None


def _boxes(text: str) -> list[Box]:
    """The last boxes of the text that are in no other box, in order."""
    found: list[Box] = []
    for start in reversed(_starts(text)):
        if not found or start >= found[-1].end:
            found.append(_box(text, start))
    return found


def _starts(text: str) -> list[int]:
    """Where the last boxes begin, from the end."""
    starts: list[int] = []
    at = text.rfind("box")
    while at >= 0 and len(starts) < _MOST:
        for start in (at - 1, at - 2, at - 6, at):  # \boxed, \fboxed and \fbox, \framebox, boxed{
            if start >= 0 and (match := _AT.match(text, start)) and match.end() > at:
                starts.append(start)
                break
        at = text.rfind("box", 0, at)
    return starts


def _box(text: str, start: int) -> Box:
    """The box at `start`: balanced braces, or what LaTeX takes where there are none."""
    match = _AT.match(text, start)
    after = match.end() if match else start
    if (opening := _OPEN.match(text, after)) is not None:
        end = _balanced(text, opening.end())
        return Box("", start, -1) if end < 0 else Box(text[opening.end() : end - 1].strip(), start, end)
    if (bare := _BARE.match(text, after)) is not None:
        return Box((bare[1] or bare[2]).rstrip(".,"), start, bare.end())
    command = _COMMAND.match(text, after)
    end = command.end() if command else after
    while command and end >= 0 and text[end : end + 1] == "{":  # \boxed\frac{1}{2}: a command and its arguments
        end = _balanced(text, end + 1)
    return Box("", start, -1) if end < 0 else Box(text[after:end].strip(), start, end)


def _balanced(text: str, begin: int) -> int:
    """The offset past the brace that closes the one before `begin`; -1 when none does within the longest box."""
    depth = 1
    for brace in _BRACE.finditer(text, begin, begin + _LONGEST):
        depth += (brace[0] == "{") - (brace[0] == "}")
        if depth == 0:
            return brace.end()
    return -1


@lru_cache(maxsize=1024)  # samples of one problem mostly agree
def is_answer(content: str) -> bool:
    """Whether the content of a box is more than nothing or a word that stands for the answer to be written."""
    bare = _SPACING.sub(" ", _TEXT.sub(r" \1 ", content))
    if _BLANK.fullmatch(bare) and not re.search(r"[(\[]\s*[)\]].|\\[{}A-Za-z]", bare):
        return False
    if len(bare) > 80:
        return True
    words = [word.lower() for word in _WORDS.findall(bare)]
    if len(words) == 1 and (words[0] in _PLACES or _PLACE_ZH.fullmatch(words[0])):
        return False
    if len(words) > 1 and _AROUND.union(_PLACES).issuperset(words):
        return _PLACES.isdisjoint(words) and _ASKING.isdisjoint(words)
    return re.fullmatch(r"[xX]+\.[xX]+", bare.strip()) is None


def _joined(text: str, before: list[Box], last: Box) -> Box:
    """Boxes side by side that state one answer together: `\\boxed{1}` and `\\boxed{2}` are "1, 2"."""
    parts, start = [last.content], last.start
    while before and len(parts) < _MOST_JOINED:
        earlier = before.pop()
        between = text[earlier.end : start]
        if earlier.end < 0 or len(between) > 60 or not is_answer(earlier.content):
            break
        if _JOINT.fullmatch(between) is None or _STATES.search(between):
            break
        parts.append(earlier.content)
        start = earlier.start
    return Box(", ".join(reversed(parts)), start, last.end)
