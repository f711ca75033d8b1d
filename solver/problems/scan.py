"""Files -> what they hold: number of rows, schema, and every fault that a first look can find.

Called by `open_table`. Parquet tells its schema in its footers; text files are read once, whole (up to the
limit), because the type of a column is known only at its last row.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pyarrow as pa

from solver.errors import Fault
from solver.problems import parquet, shapes, text

_MOST_FAULTS = 20  # of one file; then its scan gives up
_ONE_SCHEMA = "Write all files with one schema, or set input.path to those that share one"


Bad = list[tuple[Path, Fault]]
"""Files that cannot be read, each with what is wrong with it first."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the files hold: rows up to the limit, their schema, jsonl columns of several kinds, kinds of csv cells."""

    rows: int
    schema: pa.Schema
    various: frozenset[str] = frozenset()
    kinds: dict[str, str] = field(default_factory=dict)


class _GaveUpError(Exception):
    """A file has shown enough faults."""


@contextmanager
def _looking(file: Path, faults: list[Fault], bad: Bad | None) -> Iterator[list[Fault]]:
    """A look into one file, which notes what is wrong in the list it gets. Afterwards that goes to `faults`, or, where
    `bad` is given, the file goes there; a file with very many faults is given up."""
    wrong: list[Fault] = []
    with suppress(_GaveUpError):
        yield wrong
    if bad is None:
        faults += wrong
    elif wrong:
        bad.append((file, wrong[0]))


def _report(wrong: list[Fault]) -> Callable[[Fault], None]:
    """Keeps faults, and gives the file up after `_MOST_FAULTS` of them."""

    def report(fault: Fault) -> None:
        wrong.append(fault)
        if len(wrong) >= _MOST_FAULTS:
            wrong.append(Fault(fault.where.split(", line ")[0], f"gave up after {_MOST_FAULTS} faults in this file"))
            raise _GaveUpError

    return report


def scan_parquet(files: Iterable[Path], limit: int | None, faults: list[Fault], bad: Bad | None) -> Seen:
    """The scan of parquet files: their schema, from the footers."""
    rows, schema = 0, pa.schema([])
    for file in files:
        with _looking(file, faults, bad) as wrong:
            footer = parquet.read_schema(file, wrong.append)
        if footer is None or (bad is not None and wrong):
            continue
        rows += footer[1]
        schema = _same_schema(schema, footer[0], file, faults) if len(schema) else footer[0]
    columns = [column.with_type(pa.string()) if pa.types.is_null(column.type) else column for column in schema]
    return Seen(min(rows, limit or rows), pa.schema(columns))


def _same_schema(schema: pa.Schema, other: pa.Schema, file: Path, faults: list[Fault]) -> pa.Schema:
    """The common schema of the shards so far and one more; a column of nulls fits any type."""
    for name in [*schema.names, *(name for name in other.names if name not in schema.names)]:
        if name not in other.names or name not in schema.names:
            verb, side = ("lacks", "have") if name in schema.names else ("has", "lack")
            faults.append(Fault(str(file), f"{verb} column `{name}`, which the files before it {side}", _ONE_SCHEMA))
            continue
        old, new = schema.field(name).type, other.field(name).type
        if pa.types.is_null(old):
            schema = schema.set(schema.names.index(name), other.field(name))
        elif old != new and not pa.types.is_null(new):
            faults.append(Fault(str(file), f"column `{name}` is {new}, in the files before it {old}", _ONE_SCHEMA))
    return schema


def scan_json(files: Iterable[Path], limit: int | None, faults: list[Fault], bad: Bad | None) -> Seen:
    """The scan of jsonl files: the type of every column, from all its values."""
    rows, found = 0, dict[str, shapes.Shape]()
    for file in files:
        left = None if limit is None else limit - rows
        count, own = 0, dict[str, shapes.Shape]()
        with _looking(file, faults, bad) as wrong:
            for _, row in islice(text.json_rows(file, _report(wrong)), left):
                count += 1
                for name, value in row.items():
                    old = own.get(name, shapes.NULL)
                    if not (old is shapes.TEXT and isinstance(value, str)):
                        own[name] = shapes.merge(old, shapes.shape_of(value))
        if bad is None or not wrong:
            rows += count
            found |= {name: shapes.merge(found.get(name, shapes.NULL), shape) for name, shape in own.items()}
    various = frozenset(name for name, shape in found.items() if shape is shapes.VARIOUS)
    return Seen(rows, pa.schema([(name, shapes.arrow_type(shape)) for name, shape in found.items()]), various)


def scan_csv(files: Sequence[Path], limit: int | None, faults: list[Fault], bad: Bad | None) -> Seen:
    """The scan of csv files: the kind of every column, text unless all its cells are spelled as one type."""
    rows, kinds = 0, dict[str, str]()
    for file in files:
        left = None if limit is None else limit - rows
        count, names, own = 0, list[str](), dict[str, str]()
        with _looking(file, faults, bad) as wrong:
            records = text.csv_rows(file, _report(wrong))
            _, names = next(records, (0, []))
            own = dict.fromkeys(names, "null")
            for _, cells in islice(records, left):
                count += 1
                for name, cell in zip(names, cells, strict=True):
                    if own[name] != "text":
                        own[name] = shapes.merge_kinds(own[name], shapes.cell_kind(cell))
        if bad is None or not wrong:
            rows += count
            _same_header(kinds, names, file, faults)
            kinds |= {name: shapes.merge_kinds(kinds.get(name, "null"), kind) for name, kind in own.items()}
    return Seen(rows, pa.schema([(name, shapes.kind_type(kind)) for name, kind in kinds.items()]), kinds=kinds)


def _same_header(kinds: dict[str, str], names: list[str], file: Path, faults: list[Fault]) -> None:
    """Every header must name the columns that the first one does."""
    if kinds and names:
        for name in sorted(kinds.keys() ^ set(names)):
            verb, side = ("lacks", "have") if name in kinds else ("has", "lack")
            faults.append(Fault(str(file), f"{verb} column `{name}`, which the files before it {side}", _ONE_SCHEMA))
