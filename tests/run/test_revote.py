"""Deciding anew from the samples that a run holds: never generates, and says what it would need."""

import pytest
from desk import Desk

from solver.errors import JobError

ROWS = [
    {"id": "half", "problem": "What is a half?", "answer": "0.50"},
    {"id": "four", "problem": "What is two and two?", "answer": "4"},
]
REPLIES = {"What is a half?": ["It is \\boxed{1/2}", "Perhaps \\boxed{3}"], "What is two and two?": ["\\boxed{4}"]}
MANY = [{"id": f"p{i}", "problem": f"What is {i} less {i - 1}?", "answer": "1"} for i in range(20)]
BLANK = {"id": "blank", "problem": "  ", "answer": "1"}


def test_revote_decides_anew_and_never_generates(desk: Desk) -> None:
    desk.lay(ROWS, REPLIES, sampling={"n": 6}).run()
    (desk.home / "replies.json").unlink()
    fewer = desk.revote("sampling.n=2")
    assert fewer.samples == 0 and {len(r["candidates"]) for r in desk.results().values()} == {2}
    back = desk.revote("sampling.n=6")
    assert back.samples == 0 and {r["n_samples"] for r in desk.results().values()} == {6}
    assert len(desk.samples()) == 12


def test_revote_says_what_it_would_need_and_a_run_brings_it(desk: Desk) -> None:
    desk.lay(ROWS[:2], REPLIES).run()
    owed = desk.revote("sampling.n=9")
    assert (owed.samples, owed.stats.wants_more, len(desk.samples())) == (0, 2, 8)
    assert {row["status"] for row in desk.results().values()} == {"wants_more"}
    assert desk.revote("sampling.n=9").stats.wants_more == 2
    went_on = desk.run("sampling.n=9")
    assert (went_on.samples, went_on.stats.wants_more) == (10, 0)
    assert {row["status"] for row in desk.results().values()} == {"ok"}


def test_revote_says_what_it_does_and_never_speaks_of_resuming(desk: Desk) -> None:
    desk.lay(MANY, ["\\boxed{1}"]).run()
    desk.revote("sampling.n=3")
    assert "deciding 20 of 20 problems anew from the samples of " in desk.said[0]
    desk.table([MANY[0] | {"answer": "2"}, *MANY[1:]])
    desk.revote()
    assert desk.said[0].startswith("deciding 1 of 20 problems anew") and desk.said[0].endswith(
        "; 19 are decided by these rules already"
    )
    desk.revote()
    assert desk.said[0].endswith("out: all 20 problems are decided by these rules already")
    assert not [line for line in desk.said if "resuming" in line]


def test_a_rule_that_is_over_before_it_needs_what_is_not_there_writes_no_samples(desk: Desk) -> None:
    """It had begun to ask for more; what a revote asks nobody for was never cut short either."""
    desk.lay(MANY, ["\\boxed{1}"]).run()
    before = desk.samples()
    summary = desk.revote("strategy=exact", "sampling.n=7")
    assert (summary.samples, summary.stats.wants_more, len(desk.results())) == (0, 0, 20)
    assert desk.samples() == before


def test_revote_of_failed_rows_writes_no_samples(desk: Desk) -> None:
    desk.lay([BLANK, *MANY], ["\\boxed{1}"]).run()
    before = desk.samples()
    assert desk.revote("sampling.n=2").samples == 0
    assert desk.samples() == before and desk.results()["blank"]["status"] == "failed"


def test_revote_refuses_what_was_sampled_otherwise(desk: Desk) -> None:
    desk.lay(ROWS[:1], REPLIES).run()
    with pytest.raises(JobError) as refused:
        desk.revote("sampling.temperature=0.1", "model.source=./elsewhere")
    refusals = [fault.where for fault in refused.value.faults]
    assert refusals == ["-o sampling.temperature=0.1", "-o model.source=./elsewhere"]


def test_revote_counts_a_corrected_reference(desk: Desk) -> None:
    desk.lay([{"problem": "Which?", "answer": "1", "id": "one"}], ["\\boxed{2}"]).run()
    desk.table([{"problem": "Which?", "answer": "2", "id": "one"}])
    assert desk.revote().samples == 0 and desk.results()["one"]["correct"] is True


def test_revote_takes_cut_samples_as_they_are_whatever_the_cap_is_now(desk: Desk) -> None:
    """A run under a higher cap that was killed at its start leaves its job file and the old, shorter samples."""
    desk.lay(ROWS[1:], {ROWS[1]["problem"]: ["step " * 60 + "\\boxed{4}"]}).run()
    job = desk.out / "job.yaml"
    text = job.read_text("utf-8")
    assert "max_tokens: 50" in text
    job.write_text(text.replace("max_tokens: 50", "max_tokens: 100"), "utf-8")
    summary = desk.revote()
    assert (summary.samples, summary.stats.wants_more, summary.stats.truncated) == (0, 0, 4)
    assert desk.run("sampling.max_tokens=100").samples == 4, "a run redoes them"
    assert desk.results()["four"]["correct"] is True
