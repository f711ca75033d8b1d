"""Finish makes the results table exact, and a kill at any step of it leaves the old table or the new one, whole."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pytest
from store_rows import DECISION, problems, result, row_id, sample, shards, write

from solver.store import Store

NEW = 12345


class Killed(BaseException):
    """The process is gone: nothing it would do afterwards happens."""


def kill_at(patch: pytest.MonkeyPatch, step: int) -> list[str]:
    """From its `step`-th change to the disk on, the process does nothing any more."""
    done: list[str] = []
    for name in ("rename", "fsync", "unlink"):
        real = getattr(os, name)

        def counted(*args: Any, real: Any = real, name: str = name, **kw: Any) -> Any:
            if len(done) >= step:
                raise Killed
            done.append(name)
            return real(*args, **kw)

        patch.setattr(os, name, counted)
    return done


def table(store: Store) -> list[tuple[str, int, int]]:
    return sorted((row["id"], row["decision"], row["row"]) for row in store.results())


def as_it_lies(run: Path) -> list[tuple[str, int, int]]:
    rows = ds.dataset(str(run / "results")).to_table().to_pylist()
    return sorted((row["id"], row["decision"], row["row"]) for row in rows)


def mixed_run(run: Path) -> list[tuple[bytes, int, int]]:
    """Problems 0-3 finished; then the rule changed for 2 and 3, problem 0 left the input, problem 1 moved to row 9."""
    problems(run, range(4))
    with Store.create_or_open(run) as store:
        store.finish({"name": "old"}, [(row_id(i), DECISION, i) for i in range(4)])
    write(run, [], [result(2, decision=NEW), result(3, decision=NEW)])
    return [(row_id(2), NEW, 2), (row_id(3), NEW, 3), (row_id(1), DECISION, 9)]


OLD_TABLE = [("id0", DECISION, 0), ("id1", DECISION, 1), ("id2", NEW, 2), ("id3", NEW, 3)]
NEW_TABLE = [("id1", DECISION, 9), ("id2", NEW, 2), ("id3", NEW, 3)]


def finish(run: Path, current: Iterable[tuple[bytes, int, int]]) -> None:
    with Store.create_or_open(run) as store:
        store.finish({"name": "new", "model": "m"}, current)


def test_stale_gone_moved_and_replaced_results_leave_the_table(tmp_path: Path) -> None:
    run = tmp_path / "run"
    current = mixed_run(run)
    assert table(Store.read(run)) == OLD_TABLE
    assert not Store.read(run).finished
    finish(run, current)
    assert table(Store.read(run)) == as_it_lies(run) == NEW_TABLE
    store = Store.read(run)
    assert store.finished and store.summary == {"name": "new", "model": "m"}
    aside = run / "_solver" / "superseded" / "results"
    assert [path.name for path in aside.iterdir()] == ["part-0001-00-000000.parquet"]  # kept, not deleted
    assert not (run / "_solver" / "swap.json").exists()
    assert len(list(store.samples())) == 8  # samples stay, whatever the input is now


def test_pairs_without_a_row_leave_it_as_it_was(tmp_path: Path) -> None:
    mixed_run(tmp_path / "run")
    with Store.create_or_open(tmp_path / "run") as store:
        store.finish({}, [(row_id(1), DECISION), (row_id(2), 7), (row_id(2), NEW)])
    assert as_it_lies(tmp_path / "run") == [("id1", DECISION, 1), ("id2", NEW, 2)]


def test_a_finish_with_nothing_to_change_moves_nothing(tmp_path: Path) -> None:
    run = tmp_path / "run"
    problems(run, range(3))
    before = shards(run, "results")
    for _ in range(2):
        finish(run, [(row_id(i), DECISION, i) for i in range(3)])
        assert shards(run, "results") == before
    finish(run, [])
    assert shards(run, "results") == [] and table(Store.read(run)) == []


def test_a_kill_at_every_step_of_finish_is_mended_by_the_next_start(tmp_path: Path) -> None:
    outcomes: list[bool] = []
    current = mixed_run(tmp_path / "first")
    for step in range(100):
        run = shutil.copytree(tmp_path / "first", tmp_path / f"run{step}")
        store = Store.create_or_open(run)
        with pytest.MonkeyPatch.context() as patch:
            done = kill_at(patch, step)
            try:
                store.finish({"name": "new"}, current)
                reached_end = True
            except Killed:
                reached_end = False
        store.close()
        seen = table(Store.read(run))
        assert seen in (OLD_TABLE, NEW_TABLE), f"a reader saw {seen} after {done}"
        with Store.create_or_open(run) as store:
            assert bool(store.notes) == ("finished" in "".join(store.notes) or "undone" in "".join(store.notes))
            assert table(store) == seen
            assert not (run / "_solver" / "swap.json").exists() and not list((run / "_solver" / "tmp").iterdir())
            if seen == NEW_TABLE:
                assert as_it_lies(run) == NEW_TABLE
        outcomes.append(seen == NEW_TABLE)
        finish(run, current)
        assert table(Store.read(run)) == as_it_lies(run) == NEW_TABLE
        if reached_end:
            break
    assert outcomes == sorted(outcomes) and 15 < len(outcomes) < 100  # old, old, ... new, new: one turning point
    assert outcomes.count(False) > 5 and outcomes.count(True) > 3


def test_a_kill_while_mending_is_mended_too(tmp_path: Path) -> None:
    current = mixed_run(tmp_path / "first")
    for first in (7, 19, 21):
        for second in range(0, 12, 2):
            run = shutil.copytree(tmp_path / "first", tmp_path / f"run{first}-{second}")
            for step, verb in ((first, "finish"), (second, "open")):
                with pytest.MonkeyPatch.context() as patch:
                    store = Store.create_or_open(run) if verb == "finish" else None
                    kill_at(patch, step + (5 if verb == "open" else 0))
                    try:
                        store = store or Store.create_or_open(run)
                        store.finish({}, current)
                    except Killed:
                        pass
                    finally:
                        patch.undo()
                        if store:
                            store.close()
            assert table(Store.read(run)) in (OLD_TABLE, NEW_TABLE)
            finish(run, current)
            assert table(Store.read(run)) == as_it_lies(run) == NEW_TABLE


def test_a_finish_may_follow_one_that_failed_in_the_same_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    current = mixed_run(run)
    with Store.create_or_open(run) as store:
        for step in (3, 8, 14, 20):
            with monkeypatch.context() as patch:
                kill_at(patch, step)
                with pytest.raises(Killed):
                    store.finish({}, current)
        store.finish({}, current)
    assert as_it_lies(run) == NEW_TABLE


def test_the_latest_result_stands_before_finish(tmp_path: Path) -> None:
    run = tmp_path / "run"
    write(run, [sample(1)], [result(1, decision=5)])
    write(run, [], [result(1, decision=6), result(1, decision=7)])
    assert table(Store.read(run)) == [("id1", 7, 1)]
    row = Store.read(run).result("id1")
    assert row is not None and row["decision"] == 7
    assert Store.read(run).result(row_id(1)) == Store.read(run).result(row_id(1).hex()) == row
    assert Store.read(run).result("id2") is None
