"""Ends of responses in both languages, as models write them, and what a reader takes for their answer.

read_responses.jsonl holds `{"text", "answer"}`; an answer is right when it is equal to that one, and null says none.
"""

import asyncio
import json
from pathlib import Path

from solver.answers import Grader, extract

ENDS = Path(__file__).with_name("read_responses.jsonl")


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
