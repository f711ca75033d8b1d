"""A second start knows what is durable: what is done, which samples answer, and all that from keys, not texts."""

import asyncio
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from store_rows import DECISION, key, problems, put, result, row_id, sample, shards, write

from solver.errors import StoreError
from solver.records import Sample, SampleKey, Status
from solver.store import InputRows, Store, Writer, answers, current
from solver.store.index import Decisions, Ids, Places, key_hashes


def copy(status: Status, tokens: int, text: str) -> Sample:
    return sample(1, 0, text, status=status, output_tokens=tokens)


def test_done_means_a_durable_result_with_this_decision(tmp_path: Path) -> None:
    problems(tmp_path / "run", range(20))
    write(tmp_path / "run", [sample(99)], [result(3, decision=5)])
    with Store.create_or_open(tmp_path / "run") as store:
        assert all(store.done(row_id(i), DECISION) for i in range(20))
        assert store.done(row_id(3), 5) and not store.done(row_id(4), 5)
        assert not store.done(row_id(99), DECISION) and not store.done(row_id(98), DECISION)
        assert store.sample_count(row_id(99)) == 1 and store.sample_count(row_id(98)) == 0


def test_samples_of_rows_that_are_done_are_found_when_asked_for(tmp_path: Path) -> None:
    problems(tmp_path / "run", range(20))
    write(tmp_path / "run", [sample(99)])
    with Store.create_or_open(tmp_path / "run") as store:
        assert store.samples_of(row_id(99)) == {key(99): sample(99)}
        assert store.samples_of(row_id(7)) == {key(7, k): sample(7, k) for k in range(2)}
        assert store.samples_of(row_id(99)) == {key(99): sample(99)}


def test_a_resume_reads_keys_and_not_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problems(tmp_path / "run", range(20))
    write(tmp_path / "run", [sample(99)])
    read: set[str] = set()
    groups: list[int] = []
    whole, group = pq.ParquetFile.read, pq.ParquetFile.read_row_group

    def read_noted(self: Any, columns: Sequence[str] | None = None, **kw: Any) -> Any:
        read.update(columns or ["everything"])
        return whole(self, columns=columns, **kw)

    def group_noted(self: Any, number: int, **kw: Any) -> Any:
        groups.append(number)
        return group(self, number, **kw)

    monkeypatch.setattr(pq.ParquetFile, "read", read_noted)
    monkeypatch.setattr(pq.ParquetFile, "read_row_group", group_noted)
    with Store.create_or_open(tmp_path / "run") as store:
        assert store.done(row_id(1), DECISION) and store.sample_count(row_id(99)) == 1
        assert read == {"row_id", "k", "decision", "row"} and not groups
        assert len(store._ledger._places or ()) == 1  # nor are the keys of finished problems kept
        for _ in range(5):
            store.samples_of(row_id(99))
        assert groups == [0]


def test_a_whole_input_is_looked_up_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("solver.store.directory._ROWS_AT_ONCE", 7)
    problems(tmp_path / "run", range(20))
    write(tmp_path / "run", [sample(99)], [result(3, decision=5)])
    ids = np.frombuffer(b"".join(row_id(i) for i in range(25)), dtype="S16")
    decisions = np.array([[1, DECISION]] * 10 + [[1, 2]] * 10 + [[DECISION, 1]] * 5, dtype=np.uint64)
    with Store.create_or_open(tmp_path / "run") as store:
        assert store.done_rows(InputRows(ids, decisions)).tolist() == [True] * 10 + [False] * 15
        five = InputRows(ids[:6], np.full((6, 1), 5, dtype=np.uint64))
        assert store.done_rows(five).tolist() == [i == 3 for i in range(6)]
        assert store.done_rows(InputRows(ids[:0], decisions[:0])).tolist() == []


def test_what_finish_settled_is_read_without_looking_for_what_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    problems(run, range(6))
    write(run, [sample(2)], [result(2, decision=5)])
    ids = np.frombuffer(b"".join(row_id(i) for i in range(6)), dtype="S16")
    decisions = np.full((6, 1), DECISION, dtype=np.uint64)
    decisions[2] = 5
    looked: list[str] = []
    keys = current.read_results_keys
    monkeypatch.setattr(current, "read_results_keys", lambda *given: (looked.append("keys"), keys(*given))[1])
    assert len(list(Store.read(run).results())) == 6 and looked, "not settled: a problem has two results"
    with Store.create_or_open(run) as store:
        store.finish({}, InputRows(ids, decisions))
        looked.clear()
        assert sorted(row["row"] for row in store.results()) == list(range(6))
    assert sorted(row["row"] for row in Store.read(run).results()) == list(range(6))
    assert not looked
    problems(run, range(1))  # a later start decides a problem again
    rows = list(Store.read(run).results(["row", "decision"]))
    assert looked and sorted(row["row"] for row in rows) == list(range(6))


def test_a_reader_sees_each_problem_once_while_the_owner_writes_and_settles(tmp_path: Path) -> None:
    """The owner adds problems, decides some anew and exchanges results; a reader looks between any two of its steps."""
    run = tmp_path / "run"
    problems(run, range(4))
    seen: list[int] = []

    def look() -> None:
        store = Store.read(run)
        rows = list(store.results(["id", "decision"]))
        assert len({row["id"] for row in rows}) == len(rows) >= 4, "a problem twice, or one that was there is gone"
        kept = {(one.key.row_id, one.key.k) for one in store.samples()}
        assert len(kept) == len(list(store.samples())) >= 8
        assert store.result("id1") is not None and len(store.samples_of(row_id(1))) == 2
        seen.append(len(rows))

    def looking(audited: str, arguments: object) -> None:
        if audited in ("os.rename", "os.remove") and str(run) in str(arguments) and not busy:
            busy.append(1)
            look()
            busy.pop()

    busy: list[int] = []
    sys.addaudithook(lambda event, arguments: looking(event, arguments) if not finished else None)
    finished: list[int] = []
    try:
        with Store.create_or_open(run) as store:
            for number in range(4, 8):
                put(store, [sample(number, k) for k in range(2)], [result(number), result(number - 3, decision=9)])
            now = [(row_id(i), 9 if 1 <= i <= 4 else DECISION, i) for i in range(8)]
            store.finish({"name": "x"}, now)
    finally:
        finished.append(1)
    assert len(seen) > 10 and seen[-1] == 8


T, L, O, S, E, C, Q = (  # noqa: E741
    Status.TRUNCATED, Status.TOO_LONG, Status.OK, Status.STOPPED, Status.ERROR, Status.CANCELLED, Status.QUARANTINED,
)  # fmt: skip


@pytest.mark.parametrize(
    ("copies", "winner"),
    [
        ([(O, 5), (O, 6)], 0),
        ([(S, 5), (O, 6)], 0),
        ([(T, 5), (O, 6)], 1),
        ([(T, 5), (S, 2)], 1),
        ([(L, 0), (S, 2)], 1),
        ([(O, 5), (T, 9)], 0),
        ([(T, 5), (T, 9), (T, 8)], 1),
        ([(L, 0), (T, 9)], 1),
        ([(T, 5), (E, 0)], 0),
        ([(E, 0), (O, 5)], 0),
        ([(Q, 0), (O, 5)], 0),
        ([(C, 9), (E, 0)], 1),
        ([(C, 9), (T, 1), (O, 2)], 2),
        ([(O, 1), (C, 2)], 0),
        ([(C, 9)], None),
    ],
)
def test_which_of_several_copies_stands(tmp_path: Path, copies: list[tuple[Status, int]], winner: int | None) -> None:
    for number, (status, tokens) in enumerate(copies):
        write(tmp_path / "run", [copy(status, tokens, f"copy {number}")])
    store = Store.read(tmp_path / "run")
    expected = {} if winner is None else {key(1): copy(*copies[winner], f"copy {winner}")}
    assert store.samples_of(row_id(1)) == expected
    in_table = copies[winner or 0]
    assert list(store.samples()) == [copy(*in_table, f"copy {winner or 0}")]


def test_copies_within_one_shard_are_one_row_of_the_table(tmp_path: Path) -> None:
    write(tmp_path / "run", [sample(i, k, f"{turn}") for turn in range(3) for i in range(50) for k in range(2)])
    rows = list(Store.read(tmp_path / "run").samples())
    assert len(rows) == 100 and {row.text for row in rows} == {"0"}


def test_higher_caps_ask_again_only_for_what_they_cut(tmp_path: Path) -> None:
    cut, full, too_long = copy(T, 100, "cut"), copy(O, 50, "full"), copy(L, 0, "")
    assert answers(cut) and answers(cut, max_tokens=100) and answers(cut, max_tokens=80)
    assert not answers(cut, max_tokens=101)
    assert answers(cut, max_tokens=200, context=111)  # 11 prompt tokens and these 100 fill the context
    assert not answers(cut, max_tokens=200, context=112)
    assert answers(full, max_tokens=10**6, context=10**6) and answers(too_long, context=11)
    assert not answers(too_long, context=12) and not answers(copy(C, 5, ""))
    write(tmp_path / "run", [cut, sample(1, 1)])
    store = Store.read(tmp_path / "run")
    assert store.samples_of(row_id(1), max_tokens=200).keys() == {key(1, 1)}
    assert store.samples_of(row_id(1), max_tokens=100).keys() == {key(1, 0), key(1, 1)}


def test_an_error_under_the_higher_cap_is_not_asked_for_a_third_time(tmp_path: Path) -> None:
    write(tmp_path / "run", [copy(T, 100, "cut")])
    write(tmp_path / "run", [copy(E, 0, "")])
    store = Store.read(tmp_path / "run")
    assert store.samples_of(row_id(1), max_tokens=200) == {key(1): copy(E, 0, "")}
    assert store.samples_of(row_id(1)) == {key(1): copy(T, 100, "cut")}


def test_names_and_epochs_are_never_used_twice(tmp_path: Path) -> None:
    run = tmp_path / "run"
    for start in range(3):
        with Store.create_or_open(run, verb="revote") as store:
            assert store.epoch == start + 1
            put(store, [sample(1)])
            put(store, [sample(2)])
    epochs, seqs = (1, 2, 3), (0, 1)
    assert [p.name for p in shards(run, "samples")] == [
        f"part-{e:04d}-00-{s:06d}.parquet" for e in epochs for s in seqs
    ]
    for path in (run / "_solver" / "epochs").iterdir():
        path.unlink()  # a lost list of epochs is made up for by the shards
    with Store.create_or_open(run) as store:
        assert store.epoch == 4


def test_workers_write_side_by_side(tmp_path: Path) -> None:
    async def work(epoch: int) -> None:
        writers = [Writer(tmp_path / "run", epoch=epoch, worker=n) for n in range(3)]
        for k, writer in enumerate(writers):
            await writer.add(sample(1, k))
        for writer in reversed(writers):
            await writer.close()

    with Store.create_or_open(tmp_path / "run") as store:
        asyncio.run(work(store.epoch or 0))
    assert [one.key.k for one in Store.read(tmp_path / "run").samples()] == [0, 1, 2]


def test_names_that_outgrow_their_digits_are_read(tmp_path: Path) -> None:
    """The hundredth worker, or the millionth flush of a run of weeks."""

    async def work(epoch: int) -> None:
        async with Writer(tmp_path / "run", epoch=epoch, worker=100) as writer:
            writer._seq = 999_999
            await writer.add(sample(1, 0))
            await writer.flush()
            await writer.add(sample(1, 1))
        async with Writer(tmp_path / "run", epoch=epoch, worker=100) as writer:
            await writer.add(sample(1, 2))

    with Store.create_or_open(tmp_path / "run") as store:
        asyncio.run(work(store.epoch or 0))
        store.finish({})
    assert [one.key.k for one in Store.read(tmp_path / "run").samples()] == [0, 1, 2]
    with Store.create_or_open(tmp_path / "run") as store:
        assert len(store.samples_of(row_id(1))) == 3


def test_a_writer_that_outlived_its_owner_writes_nothing(tmp_path: Path) -> None:
    async def outlive() -> None:
        with Store.create_or_open(tmp_path / "run") as store:
            left_over = Writer(store.path, epoch=store.epoch or 0, worker=1)
        with Store.create_or_open(tmp_path / "run"):
            await left_over.add(sample(1))
            with pytest.raises(StoreError, match="taken over by a later start"):
                await left_over.close()

    asyncio.run(outlive())
    assert shards(tmp_path / "run", "samples") == []


def test_a_writer_whose_directory_was_taken_away_writes_nothing_into_another_run(tmp_path: Path) -> None:
    """Somebody removes a directory under a run that is still at work, and begins anew in the same place."""
    run = tmp_path / "run"

    async def replaced() -> None:
        with Store.create_or_open(run) as store:
            writer = store.writer()
            await writer.add(sample(1))
            await writer.flush()
            run.rename(tmp_path / "gone")
            with pytest.raises(StoreError, match=r"cannot read .*/run/"):
                store.writer(worker=1)
            await writer.add(sample(2))
            for _ in range(2):
                with pytest.raises(StoreError, match="moved or removed while this run wrote there"):
                    await writer.flush()
                with Store.create_or_open(run) as other:
                    assert other.epoch == store.epoch, "its first start, as it was of the one that is gone"
                    with pytest.raises(StoreError, match="moved or removed"):
                        await writer.flush()
                shutil.rmtree(run)
            (tmp_path / "gone").rename(run)
            await writer.close()

    asyncio.run(replaced())
    assert len(list(Store.read(run).samples())) == 2


def test_ids_that_share_their_upper_half_are_kept_apart() -> None:
    rows = [b"A" * 8 + bytes([last]) * 8 for last in (9, 3, 7)] + [b"\0" * 16, b"\xff" * 16, b"z" * 15 + b"\0"]
    pairs = Decisions.of_input([(row, number) for number, row in enumerate(rows)] + [(rows[0], 2**64 - 1)], chunk=2)
    assert all(pairs.has(row, number) for number, row in enumerate(rows)) and pairs.has(rows[0], 2**64 - 1)
    assert not pairs.has(rows[0], 1) and not pairs.has(b"A" * 16) and pairs.has(rows[5])
    asked = Ids.of_bytes([*rows, b"A" * 16, b"\xff" * 15 + b"\xfe"])
    assert pairs.among(asked).tolist() == [True] * 6 + [False] * 2
    numbers = np.array([2**64 - 1, 1, 0, 3, 4, 5, 0, 0], dtype=np.uint64)
    assert pairs.pairs(asked, numbers)[0].tolist() == [True, True, False, True, True, True, False, False]
    ids = Ids.of_bytes(rows * 2)
    places = Places([(ids, 4, np.arange(12, dtype=np.uint32)), (Ids.of_bytes(rows[:1]), 6, np.array([8], np.uint32))])
    assert places.of(rows[0]) == [(4, 0), (4, 6), (6, 8)] and places.of(rows[3]) == [(4, 3), (4, 9)]
    assert places.of(b"A" * 16) == [] and len(places) == 13


def test_key_hashes_tell_every_part_of_a_key_apart() -> None:
    keys = [SampleKey(row_id(i), path, call, k) for i in (1, 2) for path in "ab" for call in (0, 1) for k in (0, 1)]
    ids = Ids.of_bytes([k.row_id for k in keys])
    call = np.array([k.call for k in keys], dtype=np.uint64)
    k = np.array([k.k for k in keys], dtype=np.int64)
    hashes = key_hashes(ids, pa.array([k.path for k in keys]), call, k)
    assert len(set(hashes.tolist())) == len(keys)
