"""`solver replay`: other strategies over recorded samples give what a run under them gives, and say what they lack."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from desk import Desk, solver

from solver.errors import FaultsError
from solver.replay import Columns, Recorded, replay, replayed, told
from solver.schema import short_strategy

ROWS = [
    {"id": f"p{i}", "problem": f"What is {i}?", "answer": "5", "scores": [k % 4 for k in range(12)]} for i in range(30)
]
REPLIES = [
    "so \\boxed{5}",
    "so \\boxed{5 cm}",
    "so \\boxed{5.0}",
    "well, \\boxed{7}",
    "\\boxed{5 m}",
    "\\boxed{8}",
    "none",
]
BLOCKS: dict[str, dict[str, Any]] = {
    "beta": short_strategy("beta:0.9"),
    "esc": short_strategy("esc:3"),
    "exact": short_strategy("exact"),
    "cascade": {"name": "cascade", "probe": 3, "agree": 0.6, "within": short_strategy("beta:0.9")},
    "abstain": {"name": "abstain", "below": 0.6, "within": {}},
    "mbr": {"choose": {"rule": "mbr", "utility": "token-f1", "over": "text"}},
    "best": {"stop": {"rule": "beta"}, "choose": {"rule": "best-of-n", "by": "column", "column": "scores"}},
}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_replay_in_the_recorded_order_is_what_a_run_would_have_done(desk: Desk, name: str) -> None:
    desk.lay(ROWS, REPLIES, sampling={"n": 12}).run()
    found = replay(desk.out, {name: BLOCKS[name]}, shuffles=0).rows[-1]
    summary = desk.revote(f"strategy={json.dumps(BLOCKS[name])}")
    assert found.accuracy is not None and found.accuracy.value == summary.stats.majority.value
    if name != "cascade":
        mean = sum(row["n_samples"] for row in desk.results().values()) / len(ROWS)
        assert found.samples.value == pytest.approx(mean)


def test_exact_has_the_winner_of_all_in_every_order_though_classes_merge_and_part(desk: Desk) -> None:
    desk.lay(ROWS, REPLIES, sampling={"n": 12}).run()
    found = replay(desk.out, {"exact": short_strategy("exact")}, shuffles=30)
    fixed, exact = found.rows
    assert (fixed.name, fixed.same, exact.same) == ("fixed", 1.0, 1.0)
    assert exact.difference is not None and exact.difference.low == exact.difference.high == 0.0
    assert exact.samples.value < 12 and exact.samples_saved > 1


def test_what_is_saved_is_counted_from_what_was_recorded() -> None:
    recorded = [Recorded("a", ("5",) * 8, (10, 20, 30, 40, 50, 60, 70, 80), reference="5")]
    fixed, beta = replayed(recorded, {"beta": short_strategy("beta")}, shuffles=0).rows
    assert (fixed.samples.value, fixed.tokens) == (8, 360)
    assert (beta.samples.value, beta.tokens, beta.tokens_saved) == (4, 100, 3.6)


def test_a_strategy_that_wants_more_than_was_recorded_says_so(desk: Desk) -> None:
    desk.lay(ROWS, REPLIES, sampling={"n": 12}).run()
    found = replay(desk.out, {"esc": short_strategy("esc:3")}, n=20, shuffles=3)
    assert found.rows[0].wants_more == len(ROWS), "fixed wants 20 and has 12"
    assert "wants more samples than were recorded" in "\n".join(told(found))
    for wrong, why in (
        ({"choose": {"rule": "usc"}}, "asks the model once more"),
        ({"stop": {"rule": "x"}}, "unknown rule"),
    ):
        with pytest.raises(FaultsError, match=why):
            replay(desk.out, {"it": wrong})


def test_a_table_of_samples_is_replayed_by_its_columns(desk: Desk) -> None:
    rows = [
        {"problem_id": f"p{i}", "response": f"so \\boxed{{{5 + (i + k) % 3 // 2}}}", "gold": "5", "tokens": 7}
        for i in range(10)
        for k in range(9)
    ]
    path = desk.home / "samples.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    found = replay(path, {"beta": short_strategy("beta")}, shuffles=5)
    assert (found.problems, found.n, found.rows[0].tokens) == (10, 9, 63)
    assert found.rows[0].accuracy is not None and found.rows[0].accuracy.value == 1.0
    with pytest.raises(FaultsError, match=r"--text: no column `respons`. Did you mean `response`"):
        replay(path, {}, columns=Columns(text="respons"))
    plain = desk.home / "samples.csv"
    plain.write_text("question,predicted\nq,5\nq,5\nq,5\nq,6\n")
    assert replay(plain, {"beta": short_strategy("beta")}, columns=Columns(id="question")).rows[0].accuracy is None


def test_the_command_prints_a_table_and_json(desk: Desk) -> None:
    desk.lay(ROWS, REPLIES, sampling={"n": 12}).run()
    done = solver(desk, "replay", "out", "--strategy", "beta:0.95", "--strategy", "{name: cascade, within: esc}")
    assert done.returncode == 0, done.stderr
    assert "| beta:0.95 |" in done.stdout and "| {name: cascade, within: esc} |" in done.stdout
    found = json.loads(solver(desk, "replay", "out", "--strategy", "exact", "--shuffles", "4", "--json").stdout)
    assert [row["name"] for row in found["rows"]] == ["fixed", "exact"] and found["orders"] == 4
    wrong = solver(desk, "replay", "out", "--strategy", "betta", "--strategy", "beta:3")
    assert wrong.returncode == 2 and "unknown strategy `betta`" in wrong.stderr and "threshold" in wrong.stderr


def test_nothing_is_written(desk: Desk) -> None:
    desk.lay(ROWS, REPLIES, sampling={"n": 12}).run()
    before = {path: path.stat().st_mtime_ns for path in Path(desk.out).rglob("*")}
    replay(desk.out, {"beta": short_strategy("beta")}, shuffles=2)
    assert {path: path.stat().st_mtime_ns for path in Path(desk.out).rglob("*")} == before
