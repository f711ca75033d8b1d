"""`solver compact`: the same run in a new directory with few large shards; the old one is not touched."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from desk import Desk
from store_rows import DECISION, problems, put, result, row_id, sample, shards, write
from test_damage import flip

from solver.cli import main
from solver.errors import LockedError, NotARunError
from solver.records import Status
from solver.run import read_job
from solver.store import CorruptShardError, Store
from solver.store import compact as store_compact
from solver.store.compact import compact

REPLIES = [f"so \\boxed{{{number}}}" for number in range(5)]


def bytes_of(run: Path) -> dict[str, bytes]:
    return {str(path.relative_to(run)): path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}


def table(run: Path, name: str) -> pa.Table:
    """A table as it lies, in one order for all: by problem, then by place and number of the sample."""
    rows = ds.dataset(str(run / name)).to_table().replace_schema_metadata(None)
    keys = ["row_id", "path", "call", "k"] if name == "samples" else ["row_id"]
    return rows.sort_by([(key, "ascending") for key in keys]).combine_chunks()


def of_many_shards(desk: Desk) -> Desk:
    """A finished run in a dozen shards: problems added, n raised, one problem gone, one moved."""
    rows = [{"id": f"p{i}", "problem": f"What is {i}?", "answer": str(i % 5), "level": i} for i in range(12)]
    desk.lay(rows[:4], REPLIES)
    for last in (4, 6, 8, 10, 12):
        desk.table(rows[:last])
        desk.run()
    desk.table([rows[11], *rows[1:11]])
    desk.run("sampling.n=6")
    return desk


def compacted(desk: Desk, **options: Any) -> Path:
    new = desk.home / "deep" / "new"
    compact(desk.out, new, read_job(desk.out / "job.yaml"), **options)
    return new


def test_the_new_run_has_the_same_tables_and_goes_on_where_the_old_one_was(desk: Desk) -> None:
    before = bytes_of(of_many_shards(desk).out)
    new = compacted(desk)
    assert bytes_of(desk.out) == before, "the old run was touched"
    assert len(shards(desk.out, "samples")) > 5 and len(shards(new, "samples")) == 1 == len(shards(new, "results"))
    assert all(table(new, name) == table(desk.out, name) for name in ("samples", "results"))
    assert sorted(path.name for path in new.parent.iterdir()) == ["new"]

    asked, found = desk.out, desk.results()
    desk.job, desk.out = new / "job.yaml", new
    again = desk.run()
    assert (again.samples, again.problems, again.directory) == (0, 0, new) and Store.read(new).finished
    assert desk.results() == found and bytes_of(asked) == before
    assert desk.run("sampling.n=7").samples == 11, "more samples are drawn here as there"
    assert desk.revote("sampling.n=2").samples == 0
    assert {row["n_samples"] for row in desk.results().values()} == {2}


def test_shards_are_cut_at_their_size_and_at_other_columns(tmp_path: Path) -> None:
    run, new = tmp_path / "run", tmp_path / "new"
    for first in range(0, 40, 4):
        problems(run, range(first, first + 4))
    write(run, [sample(50, k, "x" * 3000) for k in range(40)])
    with Store.create_or_open(run) as store:
        put(store, [sample(51)], [result(51, n=1, extra_of_this_one=None)])
    made = compact(run, new, shard_bytes=5_000)
    assert made.shards_before == 23 and made.shards == len(shards(new, "samples")) + len(shards(new, "results"))
    assert 3 <= len(shards(new, "samples")) <= 8
    assert all(table(new, name) == table(run, name) for name in ("samples", "results"))
    one = compact(new, tmp_path / "one")
    assert (one.shards, one.samples, one.results) == (2, made.samples, made.results)


def test_texts_pass_a_row_group_at_a_time(tmp_path: Path) -> None:
    """32 MB of text become one shard within the memory of two row groups."""
    for first in range(0, 3200, 400):
        write(tmp_path / "run", [sample(i, 0, f"{i:10000}") for i in range(first, first + 400)])
    before, pool = pa.default_memory_pool(), pa.proxy_memory_pool(pa.default_memory_pool())
    pa.set_memory_pool(pool)
    try:
        assert compact(tmp_path / "run", tmp_path / "new").shards == 1
    finally:
        pa.set_memory_pool(before)
    assert 4 * 2**20 < pool.max_memory() < 16 * 2**20


def test_columns_that_changed_between_runs_stay_apart(tmp_path: Path) -> None:
    run, new = tmp_path / "run", tmp_path / "new"
    write(run, [], [result(1)])

    async def bare(store: Store) -> None:
        async with store.writer() as writer:
            await writer.add_result(result(2))

    with Store.create_or_open(run) as store:
        asyncio.run(bare(store))
    compact(run, new)
    assert len(shards(new, "results")) == 2
    assert sorted(row["id"] for row in Store.read(new).results()) == ["id1", "id2"]


def test_one_copy_of_each_key_and_one_result_of_each_problem_go_over(tmp_path: Path) -> None:
    """A cut sample that was redone, a cancelled one, a result that a later one replaced: as every reader sees them."""
    run, new = tmp_path / "run", tmp_path / "new"
    write(run, [sample(1, 0, status=Status.TRUNCATED), sample(1, 1, "tokens", status=Status.CANCELLED)], [result(1)])
    write(run, [sample(1, 0, "in full")], [result(1, decision=5)])
    compact(run, new)
    assert ds.dataset(str(run / "samples")).count_rows() == 3
    kept = list(Store.read(new).samples())
    assert kept == list(Store.read(run).samples()) and [one.text for one in kept] == ["tokens", "in full"]
    assert ds.dataset(str(new / "results")).to_table()["decision"].to_pylist() == [5]


def test_what_was_not_complete_does_not_become_so(tmp_path: Path) -> None:
    problems(tmp_path / "run", range(3))
    write(tmp_path / "run", [sample(9)])
    compact(tmp_path / "run", tmp_path / "new")
    store = Store.read(tmp_path / "new")
    assert not store.finished and (tmp_path / "new" / "manifest.json").exists()
    with Store.create_or_open(tmp_path / "new") as owner:
        assert owner.epoch == 4 and not owner.notes
        assert owner.done(row_id(2), DECISION) and owner.sample_count(row_id(9)) == 1


def test_a_directory_that_holds_something_is_refused(tmp_path: Path) -> None:
    run = tmp_path / "run"
    problems(run, range(3))
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "thesis.tex").write_text("years of work")
    before = bytes_of(tmp_path)
    for new, why in ((taken, "is not empty"), (run, "lies inside"), (run / "new", "lies inside")):
        with pytest.raises(NotARunError, match=why) as refused:
            compact(run, new)
        assert refused.value.exit_code == 2
    (tmp_path / ".new.compacting").mkdir()
    (tmp_path / ".new.compacting" / "mine").write_text("not yours")
    with pytest.raises(NotARunError, match=r"\.new\.compacting is not empty"):
        compact(run, tmp_path / "new")
    shutil.rmtree(tmp_path / ".new.compacting")
    assert bytes_of(tmp_path) == before
    (tmp_path / "empty").mkdir()
    assert compact(run, tmp_path / "empty").results == 3


def test_a_run_that_somebody_owns_is_not_read(tmp_path: Path) -> None:
    problems(tmp_path / "run", range(3))
    with Store.create_or_open(tmp_path / "run"), pytest.raises(LockedError) as refused:
        compact(tmp_path / "run", tmp_path / "new")
    assert refused.value.exit_code == 75
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(("name", "column"), [("samples", "text"), ("samples", "row_id"), ("results", "problem")])
def test_damage_is_mended_by_a_run_before_anything_is_copied(desk: Desk, name: str, column: str) -> None:
    of_many_shards(desk)
    before = table(desk.out, "results")
    flip(shards(desk.out, name)[-1], column)
    with pytest.raises(
        CorruptShardError, match=r"To set it aside and redo its rows: solver run .*/out/job\.yaml --verify"
    ):
        compacted(desk)
    assert not list((desk.home / "deep").iterdir())
    desk.run("sampling.n=6", verify=True)
    assert table(compacted(desk), "results") == before


def test_a_compact_that_was_cut_off_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, new = tmp_path / "run", tmp_path / "new"
    problems(run, range(3))

    def gone(*_: object, **__: object) -> None:
        raise SystemExit("killed")

    def tidied(path: Path, ignore_errors: bool = False, really: Any = shutil.rmtree) -> None:
        if not ignore_errors:  # a killed process tidies nothing when it goes
            really(path)

    for step in ("write_card", "write_manifest"):
        with monkeypatch.context() as patch:
            patch.setattr(store_compact.manifest, step, gone)
            patch.setattr(shutil, "rmtree", tidied)
            with pytest.raises(SystemExit):
                compact(run, new)
        assert sorted(path.name for path in tmp_path.iterdir()) == [".new.compacting", "run"]
    compact(run, new)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "run"]
    assert all(table(new, name) == table(run, name) for name in ("samples", "results"))


def test_two_compacts_to_one_name_do_not_meet(tmp_path: Path) -> None:
    for run in ("run", "other"):
        problems(tmp_path / run, range(3))

    def meanwhile(*_: object, **__: object) -> None:
        with pytest.raises(LockedError, match="is being written by another"):
            compact(tmp_path / "other", tmp_path / "new")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_compact, "_copy_state", meanwhile)
        compact(tmp_path / "run", tmp_path / "new")
    assert len(list(Store.read(tmp_path / "new").results())) == 3


def test_the_verb_says_what_it_did(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    of_many_shards(desk)
    monkeypatch.chdir(desk.home)

    def said(*words: str) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as left:
            main(words)
        return left.value.code, *capsys.readouterr()

    code, out, _ = said("compact", "out", "new")
    assert (code, out) == (0, "new: 70 samples and 11 results in 2 shards, 7 before\n\nnext: solver show new\n")
    assert said("show", "new")[1].startswith("job: complete\n")
    code, out, err = said("compact", "out", "new", "--json")
    assert (code, out) == (2, "") and "new exists and is not empty; nothing was touched" in err
    code, out, _ = said("compact", "out", "newer", "--json")
    assert code == 0 and json.loads(out) == {
        "directory": str(desk.home / "newer"), "samples": 70, "results": 11, "shards_before": 7, "shards": 2
    }  # fmt: skip


def test_datasets_loads_the_new_run(desk: Desk) -> None:
    datasets = pytest.importorskip("datasets")
    new = compacted(of_many_shards(desk))
    for name, rows in (("samples", 70), ("results", 11)):
        loaded = datasets.load_dataset(str(new), name, split="train", cache_dir=str(desk.home / "cache"))
        assert loaded.num_rows == rows
