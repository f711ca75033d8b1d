"""Predictions and gold answers of some rows -> what was predicted, whether it is right, and the rule that found it."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from solver.answers import Grader, extract, reference

_LONGEST_ANSWER = 200  # characters of a line that may be a bare answer


class Verdict(NamedTuple):
    """predicted: the answer, or None when there is none; correct: None when the gold answer cannot be graded; rule:
    which rule found the answer, `bare` when the whole text is taken as one."""

    predicted: str | None
    correct: bool | None
    rule: str | None


async def judge(predictions: Sequence[Any], golds: Sequence[Any], kind: str, grader: Grader) -> list[Verdict]:
    """A verdict for each row. kind: `response`, `answer` or `either`, see `Task`."""
    pairs = zip(predictions, golds, strict=True)
    return list(await asyncio.gather(*(_verdict(text_of(said), text_of(gold), kind, grader) for said, gold in pairs)))


async def _verdict(said: str | None, gold: str | None, kind: str, grader: Grader) -> Verdict:
    answer, rule = predicted(said, kind)
    expected = None if gold is None else reference(gold)
    if expected is None:
        return Verdict(answer, None, rule)
    if answer is not None and await grader.equivalent(answer, expected):
        return Verdict(answer, True, rule)
    (known,) = await grader.classify([expected])
    return Verdict(answer, None if known is None else False, rule)


def predicted(said: str | None, kind: str) -> tuple[str | None, str | None]:
    """The answer of one cell and the rule that found it; None twice when it states none."""
    if said is None or not said.strip():
        return None, None
    found = None if kind == "answer" else extract(said)
    if found is not None:
        return found.answer, found.rule
    bare = said.strip()
    one_line = "\n" not in bare and len(bare) <= _LONGEST_ANSWER and "boxed{" not in bare and "think>" not in bare
    return (bare, "bare") if kind == "answer" or (kind == "either" and one_line) else (None, None)


def text_of(cell: Any) -> str | None:
    """A cell as text, as gold columns are read everywhere: 7.0 beside nulls is "7", nan is nothing."""
    from solver.problems.surveying import answer_text

    return answer_text(cell)
