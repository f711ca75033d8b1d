r"""Response text -> the final answer and the rule that found it.

The order: reasoning tags decide what may be read at all; then the last complete box; then an answer phrase; else
nothing. Never "the last number": a guess must not vote. All scans go from the end and are linear in the text.
"""

import re
from dataclasses import dataclass

from solver.answers.phrases import CORRECTION, phrase
from solver.answers.reading import read

Tags = tuple[str, str]
DEFAULT_REASONING: Tags = ("<think>", "</think>")

_BOX_AT = re.compile(r"\\f?boxed(?![A-Za-z])|\\fbox(?![A-Za-z])")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_OPEN = re.compile(r"\s*\{")
_BARE = re.compile(r"\s*(-?[A-Za-z0-9][A-Za-z0-9.,/%]*)")
_LONGEST_BOX = 10_000
_MOST_BOXES = 20
_JOINT = re.compile(
    r"[\s$*\\()\]\[]*(?:,|，|、|;|；|and|or|和|或|与|以及|及)[\s$*\\()\]\[]*"
    r"(?:(?:and|or|和|或)\s*)?[\s$*]*(?:\\?[A-Za-z]\w{0,8}\s*=\s*)?[\s$*]*"
)
_TEXT_COMMAND = re.compile(r"\\(?:text|mathrm|textbf|mathbf|boxed|fbox)\s*\{([^{}]*)\}")
_PLACEHOLDER = re.compile(
    r"(?:(?:the|your|my|insert)[ _]?)*(?:final[ _]?)?(?:answer|result)(?: here)?|(?:你的|您的|最终|填写)*答案"
    r"|[._…?？#\s]*|[lc]?dots|x\.xx"
)


@dataclass(frozen=True, slots=True)
class Extracted:
    """A final answer as it was written; `rule`: which rule found it; `reasoning_end`: offset where the reasoning
    block ends in the text (just past its closing tag), None when there is none."""

    answer: str
    rule: str
    reasoning_end: int | None


def extract(text: str, *, truncated: bool = False, reasoning: Tags | None = DEFAULT_REASONING) -> Extracted | None:
    """The final answer of one response, or None when it states none.

    truncated: the response hit a cap, so only a complete box counts. reasoning: opening and closing tag of the
    model's reasoning block (the opening one may be missing, as it often belongs to the prompt); an unclosed block has
    no answer, and nothing inside one is read. None: the text has no such block.
    """
    begin, end = 0, None
    if reasoning is not None:
        opened, closed = text.rfind(reasoning[0]), text.rfind(reasoning[1])
        if opened > closed:
            return None
        if closed >= 0:
            begin = end = closed + len(reasoning[1])
    spoken = text[begin:]
    box = _last_box(spoken)
    if box is not None:
        answer, stop = box[0], box[2]
        if answer and not truncated and (corrected := _correction(spoken, stop, answer)) is not None:
            return Extracted(corrected, "correction", end)
        return Extracted(answer, "boxed", end) if answer else None
    if truncated:
        return None
    said = phrase(spoken)
    return None if said is None else Extracted(said[0], said[1], end)


def reference(text: str) -> str | None:
    """The final answer of a gold column: after its last `####`, else its last box, else all of it; None when blank."""
    _, mark, tail = text.rpartition("####")
    if not mark and (box := _last_box(text)) is not None:
        tail = box[0]
    return tail.strip() or None


def _correction(text: str, stop: int, boxed: str) -> str | None:
    """What a statement after the box says when it takes the box back; words never replace a value."""
    tail = text[stop : stop + _LONGEST_BOX]
    match = CORRECTION.search(tail)
    said = phrase(tail[match.start() :]) if match is not None else None
    if said is None:
        return None
    new, old = read(said[0]), read(boxed)
    kept = new is None or (new.kind == "text" and (old is None or old.kind != "text"))
    return None if kept or new == old else said[0]


def _last_box(text: str) -> tuple[str, int, int] | None:
    """Content, start and end of the last box that holds something; content "" when that box never ends."""
    before = len(text)
    for _ in range(_MOST_BOXES):
        found = _box_before(text, before)
        if found is None:
            return None
        content, start, stop = found
        if stop < 0:
            return "", start, len(text)
        if _is_answer(content):
            return _joined(text, content, start, stop)
        before = start
    return None


def _box_before(text: str, before: int) -> tuple[str, int, int] | None:
    """The last box that begins before `before`, or the one it is nested in; end -1 when it is unterminated."""
    start = _position(text, before)
    if start < 0:
        return None
    content, stop = _content(text, start)
    for _ in range(3):
        outer = _position(text, start)
        if stop < 0 or outer < 0 or start - outer > _LONGEST_BOX:
            break
        wider, wider_stop = _content(text, outer)
        if wider_stop < stop:
            break
        content, start, stop = wider, outer, wider_stop
    return content, start, stop


def _position(text: str, before: int) -> int:
    while True:
        before = max(text.rfind("\\boxed", 0, before), text.rfind("\\fbox", 0, before))
        if before < 0 or _BOX_AT.match(text, before):
            return before


def _content(text: str, start: int) -> tuple[str, int]:
    """Content and end of the box at `start`, by balanced braces; end -1 when they never balance."""
    match = _BOX_AT.match(text, start)
    after = match.end() if match else start
    opening = _OPEN.match(text, after)
    if opening is None:
        bare = _BARE.match(text, after)
        return (bare[1].rstrip(".,"), bare.end()) if bare else ("", after)
    depth = 1
    for brace in _BRACE.finditer(text, opening.end(), opening.end() + _LONGEST_BOX):
        depth += (brace[0] == "{") - (brace[0] == "}")
        if depth == 0:
            return text[opening.end() : brace.start()].strip(), brace.end()
    return "", -1


def _is_answer(content: str) -> bool:
    bare = _TEXT_COMMAND.sub(r"\1", content).strip(" \t\n\\$*.:<>[](){}").lower()
    return bool(bare) and _PLACEHOLDER.fullmatch(bare) is None


def _joined(text: str, content: str, start: int, stop: int) -> tuple[str, int, int]:
    """Boxes side by side that state one answer together: `\\boxed{1}` and `\\boxed{2}` are "1, 2"."""
    parts = [content]
    for _ in range(_MOST_BOXES):
        earlier = _box_before(text, start)
        if earlier is None or earlier[2] < 0 or start - earlier[2] > 40 or not _is_answer(earlier[0]):
            break
        if _JOINT.fullmatch(text, earlier[2], start) is None:
            break
        parts.append(earlier[0])
        start = earlier[1]
    return ", ".join(reversed(parts)), start, stop
