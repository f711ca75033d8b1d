"""Samples and results on their way to disk: a buffer on the event loop, shards from one thread behind it.

`add` costs an append. A flush (every `flush_seconds`, or at `flush_bytes` of text, or when asked) takes what is
buffered at that moment and hands it to the writer's own thread, which converts it in small batches and publishes first
the samples shard, then the results shard: a result is never durable before the samples that it was decided from, given
that they were added before it. The counters rise only after the publish that makes the rows durable.

A flush that fails puts its rows back, in order, and its error reaches the next `add`, `flush` or `close`; calling
again writes them again, under a new name. At most `flush_bytes` are buffered while as much is being written; then
`add` waits for the flush.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from solver.errors import SolverError, StoreError
from solver.records import Result, Sample
from solver.store.layout import Layout
from solver.store.shards import next_seq, shard_path, write_shard
from solver.store.tables import SAMPLES, results_batch, results_schema, samples_batch

_BATCH_ROWS = 64
_BATCH_BYTES = 2**20
_ROW_BYTES = 1000  # what a row weighs in memory beside its texts, about

Row = TypeVar("Row", Sample, Result)


class Writer:
    """Writes under the owner's epoch and its own worker number; any process may hold one, all on the same directory.

    extra: arrow fields of the input's other columns, as `Problem.columns` names them.
    """

    def __init__(
        self,
        run: Path,
        *,
        epoch: int,
        worker: int = 0,
        flush_seconds: float = 15.0,
        flush_bytes: int = 64 * 2**20,
        extra: pa.Schema | None = None,
    ) -> None:
        self.durable_samples = 0
        self.durable_results = 0
        self._layout, self._epoch, self._worker, self._extra = Layout(run), epoch, worker, extra
        self._flush_seconds, self._flush_bytes = flush_seconds, flush_bytes
        self._samples: list[Sample] = []
        self._results: list[Result] = []
        self._buffered = 0
        self._seq = next_seq(self._layout.shard_directories, epoch, worker)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._flushing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._failure: SolverError | None = None

    async def __aenter__(self) -> "Writer":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def add(self, sample: Sample) -> None:
        """Buffer one sample. Raises the error of an earlier flush that failed; the sample is buffered all the same."""
        self._samples.append(sample)
        await self._added(_sample_bytes(sample))

    async def add_result(self, result: Result) -> None:
        """Buffer one result, after all samples it was decided from. Raises like `add`."""
        self._results.append(result)
        await self._added(_result_bytes(result))

    async def _added(self, size: int) -> None:
        self._buffered += size
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._flush_seconds, self._start_flush)
        if self._buffered >= self._flush_bytes:
            if self._flushing is not None:  # the disk is slower than the engine: wait rather than grow
                await asyncio.shield(self._flushing)
            self._start_flush()
        self._raise_failure()

    async def flush(self) -> None:
        """Make everything added before this call durable. Raises MachineError or StoreError; the rows are kept."""
        while self._flushing is not None:
            await asyncio.shield(self._flushing)
        self._failure = None
        started = self._start_flush()
        if started is not None:
            await asyncio.shield(started)
        self._raise_failure()

    async def close(self) -> None:
        """Flush and end the thread. Raises like `flush`; closing again tries again."""
        await self.flush()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._thread.shutdown()

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def _start_flush(self) -> asyncio.Task[None] | None:
        """Begin a flush of what is buffered now, unless one is under way (its end starts the timer again)."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._flushing is None and (self._samples or self._results):
            self._flushing = asyncio.get_running_loop().create_task(self._flush_once())
        return self._flushing

    async def _flush_once(self) -> None:
        samples, self._samples = self._samples, []
        results, self._results = self._results, []
        size, self._buffered = self._buffered, 0
        seq, self._seq = self._seq, self._seq + 1
        try:
            await self._in_thread(self._write_samples, samples, seq)
            self.durable_samples += len(samples)
            samples = []
            await self._in_thread(self._write_results, results, seq)
            self.durable_results += len(results)
            results = []
        except Exception as error:  # whatever the thread met reaches the caller; the rows are kept
            told = StoreError(f"cannot write to {self._layout.run}: {type(error).__name__}: {error}")
            self._failure = error if isinstance(error, SolverError) else told
        finally:
            self._samples[:0], self._results[:0] = samples, results
            self._buffered += size if samples or results else 0
            self._flushing = None
            if (self._samples or self._results) and self._timer is None:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(self._flush_seconds, self._start_flush)

    async def _in_thread(self, write: Callable[[Any, int], None], rows: Sequence[Row], seq: int) -> None:
        if rows:
            await asyncio.get_running_loop().run_in_executor(self._thread, write, rows, seq)

    def _check_epoch(self) -> None:
        """A writer that outlived its owner must not add older shards behind the back of the next one."""
        if (self._layout.epochs / f"{self._epoch + 1:04d}").exists():
            raise StoreError(
                f"{self._layout.run} was taken over by a later start; this one (epoch {self._epoch}) may not write"
            )

    def _write_samples(self, samples: Sequence[Sample], seq: int) -> None:
        self._check_epoch()
        path = shard_path(self._layout.samples, self._epoch, self._worker, seq)
        batches = (samples_batch(batch) for batch in _small_batches(samples, _sample_bytes))
        write_shard(path, self._layout.tmp, SAMPLES, batches)

    def _write_results(self, results: Sequence[Result], seq: int) -> None:
        self._check_epoch()
        path = shard_path(self._layout.results, self._epoch, self._worker, seq)
        batches = (results_batch(batch, self._extra) for batch in _small_batches(results, _result_bytes))
        write_shard(path, self._layout.tmp, results_schema(self._extra), batches)


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
    return _ROW_BYTES + len(sample.text) + len(sample.data or "")


def _result_bytes(result: Result) -> int:
    return _ROW_BYTES * (1 + len(result.candidates)) + len(result.problem.text)
