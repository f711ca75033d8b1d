"""Damaged shards are noticed, set aside and said; only what they held is owed again, and nothing is deleted."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from store_rows import DECISION, key, problems, put, result, row_id, sample, shards, write

from solver.errors import StoreError
from solver.records import Candidate, Status
from solver.store import CorruptShardError, Store


def flip(path: Path, column: str, row_group: int = 0) -> None:
    """Turn one bit in the middle of a column's compressed pages."""
    with pq.ParquetFile(path) as file:
        group = file.metadata.row_group(row_group)
        chunk = next(c for c in map(group.column, range(group.num_columns)) if c.path_in_schema.startswith(column))
        middle = chunk.data_page_offset + (chunk.total_compressed_size * 3) // 4
        if chunk.has_dictionary_page:
            middle = (chunk.dictionary_page_offset + chunk.data_page_offset) // 2 + 10
    data = bytearray(path.read_bytes())
    data[middle] ^= 4
    path.write_bytes(data)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 2 // 3)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def three_shards(run: Path) -> list[Path]:
    """Problems 0-4, 5-9 and 10-14 finished, each with its own shard; problem 20 begun in a fourth."""
    for first in (0, 5, 10):
        problems(run, range(first, first + 5))
    write(run, [sample(20, 0, "begun")])
    return shards(run, "samples")


@pytest.mark.parametrize("damage", [truncate, empty, lambda path: flip(path, "row_id")], ids=["torn", "empty", "bit"])
def test_only_the_problems_of_a_damaged_shard_are_owed_again(tmp_path: Path, damage: object) -> None:
    run = tmp_path / "run"
    second = three_shards(run)[1]
    assert callable(damage)
    damage(second)
    damaged = second.read_bytes()
    for start in range(2):  # a second start knows it as well, without the damaged shard in its way
        with Store.create_or_open(run) as store:
            done = [i for i in range(15) if store.done(row_id(i), DECISION)]
            assert done == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]
            assert store.samples_of(row_id(7)) == {} and len(store.samples_of(row_id(12))) == 2
            assert store.samples_of(row_id(20)) == {key(20): sample(20, 0, "begun")}
            if start == 0:
                assert any(f"{second} is damaged" in note for note in store.notes)
                assert any(note.startswith("5 finished problems") for note in store.notes)
    assert not second.exists()
    assert (run / "_solver" / "bad" / "samples" / second.name).read_bytes() == damaged
    assert {row["id"] for row in Store.read(run).results()}.isdisjoint({"id5", "id9"})


def test_problems_redone_after_damage_are_done(tmp_path: Path) -> None:
    run = tmp_path / "run"
    empty(three_shards(run)[1])
    with Store.create_or_open(run) as store:
        put(store, [sample(i, k, "again") for i in (5, 6) for k in range(2)], [result(5), result(6)])
    with Store.create_or_open(run) as store:
        assert [i for i in range(15) if not store.done(row_id(i), DECISION)] == [7, 8, 9]
        store.finish({}, [(row_id(i), DECISION, i) for i in range(15)])
    assert len(list(Store.read(run).results())) == 12 == pq.read_table(run / "results").num_rows


@pytest.mark.parametrize("damage", [truncate, empty, lambda path: flip(path, "decision")], ids=["torn", "empty", "bit"])
def test_a_damaged_results_shard_costs_only_results(tmp_path: Path, damage: object) -> None:
    run = tmp_path / "run"
    three_shards(run)
    second = shards(run, "results")[1]
    assert callable(damage)
    damage(second)
    with Store.create_or_open(run) as store:
        assert [i for i in range(15) if not store.done(row_id(i), DECISION)] == [5, 6, 7, 8, 9]
        assert all(len(store.samples_of(row_id(i))) == 2 for i in range(15))
        assert len(store.notes) == 1 and "_solver/bad" in store.notes[0]


@pytest.mark.parametrize("column", ["text", "call", "data"])
def test_a_flipped_bit_beside_the_keys_is_met_when_the_sample_is_read(tmp_path: Path, column: str) -> None:
    run = tmp_path / "run"
    write(run, [sample(i, 0, f"{i} " * 50, data=f'{{"n": {i}}}') for i in range(8)])
    problems(run, [30])
    write(run, [sample(3, 1)])
    flip(shards(run, "samples")[0], column)
    with pytest.raises(CorruptShardError, match="damaged"):
        Store.read(run).samples_of(row_id(3))
    with Store.create_or_open(run) as store:
        assert not store.notes
        assert store.samples_of(row_id(3)) == {key(3, 1): sample(3, 1)}
        assert "_solver/bad" in store.notes[0]
        assert store.samples_of(row_id(4)) == {} and store.done(row_id(30), DECISION)


def test_verify_finds_damage_in_texts_of_finished_problems(tmp_path: Path) -> None:
    run = tmp_path / "run"
    flip(three_shards(run)[1], "text")
    with Store.create_or_open(run) as store:
        assert not store.notes and store.done(row_id(7), DECISION)
    with Store.create_or_open(run, verify=True) as store:
        assert store.notes and not store.done(row_id(7), DECISION) and store.done(row_id(1), DECISION)


def test_a_changed_footer_is_noticed_by_its_hash(tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = three_shards(run)[0]
    with Store.create_or_open(run) as store:
        store.finish({})
    data = bytearray(first.read_bytes())
    at = data.rindex(b"parquet-cpp-arrow")  # who wrote it: nothing that a parquet reader checks
    data[at] ^= 1
    first.write_bytes(data)
    with Store.create_or_open(run) as store:
        assert "its footer is not the one in manifest.json" in store.notes[0]
        assert not store.done(row_id(1), DECISION)


def test_finish_sets_a_damaged_results_shard_aside_and_goes_on(tmp_path: Path) -> None:
    run = tmp_path / "run"
    three_shards(run)
    flip(shards(run, "results")[1], "problem")
    with Store.create_or_open(run) as store:
        assert not store.notes
        store.finish({}, [(row_id(i), DECISION, i + 1) for i in range(15)])
        assert "_solver/bad" in store.notes[0]
    assert sorted(row["row"] for row in Store.read(run).results()) == [1, 2, 3, 4, 5, 11, 12, 13, 14, 15]


def test_what_was_decided_before_its_samples_turned_out_damaged_is_not_done(tmp_path: Path) -> None:
    """Two row groups in one shard: the first is read and decided by, then the second one is found to be damaged."""
    run = tmp_path / "run"
    write(run, [sample(i) for i in range(300)])
    flip(shards(run, "samples")[0], "text", row_group=1)
    with Store.create_or_open(run) as store:
        assert store.copies_of(row_id(1)) == {key(1): sample(1)}
        put(store, [], [result(1, n=1)])
        assert store.copies_of(row_id(299)) == {}
        put(store, [sample(299)], [result(299, n=1)])
        store.finish({}, [(row_id(i), DECISION, i) for i in (1, 299)])
        assert [row["id"] for row in store.results()] == ["id299"]
        assert "decided by samples that turned out to be damaged" in store.notes[-1]
    with Store.create_or_open(run) as store:
        assert store.done(row_id(299), DECISION) and not store.done(row_id(1), DECISION)
        put(store, [sample(1)], [result(1, n=1)])
    with Store.create_or_open(run) as store:
        assert store.done(row_id(1), DECISION) and not store.notes


@pytest.mark.parametrize("left", [Status.CANCELLED, Status.TRUNCATED, Status.TOO_LONG])
def test_a_copy_that_ended_otherwise_does_not_stand_for_the_one_that_was_lost(tmp_path: Path, left: Status) -> None:
    run = tmp_path / "run"
    write(run, [sample(1, 0, "cut", status=left, output_tokens=3), sample(2)])
    write(run, [sample(1, 0, "in full")], [result(1, n=1), result(2, n=1)])
    empty(shards(run, "samples")[1])
    with Store.create_or_open(run) as store:
        assert not store.done(row_id(1), DECISION) and store.done(row_id(2), DECISION)


def test_a_cut_sample_that_was_decided_by_as_cut_is_enough(tmp_path: Path) -> None:
    run = tmp_path / "run"
    cut = replace(result(1, n=1), candidates=(Candidate((key(1),), 0, None, marks=("truncated",)),))
    write(run, [sample(1, 0, status=Status.TRUNCATED)], [cut])
    write(run, [sample(2)])
    empty(shards(run, "samples")[1])
    with Store.create_or_open(run) as store:
        assert store.notes and store.done(row_id(1), DECISION)


def test_a_refusal_of_the_system_is_not_damage(tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = three_shards(run)[0]
    store = Store.read(run)
    assert store.samples_of(row_id(6))
    shutil.move(first, tmp_path / "elsewhere")
    first.symlink_to(tmp_path / "not there yet")
    with pytest.raises(StoreError, match=r"cannot read .*No such file") as refused:
        store.samples_of(row_id(1))
    assert not isinstance(refused.value, CorruptShardError)


def test_every_flipped_byte_of_a_data_page_is_noticed(tmp_path: Path) -> None:
    """Every third byte of a samples shard: a reader says so or reads what was written, never anything else."""
    run = tmp_path / "run"
    written = [sample(i, 0, f"text {i}") for i in range(4)]
    write(run, written)
    path = shards(run, "samples")[0]
    whole = path.read_bytes()
    pages = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    noticed = 0
    for at in range(4, pages, 3):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 16]) + whole[at + 1 :])
        try:
            assert list(Store.read(run).samples()) == written
        except CorruptShardError:
            noticed += 1
    assert noticed > pages / 3 * 0.5
