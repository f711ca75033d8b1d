"""`compact`: a run of very many shards as a new run directory with few large ones; the old one stays as it is.

In: a run directory that nobody owns, the path of the new one, and the run's job.  Out: the new directory, `Compacted`.

What goes over: the copy that stands for each sample key (cancelled ones too, they count tokens), the latest result of
each problem, and whatever the next start wants to know: fingerprint, keys in flight, job, card, manifest. What the old
run set aside stays there. The count of epochs goes on, so that names say which rows are older.

Everything is built in a hidden directory beside the new one, `.NAME.compacting`, and renamed at the end. A kill leaves
that directory, and the next `compact` to the same name empties and uses it. Texts pass a row group at a time.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path

import pyarrow as pa
from filelock import FileLock, Timeout

from solver.errors import LockedError, NotARunError
from solver.job import Job, resolved
from solver.store import manifest
from solver.store.directory import Store
from solver.store.layout import Layout
from solver.store.lock import holder
from solver.store.publish import claim, disk_errors, publish_text, sync_directory
from solver.store.shards import list_shards, shard_path, write_shard
from solver.store.swap import counted_results, counted_samples

SHARD_BYTES = 256 * 2**20  # of uncompressed rows


@dataclass(frozen=True, slots=True)
class Compacted:
    """What was written: rows of both tables, and how many shards hold them, before and now."""

    directory: Path
    samples: int
    results: int
    shards_before: int
    shards: int


def compact(run: Path, new: Path, job: Job | None = None, *, shard_bytes: int = SHARD_BYTES) -> Compacted:
    """Write the run in `run` to the directory `new`, which is absent or empty; nothing in `run` changes.

    job: what `run` does, to be written into `new` with its paths as seen from there; None where there is none.
    Raises LockedError while somebody owns `run`, CorruptShardError where it is damaged (its owner mends that first),
    NotARunError for directories that cannot be used, MachineError. After an error `new` is as it was.
    """
    old, goal = Layout(Path(run).resolve()), Path(new).resolve()
    old.check()
    if goal == old.run or old.run in goal.parents:
        raise NotARunError(f"{new} lies inside {run}, in which nothing may change. Name a directory elsewhere")
    _refuse_taken(goal)
    with _unowned(old), _workplace(goal) as work:
        return _write(old, work, goal, job, shard_bytes)


@contextmanager
def _unowned(old: Layout) -> Iterator[None]:
    """Keep owners out of a run without writing there: it may be another user's, lie on a full disk, or on one that
    nobody can write to. A shared lock does, and takes no more than the right to read.

    Raises LockedError, MachineError on a file system that has no locks.
    """
    with disk_errors("lock", old.state / "lock"):
        try:
            descriptor = os.open(old.state / "lock", os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:  # nobody ever owned it
            descriptor = None
    if descriptor is None:
        yield
        return
    try:
        with disk_errors("lock", old.state / "lock"):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LockedError(holder(old.run) or f"{old.run} is in use. Wait for it, or stop it") from None
        yield
    finally:
        os.close(descriptor)


def _refuse_taken(goal: Path) -> None:
    with disk_errors("open", goal):
        if goal.exists() and (not goal.is_dir() or any(goal.iterdir())):
            raise NotARunError(f"{goal} exists and is not empty; nothing was touched. Name a new directory")


@contextmanager
def _workplace(goal: Path) -> Iterator[Layout]:
    """The hidden directory to build in, empty and ours alone; in the end it is `goal`, or after an error gone."""
    work = Layout(goal.with_name(f".{goal.name}.compacting"))
    work.make()
    lock = FileLock(work.state / "lock", thread_local=False)
    with disk_errors("lock", work.state):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise LockedError(f"{goal} is being written by another `solver compact`. Wait for it, or stop it") from None
    try:
        _refuse_taken(goal)
        with disk_errors("empty", work.run):
            _clear(work)
        work.make()
        yield work
        with disk_errors("create", goal):
            os.rename(work.run, goal)
            sync_directory(goal.parent)
    except BaseException:
        shutil.rmtree(work.run, ignore_errors=True)
        raise
    finally:
        lock.release(force=True)


def _clear(work: Layout) -> None:
    """Remove what a killed compact left behind, all but the lock that we hold."""
    for path in [*work.run.iterdir(), *work.state.iterdir()]:
        if path.is_dir() and path != work.state:
            shutil.rmtree(path)
        elif path not in (work.state, work.state / "lock"):
            path.unlink()


def _write(old: Layout, work: Layout, goal: Path, job: Job | None, shard_bytes: int) -> Compacted:
    store = Store.read(old.run)
    before = len(counted_samples(old)) + len(counted_results(old))
    epoch = max([0, *(int(path.name) for path in old.epochs.iterdir() if path.name.isdecimal())]) + 1
    claim(work.epochs / f"{epoch:04d}", json.dumps({"verb": "compact"}))
    samples = _pour(store.sample_batches(), work.samples, work.tmp, epoch, shard_bytes)
    results = _pour(store.result_batches(), work.results, work.tmp, epoch, shard_bytes)
    _copy_state(old, work)
    if job is not None:
        publish_text(work.run / "job.yaml", work.tmp, _seen_from(goal, job))
    summary = {"name": goal.name if job is None else job.name} | (store.summary or {})
    files = manifest.describe([*list_shards(work.samples), *list_shards(work.results)])
    manifest.write_card(work, samples=samples, results=results, summary=summary)
    finished = epoch if store.finished else 0  # of no start: what was not complete does not become so
    manifest.write_manifest(work, files, epoch=finished, swap=None, summary=summary)
    return Compacted(goal, samples, results, before, len(files))


def _pour(batches: Iterable[pa.RecordBatch], table: Path, tmp: Path, epoch: int, shard_bytes: int) -> int:
    """Publish a stream of rows as shards of about `shard_bytes`; returns the number of rows."""
    rows = 0
    for number, members in groupby(_numbered(batches, shard_bytes), key=itemgetter(0)):
        parts = (batch for _, batch in members)
        first = next(parts)
        schema = first.schema.remove_metadata()
        rows += write_shard(shard_path(table, epoch, 0, number), tmp, schema, chain([first], parts))
    return rows


def _numbered(batches: Iterable[pa.RecordBatch], shard_bytes: int) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Each batch with the number of its shard: a new one when the last is full or the input's columns changed."""
    number, size, schema = -1, 0, None
    for batch in batches:
        if schema is None or size >= shard_bytes or not batch.schema.equals(schema):
            number, size, schema = number + 1, 0, batch.schema
        size += batch.nbytes
        yield number, batch


def _copy_state(old: Layout, work: Layout) -> None:
    with disk_errors("read", old.state):
        texts = {path: path.read_text("utf-8") for path in old.in_flight.glob("*.json")}
        if old.fingerprint.exists():
            texts[old.fingerprint] = old.fingerprint.read_text("utf-8")
    for path, text in texts.items():
        publish_text(work.run / path.relative_to(old.run), work.tmp, text)


def _seen_from(goal: Path, job: Job) -> str:
    """The job as a file that runs from `goal` and goes on there."""
    kept = {keys: text for keys, text in job.unexpanded.items() if keys != ("output", "dir")}
    moved = replace(job, output=replace(job.output, dir=str(goal)), unexpanded=kept)
    return resolved(moved, goal)
