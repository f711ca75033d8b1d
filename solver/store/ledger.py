"""What is durable in a run directory, in memory: read at start-up, asked for every problem.

Built from two key columns (`row_id` and, for results, `decision`). Problems that have a result are not owed, so the
places of their samples are only learnt if one of them is asked for after all (another vote, a higher n).

Damage is met in two ways. A reader raises. The owner sets the shard aside: into `_solver/bad/`, after writing down (in
`_solver/void/`) which finished problems rested on its samples, so that they are run again; all other copies stay.
"""

import json
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from solver.records import Sample
from solver.store.current import Voids, read_results_keys, read_sample_rows, rows_without_samples
from solver.store.index import Decisions, Ids, Places
from solver.store.layout import Layout
from solver.store.publish import disk_errors, move, publish_text
from solver.store.shards import CorruptShardError, RowGroups, Shard, footer_hash, list_shards, opened, read_columns
from solver.store.swap import counted_results, read_json
from solver.store.tables import samples_of_batch

T = TypeVar("T")


class Ledger:
    """The index of one run directory.

    epoch: the owner's, who may set damaged shards aside; None for a reader, to whom they are CorruptShardError.
    verify: look at every byte of every shard, not only at the keys.
    """

    def __init__(self, layout: Layout, *, epoch: int | None, verify: bool = False) -> None:
        self.notes: list[str] = []
        self._layout, self._epoch = layout, epoch
        self._voids = read_voids(layout)
        self._groups = RowGroups()
        self._footers = _listed_footers(layout)
        self._decisions: Decisions | None = None
        self._places: Places | None = None
        self._all_places = self._places_are_all = False
        self._shards: list[Shard] = []
        self._bounds: list[np.ndarray[tuple[int], np.dtype[np.int64]]] = []
        if epoch is not None:
            self._set_aside_unreadable(verify)
            self._places = self.mending(lambda: self._read_places(owed_only=True))

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
        return len(self._places_for(row_id).of(row_id))

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
                self._set_aside({damage.shard: str(damage)})

    def _load_decisions(self) -> Decisions:
        parts = [read_results_keys(shard, self._voids) for shard in counted_results(self._layout)]
        ids = Ids.join([ids.take(counts) for ids, _, counts in parts])
        empty = np.empty(0, dtype=np.uint64)
        return Decisions(ids, np.concatenate([empty, *(decisions[counts] for _, decisions, counts in parts)]))

    def _places_for(self, row_id: bytes) -> Places:
        self._all_places = self._all_places or self.decisions.has(row_id)
        if self._places is None or self._all_places != self._places_are_all:
            self._places = self.mending(lambda: self._read_places(owed_only=not self._all_places))
            self._places_are_all = self._all_places
        return self._places

    def _read_places(self, *, owed_only: bool) -> Places:
        shards = list_shards(self._layout.samples)
        parts, bounds = [], []
        for number, shard in enumerate(shards):
            ids, which = read_sample_rows(shard)
            wanted = ~self.decisions.among(ids) if owed_only else np.ones(len(ids.high), dtype=np.bool_)
            rows = np.flatnonzero(wanted[which]).astype(np.uint32)
            parts.append((ids.take(which[rows]), number, rows))
            bounds.append(_group_bounds(shard))
        self._shards, self._bounds = shards, bounds
        return Places(parts)

    def _read_copies(self, row_id: bytes) -> list[Sample]:
        copies: list[Sample] = []
        for number, row in self._places_for(row_id).of(row_id):
            bounds = self._bounds[number]
            group = int(np.searchsorted(bounds, row, side="right")) - 1
            table = self._groups.get(self._shards[number], group)
            copies.extend(samples_of_batch(table.slice(row - int(bounds[group]), 1)))
        return copies

    def _set_aside_unreadable(self, verify: bool) -> None:
        damaged: dict[Shard, str] = {}
        for shard in [*counted_results(self._layout), *list_shards(self._layout.samples)]:
            try:
                self._inspect(shard, verify)
            except CorruptShardError as damage:
                damaged[shard] = str(damage)
        if damaged:
            self._set_aside(damaged)

    def _inspect(self, shard: Shard, verify: bool) -> None:
        expected = self._footers.get(shard.relative)
        with disk_errors("read", shard.path):
            if expected is not None and footer_hash(shard.path) != expected:
                raise CorruptShardError(shard, "its footer is not the one in manifest.json")
        if verify:
            read_columns(shard, None)
        if shard.path.parent == self._layout.results:
            read_results_keys(shard, self._voids)
        else:
            read_sample_rows(shard)

    def _set_aside(self, damaged: dict[Shard, str]) -> None:
        """Move damaged shards to bad/; finished problems that rested on their samples are void first."""
        assert self._epoch is not None
        lost: set[bytes] = set()
        while any(shard.path.parent == self._layout.samples for shard in damaged):
            results = [shard for shard in counted_results(self._layout) if shard not in damaged]
            samples = [shard for shard in list_shards(self._layout.samples) if shard not in damaged]
            try:
                lost = rows_without_samples(results, samples)
                break
            except CorruptShardError as another:
                damaged[another.shard] = str(another)
        if lost:
            self._voids = [*self._voids, _publish_void(self._layout, self._epoch, lost)]
        for shard, reason in sorted(damaged.items()):
            move(shard.path, self._layout.aside("bad", shard.path.parent.name) / shard.path.name)
            self.notes.append(f"set aside in _solver/bad: {reason}")
        if lost:
            self.notes.append(f"{len(lost)} finished problems rested on damaged samples and are run again")
        self._decisions = None
        self._places = None


def read_voids(layout: Layout) -> Voids:
    """Every list of results that lost their samples."""
    voids: list[tuple[int, Decisions]] = []
    for path in sorted(layout.voids.glob("*.json")) if layout.voids.is_dir() else ():
        record = read_json(path) or {}
        voids.append((record["epoch"], _rows([bytes.fromhex(row) for row in record["rows"]])))
    return voids


def _publish_void(layout: Layout, epoch: int, rows: set[bytes]) -> tuple[int, Decisions]:
    ordered = sorted(rows)
    path = layout.voids / f"{epoch:04d}-{len(list(layout.voids.iterdir())):04d}.json"
    record = {"epoch": epoch, "rows": [row.hex() for row in ordered]}
    publish_text(path, layout.tmp, json.dumps(record), replace=False)
    return epoch, _rows(ordered)


def _rows(ids: Sequence[bytes]) -> Decisions:
    return Decisions(Ids.of_bytes(ids), np.zeros(len(ids), dtype=np.uint64))


def _group_bounds(shard: Shard) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The first row of every row group."""
    with opened(shard) as file:
        sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    return np.concatenate(([0], np.cumsum(sizes[:-1]))).astype(np.int64)


def _listed_footers(layout: Layout) -> dict[str, str]:
    manifest = read_json(layout.manifest) or {}
    return {file["path"]: file["footer"] for file in manifest.get("files", ())}
