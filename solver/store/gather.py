"""A run's problems in input order, each with its samples, wherever their rows lie; in bounded memory.

In: a run directory that is only read.  Out: the results table cut into chunks by `row`, and for any row ids the rows of
the samples table that stand for their keys.

Memory is some 60 bytes a sample (where it lies) and the row groups used last. Samples lie about in the order of the
input, because problems are asked in that order, so most row groups are decoded once. A run whose input was reordered
between two starts is read slower, never in more memory.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from solver.store.current import read_sample_rows, sample_masks
from solver.store.directory import Store
from solver.store.index import I64, Mask, Places
from solver.store.layout import Layout
from solver.store.shards import Shard, check_rows, opened, read_columns
from solver.store.swap import counted_results, counted_samples
from solver.store.tables import RESULTS

KEEP_BYTES = 128 * 2**20


class Rows:
    """Rows of some shards by number, counted over all of them; the row groups used last stay decoded."""

    def __init__(self, shards: Sequence[Shard], columns: Sequence[str] | None, keep_bytes: int = KEEP_BYTES) -> None:
        self._columns, self._keep_bytes, self._bytes = columns, keep_bytes, 0
        self._held: OrderedDict[int, pa.Table] = OrderedDict()
        self._groups: list[tuple[Shard, int]] = []
        self.starts: list[int] = []
        sizes: list[int] = []
        for shard in shards:
            self.starts.append(sum(sizes))
            with opened(shard) as file:
                for number in range(file.num_row_groups):
                    self._groups.append((shard, number))
                    sizes.append(file.metadata.row_group(number).num_rows)
        self._firsts = np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))

    def take(self, numbers: I64) -> pa.Table:
        """The rows of these numbers, in this order. Raises CorruptShardError."""
        order = np.argsort(numbers, kind="stable")
        ascending = numbers[order]
        groups = np.searchsorted(self._firsts, ascending, side="right") - 1
        cuts = np.flatnonzero(np.diff(groups)) + 1
        parts = []
        wanted = [int(part[0]) for part in np.split(groups, cuts)] if len(groups) else []
        self._decode(wanted)
        for group, part in zip(wanted, np.split(ascending, cuts), strict=False):
            parts.append(self._held[group].take(pa.array(part - self._firsts[group])))
        self._forget()
        if not parts:
            return pa.table({})
        back = np.empty(len(order), dtype=np.int64)
        back[order] = np.arange(len(order))
        table = pa.concat_tables(parts, promote_options="default")
        return table if np.array_equal(order, np.arange(len(order))) else table.take(pa.array(back))

    def _decode(self, groups: Sequence[int]) -> None:
        """Hold these row groups; a shard is opened once for all of its groups that are missing."""
        missing: dict[Shard, list[int]] = {}
        for group in groups:
            if group in self._held:
                self._held.move_to_end(group)
            else:
                missing.setdefault(self._groups[group][0], []).append(group)
        for shard, wanted in missing.items():
            with opened(shard) as file:
                for group in wanted:
                    number = self._groups[group][1]
                    table = file.read_row_group(number, columns=self._columns)
                    check_rows(shard, table.num_rows, file.metadata.row_group(number).num_rows)
                    self._held[group] = table
                    self._bytes += table.nbytes

    def _forget(self) -> None:
        while self._bytes > self._keep_bytes and len(self._held) > 1:
            self._bytes -= self._held.popitem(last=False)[1].nbytes


class Problems:
    """Every problem of a run that has a result. Raises StoreError where it is no run, or is damaged."""

    def __init__(self, store: Store) -> None:
        layout = Layout(store.path)
        shards = counted_results(layout)
        self._results = Rows(shards, None, KEEP_BYTES // 2)
        self._order = _in_input_order(shards, store.result_masks(shards), self._results.starts)
        self._samples = counted_samples(layout)
        self.schema = _schema(shards)

    def __len__(self) -> int:
        return len(self._order)

    def chunks(self, rows: int) -> Iterator[pa.Table]:
        """The results table in input order, so many rows at a time."""
        for start in range(0, len(self._order), rows):
            yield self._results.take(self._order[start : start + rows])

    def samples(self, columns: Sequence[str]) -> "Samples":
        """Access to the samples of any problem."""
        return Samples(self._samples, columns)


class Samples:
    """The samples of problems, by row id."""

    def __init__(self, shards: Sequence[Shard], columns: Sequence[str]) -> None:
        self._rows = Rows(shards, columns)
        parts = []
        for number, (shard, mask) in enumerate(zip(shards, sample_masks(shards), strict=True)):
            lying = read_sample_rows(shard)
            kept = np.flatnonzero(mask)
            parts.append((lying.ids.take(lying.which[kept]), number, kept.astype(np.uint32)))
        self._places = Places(parts)

    def __len__(self) -> int:
        return len(self._places)

    def numbers(self, row_id: str) -> list[int]:
        """The numbers of the rows that are this problem's samples, oldest first."""
        starts = self._rows.starts
        return [starts[shard] + row for shard, row in self._places.of(bytes.fromhex(row_id))]

    def take(self, numbers: Sequence[int]) -> pa.Table:
        """These rows, in this order."""
        return self._rows.take(np.array(numbers, dtype=np.int64))


def _schema(shards: Sequence[Shard]) -> pa.Schema:
    """Of the results table: of all shards together, since columns may have been added to the input between runs."""
    known = []
    for shard in shards:
        with opened(shard) as file:
            known.append(file.schema_arrow.remove_metadata())
    return pa.unify_schemas(known, promote_options="permissive") if known else RESULTS


def _in_input_order(shards: Sequence[Shard], masks: Sequence[Mask | None], starts: Sequence[int]) -> I64:
    """The numbers of the result rows that count, by their place in the input."""
    numbers, rows = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for shard, mask, start in zip(shards, masks, starts, strict=True):
        placed = read_columns(shard, ["row"])["row"].to_numpy()
        kept = np.arange(len(placed)) if mask is None else np.flatnonzero(mask)
        numbers.append(kept + start)
        rows.append(placed[kept])
    return np.concatenate(numbers)[np.argsort(np.concatenate(rows), kind="stable")]
