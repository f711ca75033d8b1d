"""Rows with their verdicts -> a parquet, jsonl or csv file that appears whole or not at all."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from solver.grade.verdicts import Verdict
from solver.store.publish import publish

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""How a cell begins that spreadsheets compute, and so may send elsewhere (OWASP, "CSV Injection")."""
_NUMBER = re.compile(r"[-+]\d+(?:\.\d+)?")  # computes nothing

T = TypeVar("T")
Columns = Mapping[str, list[Any]]


class Writer(Protocol):
    """Takes rows, batch by batch."""

    def write(self, columns: Columns, verdicts: Sequence[Verdict]) -> None:
        """Add rows: the columns of the input as Python values, and a verdict for each row."""


def written(out: Path, schema: pa.Schema, fill: Callable[[Writer], T]) -> T:
    """Publish `out`, whose format is told by its suffix, with the rows that `fill` writes; what `fill` returns."""
    return publish(out, out.parent, lambda file: _filled(out.suffix.lower(), file, schema, fill))


def _filled(suffix: str, file: BinaryIO, schema: pa.Schema, fill: Callable[[Writer], T]) -> T:
    if suffix != ".parquet":
        return fill(_Csv(file, schema.names) if suffix == ".csv" else _Jsonl(file))
    added = [pa.field("predicted", pa.string()), pa.field("correct", pa.bool_()), pa.field("rule", pa.string())]
    whole = pa.schema([*schema, *added])
    with pq.ParquetWriter(file, whole, compression="zstd") as writer:
        return fill(_Parquet(writer, whole))


def _joined(columns: Columns, verdicts: Sequence[Verdict]) -> dict[str, list[Any]]:
    added = {name: [getattr(verdict, name) for verdict in verdicts] for name in Verdict._fields}
    return {**columns, **added}


class _Parquet:
    def __init__(self, writer: pq.ParquetWriter, schema: pa.Schema) -> None:
        self._writer, self._schema = writer, schema

    def write(self, columns: Columns, verdicts: Sequence[Verdict]) -> None:
        joined = _joined(columns, verdicts)
        arrays = [pa.array(joined[field.name], field.type) for field in self._schema]
        self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))


class _Jsonl:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, columns: Columns, verdicts: Sequence[Verdict]) -> None:
        joined = _joined(columns, verdicts)
        for row in zip(*joined.values(), strict=True):
            text = json.dumps(dict(zip(joined, row, strict=True)), ensure_ascii=False, default=str)
            self._file.write(text.encode() + b"\n")


class _Csv:
    """Text is always quoted, so that a number that was text stays text, and nothing in it ends a cell or a row; an
    absent value is an empty cell without quotes. Text that a spreadsheet would take for a formula begins with `'`."""

    def __init__(self, file: BinaryIO, names: Sequence[str]) -> None:
        self._file = file
        self._line([*names, *Verdict._fields])

    def write(self, columns: Columns, verdicts: Sequence[Verdict]) -> None:
        for row in zip(*_joined(columns, verdicts).values(), strict=True):
            self._line(row)

    def _line(self, cells: Sequence[Any]) -> None:
        self._file.write(",".join(map(_cell, cells)).encode() + b"\r\n")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    if text.startswith(_FORMULA) and _NUMBER.fullmatch(text) is None:
        text = "'" + text
    return '"' + text.replace('"', '""') + '"'
