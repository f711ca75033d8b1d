"""`Store`: one run directory, opened by its owner to write or by anyone to read."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from solver.errors import StoreError
from solver.records import Sample, SampleKey
from solver.store import manifest, swap
from solver.store.current import kept_results, sample_masks
from solver.store.index import Decisions, Ids, InputRows, Mask, Pair, Placed, answers, chosen
from solver.store.layout import Layout
from solver.store.ledger import Ledger
from solver.store.lock import OwnerLock
from solver.store.publish import claim, disk_errors, empty_directory, publish_text
from solver.store.settle import standing_copies
from solver.store.shards import GROUP_ROWS, Shard, check_rows, list_shards, opened, read_columns
from solver.store.tables import samples_of_batch
from solver.store.writer import FLUSH_BYTES, HOLD_BYTES, RETRY_SECONDS, Writer

_ROWS_AT_ONCE = 2**20  # rows of an input that are looked up together: bounds the memory of the search


class Store:
    """A run directory, from `create_or_open` (the owner) or `read` (everybody else); a context manager.

    notes: what was found and mended at start-up or since, a sentence each. epoch: the owner's start; None for readers.
    """

    def __init__(self, layout: Layout, ledger: Ledger, lock: OwnerLock | None, epoch: int | None) -> None:
        self.path = layout.run
        self.epoch = epoch
        self.notes = ledger.notes
        self._layout, self._ledger, self._lock = layout, ledger, lock
        self._settled = False
        self._writers: list[Writer] = []

    @classmethod
    def create_or_open(cls, path: Path, *, verb: str = "run", verify: bool = False) -> "Store":
        """Own the run directory: create what is missing, lock it, claim an epoch, mend what a kill left behind.

        verb: what the owner is about to do; a `revote`, who cannot make samples again, is refused where some are lost.
        verify: read every byte of every shard, not only the keys, so that damage inside texts is found now.
        Raises LockedError naming the holder, StoreError for a directory that is something else, MachineError.
        """
        layout = Layout(Path(path))
        layout.make()
        lock = OwnerLock(layout.state, layout.tmp)
        try:
            epoch = _claim_epoch(layout, verb, lock.record)
            with disk_errors("empty", layout.tmp):
                empty_directory(layout.tmp)
            mended = swap.recover(layout)
            ledger = Ledger(layout, epoch=epoch, verify=verify, may_lose_samples=verb != "revote")
        except BaseException:
            lock.release()
            raise
        if mended:
            ledger.notes.insert(0, mended)
        return cls(layout, ledger, lock, epoch)

    @classmethod
    def read(cls, path: Path) -> "Store":
        """Look at a run directory: no lock, no writes. Raises StoreError when it is not one.

        What is read later raises CorruptShardError (a StoreError) where a shard is damaged.
        """
        layout = Layout(Path(path))
        layout.check()
        return cls(layout, Ledger(layout, epoch=None), None, None)

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the lock back; safe to call twice."""
        if self._lock is not None:
            self._lock.release()

    # What is durable

    def done(self, row_id: bytes, decision: int) -> bool:
        """Whether a result of this problem with this decision was durable when the directory was opened."""
        return self._ledger.decisions.has(row_id, decision)

    def done_rows(self, rows: InputRows) -> Mask:
        """The same for a whole input: which rows have a durable result with any of their decisions; shape (rows,)."""
        known, done = self._ledger.decisions, np.zeros(len(rows.ids), dtype=np.bool_)
        for start in range(0, len(done), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            done[part], _ = known.pairs(Ids.of_stamps(rows.ids[part]), rows.decisions[part])
        return done

    def samples_of(
        self, row_id: bytes, *, max_tokens: int | None = None, context: int | None = None
    ) -> dict[SampleKey, Sample]:
        """The samples that answer this row's calls, as durable when the directory was opened; texts are read now.

        Of several copies the first stands, with the exceptions of `index.chosen`. max_tokens and context: leave out
        truncated and too long copies that these caps would let go on; see `index.answers`, which judges one.
        """
        copies = self._ledger.copies_of(row_id)
        return chosen(copy for copy in copies if answers(copy, max_tokens=max_tokens, context=context))

    def copies_of(self, row_id: bytes) -> dict[SampleKey, Sample]:
        """The copy that stands for each key of this row, cancelled ones included, for whoever judges calls himself."""
        return chosen(self._ledger.copies_of(row_id))

    def sample_count(self, row_id: bytes) -> int:
        """How many copies of this row's samples were durable at opening, cancelled ones included; reads no text."""
        return self._ledger.sample_count(row_id)

    @property
    def finished(self) -> bool:
        """Whether the last owner came to its end: the manifest is of the latest epoch."""
        written = (swap.read_json(self._layout.manifest) or {}).get("epoch")
        return bool(written) and written == max(_epochs(self._layout), default=0)

    @property
    def was_finished(self) -> bool:
        """Whether the owner before this one (for a reader: the last one) came to its end."""
        written = (swap.read_json(self._layout.manifest) or {}).get("epoch")
        return bool(written) and written == max((one for one in _epochs(self._layout) if one != self.epoch), default=0)

    def rows_with_results(self, ids: npt.NDArray[np.bytes_]) -> tuple[int, int]:
        """How many rows had a durable result at opening, and how many of these are among `ids` (dtype S16)."""
        decisions = self._ledger.decisions
        return decisions.distinct, int(decisions.among(Ids.of_stamps(ids)).sum())

    @property
    def summary(self) -> dict[str, Any] | None:
        """What the last `finish` was given; None before the first."""
        written = swap.read_json(self._layout.manifest)
        with swap.as_we_wrote(self._layout.manifest):
            return None if written is None else dict(written["summary"])

    # What the tables say

    def sample_batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The samples table, one copy per key, as stored (see tables.py on surrogates); oldest shard first."""
        self._refuse_gaps()
        shards = swap.counted_samples(self._layout)
        return _masked(shards, sample_masks(shards), columns)

    def result_batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The results table, the latest that counts of each problem; oldest shard first, not in input order."""
        shards = swap.counted_results(self._layout)
        return _masked(shards, self.result_masks(shards), columns, 8 * GROUP_ROWS)

    def samples(self) -> Iterator[Sample]:
        """Every sample, one copy per key, cancelled ones included, with its exact text."""
        for batch in self.sample_batches():
            yield from samples_of_batch(batch)

    def results(self, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """The rows of the results table as dictionaries; `tables.result_of_row` makes records of them."""
        for batch in self.result_batches(columns):
            yield from batch.to_pylist()

    def result(self, wanted: bytes | str) -> dict[str, Any] | None:
        """The result of one problem by row id (16 bytes or 32 hexadecimal characters) or by the user's id, or None."""
        text = wanted.hex() if isinstance(wanted, bytes) else wanted
        columns = ("row_id", "id") if re.fullmatch("[0-9a-f]{32}", text) else ("id",)
        shards = swap.counted_results(self._layout)
        for shard, mask in zip(shards, self.result_masks(shards), strict=True):
            keys = read_columns(shard, columns)
            matches = np.logical_or.reduce([keys[name].to_numpy() == text for name in columns])
            if mask is not None:
                matches &= mask
            if matches.any():
                row: dict[str, Any] = read_columns(shard, None).slice(int(np.argmax(matches)), 1).to_pylist()[0]
                return row
        return None

    def result_masks(self, shards: Sequence[Shard]) -> Sequence[Mask | None]:
        """Which rows of each results shard are the table. None: all, as `finish` left it; no key need be read."""
        self._refuse_gaps()
        if self._settled or (self._lock is None and self.finished):  # asked after the shards were listed
            return [None] * len(shards)
        return [kept.mask for kept in kept_results(shards, self._ledger.voids, None)]

    def _refuse_gaps(self) -> None:
        if self._lock is None:  # the owner has dealt with them
            manifest.refuse_gaps(self._layout)

    # What only the owner does

    def check_fingerprint(self, new: Mapping[str, Any], command_for_new_dir: str) -> None:
        """Record what samples are drawn from, or raise FingerprintError: a fault per differing key, old and new."""
        self._owned()
        manifest.check_fingerprint(self._layout, new, command_for_new_dir)

    def write_job(self, text: str, about: Mapping[str, Any] | None = None) -> None:
        """Publish `job.yaml`, the job as resolved, and where there is no dataset card yet one about `name`, `model`."""
        self._owned()
        publish_text(self._layout.run / "job.yaml", self._layout.tmp, text)
        manifest.begin_card(self._layout, about or {})

    def writer(
        self,
        *,
        worker: int = 0,
        flush_seconds: float = 15.0,
        flush_bytes: int = FLUSH_BYTES,
        hold_bytes: int = HOLD_BYTES,
        retry_seconds: float = RETRY_SECONDS,
        extra: pa.Schema | None = None,
        waits: Callable[[], bool] = lambda: True,
        say: Callable[[str], None] = lambda _: None,
        in_flight: Callable[[], str] | None = None,
    ) -> Writer:
        """A writer in this process. Other processes make their own `Writer(path, epoch=store.epoch, worker=n)`."""
        self._settled = False
        made = Writer(
            self.path,
            epoch=self._owned(),
            worker=worker,
            flush_seconds=flush_seconds,
            flush_bytes=flush_bytes,
            hold_bytes=hold_bytes,
            retry_seconds=retry_seconds,
            extra=extra,
            waits=waits,
            say=say,
            in_flight=in_flight,
        )
        self._writers.append(made)
        return made

    def finish(
        self, summary: Mapping[str, Any], current: Iterable[Pair] | Iterable[Placed] | InputRows | None = None
    ) -> None:
        """Make both tables exact, then write the dataset card and the manifest, which comes last.

        current: the input as it is now, as arrays or as (row id, decision, row) of each. Results with another decision,
        of rows that are gone, or that a later one replaced move to `_solver/superseded/`; one whose row moved gets its
        new `row`. Pairs without the row leave it as it was. A row may come with several decisions. None keeps the
        latest of each. Of several copies of a sample the one that stands stays (see `index.chosen`).
        Where the input has rows without a result, the run does not count as finished.
        summary: stored in the manifest; its `name` and `model` appear in the card. All writers must be closed.
        """
        epoch = self._owned()
        wanted = None if current is None else Decisions.of_input(current)

        def once() -> None:
            swap.recover(self._layout)
            self._ledger.void_unfounded()
            shards = swap.counted_results(self._layout)
            kept = kept_results(shards, self._ledger.voids, wanted)
            rows = sum(int(keep.mask.sum()) for keep in kept)
            complete = wanted is None or rows >= wanted.distinct
            ends = epoch if complete else 0  # of no start: a table with gaps ends none
            written = sum(writer.durable_samples for writer in self._writers)
            copies = standing_copies(self._layout, epoch, written, self._ledger.rows, self._ledger.heads)
            going = [*zip(shards, kept, strict=True), *copies]
            swap.exchange(self._layout, epoch, going, lambda id_: self._commit(id_, ends, rows, summary))

        self._ledger.mending(once)
        self._ledger.forget_places()
        self._settled = True

    def _commit(self, swap_id: str | None, epoch: int, results: int, summary: Mapping[str, Any]) -> None:
        going = swap.read_json(self._layout.swap) if swap_id else None
        old = set(going["old"]) if going else set()
        tables = (self._layout.samples, self._layout.results)
        kept = [shard for table in tables for shard in list_shards(table) if shard.relative not in old]
        files = manifest.describe(kept, self._ledger.rows)
        count = sum(file["rows"] for file, shard in zip(files, kept, strict=True) if shard.path.parent == tables[0])
        manifest.write_card(self._layout, samples=count, results=results, summary=summary)
        manifest.write_manifest(self._layout, files, epoch=epoch, swap=swap_id, summary=summary)

    def _owned(self) -> int:
        if self.epoch is None:
            raise StoreError(f"{self.path} was opened to read")
        return self.epoch


def _epochs(layout: Layout) -> list[int]:
    with disk_errors("read", layout.epochs):
        return [int(path.name) for path in layout.epochs.iterdir() if path.name.isdecimal()]


def _claim_epoch(layout: Layout, verb: str, owner: Mapping[str, Any]) -> int:
    """The next number that no owner had, taken by exclusive creation; shards count too, should the list be lost."""
    used = [shard.epoch for directory in (layout.samples, layout.results) for shard in list_shards(directory)]
    epoch = max([0, *used, *_epochs(layout)]) + 1
    record = {"verb": verb, "started": owner["since"], **{key: owner[key] for key in ("host", "pid", "id")}}
    while not claim(layout.epochs / f"{epoch:04d}", json.dumps(record)):
        epoch += 1
    return epoch


def _masked(
    shards: Sequence[Shard], masks: Sequence[Mask | None], columns: Sequence[str] | None, rows: int = GROUP_ROWS
) -> Iterator[pa.RecordBatch]:
    """The rows of these shards that count, in batches of at most so many rows."""
    for shard, mask in zip(shards, masks, strict=True):
        start = 0
        with opened(shard) as file:
            for batch in file.iter_batches(rows, columns=columns):
                kept = None if mask is None else mask[start : start + batch.num_rows]
                start += batch.num_rows
                if kept is None or kept.all():
                    yield batch
                elif kept.any():
                    yield batch.filter(pa.array(kept))
            check_rows(shard, start, file.metadata.num_rows if mask is None else len(mask))
