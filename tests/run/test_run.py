"""The whole line, from a table of problems to two tables, and what the next run of the same directory does."""

import json
import shutil
from collections import Counter
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from desk import Desk

from solver.errors import FaultsError, FingerprintError, InputError, JobError, LockedError
from solver.records import Status
from solver.store import Store

LONG = " ".join(["step"] * 80) + " \\boxed{7}"
MEANS = {"It is \\boxed{1/2}": "1/2", "So \\boxed{0.5}": "0.5", "Perhaps \\boxed{3}": "3", "No idea": None}

ROWS: list[dict[str, Any]] = [
    {"id": "half", "problem": "What is a half?", "answer": "0.50", "level": 2, "tags": ["easy", "zh"]},
    {"id": "four", "problem": "What is two and two?", "answer": "4", "level": 1, "tags": []},
    {"id": "none", "problem": "What is the meaning of it all?", "answer": None, "level": None, "tags": None},
    {"id": "long", "problem": "What is a very long way to 7?", "answer": "7", "level": 9, "tags": ["long"]},
]
REPLIES = {
    "What is a half?": list(MEANS),
    "What is two and two?": ["\\boxed{4}"],
    "What is the meaning of it all?": ["I cannot tell."],
    "What is a very long way to 7?": [LONG],
}


# Up to one row in twenty may be blank; more is taken for the wrong column.
BLANK = {"id": "blank", "problem": "  ", "answer": "1"}
MANY = [{"id": f"p{i}", "problem": f"What is {i} less {i - 1}?", "answer": "1"} for i in range(20)]


def number(**fields: str) -> dict[str, Any]:
    return {"problem": "Which number?", "answer": "1", "id": "one", **fields}


def texts(desk: Desk) -> dict[tuple[bytes, int], str]:
    return {(s.key.row_id, s.key.k): s.text for s in desk.samples()}


def test_the_tables_hold_what_a_count_by_hand_gives(desk: Desk) -> None:
    summary = desk.lay(ROWS, REPLIES, sampling={"n": 12}).run()
    rows, samples = desk.results(), desk.samples()
    assert summary.exit_code == 0 and summary.samples == 48 == len(samples)
    assert sorted(rows) == ["four", "half", "long", "none"]

    four = rows["four"]
    assert (four["predicted"], four["correct"], four["votes"], four["n_valid"]) == ("4", True, 12, 12)
    assert (four["agreement"], four["margin"], four["tie"]) == (1.0, 1.0, False)
    assert four["classes"] == [{"answer": "4", "votes": 12, "weight": 12.0, "spellings": ["4"]}]
    assert (four["n_samples"], four["n_truncated"], four["output_tokens"], four["status"]) == (12, 0, 12, "ok")

    none = rows["none"]
    assert (none["predicted"], none["correct"], none["reference"], none["status"]) == (None, None, None, "no_answer")
    assert (none["votes"], none["n_valid"], none["agreement"], none["margin"]) == (0, 0, None, None)
    assert none["classes"] == [] and len(none["candidates"]) == 12

    long = rows["long"]
    assert (long["n_truncated"], long["n_valid"], long["correct"], long["status"]) == (12, 0, False, "no_answer")
    assert long["output_tokens"] == 12 * 50
    assert {s.status for s in samples if s.key.row_id.hex() == long["row_id"]} == {Status.TRUNCATED}


def test_equal_answers_are_one_class_and_every_vote_names_its_samples(desk: Desk) -> None:
    desk.lay(ROWS, REPLIES, sampling={"n": 40}).run()
    half = desk.results()["half"]
    said = {s.key.k: MEANS[s.text] for s in desk.samples() if s.key.row_id.hex() == half["row_id"]}
    spelled = Counter(answer for answer in said.values() if answer)
    assert len(spelled) == 3 and None in said.values(), "the seeds must reach every reply"
    votes = sorted([spelled["1/2"] + spelled["0.5"], spelled["3"]], reverse=True)

    assert sorted((c["votes"] for c in half["classes"]), reverse=True) == votes
    joint = next(c for c in half["classes"] if c["answer"] != "3")
    assert set(joint["spellings"]) == {"1/2", "0.5"}
    assert spelled[joint["answer"]] == max(spelled["1/2"], spelled["0.5"]), "a class is named by its commonest spelling"
    assert half["n_valid"] == sum(votes) and half["votes"] == votes[0]
    assert half["agreement"] == pytest.approx(float(Fraction(votes[0], sum(votes))))
    assert half["margin"] == pytest.approx(float(Fraction(votes[0] - votes[1], sum(votes))))
    for candidate in half["candidates"]:
        k = candidate["k"]
        assert [key["k"] for key in candidate["keys"]] == [k]
        assert candidate["answer"] == said[k]
        assert candidate["correct"] == (said[k] in ("1/2", "0.5"))
        assert (candidate["class_id"] is None) == (said[k] is None)
    words = sum(len(s.text.split(" ")) for s in desk.samples() if s.key.row_id.hex() == half["row_id"])
    assert half["output_tokens"] == words


def test_the_summary_counts_what_the_tables_hold(desk: Desk) -> None:
    stats = desk.lay(ROWS, REPLIES, sampling={"n": 12}).run().stats
    half = desk.results()["half"]
    right = sum(c["correct"] for c in half["candidates"])
    assert (stats.problems, stats.referenced, stats.failed, stats.no_answer) == (4, 3, 0, 2)
    assert (stats.samples, stats.truncated, stats.valid) == (48, 12, 12 + half["n_valid"])
    assert stats.pass_at_1.value == pytest.approx((right / 12 + 1 + 0) / 3)
    assert stats.majority.value == pytest.approx((half["correct"] + 1) / 3)
    assert stats.output_tokens == sum(s.output_tokens for s in desk.samples())


def test_a_second_run_repeats_nothing_and_loses_nothing(desk: Desk) -> None:
    desk.lay(ROWS, REPLIES).run()
    rows, samples = desk.results(), desk.samples()
    again = desk.run()
    assert (again.samples, again.problems, again.output_tokens) == (0, 0, 0)
    assert any("4 problems done, nothing to generate" in said for said in desk.said)
    assert desk.results() == rows and desk.samples() == samples


def test_more_samples_keep_the_ones_there_are(desk: Desk) -> None:
    desk.lay(ROWS, REPLIES).run()
    before = texts(desk)
    more = desk.run("sampling.n=10")
    after = texts(desk)
    assert more.samples == 4 * 6
    assert all(after[key] == text for key, text in before.items()) and len(after) == 40
    assert {row["n_samples"] for row in desk.results().values()} == {10}
    assert sorted(c["k"] for c in desk.results()["half"]["candidates"]) == list(range(10))


def test_fewer_samples_vote_anew_over_the_first_ones(desk: Desk) -> None:
    desk.lay(ROWS, REPLIES, sampling={"n": 10}).run()
    fewer = desk.run("sampling.n=3")
    rows = desk.results()
    assert fewer.samples == 0 and len(desk.samples()) == 40
    assert [c["k"] for c in rows["half"]["candidates"]] == [0, 1, 2]
    assert rows["four"]["output_tokens"] == 3


def test_a_changed_reference_is_judged_anew_without_sampling(desk: Desk) -> None:
    desk.lay([number(answer="1")], ["\\boxed{2}"]).run()
    assert desk.results()["one"]["correct"] is False
    desk.table([number(answer="4/2")])
    again = desk.run()
    one = desk.results()["one"]
    assert (again.samples, again.problems) == (0, 1)
    assert (one["correct"], one["reference"], one["predicted"]) == (True, "4/2", "2")


def test_what_passes_through_is_as_the_table_says_now(desk: Desk) -> None:
    """Another id or another column is decided anew from the same samples; also where a repeated row was the first."""
    desk.lay([number(id="first", level="1"), number(id="second", level="2")], ["\\boxed{1}"]).run()
    desk.table([number(id="second", level="3")])
    again = desk.run()
    assert (again.samples, again.problems) == (0, 1)
    assert {name: row["level"] for name, row in desk.results().items()} == {"second": "3"}
    desk.table([{**number(id="second"), "difficulty": 7}])
    assert desk.run().problems == 1 and desk.run().problems == 0
    one = desk.results()["second"]
    assert "level" not in one and one["difficulty"] == 7


def test_made_ids_may_come_back_as_ids(desk: Desk) -> None:
    """A results table taken for the next input, its ids with it: nothing is decided anew again and again."""
    desk.lay([number(id=""), number(id="")], ["\\boxed{1}"]).run()
    desk.table([number(id=name) for name in desk.results()])
    desk.run()
    assert desk.run().problems == 0


def test_a_table_that_grows_and_moves_costs_only_its_new_rows(desk: Desk) -> None:
    desk.lay(ROWS[:3], REPLIES).run()
    before = texts(desk)
    desk.table([ROWS[3], ROWS[2], ROWS[0], ROWS[1]])
    assert desk.run().samples == 4, "only the added row is asked"
    rows = desk.results()
    assert {name: row["row"] for name, row in rows.items()} == {"long": 0, "none": 1, "half": 2, "four": 3}
    assert all(texts(desk)[key] == text for key, text in before.items())


def test_a_changed_problem_is_a_new_one_and_a_removed_one_leaves_the_results(desk: Desk) -> None:
    desk.lay(ROWS, REPLIES).run()
    desk.table([{**ROWS[0], "problem": "What is one half?"}, ROWS[1]])
    again = desk.run()
    rows = desk.results()
    assert again.samples == 4 and sorted(rows) == ["four", "half"]
    assert rows["half"]["problem"] == "What is one half?"
    assert len(desk.samples()) == 20, "samples are never deleted"
    desk.table(ROWS)
    assert desk.run().samples == 0, "what comes back is still there"
    assert sorted(desk.results()) == ["four", "half", "long", "none"]


def test_equal_rows_are_different_problems(desk: Desk) -> None:
    desk.lay([number(id="first"), number(id="second")], [f"\\boxed{{{i}}}" for i in range(50)]).run()
    rows = desk.results()
    assert len(desk.samples()) == 8 and rows["first"]["row_id"] != rows["second"]["row_id"]


def test_other_sampling_in_the_same_directory_is_refused_by_name(desk: Desk) -> None:
    desk.lay(ROWS, REPLIES, sampling={"temperature": 1.0, "top_p": 0.8}).run()
    rows = desk.results()
    with pytest.raises(FingerprintError) as refused:
        desk.run("sampling.temperature=0.7", "sampling.top_p=0.95", "sampling.n=9", "prompt.template=cot")
    told = str(refused.value)
    for key, old, new in (("sampling.temperature", "1.0", "0.7"), ("sampling.top_p", "0.8", "0.95")):
        fault = next(str(f) for f in refused.value.faults if key in f.where)
        assert old in fault and new in fault
    assert "prompt.template" in told and "sampling.n" not in told
    assert "output.dir" in told, "it says how to run elsewhere"
    assert desk.results() == rows and desk.run().samples == 0


def test_a_higher_cap_redoes_only_what_was_cut(desk: Desk) -> None:
    desk.lay(ROWS, REPLIES).run()
    before = texts(desk)
    again = desk.run("sampling.max_tokens=100")
    rows = desk.results()
    assert again.samples == 4
    assert (rows["long"]["predicted"], rows["long"]["correct"], rows["long"]["n_truncated"]) == ("7", True, 0)
    cut = bytes.fromhex(rows["long"]["row_id"])
    assert all(texts(desk)[key] == text for key, text in before.items() if key[0] != cut)
    assert desk.run("sampling.max_tokens=50").samples == 0, "a lower cap takes nothing back"
    assert desk.results()["long"]["predicted"] == "7"


def test_input_columns_pass_through_unchanged(desk: Desk) -> None:
    table = pa.table(
        {
            "problem": ["One?", "Two?"],
            "big": pa.array([2**62 + 1, None], pa.int64()),
            "when": pa.array([1_700_000_000_000_001, None], pa.timestamp("us", tz="UTC")),
            "deep": pa.array([{"a": [1, None]}, None], pa.struct([("a", pa.list_(pa.int32()))])),
            "raw": pa.array([b"\x00\xff", b""], pa.binary()),
            "kind": pa.array(["x", "y"]).dictionary_encode(),
            "votes": ["theirs", "ours?"],
        }
    )
    desk.lay([], ["\\boxed{1}"], input={"path": "problems.parquet"})
    pq.write_table(table, desk.home / "problems.parquet")
    desk.run()
    rows = sorted(Store.read(desk.out).results(), key=lambda row: row["row"])
    for name in ("big", "when", "deep", "raw", "kind"):
        assert [row[name] for row in rows] == table[name].to_pylist()
    assert [row["input_votes"] for row in rows] == ["theirs", "ours?"] and rows[0]["votes"] == 4


def test_a_blank_problem_is_a_row_that_says_why(desk: Desk) -> None:
    summary = desk.lay([BLANK, *MANY], ["\\boxed{1}"]).run()
    assert (summary.exit_code, summary.stats.failed, summary.stats.problems) == (3, 1, 21)
    row = desk.results()["blank"]
    assert (row["status"], row["predicted"], row["correct"], row["n_samples"]) == ("failed", None, False, 0)
    why = [s for s in desk.samples() if s.key.row_id.hex() == row["row_id"]]
    assert [(s.status, bool(s.error)) for s in why] == [(Status.ERROR, True)]
    again = desk.run()
    assert (again.samples, again.exit_code) == (0, 3), "a failure is finished, too"


def test_the_faults_of_template_and_table_come_together_and_nothing_is_written(desk: Desk) -> None:
    desk.lay([{"text": "no problem column"}], REPLIES, prompt={"template": "./missing.jinja"})
    with pytest.raises(FaultsError) as refused:
        desk.run()
    assert len(refused.value.faults) == 2 and not desk.out.exists()


def test_an_empty_table_is_refused_or_empty_but_never_a_crash(desk: Desk) -> None:
    desk.lay([], REPLIES)
    with pytest.raises((InputError, JobError)):
        desk.run()


def test_a_directory_serves_one_owner_at_a_time(desk: Desk) -> None:
    desk.lay(ROWS, REPLIES).run()
    with Store.create_or_open(desk.out), pytest.raises(LockedError):
        desk.run()
    assert desk.run().samples == 0


def test_the_run_directory_is_a_runnable_job_that_can_be_moved(desk: Desk) -> None:
    desk.lay(ROWS, REPLIES, input={"limit": 3}).run()
    moved = desk.home / "elsewhere" / "out"
    moved.parent.mkdir()
    shutil.copy(desk.home / "problems.jsonl", moved.parent / "problems.jsonl")
    desk.out.rename(moved)
    desk.out, desk.job = moved, moved / "job.yaml"
    again = desk.run()
    assert (again.samples, again.stats.problems) == (0, 3)
    manifest = json.loads((moved / "manifest.json").read_text())
    assert manifest and Store.read(moved).finished
