r"""Response text -> the final answer and the rule that found it.

The rules, first come first served: reasoning tags decide what may be read at all; the last complete box, unless a
later sentence takes it back; an `<answer>` tag; an answer phrase; a last line that is nothing but an answer. Never "the
last number": a guess must not vote. Every scan is linear in the text, and most go from the end.
"""

import re
from dataclasses import dataclass

from solver.answers.boxes import Box, is_answer, last_box
from solver.answers.corrections import correction
from solver.answers.lastline import last_line
from solver.answers.phrases import phrase
from solver.answers.reasoning import DEFAULT_REASONING, Tags, spoken
from solver.answers.statements import clean, stated

__all__ = ["DEFAULT_REASONING", "Extracted", "Tags", "extract", "reference", "solution"]

_ANSWER_TAGS: tuple[Tags, ...] = (("<answer>", "</answer>"), ("<|begin_of_box|>", "<|end_of_box|>"))

_STOP = re.compile(
    r"\s*(?:<[|｜](?!end_of_box)[\w▁]{1,40}[|｜]>|</s>|<eos>|<end_of_turn>|\[UNUSED_TOKEN_\d{1,4}\])\s*$"
)


@dataclass(frozen=True, slots=True)
class Extracted:
    """A final answer as it was written; `rule`: which rule found it; `reasoning_end`: offset where the reasoning
    block ends in the text (just past its closing tag), None when there is none."""

    answer: str
    rule: str
    reasoning_end: int | None


def extract(
    text: str, *, truncated: bool = False, reasoning: Tags | None = DEFAULT_REASONING, thinks: bool = False
) -> Extracted | None:
    """The final answer of one response, or None when it states none.

    truncated: the response hit a cap, so only a complete box counts. reasoning: opening and closing tag of the
    model's reasoning block (the opening one may be missing, as it often belongs to the prompt); an unclosed block has
    no answer, and nothing inside one is read. The default knows the tags of every family in `reasoning.FAMILIES`;
    None: the text has no such block. thinks: the model always reasons first, so that a cut response in which nothing
    was closed is all reasoning, also where the opening tag belongs to the prompt.
    """
    text = _without_stops(text)
    begin, closed = spoken(text, reasoning)
    if not closed or (thinks and truncated and not begin):
        return None
    found = _answer(text[begin:], truncated)
    return None if found is None else Extracted(*found, begin or None)


def _without_stops(text: str) -> str:
    """The text without the special tokens it may end on: `<|im_end|>`, `</s>`."""
    while text.rstrip().endswith((">", "]")) and (stop := _STOP.search(text, max(0, len(text) - 60))):
        text = text[: stop.start()]
    return text


def solution(text: str, reasoning: Tags | None = DEFAULT_REASONING) -> str:
    """What a response says aloud: the text after its reasoning block; empty when that was never closed."""
    begin, closed = spoken(text, reasoning)
    return text[begin:].strip() if closed else ""


def reference(text: str) -> str | None:
    """The final answer of a gold column: after its last `####`, else its last box, else all of it; None when blank."""
    _, mark, tail = text.rpartition("####")
    if not mark and "box" in text and (box := last_box(text)) is not None:
        tail = box.content
    return tail.strip() or None


def _answer(text: str, truncated: bool) -> tuple[str, str] | None:
    """Answer and rule of the spoken part."""
    if "\x08oxed" in text:  # `\boxed` that went through a careless string literal
        text = text.replace("\x08oxed", r"\boxed")
    if (box := last_box(text)) is not None:
        return _boxed(text, box, truncated)
    if truncated:
        return None
    return _tagged(text) or phrase(text) or last_line(text)


def _boxed(text: str, box: Box, truncated: bool) -> tuple[str, str] | None:
    if not box.content:
        return None
    corrected = None if truncated else correction(text, box.end, box.content)
    return (box.content, "boxed") if corrected is None else (corrected, "correction")


def _tagged(text: str) -> tuple[str, str] | None:
    """What stands in the last `<answer>` tag, which must be closed."""
    for opening, closing in _ANSWER_TAGS:
        if closing not in text:
            continue
        end = text.rfind(closing)
        begin = text.rfind(opening, 0, end)
        inside = text[begin + len(opening) : end].strip() if begin >= 0 else ""
        if not inside or not is_answer(inside):
            continue
        if (said := phrase(inside)) is not None:
            return said[0], "tag"
        answer = stated(inside) if "\n" not in inside else None
        if answer is None and (line := last_line(inside)) is not None:
            answer = line[0]
        if answer is not None or (answer := clean(inside)) is not None:
            return answer, "tag"
    return None
