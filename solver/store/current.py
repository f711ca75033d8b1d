"""Which durable rows count: one result per problem, one copy per sample key. Key columns only, no text.

While a swap is half made (see swap.py) these functions are given the shards that count, so readers never see a problem
twice or not at all.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from solver.records import SampleKey, Status
from solver.store.index import I64, U64, Copy, Decisions, Ids, Mask, hash_text, key_hashes, mix
from solver.store.shards import CorruptShardError, Shard, check_rows, opened, read_columns, read_each

Voids = Sequence[tuple[int, Decisions]]
"""(epoch, rows): results of these rows from before that epoch lost their samples and do not count."""

_KEY = ["row_id", "path", "call", "k"]


class Kept(NamedTuple):
    """Which rows of a results shard stay, and the `row` that each should carry (None: the one it has)."""

    mask: Mask
    rows: I64 | None

    @property
    def untouched(self) -> bool:
        """Whether the shard already is what it should be; one without rows is not."""
        return self.rows is None and bool(len(self.mask)) and bool(self.mask.all())


class ResultKeys(NamedTuple):
    """The keys of one results shard: row ids, decisions, whether each row counts at all, and its `row`."""

    ids: Ids
    decisions: U64
    counts: Mask
    rows: I64


def read_results_keys(shard: Shard, voids: Voids) -> ResultKeys:
    """The keys of one results shard. Raises CorruptShardError."""
    table = read_columns(shard, ["row_id", "decision", "row"])
    ids = ids_of(shard, table)
    counts = np.ones(table.num_rows, dtype=np.bool_)
    for epoch, lost in voids:
        if shard.epoch < epoch:
            counts &= ~lost.among(ids)
    return ResultKeys(ids, table["decision"].to_numpy(), counts, table["row"].to_numpy())


def ids_of(shard: Shard, table: pa.Table) -> Ids:
    """The row ids of a table read from `shard`. Raises CorruptShardError for what cannot be one."""
    return _ids(shard, table["row_id"])


def _ids(shard: Shard, column: pa.ChunkedArray | pa.Array) -> Ids:
    try:
        return Ids.of_column(column)
    except pa.ArrowInvalid as error:
        raise CorruptShardError(shard, error) from error


def kept_results(shards: Sequence[Shard], voids: Voids, current: Decisions | None) -> list[Kept]:
    """For each results shard (oldest first), which of its rows are the table: the latest that counts of each problem.

    current: the input as it is now, whose decisions to keep; None keeps every problem.
    """
    parts = read_each(shards, lambda shard: read_results_keys(shard, voids))
    if not parts:
        return []
    ids = Ids.join([part.ids for part in parts])
    counts = np.concatenate([part.counts for part in parts])
    ends = np.cumsum([len(part.counts) for part in parts])[:-1]
    rows = None
    if current is not None:
        wanted, rows = current.pairs(ids, np.concatenate([part.decisions for part in parts]))
        counts &= wanted
    eligible = np.flatnonzero(counts)
    ids = ids.take(eligible)
    order = ids.order()  # equal ids stay oldest first
    ids = ids.take(order)
    last = np.ones(len(order), dtype=np.bool_)
    last[:-1] = (np.diff(ids.high) != 0) | (np.diff(ids.low) != 0)
    kept = np.zeros(len(counts), dtype=np.bool_)
    kept[eligible[order[last]]] = True
    masks = np.split(kept, ends)
    now: Sequence[I64 | None] = [None] * len(masks) if rows is None else np.split(rows, ends)
    return [
        Kept(mask, None if row is None or np.array_equal(row[mask], part.rows[mask]) else row)
        for mask, row, part in zip(masks, now, parts, strict=True)
    ]


class SampleRows(NamedTuple):
    """One samples shard: its distinct row ids, for each of its rows which of them, and the first row of every row
    group."""

    ids: Ids
    which: npt.NDArray[np.int32]
    groups: I64


class Heads(NamedTuple):
    """What tells whether a samples shard may hold a second copy of a sample, without looking at whole keys: the upper
    halves of its distinct row ids, and whether two of its rows have one row id and one k."""

    ids: U64
    doubled: bool

    def suspicious(self, shared: U64) -> bool:
        """Whether a key may stand twice: within the shard, or in another that shares a row id with it. An empty shard
        is looked at as well."""
        return self.doubled or not len(self.ids) or bool(np.isin(self.ids, shared).any())


def read_sample_rows(shard: Shard) -> SampleRows:
    """Whose samples lie where in one shard; reads row ids only. Raises CorruptShardError."""
    return _sample_rows(shard, ["row_id"])[0]


def read_sample_heads(shard: Shard) -> tuple[SampleRows, Heads]:
    """The same, and what tells whether a key may stand twice; reads row ids and k. Raises CorruptShardError."""
    rows, table = _sample_rows(shard, ["row_id", "k"])
    if table["k"].null_count:
        raise CorruptShardError(shard, "a k is absent")
    pairs = np.sort(rows.which.astype(np.int64) << 32 | table["k"].to_numpy().astype(np.uint32))
    return rows, Heads(rows.ids.high, bool((pairs[1:] == pairs[:-1]).any()))


def _sample_rows(shard: Shard, columns: Sequence[str]) -> tuple[SampleRows, pa.Table]:
    with opened(shard, ["row_id"]) as file:
        table, footer = file.read(columns=columns).select(columns), file.metadata
        check_rows(shard, len(table), footer.num_rows)
        sizes = [footer.row_group(number).num_rows for number in range(footer.num_row_groups)]
    groups = np.cumsum([0, *sizes[:-1]], dtype=np.int64)
    return SampleRows(*_distinct_ids(shard, table["row_id"]), groups), table


def _distinct_ids(shard: Shard, column: pa.ChunkedArray) -> tuple[Ids, npt.NDArray[np.int32]]:
    """The distinct values of a `row_id` column that was read as a dictionary, and for each of its rows which of them.

    No checksum covers a page's header, so an id may be absent, or its number stand for none: CorruptShardError.
    """
    if not len(column):
        return Ids.of_bytes([]), np.empty(0, dtype=np.int32)
    try:
        column.validate(full=True)
    except pa.ArrowInvalid as error:
        raise CorruptShardError(shard, error) from error
    encoded = column.unify_dictionaries().combine_chunks()
    if encoded.null_count:
        raise CorruptShardError(shard, "a row_id is absent")
    return _ids(shard, encoded.dictionary), encoded.indices.to_numpy()


def sample_hashes(shard: Shard) -> U64:
    """Hashes of the keys of one samples shard, in its order. Raises CorruptShardError."""
    table = read_columns(shard, _KEY)
    call, k = table["call"].to_numpy(), table["k"].to_numpy().astype(np.int64)
    return key_hashes(ids_of(shard, table), table["path"].combine_chunks(), call, k)


def sample_masks(shards: Sequence[Shard]) -> list[Mask]:
    """For each samples shard (oldest first), which of its rows stand for their key; see `index.chosen`."""
    hashes = read_each(shards, sample_hashes)
    if not hashes:
        return []
    kept = [np.ones(len(part), dtype=np.bool_) for part in hashes]
    shared = standing_twice(np.concatenate(hashes))
    winners: dict[SampleKey, tuple[Copy, int, int]] = {}
    for number, (shard, part) in enumerate(zip(shards, hashes, strict=True)):
        rows = np.flatnonzero(np.isin(part, shared)) if len(shared) else shared
        for row, key, copy in _copies(shard, rows) if len(rows) else ():
            held = winners.get(key)
            if held is None or copy.beats(held[0]):
                if held is not None:
                    kept[held[1]][held[2]] = False
                winners[key] = (copy, number, row)
            else:
                kept[number][row] = False
    return kept


def standing_twice(hashes: U64) -> U64:
    """The numbers that occur more than once, ascending."""
    ordered = np.sort(hashes)
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])


def _copies(shard: Shard, rows: npt.NDArray[Any]) -> Iterator[tuple[int, SampleKey, Copy]]:
    table = read_columns(shard, [*_KEY, "status", "output_tokens"]).take(pa.array(rows))
    for number, row in zip(rows.tolist(), table.to_pylist(), strict=True):
        key = SampleKey(bytes.fromhex(row["row_id"]), row["path"], row["call"], row["k"])
        yield number, key, Copy(Status(row["status"]), row["output_tokens"])


def rows_without_samples(results: Sequence[Shard], samples: Sequence[Shard]) -> set[bytes]:
    """Problems whose results rest on a sample of which the `samples` shards hold no copy that ended as it did.

    So a cancelled copy stands for none, and a cut one not for the complete one that a result was decided by. Of
    samples that others of a candidate follow, any finished copy will do. Raises CorruptShardError.
    """
    empty = np.empty(0, dtype=np.uint64)
    durable = np.unique(np.concatenate([empty, *(part for shard in samples for part in _ended_hashes(shard))]))
    lost: set[bytes] = set()
    for shard in results:
        ids, hashes = _candidate_keys(shard)
        missing = np.flatnonzero(~np.isin(hashes, durable))
        lost.update(ids.tobytes(int(index)) for index in missing)
    return lost


def _ended_hashes(shard: Shard) -> tuple[U64, U64]:
    """Of the finished copies in one samples shard: hashes of key and status, and of the keys alone."""
    statuses = read_columns(shard, ["status"])["status"].combine_chunks()
    finished = pc.not_equal(statuses, str(Status.CANCELLED))
    hashes = sample_hashes(shard)[finished.to_numpy(zero_copy_only=False)]
    return _with_status(hashes, statuses.filter(finished)), hashes


def _with_status(hashes: U64, statuses: pa.Array) -> U64:
    words = statuses.dictionary_encode()
    codes = np.array([hash_text(word) for word in words.dictionary.to_pylist()], dtype=np.uint64)
    return mix(hashes ^ codes[words.indices.to_numpy()]) if len(hashes) else hashes


def _candidate_keys(shard: Shard) -> tuple[Ids, U64]:
    """Row ids and hashes, as `_ended_hashes` has them, of every sample that a candidate in this shard was made of."""
    table = read_columns(shard, ["row_id", "candidates"]).combine_chunks()
    if not table.num_rows:
        empty = np.empty(0, dtype=np.uint64)
        return Ids(empty, empty), empty
    lists = table["candidates"].combine_chunks()
    candidates = lists.flatten()
    keys = candidates.field("keys")
    of_candidate = keys.value_parent_indices().to_numpy()
    ids = ids_of(shard, table).take(lists.value_parent_indices().to_numpy()[of_candidate])
    flat = keys.flatten()
    k = flat.field("k").to_numpy().astype(np.int64)
    hashes = key_hashes(ids, flat.field("path"), flat.field("call").to_numpy(), k)
    last = np.append(of_candidate[1:] != of_candidate[:-1], True)[: len(hashes)]
    ended = _with_status(hashes, _statuses(candidates.field("marks")).take(pa.array(of_candidate)))
    return ids, np.where(last, ended, hashes)


def _statuses(marks: pa.Array) -> pa.Array:
    """How the last sample of each candidate ended: its marks name it, unless it was `ok`."""
    named = pc.is_in(marks.flatten(), value_set=pa.array([str(status) for status in Status]))
    statuses = np.full(len(marks), str(Status.OK), dtype=object)
    statuses[marks.value_parent_indices().filter(named).to_numpy()] = marks.flatten().filter(named).to_pylist()
    return pa.array(statuses, pa.string())
