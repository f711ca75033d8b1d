"""What goes into the two tables comes out again, and other programs can open them as they lie."""

import dataclasses
import re
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from store_rows import EXTRA, key, problems, put, result, row_id, sample, shards, write

from solver.errors import StoreError
from solver.records import AnswerClass, Candidate, Outcome, SampleKey, Status, Vote
from solver.store import Store, result_of_row

AWKWARD = [
    "",
    "plain",
    "答案是 \\boxed{4}。\u202e\u0000 NUL in the middle",
    "half a surrogate pair \ud83d",
    "\udcff\ud800",
    "\ufffd was already there, \ufffe\uffff too",
    "line\r\n\tends \x1b[31m",
]
SAMPLE_COLUMNS = (
    "row_id path call k role text status finish_reason prompt_tokens output_tokens mean_logprob seed error data"
)
RESULT_COLUMNS = (
    "row_id row id problem reference predicted correct votes n_samples n_valid n_truncated agreement margin tie "
    "classes candidates output_tokens status decision"
)


def test_every_sample_comes_back_exactly(tmp_path: Path) -> None:
    written = [sample(1, k, text) for k, text in enumerate(AWKWARD)]
    written += [
        sample(2, 0, "", status=Status.ERROR, finish_reason=None, error="engine said \udc80", output_tokens=0),
        sample(2, 1, status=Status.TRUNCATED, mean_logprob=-0.25, data='{"kept": "\\ud800"}'),
        sample(2, 2, "\ud800", data="not JSON \ud800"),
        sample(2, 3, data='{"solver:exact": {"text": "made to look like ours"}}'),
        sample(2, 4, "\ud800", data='{"solver:exact": 1}', role="critique", finish_reason="\ud800"),
        sample(2, 5, key=SampleKey(row_id(2), "tree/0/3", 0, 2**31 - 1), seed=0),
        *(sample(3, k, status=status) for k, status in enumerate(Status)),
    ]
    write(tmp_path / "run", written)
    store = Store.read(tmp_path / "run")
    assert list(store.samples()) == written
    finished = [one for one in written if one.finished]
    assert {k: v for i in (1, 2, 3) for k, v in store.samples_of(row_id(i)).items()} == {s.key: s for s in finished}


def test_two_halves_side_by_side_become_their_character(tmp_path: Path) -> None:
    write(tmp_path / "run", [sample(1, 0, "\ud83d" + "\ude00")])
    assert [one.text for one in Store.read(tmp_path / "run").samples()] == ["😀"]


def test_a_surrogate_is_a_replacement_character_to_other_programs(tmp_path: Path) -> None:
    write(tmp_path / "run", [sample(1, 0, "a\ud800b\0c")])
    row = pq.read_table(shards(tmp_path / "run", "samples")[0]).to_pylist()[0]
    assert row["text"] == "a\ufffdb\0c"
    assert row["data"] == '{"solver:exact": {"text": "a\\ud800b\\u0000c", "data": null}}'


def test_every_result_comes_back_exactly(tmp_path: Path) -> None:
    classes = (AnswerClass("4", 2, 1.5, ("4", "4.0")), AnswerClass("五", 1, 0.5, ("五",)))
    candidates = (
        Candidate(
            (key(5, 0), SampleKey(row_id(5), "critique/2", 17, 3)), 0, "4", "boxed", 0, True, 0.75, ("hinted",), 12
        ),
        Candidate((key(5, 1),), 1, None, None, None, None, 1.0, (), None),
    )
    full = dataclasses.replace(
        result(5, level=None, status="theirs", tags=["x", None, "\u0000"]),
        vote=Vote("4", None, 2, 3, 2 / 3, 0.5, True, classes),
        candidates=candidates,
        status=Outcome.WANTS_MORE,
        n_truncated=1,
    )
    bare = dataclasses.replace(
        result(6, n=0), vote=Vote(None, None, 0, 0, None, None, False, ()), status=Outcome.FAILED, decision=0
    )
    write(tmp_path / "run", [], [full, bare])
    back = [result_of_row(row) for row in Store.read(tmp_path / "run").results()]
    for before, after in zip((full, bare), back, strict=True):
        own = before.problem.columns
        stored = {"level": own["level"], "input_status": own["status"], "tags": own["tags"]}
        problem = dataclasses.replace(before.problem, columns=stored)
        assert after == dataclasses.replace(before, problem=problem)


def test_columns_stand_as_promised(tmp_path: Path) -> None:
    problems(tmp_path / "run", range(3))
    samples, results = (pq.read_table(shards(tmp_path / "run", table)[0]) for table in ("samples", "results"))
    assert samples.column_names == SAMPLE_COLUMNS.split()
    assert results.column_names == [*RESULT_COLUMNS.split(), "level", "input_status", "tags"]
    assert all(re.fullmatch("[0-9a-f]{32}", text) for text in samples["row_id"].to_pylist())
    assert [str(samples.schema.field(name).type) for name in ("call", "seed", "k")] == ["uint64", "int64", "int32"]
    assert [str(results.schema.field(name).type) for name in ("decision", "correct", "tie")] == [
        "uint64",
        "bool",
        "bool",
    ]
    assert [path.name for path in shards(tmp_path / "run", "samples")] == ["part-0001-00-000000.parquet"]


def test_a_value_that_does_not_fit_its_column_is_named(tmp_path: Path) -> None:
    with (
        Store.create_or_open(tmp_path / "run") as store,
        pytest.raises(StoreError, match=f"column `level` of problem {row_id(2).hex()} does not fit its type int64"),
    ):
        put(store, [], [result(1), result(2, level="hard")])


def test_row_groups_stay_small_enough_to_read_one_problem(tmp_path: Path) -> None:
    write(tmp_path / "run", [sample(i, 0, "x" * 50_000) for i in range(300)])
    metadata = pq.ParquetFile(shards(tmp_path / "run", "samples")[0]).metadata
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    assert max(group.total_byte_size for group in groups) <= 8 * 2**20
    assert max(group.num_rows for group in groups) <= 512
    store = Store.read(tmp_path / "run")
    assert all(store.samples_of(row_id(i))[key(i)] == sample(i, 0, "x" * 50_000) for i in (0, 150, 299))


def test_other_programs_open_both_tables_as_they_lie(tmp_path: Path) -> None:
    run = tmp_path / "run"
    problems(run, range(3))
    problems(run, range(3, 5))
    with Store.create_or_open(run) as store:
        store.finish({"name": "opened elsewhere"})
    for table, rows in (("samples", 10), ("results", 5)):
        folder, glob = str(run / table), str(run / table / "*.parquet")
        assert ds.dataset(folder).to_table().num_rows == rows
        assert len(pd.read_parquet(folder)) == rows
        assert pl.read_parquet(glob).height == rows
        counted = duckdb.sql(f"select count(*), count(distinct row_id) from '{glob}'").fetchall()
        assert counted == [(rows, 5)]
    frame = pl.read_parquet(str(run / "results" / "*.parquet")).sort("row")
    assert frame["decision"].to_list() == [2**64 - 7] * 5
    assert frame["candidates"][0].to_list()[0]["keys"] == [{"path": "answer", "call": 2**64 - 1, "k": 0}]


def test_datasets_loads_the_folder(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    problems(tmp_path / "run", range(3))
    with Store.create_or_open(tmp_path / "run") as store:
        store.finish({})
    for table, rows in (("samples", 6), ("results", 3)):
        loaded = datasets.load_dataset(str(tmp_path / "run"), table, split="train", cache_dir=str(tmp_path / "cache"))
        assert loaded.num_rows == rows


def test_datasets_loads_the_folder_of_a_run_that_has_not_come_to_its_end(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    with Store.create_or_open(tmp_path / "run") as store:
        store.write_job("name: x\n", {"name": "half made", "model": "abacus"})
        put(store, [sample(1, 0), sample(1, 1), sample(2, 0)], [result(1)])
    card = (tmp_path / "run" / "README.md").read_text()
    assert "# half made\n" in card and "by `solver` from abacus" in card and "| `samples` | not finished |" in card
    for table, rows in (("samples", 3), ("results", 1)):
        loaded = datasets.load_dataset(str(tmp_path / "run"), table, split="train", cache_dir=str(tmp_path / "cache"))
        assert loaded.num_rows == rows
    with Store.create_or_open(tmp_path / "run") as store:
        store.finish({"name": "made"})
        store.write_job("name: x\n", {"name": "another start"})
    assert "# made\n" in (tmp_path / "run" / "README.md").read_text(), "a card with counts is not taken back"


def test_the_extra_schema_of_these_tests_collides_on_purpose() -> None:
    assert "status" in EXTRA.names
