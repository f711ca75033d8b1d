"""Files -> `Table`: one schema, the columns that matter, and batches of rows.

Second station of the input room, after `files.py`; `scan.py` looks into the files for it. All faults of all
files are found before one InputError carries them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from solver.errors import Fault, InputError
from solver.problems import parquet, scan, shapes, text
from solver.problems.columns import Roles, choose_columns
from solver.problems.files import BadFileError, InputSpec, find_files, refuse

_ROWS, _BYTES = 1024, 16 * 2**20  # of one batch of a text file


class Batch(Protocol):
    """Consecutive rows of the table, as long as nobody needs them still in their file's own form."""

    def __len__(self) -> int: ...

    def column(self, name: str) -> list[Any]:
        """The values of a column as Python objects."""

    def take(self, places: Sequence[int]) -> "Batch":
        """Only the rows at these places, from 0."""


@dataclass(frozen=True, slots=True)
class ArrowBatch:
    """Rows of a parquet file."""

    rows: pa.RecordBatch

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> list[Any]:
        """Python values; moments and spans that Python cannot hold exactly stay arrow scalars."""
        cells = self.rows.column(name)
        if isinstance(cells.type, pa.BaseExtensionType):
            cells = cells.storage
        try:
            return list(cells.to_pylist())
        except (ValueError, OverflowError):
            return [cell if cell.is_valid else None for cell in cells]

    def take(self, places: Sequence[int]) -> "ArrowBatch":
        """Only the rows at these places."""
        return ArrowBatch(self.rows.take(pa.array(places, pa.int64())))


@dataclass(frozen=True, slots=True)
class RowBatch:
    """Rows of a jsonl or csv file."""

    rows: Sequence[Mapping[str, Any]]

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> list[Any]:
        """The values as the file has them; a key that a row lacks is None."""
        return [row.get(name) for row in self.rows]

    def take(self, places: Sequence[int]) -> "RowBatch":
        """Only the rows at these places."""
        return RowBatch([self.rows[place] for place in places])


@dataclass(slots=True)
class Table:
    """An input that can be read, and what is said about it before a run.

    files: in reading order; schema: of all columns, types without encodings; roles: which column is the
    problem, the answer, the id; notes: sentences; various: jsonl columns of several kinds, passed on as text;
    kinds: csv columns and how their cells are read; left_out: files that cannot be read, where the job says to go on.
    """

    spec: InputSpec
    files: tuple[Path, ...]
    format: str
    schema: pa.Schema
    roles: Roles
    notes: list[str] = field(default_factory=list)
    various: frozenset[str] = frozenset()
    kinds: Mapping[str, str] = field(default_factory=dict)
    left_out: scan.Bad = field(default_factory=list)

    @property
    def problem(self) -> str:
        """The column that holds the problem."""
        return self.roles.problem

    @property
    def answer(self) -> str | None:
        """The column that holds the reference answer, if any; it passes through as well."""
        return self.roles.answer

    @property
    def id(self) -> str | None:
        """The column that holds the user's ids, if any."""
        return self.roles.id

    @property
    def schema_other(self) -> pa.Schema:
        """The columns that pass through unchanged: all but the problem and the id."""
        return pa.schema([column for column in self.schema if column.name not in (self.problem, self.id)])

    def say(self, note: str) -> None:
        """Add a note, once."""
        if note not in self.notes:
            self.notes.append(note)

    def leave_out(self, file: Path, fault: Fault) -> None:
        """Read on without a file that cannot be read."""
        self.files = tuple(other for other in self.files if other != file)
        self.left_out.append((file, fault))

    def passed_on(self, name: str, values: list[Any]) -> list[Any]:
        """Values of an other column as they leave: of the type that `schema_other` gives."""
        return list(map(shapes.as_text, values)) if name in self.various else values

    def batches(self, report: text.Report, columns: Sequence[str] | None = None) -> Iterator[tuple[int, Batch]]:
        """(number of its first row, batch) over the whole table, cut at `limit`.

        columns: what is needed (None: all); only parquet saves work by it. What is wrong goes to `report`; if that
        returns, reading goes on with the next row of a text file, the next file of parquet. Raises BadFileError
        instead where the job says to leave such files out.
        """
        row, limit = 0, self.spec.limit
        for file in self.files:
            if row == limit:
                return
            told = partial(_raise_bad, file) if self.spec.skip_bad else report
            for batch in self._read(file, columns, told, None if limit is None else limit - row):
                yield row, batch
                row += len(batch)

    def _read(
        self, file: Path, columns: Sequence[str] | None, report: text.Report, limit: int | None
    ) -> Iterator[Batch]:
        if self.format == "parquet":
            return map(ArrowBatch, parquet.read_batches(file, columns, report, limit))
        rows = self._csv(file, report) if self.format == "csv" else text.json_rows(file, report)
        return _grouped(islice(rows, limit))

    def _csv(self, file: Path, report: text.Report) -> Iterator[tuple[int, text.Row]]:
        records = text.csv_rows(file, report)
        _, names = next(records, (0, []))
        kinds = [self.kinds.get(name, "text") for name in names]
        for size, cells in records:
            yield size, dict(zip(names, map(shapes.read_cell, cells, kinds), strict=True))


def open_table(spec: InputSpec) -> Table:
    """Find the files, their schema and the columns. Reads footers of parquet, but every line of text files.

    Raises InputError with every fault found: nothing there, several splits or formats, damaged files, lines that
    cannot be read, shards of different schemas, missing or unusable columns.
    """
    faults: list[Fault] = []
    table = look(spec, faults)
    if faults or table is None:
        raise refuse(faults)
    return table


def look(spec: InputSpec, faults: list[Fault]) -> Table | None:
    """`open_table` for whoever collects: faults go to the list, and where only columns are wrong that the rows can be
    read without, there is a table all the same."""
    try:
        found = find_files(spec)
    except InputError as error:
        faults += error.faults
        return None
    scanned = {"parquet": scan.scan_parquet, "jsonl": scan.scan_json, "csv": scan.scan_csv}[found.format]
    unread: list[Fault] = []
    bad: scan.Bad = []
    seen = scanned(found.files, spec.limit, unread, bad if spec.skip_bad else None)
    files = tuple(file for file in found.files if file not in {file for file, _ in bad})
    if not seen.rows and not unread:
        nothing = Fault("input.path", f"0 rows matched `{spec.path}`: {_emptiness(files)}")
        unread = [fault for _, fault in bad] or [nothing]
    faults += unread
    roles: Roles | None = None
    notes = list(found.notes)
    if len(seen.schema) or seen.rows:
        roles = choose_columns(spec, seen.schema, faults, notes, spelled=found.format == "csv")
    if unread or roles is None:
        return None
    various = seen.various - {roles.problem, roles.id}
    notes += [f"column `{name}` holds values of several kinds: kept as text" for name in sorted(various)]
    kinds = seen.kinds | {roles.problem: "text"} if found.format == "csv" else {}
    return Table(spec, files, found.format, seen.schema, roles, notes, various, kinds, bad)


def _raise_bad(file: Path, fault: Fault) -> None:
    raise BadFileError(file, fault)


def _grouped(rows: Iterator[tuple[int, text.Row]]) -> Iterator[Batch]:
    """Rows in batches of a bounded number and size."""
    batch: list[text.Row] = []
    size = 0
    for length, row in rows:
        batch.append(row)
        size += length
        if len(batch) == _ROWS or size >= _BYTES:
            yield RowBatch(batch)
            batch, size = [], 0
    if batch:
        yield RowBatch(batch)


def _emptiness(files: Sequence[Path]) -> str:
    return "the file is empty" if len(files) == 1 else f"{len(files)} files, all empty"
