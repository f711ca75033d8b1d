"""What is durable in a run directory, in memory: read at start-up, asked for every problem.

Built from key columns (`row_id` and `k`, for results `decision`), each shard read once. Problems that have a result
are not owed, so the places of their samples are only learnt if one of them is asked for after all (another vote, a
higher n). A reader mostly asks for one problem or two and looks through the row ids each time.

Damage is met in two ways. A reader raises. The owner sets the shard aside: into `_solver/bad/`, after writing down (in
`_solver/void/`) which finished problems rested on its samples, so that they are run again; all other copies stay.
"""

import json
import shlex
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from solver.errors import StoreError
from solver.records import Sample
from solver.store.current import (
    Heads,
    SampleRows,
    Voids,
    read_results_keys,
    read_sample_heads,
    read_sample_rows,
    rows_without_samples,
)
from solver.store.index import I64, U64, Decisions, Ids, Mask, Places
from solver.store.layout import Layout
from solver.store.manifest import missing
from solver.store.publish import disk_errors, move, publish_text
from solver.store.shards import CorruptShardError, RowGroups, Shard, footer_hash, read_columns, read_each
from solver.store.swap import as_we_wrote, counted_results, counted_samples, read_json
from solver.store.tables import samples_of_batch

T = TypeVar("T")
ONE_BY_ONE = 4  # problems that a reader asks for before he learns where the samples of all of them lie


class Ledger:
    """The index of one run directory.

    epoch: the owner's, who may set damaged shards aside; None for a reader, to whom they are CorruptShardError.
    verify: look at every byte of every shard, not only at the keys. may_lose_samples: False for an owner who cannot
    make samples again: lost ones are a StoreError, and nothing is set aside. rows: how many the shards hold that were
    read; heads: what the owner has seen in the samples shards among them (see `settle.standing_copies`).
    """

    def __init__(
        self, layout: Layout, *, epoch: int | None, verify: bool = False, may_lose_samples: bool = True
    ) -> None:
        self.notes: list[str] = []
        self._layout, self._epoch, self._may_lose_samples = layout, epoch, may_lose_samples
        self._voids = read_voids(layout)
        self._groups = RowGroups()
        self._footers = _listed_footers(layout)
        self._decisions: Decisions | None = None
        self._places: _Map | None = None
        self._all_places = False
        self.rows: dict[str, int] = {}
        self.heads: dict[str, Heads] = {}
        self._asked = 0
        self._lost_late = False
        if epoch is not None:
            self._look_at_everything(verify)

    @property
    def voids(self) -> Voids:
        """Results that do not count although they are there."""
        return self._voids

    @property
    def decisions(self) -> Decisions:
        """The durable (row id, decision) pairs."""
        if self._decisions is None:
            self._decisions = self.mending(self._load_decisions)
        return self._decisions

    def sample_count(self, row_id: bytes) -> int:
        """How many copies of samples of this row are durable, cancelled ones included."""
        return self._places_for(row_id).count(row_id)

    def copies_of(self, row_id: bytes) -> list[Sample]:
        """Every durable copy of this row's samples, oldest first; texts are read now."""
        return self.mending(lambda: self._read_copies(row_id))

    def mending(self, read: Callable[[], T]) -> T:
        """`read()`, and again for the owner when it met a damaged shard, which is set aside first."""
        while True:
            try:
                return read()
            except CorruptShardError as damage:
                if self._epoch is None:
                    raise
                self._lost_late = True
                self._set_aside({damage.shard: damage.found})

    def void_unfounded(self) -> None:
        """Before finishing: where damage was met under way, this start may have decided problems by what was lost
        later. Such results do not count either, and the next start decides their problems anew."""
        if not self._lost_late or self._epoch is None:
            return
        lost = rows_without_samples(counted_results(self._layout), counted_samples(self._layout))
        if lost:
            self._voids = [*self._voids, _publish_void(self._layout, self._epoch + 1, lost)]
            self.notes.append(f"{len(lost)} problems were decided by samples that turned out to be damaged later")

    def _look_at_everything(self, verify: bool) -> None:
        """Learn decisions and places in one pass over all shards; what is damaged is set aside, all at once."""
        if gone := missing(self._layout):
            self._set_aside({shard: f"{shard.path}, which manifest.json lists, is gone" for shard in gone})
        while True:
            damaged: dict[Shard, str] = {}
            results = self._whole(counted_results(self._layout), self._read_results, verify, damaged)
            self._decisions = _joined(results)
            places = self._whole(counted_samples(self._layout), self._read_owed, verify, damaged)
            if not damaged:
                self._places = _Map(places)
                return
            self._set_aside(damaged)

    def _whole(
        self, shards: Sequence[Shard], read: Callable[[Shard], T], verify: bool, damaged: dict[Shard, str]
    ) -> list[T]:
        """What `read` finds in every shard that is whole; why the others are not goes to `damaged`."""

        def look(shard: Shard) -> T | CorruptShardError:
            try:
                self._inspect(shard, verify)
                return read(shard)
            except CorruptShardError as damage:
                return damage

        found: list[T] = []
        for shard, seen in zip(shards, read_each(shards, look), strict=True):
            if isinstance(seen, CorruptShardError):
                damaged[shard] = seen.found
            else:
                found.append(seen)
        return found

    def _inspect(self, shard: Shard, verify: bool) -> None:
        expected = self._footers.get(shard.relative)
        with disk_errors("read", shard.path):
            if expected is not None and footer_hash(shard.path) != expected:
                raise CorruptShardError(shard, "its footer is not the one in manifest.json")
        if verify:
            read_columns(shard, None)

    def _load_decisions(self) -> Decisions:
        return _joined([self._read_results(shard) for shard in counted_results(self._layout)])

    def _read_results(self, shard: Shard) -> tuple[Ids, U64]:
        ids, decisions, counts, _ = read_results_keys(shard, self._voids)
        self.rows[shard.relative] = len(counts)
        return (ids, decisions) if counts.all() else (ids.take(counts), decisions[counts])

    def _read_owed(self, shard: Shard) -> "_Part":
        lying, self.heads[shard.relative] = read_sample_heads(shard)
        self.rows[shard.relative] = len(lying.which)
        return _part(shard, lying, self._owed)

    def _owed(self, ids: Ids) -> Mask:
        return ~self.decisions.among(ids)

    def _places_for(self, row_id: bytes) -> "_Map":
        """For the owner: of all owed rows, or of all rows once he asks for another. For a reader: of this row alone,
        or of all once he has asked a few times."""
        self._asked += 1
        if self._epoch is None and self._asked <= ONE_BY_ONE:
            return self._read_places(_rows([row_id]).among)
        if not self._all_places and (self._epoch is None or self.decisions.has(row_id)):
            self._all_places, self._places = True, None
        if self._places is None:
            self._places = self.mending(lambda: self._read_places(None if self._all_places else self._owed))
        return self._places

    def _read_places(self, wanted: Callable[[Ids], Mask] | None) -> "_Map":
        return _Map([_part(shard, read_sample_rows(shard), wanted) for shard in counted_samples(self._layout)])

    def _read_copies(self, row_id: bytes) -> list[Sample]:
        copies: list[Sample] = []
        for (shard, group), places in groupby(self._places_for(row_id).of(row_id), key=itemgetter(0, 1)):
            table = self._groups.get(shard, group)
            copies.extend(samples_of_batch(_chosen_rows(table, [row for _, _, row in places])))
        return copies

    def _set_aside(self, damaged: dict[Shard, str]) -> None:
        """Move damaged shards to bad/; finished problems that rested on their samples are void first."""
        assert self._epoch is not None
        lost: set[bytes] = set()
        self._refuse_loss(damaged)
        while any(shard.path.parent == self._layout.samples for shard in damaged):
            results = [shard for shard in counted_results(self._layout) if shard not in damaged]
            samples = [shard for shard in counted_samples(self._layout) if shard not in damaged]
            try:
                lost = rows_without_samples(results, samples)
                break
            except CorruptShardError as another:
                damaged[another.shard] = another.found
        if lost:
            self._voids = [*self._voids, _publish_void(self._layout, self._epoch, lost)]
        gone = [reason for shard, reason in sorted(damaged.items()) if not shard.path.exists()]
        for shard, reason in sorted(damaged.items()):
            if shard.path.exists():
                move(shard.path, self._layout.aside("bad", shard.path.parent.name) / shard.path.name)
                self.notes.append(f"set aside in _solver/bad: {reason}")
        if gone:
            self.notes.append(gone[0] + (f", and {len(gone) - 1} more" if len(gone) > 1 else ""))
        if lost:
            what = "missing" if gone else "damaged"
            self.notes.append(f"{len(lost)} finished problems rested on {what} samples and are run again")
        self._decisions = None
        self._places = None

    def _refuse_loss(self, damaged: dict[Shard, str]) -> None:
        """Raises StoreError where samples are lost to an owner who cannot make them again."""
        lost = [reason for shard, reason in sorted(damaged.items()) if shard.path.parent == self._layout.samples]
        if lost and not self._may_lose_samples:
            mend = f"solver run {shlex.quote(str(self._layout.run / 'job.yaml'))} --verify"
            raise StoreError(f"{lost[0]}; deciding without its samples would replace good results. First: {mend}")

    def forget_places(self) -> None:
        """The samples were exchanged: where they lie is read again when it is asked for."""
        self._places = None


class _Part(NamedTuple):
    """The rows of one samples shard that are worth knowing: whose they are, which they are, where row groups begin."""

    shard: Shard
    ids: Ids
    rows: npt.NDArray[np.uint32]
    groups: I64


def _part(shard: Shard, lying: SampleRows, wanted: Callable[[Ids], Mask] | None = None) -> _Part:
    """All rows of a samples shard, or those of the wanted row ids."""
    ids, which, groups = lying
    if wanted is None:
        return _Part(shard, ids.take(which), np.arange(len(which), dtype=np.uint32), groups)
    rows = np.flatnonzero(wanted(ids)[which]).astype(np.uint32)
    return _Part(shard, ids.take(which[rows]), rows, groups)


def _chosen_rows(table: pa.Table, rows: Sequence[int]) -> pa.Table:
    """Ascending rows of a row group, not copied where they lie together, as samples of a problem mostly do."""
    together = rows[-1] - rows[0] == len(rows) - 1
    return table.slice(rows[0], len(rows)) if together else table.take(pa.array(rows))


class _Map:
    """Where the samples of each row lie, by shard and row group."""

    def __init__(self, parts: Sequence[_Part]) -> None:
        self._shards, self._groups = [part.shard for part in parts], [part.groups.tolist() for part in parts]
        self._places = Places([(part.ids, number, part.rows) for number, part in enumerate(parts)])

    def __len__(self) -> int:
        return len(self._places)

    def count(self, row_id: bytes) -> int:
        return len(self._places.of(row_id))

    def of(self, row_id: bytes) -> Iterator[tuple[Shard, int, int]]:
        """(shard, row group, row within it) of every sample of one row, oldest first."""
        for number, row in self._places.of(row_id):
            group = bisect_right(self._groups[number], row) - 1
            yield self._shards[number], group, row - self._groups[number][group]


def _joined(parts: Sequence[tuple[Ids, U64]]) -> Decisions:
    empty = np.empty(0, dtype=np.uint64)
    return Decisions(Ids.join([ids for ids, _ in parts]), np.concatenate([empty, *(held for _, held in parts)]))


def read_voids(layout: Layout) -> Voids:
    """Every list of results that lost their samples."""
    voids: list[tuple[int, Decisions]] = []
    for path in sorted(layout.voids.glob("*.json")) if layout.voids.is_dir() else ():
        with as_we_wrote(path):
            record = read_json(path) or {}
            voids.append((int(record["epoch"]), _rows([bytes.fromhex(row) for row in record["rows"]])))
    return voids


def _publish_void(layout: Layout, epoch: int, rows: set[bytes]) -> tuple[int, Decisions]:
    ordered = sorted(rows)
    path = layout.voids / f"{epoch:04d}-{len(list(layout.voids.iterdir())):04d}.json"
    record = {"epoch": epoch, "rows": [row.hex() for row in ordered]}
    publish_text(path, layout.tmp, json.dumps(record), replace=False)
    return epoch, _rows(ordered)


def _rows(ids: Sequence[bytes]) -> Decisions:
    return Decisions(Ids.of_bytes(ids), np.zeros(len(ids), dtype=np.uint64))


def _listed_footers(layout: Layout) -> dict[str, str]:
    manifest = read_json(layout.manifest) or {}
    with as_we_wrote(layout.manifest):
        return {file["path"]: file["footer"] for file in manifest.get("files", ())}
