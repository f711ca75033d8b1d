"""Ends of responses in both languages, as models write them, and what a reader takes for their answer.

read_responses.jsonl holds `{"text", "answer"}`; an answer is right when it is equal to that one, and null says none.
"""

import asyncio
import json
from pathlib import Path

from solver.answers import Grader, extract

ENDS = Path(__file__).with_name("read_responses.jsonl")
PAIRS = Path(__file__).with_name("suite").glob("pairs-*.jsonl")


def test_what_a_reader_takes_for_the_answer_is_what_is_extracted() -> None:
    ends = [json.loads(line) for line in ENDS.read_text("utf-8").splitlines()]

    async def misread() -> list[str]:
        wrong = []
        async with Grader() as grader:
            for end in ends:
                found = extract(end["text"])
                if found is None or end["answer"] is None:
                    right = found is None and end["answer"] is None
                else:
                    right = await grader.equivalent(found.answer, end["answer"])
                if not right:
                    wrong.append(f"{end['text']!r} is {end['answer']!r}, read as {found}")
        return wrong

    assert len(ends) > 500
    assert asyncio.run(misread()) == []


def test_a_truncated_response_never_answers_by_its_words() -> None:
    for line in ENDS.read_text("utf-8").splitlines():
        text = json.loads(line)["text"]
        if "boxed" not in text and "box{" not in text:
            assert extract(text, truncated=True) is None, text


FORMS = (
    r"so \boxed{%s}.",
    "So the answer is %s.",
    "**Final Answer:** %s",
    "所以答案是%s。",
    "Thus.\n#### %s",
    "Thus.\n\n%s",
)


def test_no_answer_of_the_suite_is_cut_when_a_response_states_it() -> None:
    """Every answer of the labelled pairs, in every usual sentence: read whole, or not at all."""
    pairs = [json.loads(line) for part in sorted(PAIRS) for line in part.read_text("utf-8").splitlines()]
    answers = dict.fromkeys(side for pair in pairs for side in (pair["a"], pair["b"]))
    stated = [one for one in answers if "\n" not in one and not one.endswith("!") and one != "5 = x"]  # 5! or hurray

    async def cut() -> list[str]:
        wrong, missed = [], 0
        async with Grader() as grader:
            known = [
                one for one, number in zip(stated, await grader.classify(stated), strict=True) if number is not None
            ]
            for one in known:
                for form in FORMS:
                    found = extract(form.replace("%s", one))
                    if found is None:
                        missed += form != FORMS[-1]
                    elif not await grader.equivalent(found.answer, one):
                        wrong.append(f"{form!r} with {one!r} is read as {found}")
        assert missed < len(known) / 100
        return wrong

    assert len(stated) > 1500
    assert asyncio.run(cut()) == []
