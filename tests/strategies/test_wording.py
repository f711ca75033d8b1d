"""What strategies say and go on from: cues in both languages, responses in several samples, the shipped job files."""

import re
from pathlib import Path
from typing import Any

import pytest

from solver.prompts import cue, cue_names, language_of, load_template
from solver.records import Sample, SampleKey, Status
from solver.run import read_job
from solver.strategies import validate
from solver.strategies.response import data_of, joined, lead_of

JOBS = sorted((Path(__file__).parents[2] / "jobs").glob("*.yaml"))
VALUES: dict[str, Any] = {
    "problem": "P{{1}}",
    "closing": "</t>",
    "tokens": 50,
    "parts": 3,
    "part": "Q",
    "worked": [("Q", "A")],
    "reference": "4",
    "others": ["B"],
}


def sample(text: str, data: str | None = None) -> Sample:
    return Sample(SampleKey(b"r" * 16, "p", 0, 0), "answer", text, Status.OK, "stop", 1, 1, 0, data=data)


def test_a_response_is_joined_from_where_it_began() -> None:
    parts = [sample("plan"), sample("one\ufffd"), sample(" two", data_of("")), sample("three", data_of("\nWait,"))]
    assert joined(parts) == "one two\nWait,three" and joined(parts[:2]) == "one\ufffd"
    assert lead_of(parts[3]) == "\nWait," and lead_of(parts[0]) is None
    assert lead_of(sample("x", '{"confidence":{}}')) is None


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_cue_is_there_in_both_languages_and_problem_text_is_never_a_template(language: str) -> None:
    source = (Path(__file__).parents[2] / f"solver/templates/cues-{language}.jinja").read_text("utf-8")
    assert set(re.findall(r"{% block (\w+)", source)) == cue_names()
    said = {name: cue(name, language, **VALUES) for name in cue_names()}
    assert not any("{%" in text for text in said.values())
    assert said["end_thinking"] == "</t>\n\n" and said["final_answer"].endswith("\\boxed{")
    assert "P{{1}}" in said["chain"] and "4" in said["rationalize"] and "A" in said["combine"]
    assert bool(re.search("[\u4e00-\u9fff]", said["reflect"])) is (language == "zh")


def test_the_language_is_the_prompts_and_the_problems_where_the_prompt_has_no_words() -> None:
    assert language_of(load_template("o1-zh"), "What is 1 + 1?") == "zh"
    assert language_of(load_template("o1-en"), "一加一等于几？") == "en"
    assert language_of(load_template("plain"), "一加一等于几？") == "zh"
    assert language_of(load_template("plain"), "What is 1 + 1?") == "en"
    assert language_of(load_template("plain", "请思考"), "What is 1 + 1?") == "zh"


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_every_shipped_job_is_valid(path: Path) -> None:
    assert not validate(read_job(str(path)).strategy)
