"""Rows -> parquet, jsonl or csv files of a directory that appears whole or not at all."""

import fcntl
import json
import math
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from solver.store.publish import disk_errors, sync_directory

FILE_BYTES = 512 * 2**20  # of a finished file, about
_BATCH_BYTES = 8 * 2**20
_BATCH_ROWS = 4096
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?[\d.,]+(?:[eE][+-]?\d+)?%?")

Row = Mapping[str, Any]


@contextmanager
def appearing(out: Path) -> Iterator[Path]:
    """A hidden directory beside `out` to write in; in the end it is `out`, or after an error gone.

    What a killed export has left there is removed first: a lock that ends with its process tells it from a live one.
    """
    goal = out.resolve()
    with disk_errors("write", goal):
        _sweep(goal)
        work, lock = _made(goal)
        try:
            yield work
            for folder in {path.parent for path in work.rglob("*")} | {work}:
                sync_directory(folder)
            os.rename(work, goal)  # onto nothing, or an empty directory
            sync_directory(goal.parent)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
        finally:
            os.close(lock)


def _made(goal: Path) -> tuple[Path, int]:
    """A new directory and its lock."""
    while True:
        work = goal.with_name(f"{_prefix(goal)}{uuid.uuid4().hex[:8]}")
        work.mkdir()
        with suppress(FileNotFoundError):  # swept away by another export before it was locked
            lock = os.open(work, os.O_RDONLY | os.O_DIRECTORY)
            with suppress(OSError):  # a filesystem without locks: nobody sweeps there either
                fcntl.flock(lock, fcntl.LOCK_EX)
            if work.exists():
                return work, lock
            os.close(lock)


def _sweep(goal: Path) -> None:
    """Remove the directories of exports to the same place whose processes are no more."""
    for left in goal.parent.iterdir():
        if left.name.startswith(_prefix(goal)) and left.is_dir() and not left.is_symlink():
            with suppress(OSError):  # held by a live export, of somebody else, or gone
                lock = os.open(left, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(left, ignore_errors=True)
                finally:
                    os.close(lock)


def _prefix(goal: Path) -> str:
    return f".{goal.name}.exporting-"


class _File(Protocol):
    def write(self, rows: Sequence[Row]) -> None: ...

    def close(self) -> None: ...


class Split:
    """The files of one split, `part-00000.parquet` and on; a new one when the last is big enough."""

    def __init__(self, folder: Path, kind: str, schema: pa.Schema) -> None:
        self.rows = 0
        self._folder, self._kind, self._schema = folder, kind, schema
        self._buffer: list[Row] = []
        self._size = self._number = 0
        self._path: Path | None = None
        self._raw: BinaryIO | None = None
        self._file: _File | None = None

    def add(self, row: Row) -> None:
        """One row more."""
        self.rows += 1
        self._buffer.append(row)

    def grow(self, size: int) -> None:
        """The rows added since the last call hold about so many characters; a full buffer is written."""
        self._size += size
        if self._size >= _BATCH_BYTES or len(self._buffer) >= _BATCH_ROWS:
            self._flush()

    def close(self, *, always: bool = False) -> None:
        """Finish the last file; always: write one even without a row."""
        if self._buffer or (always and not self._number and self._file is None):
            self._flush()
        self._end()

    def _flush(self) -> None:
        if self._file is None:
            self._folder.mkdir(exist_ok=True)
            self._raw = open(self._folder / f"part-{self._number:05d}.{self._kind}", "xb")  # noqa: SIM115
            self._file = _KINDS[self._kind](self._raw, self._schema)
        self._file.write(self._buffer)
        self._buffer, self._size = [], 0
        if self._raw is not None and self._raw.tell() >= FILE_BYTES:
            self._end()

    def _end(self) -> None:
        if self._file is None or self._raw is None:
            return
        self._file.close()
        self._raw.flush()
        os.fsync(self._raw.fileno())
        self._raw.close()
        self._file, self._raw = None, None
        self._number += 1


class _Parquet:
    def __init__(self, file: BinaryIO, schema: pa.Schema) -> None:
        self._schema = schema
        self._writer = pq.ParquetWriter(file, schema, compression="zstd", compression_level=1)

    def write(self, rows: Sequence[Row]) -> None:
        arrays = [pa.array([row.get(field.name) for row in rows], field.type) for field in self._schema]
        self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))

    def close(self) -> None:
        self._writer.close()


class _Jsonl:
    def __init__(self, file: BinaryIO, schema: pa.Schema) -> None:
        self._file, self._names = file, schema.names

    def write(self, rows: Sequence[Row]) -> None:
        lines = (f"{_json({name: row.get(name) for name in self._names})}\n" for row in rows)
        self._file.write("".join(lines).encode("utf-8", "replace"))

    def close(self) -> None:
        pass


_DUMP = json.JSONEncoder(ensure_ascii=False, default=str, separators=(",", ":"), allow_nan=False).encode


def _json(row: Any) -> str:
    try:
        return _DUMP(row)
    except ValueError:  # JSON has no word for it
        return _DUMP(_finite(row))


def _finite(value: Any) -> Any:
    """The value, with null for numbers that are none or have no end."""
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class _Csv:
    """Text is quoted, absent values are empty cells without quotes; text that a spreadsheet would take for a formula
    gets a ' in front, unless it is a plain number."""

    def __init__(self, file: BinaryIO, schema: pa.Schema) -> None:
        self._file, self._names = file, schema.names
        self._line(self._names)

    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._line([row.get(name) for name in self._names])

    def _line(self, cells: Sequence[Any]) -> None:
        self._file.write(",".join(map(_cell, cells)).encode("utf-8", "replace") + b"\r\n")

    def close(self) -> None:
        pass


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        text = f"'{text}"
    return '"' + text.replace('"', '""') + '"'


_KINDS: Mapping[str, Callable[[BinaryIO, pa.Schema], _File]] = {"parquet": _Parquet, "jsonl": _Jsonl, "csv": _Csv}
