"""Parquet shards: their names, how one is written, and how one is read with every checksum looked at.

`part-<epoch>-<worker>-<seq>.parquet`: the epoch is the owner's start, the worker the writer within it, the sequence
number its flush. A name is used once, so the triple orders all shards of a table by age and "first" means lowest.

A shard is zstd parquet with a checksum on every page and small row groups (at most 256 rows or 4 MB), so that one
problem's samples are read without decoding their neighbours'. No page checksum covers the footer (schema, offsets), so
its hash lies in a gap of 24 bytes before it, which parquet readers skip: the seal, looked at at every opening. Shards
of version 0.1 have none; one that had a seal says so in its footer.
"""

import hashlib
import os
import re
import shlex
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from solver.errors import StoreError
from solver.store.publish import disk_errors, publish

GROUP_ROWS = 256
GROUP_BYTES = 4 * 2**20
_DICTIONARY = ["row_id", "path", "role", "status", "finish_reason", "error"]
_STATISTICS = ["row_id", "row", "call", "k", "status", "prompt_tokens", "output_tokens", "decision", "correct"]
_SEAL = b"seal:b2\n"
_SEALED = {"solver.footer": "sealed"}
_HASH_BYTES = 16
READERS = 2  # shards read at once: decoding leaves the interpreter free
T = TypeVar("T")
_NAME = re.compile(r"part-(\d{4,})-(\d{2,})-(\d{6,})\.parquet")


class Shard(NamedTuple):
    """One published parquet file; sorts by age."""

    epoch: int
    worker: int
    seq: int
    path: Path

    @property
    def relative(self) -> str:
        """Its name as the manifest has it, such as `samples/part-0001-00-000000.parquet`."""
        return f"{self.path.parent.name}/{self.path.name}"


class CorruptShardError(StoreError):
    """A shard whose bytes are not what was written; carries it, so that the owner can set it aside.

    found: what is wrong, without the advice to a reader.
    """

    def __init__(self, shard: Shard, reason: object) -> None:
        self.shard = shard
        self.found = f"{shard.path} is damaged ({' '.join(str(reason).split())})"
        mend = f"solver run {shlex.quote(str(shard.path.parent.parent / 'job.yaml'))} --verify"
        super().__init__(f"{self.found}. To set it aside and redo its rows: {mend}")


def shard_path(table: Path, epoch: int, worker: int, seq: int) -> Path:
    """The name of one flush of one writer."""
    return table / f"part-{epoch:04d}-{worker:02d}-{seq:06d}.parquet"


def shard_at(path: Path) -> Shard | None:
    """The shard of this name, or None: other files in the directory are not ours to read."""
    match = _NAME.fullmatch(path.name)
    return Shard(int(match[1]), int(match[2]), int(match[3]), path) if match else None


def list_shards(table: Path) -> list[Shard]:
    """Every shard of a table, oldest first. Raises StoreError or MachineError where the folder cannot be read."""
    return sorted(shard for path in _names(table) if (shard := shard_at(path)))


def _names(directory: Path) -> list[Path]:
    with disk_errors("read", directory):
        return list(directory.iterdir())


def next_seq(directories: Iterable[Path], epoch: int, worker: int) -> int:
    """The first sequence number that this writer never used, in any of these directories."""
    used = [
        int(match[3])
        for directory in directories
        for path in _names(directory)
        if (match := _NAME.match(path.name)) and (int(match[1]), int(match[2])) == (epoch, worker)
    ]
    return max(used, default=-1) + 1


def write_shard(path: Path, tmp: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    """Publish one shard of small batches; returns its number of rows."""

    def write(file: BinaryIO) -> int:
        rows = 0
        with pq.ParquetWriter(file, schema, **_layout(schema)) as writer:
            for group in _row_groups(batches):
                writer.write_table(group, row_group_size=group.num_rows)
                rows += group.num_rows
            writer.add_key_value_metadata(_SEALED)
        _seal(file)
        return rows

    try:
        return publish(path, tmp, write)
    except pa.ArrowException as error:
        raise StoreError(f"cannot write {path}: {error}") from error


def _layout(schema: pa.Schema) -> dict[str, Any]:
    return {
        "compression": "zstd",
        "compression_level": 1,
        "write_page_checksum": True,
        "use_dictionary": [name for name in _DICTIONARY if name in schema.names],
        "write_statistics": [name for name in _STATISTICS if name in schema.names],
    }


def _row_groups(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Whole batches together until the next would pass a limit; one huge row is a group of its own."""
    group: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        if group and (rows + batch.num_rows > GROUP_ROWS or size + batch.nbytes > GROUP_BYTES):
            yield pa.Table.from_batches(group)
            group, rows, size = [], 0, 0
        group.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
    if group:
        yield pa.Table.from_batches(group)


@contextmanager
def opened(shard: Shard, dictionary: Sequence[str] | None = None) -> Iterator[pq.ParquetFile]:
    """A shard open for reading, seal and page checksums verified; dictionary: columns to keep dictionary-encoded.

    Raises CorruptShardError for bytes that cannot be what was written, StoreError when the system refuses to read.
    """
    try:
        has_seal = sealed(shard)
        with pq.ParquetFile(
            shard.path, page_checksum_verification=True, read_dictionary=dictionary, pre_buffer=False
        ) as file:
            if not has_seal and next(iter(_SEALED)).encode() in (file.metadata.metadata or {}):
                raise CorruptShardError(shard, "its seal is gone")
            yield file
    except OSError as error:
        if error.errno is not None:  # the system's refusal, not the content: setting the shard aside would be wrong
            raise StoreError(f"cannot read {shard.path}: {error.strerror}") from error
        raise CorruptShardError(shard, error) from error
    except (pa.ArrowException, KeyError, UnicodeDecodeError) as error:
        raise CorruptShardError(shard, error) from error


def read_columns(shard: Shard, columns: Sequence[str] | None, dictionary: Sequence[str] | None = None) -> pa.Table:
    """The named columns of a whole shard (all of them for None). Raises CorruptShardError."""
    with opened(shard, dictionary) as file:
        table = file.read(columns=columns)
        if columns is not None and table.num_columns != len(columns):
            raise CorruptShardError(shard, f"columns are missing: {sorted({*columns} - {*table.column_names})}")
        check_rows(shard, table.num_rows, file.metadata.num_rows)
        return table


def read_each(shards: Sequence[Shard], read: Callable[[Shard], T]) -> list[T]:
    """`read` of every shard, in order, two shards at a time. Raises what it raises."""
    with ThreadPoolExecutor(READERS, thread_name_prefix="store-reader") as pool:
        return list(pool.map(read, shards))


def check_rows(shard: Shard, read: int, written: int) -> None:
    """Raises CorruptShardError unless as many rows came as the footer counts: no checksum covers a page's header."""
    if read != written:
        raise CorruptShardError(shard, f"{read} rows came instead of {written}")


def footer_hash(path: Path) -> str:
    """blake2b of a shard's footer: the schema and the offsets, which no page checksum covers."""
    return _hash(_tail(path)[2]).hex()


def _hash(footer: bytes) -> bytes:
    return hashlib.blake2b(footer, digest_size=_HASH_BYTES).digest()


def _tail(path: Path) -> tuple[int, bytes, bytes]:
    """Where the footer begins, as many bytes before it as a seal has, and everything from there to the end."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 8))
        length = int.from_bytes(file.read(4), "little")
        start = max(0, size - 8 - length)
        before = max(0, start - len(_SEAL) - _HASH_BYTES)
        file.seek(before)
        return start, file.read(start - before), file.read()


def _seal(file: BinaryIO) -> None:
    """Put the footer's hash in front of the footer of a file that is written but not published."""
    file.flush()
    start, _, footer = _tail(Path(file.name))
    file.seek(start)
    file.write(_SEAL + _hash(footer) + footer)


def sealed(shard: Shard) -> bool:
    """Whether the shard has a seal. Raises CorruptShardError when it is not that of its footer."""
    _, seal, footer = _tail(shard.path)
    if not seal.startswith(_SEAL):
        return False
    if seal != _SEAL + _hash(footer):
        raise CorruptShardError(shard, "its footer is not what was written")
    return True


class RowGroups:
    """Decoded row groups of the samples table, the most recently used ones kept. Safe to use from several threads."""

    def __init__(self, keep_bytes: int = 64 * 2**20) -> None:
        self._keep_bytes = keep_bytes
        self._held: OrderedDict[tuple[Path, int], pa.Table] = OrderedDict()
        self._bytes = 0
        self._mutex = threading.Lock()

    def get(self, shard: Shard, group: int) -> pa.Table:
        """One decoded row group. Raises CorruptShardError."""
        with self._mutex:
            key = (shard.path, group)
            if key not in self._held:
                with opened(shard) as file:
                    table = file.read_row_group(group)
                    check_rows(shard, table.num_rows, file.metadata.row_group(group).num_rows)
                self._held[key] = table
                self._bytes += table.nbytes
                while self._bytes > self._keep_bytes and len(self._held) > 1:
                    self._bytes -= self._held.popitem(last=False)[1].nbytes
            self._held.move_to_end(key)
            return self._held[key]
