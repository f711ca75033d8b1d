"""Finish leaves one copy of each sample in `samples/`: who loads the folder as it lies counts no sample twice."""

import asyncio
import errno
import os
import shutil
from pathlib import Path

import pyarrow.dataset as ds
import pytest
from store_rows import DECISION, problems, put, result, row_id, sample, shards, write
from test_damage import flip
from test_swap import Killed, kill_at

from solver.errors import SolverError
from solver.records import Status
from solver.store import Store, settle

CURRENT = [(row_id(i), 5, i) for i in range(4)]


def as_it_lies(run: Path) -> list[tuple[str, int, str]]:
    rows = ds.dataset(str(run / "samples")).to_table().to_pylist()
    return sorted((row["row_id"], row["k"], row["text"]) for row in rows)


def standing(run: Path) -> list[tuple[str, int, str]]:
    return sorted((one.key.row_id.hex(), one.key.k, one.text) for one in Store.read(run).samples())


def cut_and_redone(run: Path) -> list[tuple[str, int, str]]:
    """Problems 0-3 cut, one sample of each cancelled; then in full, with a shard of its own for problem 3."""
    cut = {"status": Status.TRUNCATED}
    kept = [sample(0, 7, "tokens", status=Status.CANCELLED)]
    write(run, [sample(i, k, "cut", **cut) for i in range(4) for k in range(2)] + kept, [result(i) for i in range(4)])
    with Store.create_or_open(run) as store:
        put(store, [sample(i, k, "in full") for i in range(3) for k in range(2)])
        put(store, [sample(3, k, "in full") for k in range(2)], [result(i, decision=5) for i in range(4)])
    done = [(row_id(i).hex(), k, "in full") for i in range(4) for k in range(2)]
    return sorted([*done, (row_id(0).hex(), 7, "tokens")])


def finish(run: Path) -> None:
    with Store.create_or_open(run) as store:
        store.finish({"name": "n"}, CURRENT)


def test_the_copies_that_were_replaced_leave_the_table_and_are_kept_aside(tmp_path: Path) -> None:
    run = tmp_path / "run"
    wanted = cut_and_redone(run)
    assert len(as_it_lies(run)) == 17 and standing(run) == wanted
    finish(run)
    assert as_it_lies(run) == standing(run) == wanted
    assert "| `samples` | 9 |" in (run / "README.md").read_text()
    aside = run / "_solver" / "superseded" / "samples"
    assert [path.name for path in aside.iterdir()] == ["part-0001-00-000000.parquet"]
    with Store.create_or_open(run) as store:
        assert not store.notes and len(store.samples_of(row_id(0))) == 2
        assert all(store.done(row_id(i), 5) for i in range(4))
    before = shards(run, "samples")
    finish(run)
    assert shards(run, "samples") == before


def test_the_owner_still_finds_every_sample_after_the_exchange(tmp_path: Path) -> None:
    cut_and_redone(tmp_path / "run")
    with Store.create_or_open(tmp_path / "run") as store:
        assert store.sample_count(row_id(1)) == 4  # where they lie is known, no text is read
        store.finish({}, CURRENT)
        assert {one.text for one in store.samples_of(row_id(1)).values()} == {"in full"}


def test_what_was_written_twice_for_a_failed_fsync_stays_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, real, failed = tmp_path / "run", os.fsync, []

    def once(descriptor: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith("/samples") and not failed:
            failed.append(descriptor)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(descriptor)

    async def twice(store: Store) -> None:
        writer = store.writer()
        await writer.add(sample(0))
        with pytest.raises(SolverError):
            await writer.flush()
        await writer.close()

    with Store.create_or_open(run) as store, monkeypatch.context() as patch:
        patch.setattr(os, "fsync", once)
        asyncio.run(twice(store))
        assert len(as_it_lies(run)) == 2
        store.finish({})
    assert len(as_it_lies(run)) == 1 == len(standing(run))


def test_keys_are_read_only_where_one_may_be_there_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, looks = tmp_path / "run", []
    real = settle.sample_masks
    monkeypatch.setattr(settle, "sample_masks", lambda found: looks.append(len(found)) or real(found))
    with Store.create_or_open(run) as store:
        put(store, [sample(1), sample(2)])
        put(store, [sample(3)], [result(1, n=1)])
        store.finish({})
    with Store.create_or_open(run) as store:
        store.finish({})
        put(store, [], [result(2, n=1)])
        store.finish({})
    assert looks == [], "a first start without trouble, and starts that draw nothing, look through no keys"
    write(run, [sample(2), sample(4)])
    with Store.create_or_open(run) as store:
        store.finish({})
    assert looks == [2], "the shards that share a problem"
    assert len(as_it_lies(run)) == 4


def test_a_key_that_stands_twice_in_one_shard_stays_once(tmp_path: Path) -> None:
    run = tmp_path / "run"
    write(run, [sample(1), sample(2), sample(1)])
    write(run, [sample(3)])
    with Store.create_or_open(run) as store:
        store.finish({})
    assert len(as_it_lies(run)) == 3 == len(standing(run))


def test_a_kill_at_every_step_leaves_every_sample_once_for_its_readers(tmp_path: Path) -> None:
    wanted = cut_and_redone(tmp_path / "first")
    for step in range(100):
        run = shutil.copytree(tmp_path / "first", tmp_path / f"run{step}")
        store = Store.create_or_open(run)
        with pytest.MonkeyPatch.context() as patch:
            done = kill_at(patch, step)
            try:
                store.finish({}, CURRENT)
                reached_end = True
            except Killed:
                reached_end = False
        store.close()
        assert standing(run) == wanted, done
        assert Store.read(run).sample_count(row_id(0)) in (5, 3), done
        with Store.create_or_open(run) as store:
            assert {one.text for i in range(4) for one in store.samples_of(row_id(i)).values()} == {"in full"}
            store.finish({}, CURRENT)
        assert as_it_lies(run) == standing(run) == wanted
        assert len(list(Store.read(run).results())) == 4
        if reached_end:
            break
    assert 15 < step < 99


def test_damage_that_the_exchange_meets_is_set_aside(tmp_path: Path) -> None:
    run = tmp_path / "run"
    cut_and_redone(run)
    flip(shards(run, "samples")[0], "text")
    finish(run)
    assert {text for *_, text in as_it_lies(run)} == {"in full"}
    assert list((run / "_solver" / "bad" / "samples").iterdir())


def test_a_swap_note_as_version_0_1_wrote_it_is_undone(tmp_path: Path) -> None:
    run = tmp_path / "run"
    problems(run, [1])
    problems(run, [2])
    (run / "_solver" / "swap.json").write_text('{"id": "a", "new": ["part-0002-00-000000.parquet"], "old": []}')
    assert [row["id"] for row in Store.read(run).results()] == ["id1"]
    with Store.create_or_open(run) as store:
        assert "undone" in store.notes[0] and not store.done(row_id(2), DECISION)
    assert len(shards(run, "samples")) == 2
