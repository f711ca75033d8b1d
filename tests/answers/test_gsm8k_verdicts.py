"""5,276 recorded solutions to GSM8K's test problems with the publisher's verdicts: we agree on every one."""

import asyncio
import json
import re
from pathlib import Path

import pytest

from solver.answers import Grader, extract

SOLUTIONS = Path(__file__).parents[3] / "shared" / "data" / "gsm8k" / "example_model_solutions.jsonl"
MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")


beside = pytest.mark.skipif(not SOLUTIONS.is_file(), reason="the recorded solutions are not beside this checkout")


@beside
def test_every_verdict_is_the_publishers() -> None:
    rows = [json.loads(line) for line in SOLUTIONS.read_text("utf-8").splitlines()]

    async def judged() -> list[tuple[str, bool, bool]]:
        async with Grader() as grader:
            return [await verdict(grader, row["ground_truth"], row[model]) for row in rows for model in MODELS]

    verdicts = asyncio.run(judged())
    assert len(verdicts) == 5276
    assert {published for _, _, published in verdicts} == {True, False}
    assert [text for text, ours, published in verdicts if ours != published] == []


async def verdict(grader: Grader, truth: str, recorded: dict) -> tuple[str, bool, bool]:
    """The solution's text, our verdict and the publisher's."""
    gold, found = extract(truth), extract(recorded["solution"])
    assert gold is not None
    right = found is not None and await grader.equivalent(found.answer, gold.answer)
    return recorded["solution"], right, recorded["is_correct"]


@beside
def test_without_its_answer_line_a_worked_solution_is_read_from_its_last_line_or_not_at_all() -> None:
    """The weakest rule on text that people wrote: wrong for less than 3% of what it answers."""
    truths = [json.loads(line)["ground_truth"] for line in SOLUTIONS.read_text("utf-8").splitlines()]
    bodies = [re.sub(r"<<[^>]*>>", "", truth.rpartition("\nA:")[0]) for truth in truths]

    async def right() -> list[bool]:
        async with Grader() as grader:
            pairs = [(extract(body), extract(truth)) for body, truth in zip(bodies, truths, strict=True)]
            return [await grader.equivalent(said.answer, gold.answer) for said, gold in pairs if said and gold]

    marks = asyncio.run(right())
    assert len(marks) > 0.75 * len(truths)
    assert sum(marks) > 0.97 * len(marks)
