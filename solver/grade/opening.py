"""A task -> the table it names, or every fault of it at once."""

from collections.abc import Iterator

import pyarrow as pa

from solver.errors import Fault, FaultsError, nearest
from solver.grade import ADDED, Task
from solver.problems import InputSpec, Table
from solver.problems import scan as scanning
from solver.problems.columns import Roles
from solver.problems.files import find_files, refuse

_SUFFIXES = (".parquet", ".jsonl", ".csv")
_SCANS = {"parquet": scanning.scan_parquet, "jsonl": scanning.scan_json, "csv": scanning.scan_csv}


def open_graded(task: Task) -> Table:
    """The table, its predictions in the role of the problem. Raises InputError with all faults."""
    faults = list(_of_output(task))
    try:
        found = find_files(InputSpec(str(task.file)))
        seen = _SCANS[found.format](found.files, None, faults, None)
    except FaultsError as error:
        raise refuse([*faults, *(Fault("FILE", fault.what, fault.fix) for fault in error.faults)]) from error
    if not seen.rows and not faults:
        faults.append(Fault("FILE", f"`{task.file}` holds no rows"))
    if seen.rows or len(seen.schema):
        faults += _of_columns(task, seen.schema, spelled=found.format == "csv")
    if faults:
        raise refuse(faults)
    kinds = seen.kinds | dict.fromkeys((task.pred, task.gold), "text") if found.format == "csv" else {}
    schema = pa.schema(
        [(f.name, pa.string() if f.name in kinds and kinds[f.name] == "text" else f.type) for f in seen.schema]
    )
    spec = InputSpec(str(task.file), problem=task.pred, answer=task.gold)
    return Table(spec, found.files, found.format, schema, Roles(task.pred, task.gold), [], seen.various, kinds)


def _of_output(task: Task) -> Iterator[Fault]:
    """What is wrong with where the table shall go."""
    if task.out is None:
        return
    if task.out.suffix.lower() not in _SUFFIXES:
        yield Fault("--out", f"`{task.out}` is of no format that can be written", f"Writable: {', '.join(_SUFFIXES)}")
    if task.out.exists():
        yield Fault("--out", f"`{task.out}` exists", "Remove it, or name another file")
    elif not task.out.parent.is_dir():
        yield Fault("--out", f"there is no folder `{task.out.parent}`", "Make it first")


def _of_columns(task: Task, schema: pa.Schema, *, spelled: bool) -> Iterator[Fault]:
    """What is wrong with the columns."""
    for option, name in (("--pred", task.pred), ("--gold", task.gold)):
        if name not in schema.names:
            yield Fault(option, f"no column `{name}`", nearest(name, schema.names))
        elif not spelled and not _readable(schema.field(name).type):
            what = f"column `{name}` is {schema.field(name).type}, but an answer is text or a number"
            yield Fault(option, what, "Name another column")
    for name in ADDED if task.out is not None else ():
        if name in schema.names:
            yield Fault("--out", f"the table has a column `{name}` already", "Rename it in the input")


def _readable(kind: pa.DataType) -> bool:
    tests = (pa.types.is_string, pa.types.is_null, pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
    return any(test(kind) for test in (*tests, pa.types.is_decimal))
