"""What an export leaves out, refuses and clears away: duplicates, votes that do not stand, options that do nothing."""

import asyncio
import json
import math
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from desk import Desk, environment
from runs import Asked as Problem
from runs import Said, answers, make_run
from written import out

from solver.errors import ExportError, MachineError
from solver.export import Asked, export
from solver.export.writing import Split, appearing
from solver.store import Store


def test_duplicates_and_benchmark_problems_go(tmp_path: Path) -> None:
    asked = "A farmer has seventeen sheep and all but nine of them run away today"
    run = make_run(tmp_path / "run", [answers("1", "1", text=asked), answers("1", text="Something else")])
    done = export(run, Asked("sft", tmp_path / "a", dedupe=("exact",)))
    assert done.counts["no exact duplicates"] == [2, 2]
    bench = tmp_path / "bench.jsonl"
    bench.write_text(json.dumps({"problem": f"Yesterday: {asked.lower()}!", "answer": "9"}) + "\n")
    clean = export(run, Asked("sft", tmp_path / "b", benchmarks=(str(bench),)))
    assert {row["id"] for row in out(clean)} == {"p1"}
    with pytest.raises(ExportError, match="nothing"):
        export(run, Asked("sft", tmp_path / "c", benchmarks=(str(tmp_path / "nothing.parquet"),)))
    assert not (tmp_path / "c").exists()


def test_near_duplicates_go(tmp_path: Path) -> None:
    words = " ".join(f"word{n}" for n in range(60))
    near = Problem([Said("1", text=f"{words} \\boxed{{1}}"), Said("1", text=f"{words} so \\boxed{{1}}"), Said("1")])
    unlike = [replace(answers("1"), text=text) for text in ("What is 12 + 7?", "What is 12 - 7?", "∀", "∃")]
    run = make_run(tmp_path / "run", [replace(near, text=f"{words} a"), replace(near, text=f"{words} b"), *unlike])
    done = export(run, Asked("sft", tmp_path / "o", dedupe=("near", "problems")))
    assert done.counts["no near-duplicate problems"][0] == 5
    assert [(row["id"], row["k"]) for row in out(done)] == [
        *(("p0", 0), ("p0", 2)),
        *((f"p{number}", 0) for number in (2, 3, 4, 5)),
    ]
    equal = export(run, Asked("sft", tmp_path / "equal", dedupe=("problems",), similarity=1.0))
    assert equal.counts["no near-duplicate problems"][0] == 6


def test_without_datasketch_near_duplicates_are_refused_and_the_way_to_it_is_said(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasketch", None)
    with pytest.raises(MachineError, match="pip install"):
        export(run, Asked("sft", tmp_path / "o", dedupe=("near",)))
    assert not (tmp_path / "o").exists()


def test_what_no_row_holds_is_counted_too(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [answers("1", "1", "1", "2"), answers("1", "1")])
    pairs = export(run, Asked("dpo", tmp_path / "a"))
    assert pairs.counts["in the rows written"] == [1, 2], "two right responses have no wrong one left"
    even = export(run, Asked("kto", tmp_path / "b", balance="labels"))
    assert even.counts["in the rows written"] == [1, 2]


def test_samples_of_problems_without_a_result_are_said_to_be_left_out(tmp_path: Path) -> None:
    whole = make_run(tmp_path / "whole", [answers("1", "2")])
    asyncio.run(_growing(tmp_path / "growing", whole))
    done = export(tmp_path / "growing", Asked("table", tmp_path / "o"))
    assert (done.waiting, done.rows) == (2, {"train": 0})
    assert "samples of problems without a result" in "".join(done.lines())
    assert "| samples of problems without a result | | 2 |" in (tmp_path / "o/README.md").read_text()


async def _growing(path: Path, whole: Path) -> None:
    """A run that has samples and no result yet."""
    with Store.create_or_open(path) as store:
        async with store.writer() as writer:
            for sample in Store.read(whole).samples():
                await writer.add(sample)


def test_equal_problems_are_never_in_both_splits(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [replace(answers("1"), text=f"q{n % 8}") for n in range(64)])
    done = export(run, Asked("sft", tmp_path / "o", holdout=0.5))
    train, test = ({row["messages"][0]["content"] for row in out(done, name)} for name in ("train", "test"))
    assert train and test and not train & test


def test_a_label_needs_a_vote_that_stands(tmp_path: Path) -> None:
    """A rule that wants more samples, or a strategy that kept silent, has labelled nothing."""
    desk = Desk(tmp_path).lay([{"problem": "q", "id": "q"}], ["\\boxed{1}"])
    desk.run()
    desk.revote("sampling.n=8")
    (row,) = out(export(desk.out, Asked("labels", tmp_path / "more")))
    assert (row["label"], row["why"]) == ("abstained", "the rule wants more samples")
    assert not out(export(desk.out, Asked("sft", tmp_path / "sft", labels="voted")))


def test_an_option_that_does_nothing_is_refused(run: Path, tmp_path: Path) -> None:
    idle = Asked("labels", tmp_path / "o", dedupe=("exact",), system="Think.", pass_rate=(0.1, 0.9))
    with pytest.raises(ExportError) as told:
        export(run, idle)
    assert {fault.where for fault in told.value.faults} == {"--dedupe", "--system", "--pass-rate"}
    for wrong in (
        Asked("sft", tmp_path / "o", min_agreement=0.9),
        Asked("openr1", tmp_path / "o", reasoning="field"),
        Asked("sft", tmp_path / "o", similarity=0.9),
    ):
        with pytest.raises(ExportError):
            export(run, wrong)


def test_words_that_are_no_utf8_are_a_fault_and_no_traceback(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError) as told:
        export(run, Asked("sft", tmp_path / "o", system="caf\udce9", license="\udce9"))
    assert [fault.where for fault in told.value.faults] == ["--system", "--license"]


def test_json_lines_hold_no_number_that_json_has_no_word_for(tmp_path: Path) -> None:
    schema = pa.schema([("hard", pa.float64())])
    split = Split(tmp_path / "train", "jsonl", schema)
    for value in (math.nan, 1.5, -math.inf):
        split.add({"hard": value})
    split.close()
    lines = (tmp_path / "train/part-00000.jsonl").read_text().splitlines()
    assert lines == ['{"hard":null}', '{"hard":1.5}', '{"hard":null}']


def test_what_a_killed_export_left_goes_with_the_next_one(run: Path, tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from solver.export.writing import Split, appearing
with appearing(Path({str(tmp_path / "o")!r})) as work:
    (work / "part").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], env=environment(), check=False)
    (left,) = tmp_path.glob(".o.exporting-*")
    with appearing(tmp_path / "o") as work:
        assert not left.exists() and work.exists()
        with suppress(ValueError), appearing(tmp_path / "o") as other:
            assert work.exists() and other != work, "a live export is left alone"
            raise ValueError
