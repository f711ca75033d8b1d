"""Samples and results on their way to disk: a buffer on the event loop, shards from one thread behind it.

`add` costs an append. A flush (every `flush_seconds`, or at `flush_bytes` of text, or when asked) takes what is
buffered at that moment and hands it to the writer's own thread, which converts it in small batches and publishes first
the samples shard, then the results shard: a result is never durable before the samples that it was decided from, given
that they were added before it. The counters rise only after the publish that makes the rows durable.

A full disk ends nothing: the flush holds its rows, `full` is True, and it writes them again, under a new name, every
`retry_seconds`. Meanwhile `add` goes on until `hold_bytes` are in memory, and then waits. Any other failure puts the
rows back, in order, and its error reaches the next `add`, `flush` or `close`; calling again writes them again.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from sys import getsizeof
from typing import TypeVar

import pyarrow as pa

from solver.errors import DiskFullError, SolverError, StoreError
from solver.records import Result, Sample
from solver.store.layout import Layout
from solver.store.publish import disk_errors, publish_text
from solver.store.shards import next_seq, shard_path, write_shard
from solver.store.tables import SAMPLES, results_batch, results_schema, samples_batch

FLUSH_BYTES = 64 * 2**20
HOLD_BYTES = 256 * 2**20
RETRY_SECONDS = 30.0
_LOOK_SECONDS = 0.2  # between two looks whether waiting still makes sense
_BATCH_ROWS = 64
_BATCH_BYTES = 2**20
_ROW_BYTES = 1000  # what a row weighs in memory beside its texts, about

Row = TypeVar("Row", Sample, Result)


@dataclass(slots=True)
class _Rows:
    """Rows in the order in which they were added, and what they weigh in memory."""

    samples: list[Sample] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    size: int = 0

    def __bool__(self) -> bool:
        return bool(self.samples or self.results)

    def __str__(self) -> str:
        return f"{len(self.samples):,} samples and {len(self.results):,} results"

    def followed_by(self, later: "_Rows") -> "_Rows":
        return _Rows(self.samples + later.samples, self.results + later.results, self.size + later.size)


class Writer:
    """Writes under the owner's epoch and its own worker number; any process may hold one, all on the same directory.

    extra: arrow fields of the input's other columns, as `Problem.columns` names them. waits: asked on a full disk
    whether to go on waiting for space; on False the flush is tried once more and its error raised. say: a note to the
    user. in_flight: called on the event loop at each flush; its text becomes durable after the rows of that flush.
    hold_bytes may be passed by what is in flight: a sample that is there is never turned away.
    """

    def __init__(
        self,
        run: Path,
        *,
        epoch: int,
        worker: int = 0,
        flush_seconds: float = 15.0,
        flush_bytes: int = FLUSH_BYTES,
        hold_bytes: int = HOLD_BYTES,
        retry_seconds: float = RETRY_SECONDS,
        extra: pa.Schema | None = None,
        waits: Callable[[], bool] = lambda: True,
        say: Callable[[str], None] = lambda _: None,
        in_flight: Callable[[], str] | None = None,
    ) -> None:
        self.durable_samples = 0
        self.durable_results = 0
        self.full = False
        self._layout, self._epoch, self._worker, self._extra = Layout(run), epoch, worker, extra
        self._flush_seconds, self._flush_bytes, self._hold_bytes = flush_seconds, flush_bytes, hold_bytes
        self._retry_seconds, self._waits, self._say, self._in_flight = retry_seconds, waits, say, in_flight
        self._noted: str | None = None
        self._claim = _claim_of(self._layout, epoch)
        self._added, self._writing = _Rows(), _Rows()
        self._seq = next_seq(self._layout.shard_directories, epoch, worker)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._flushing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._failure: SolverError | None = None
        self._news = asyncio.Event()  # a flush is over, or has met a full disk

    async def __aenter__(self) -> "Writer":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def add(self, sample: Sample) -> None:
        """Buffer one sample. Raises the error of an earlier flush that failed; the sample is buffered all the same."""
        self._added.samples.append(sample)
        await self._took(_sample_bytes(sample))

    async def add_result(self, result: Result) -> None:
        """Buffer one result, after all samples it was decided from. Raises like `add`."""
        self._added.results.append(result)
        await self._took(_result_bytes(result))

    async def _took(self, size: int) -> None:
        self._added.size += size
        self._start_timer()
        while self._added.size >= self._flush_bytes or self._held >= self._hold_bytes:
            if self._flushing is None:
                self._start_flush()
                break
            if self.full and self._held < self._hold_bytes:
                break
            self._news.clear()
            await self._news.wait()  # the disk is slower than the engine: wait rather than grow
        self._raise_failure()

    @property
    def _held(self) -> int:
        """Bytes of all rows in memory."""
        return self._added.size + self._writing.size

    async def flush(self) -> None:
        """Make everything added before this call durable. Raises MachineError or StoreError; the rows are kept."""
        while self._flushing is not None:
            await asyncio.shield(self._flushing)
        if isinstance(self._failure, DiskFullError) and not self._waits():
            self._raise_failure()  # that was the last attempt, a moment ago
        self._failure = None
        started = self._start_flush()
        if started is not None:
            await asyncio.shield(started)
        self._raise_failure()

    async def close(self) -> None:
        """Flush and end the thread. Raises like `flush`; closing again tries again."""
        await self.flush()
        self._stop_timer()
        self._thread.shutdown()

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _start_timer(self) -> None:
        if self._timer is None and self._flushing is None:
            self._timer = asyncio.get_running_loop().call_later(self._flush_seconds, self._start_flush)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _start_flush(self) -> asyncio.Task[None] | None:
        """Begin a flush of what is buffered now, unless one is under way (its end starts the timer again)."""
        self._stop_timer()
        if self._flushing is None and (self._added or self._in_flight is not None):
            self._flushing = asyncio.get_running_loop().create_task(self._flush())
        return self._flushing

    async def _flush(self) -> None:
        self._writing, self._added = self._added, _Rows()
        try:
            while not await self._write():
                await self._retry_time()
        except Exception as error:  # whatever the thread met reaches the caller; the rows are kept
            told = StoreError(f"cannot write to {self._layout.run}: {type(error).__name__}: {error}")
            self._failure = error if isinstance(error, SolverError) else told
        finally:
            self.full, self._flushing = False, None
            self._news.set()
            self._added, self._writing = self._writing.followed_by(self._added), _Rows()
            if self._added:
                self._start_timer()

    async def _write(self) -> bool:
        """Make the rows of this flush durable; False when the disk is full and waiting for space makes sense."""
        try:
            await self._write_rows()
        except DiskFullError as error:
            if not self._waits():
                raise DiskFullError(f"{error}. {self._writing.followed_by(self._added)} are not written") from error
            if not self.full:
                self.full = True
                self._news.set()
                self._say(
                    f"{error}. Holding {self._writing.followed_by(self._added)}, admitting no more problems, "
                    f"trying again every {self._retry_seconds:.0f} s"
                )
            return False
        if self.full:
            self._say("the disk has space again: going on")
        return True

    async def _write_rows(self) -> None:
        rows, note = self._writing, self._in_flight() if self._in_flight else None
        seq, self._seq = self._seq, self._seq + 1
        run = asyncio.get_running_loop().run_in_executor
        if rows.samples:
            await run(self._thread, self._write_samples, rows.samples, seq)
            self.durable_samples += len(rows.samples)
            rows.samples = []
        if rows.results:
            await run(self._thread, self._write_results, rows.results, seq)
            self.durable_results += len(rows.results)
            rows.results = []
        rows.size = 0
        if note is not None and note != self._noted:
            await run(self._thread, self._write_note, note)
            self._noted = note

    async def _retry_time(self) -> None:
        """Wait until the next attempt is due, or until waiting makes no sense any more."""
        due = time.monotonic() + self._retry_seconds
        while self._waits() and (left := due - time.monotonic()) > 0:
            await asyncio.sleep(min(left, _LOOK_SECONDS))

    def _fenced(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The batches; at their end the epoch is looked at again, now that the temporary is there.

        An owner claims its epoch, then empties tmp/, then reads what is durable. So either this look sees the claim,
        or the temporary is gone before it can be renamed, or it was renamed in time to be read.
        """
        yield from batches
        self._check_epoch()

    def _check_epoch(self) -> None:
        """A writer that outlived its owner must not add older shards behind the back of the next one, nor any to
        another run that was begun where its own directory was taken away."""
        if (self._layout.epochs / f"{self._epoch + 1:04d}").exists():
            raise StoreError(
                f"{self._layout.run} was taken over by a later start; this one (epoch {self._epoch}) may not write"
            )
        if _claim_of(self._layout, self._epoch) != self._claim:
            raise StoreError(
                f"{self._layout.run} was moved or removed while this run wrote there, so it writes no more. "
                "Put the directory back, and the same command goes on"
            )

    def _write_samples(self, samples: Sequence[Sample], seq: int) -> None:
        self._check_epoch()
        path = shard_path(self._layout.samples, self._epoch, self._worker, seq)
        batches = (samples_batch(batch) for batch in _small_batches(samples, _sample_bytes))
        write_shard(path, self._layout.tmp, SAMPLES, self._fenced(batches))

    def _write_results(self, results: Sequence[Result], seq: int) -> None:
        self._check_epoch()
        path = shard_path(self._layout.results, self._epoch, self._worker, seq)
        batches = (results_batch(batch, self._extra) for batch in _small_batches(results, _result_bytes))
        write_shard(path, self._layout.tmp, results_schema(self._extra), self._fenced(batches))

    def _write_note(self, text: str) -> None:
        self._check_epoch()
        path = self._layout.in_flight / f"{self._epoch:04d}-{self._worker:02d}.json"
        publish_text(path, self._layout.tmp, text)


def _claim_of(layout: Layout, epoch: int) -> bytes | None:
    """What the owner of this epoch said of itself; no two owners say the same."""
    path = layout.epochs / f"{epoch:04d}"
    with disk_errors("read", path):
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None


def _small_batches(rows: Sequence[Row], weigh: Callable[[Row], int]) -> Iterator[list[Row]]:
    """Few rows at a time: converting holds the interpreter, and the event loop wants it back within a millisecond."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += weigh(row)
        if len(batch) >= _BATCH_ROWS or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _sample_bytes(sample: Sample) -> int:
    return _ROW_BYTES + getsizeof(sample.text) + getsizeof(sample.data)


def _result_bytes(result: Result) -> int:
    return _ROW_BYTES * (1 + len(result.candidates)) + getsizeof(result.problem.text)
