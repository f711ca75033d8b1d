"""The stream: a surveyed table -> stamped problems, in input order.

Last station of the input room. Only rows that are yielded become Python objects.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from solver.errors import Fault, InputError
from solver.problems.identity import Survey, content_hash, repeat_id, row_values
from solver.problems.surveying import columns_asked, columns_read, ids_of, others_of, references_of, stop_at
from solver.problems.tables import Batch, Table
from solver.records import Problem


def problems(table: Table, survey: Survey, wanted: NDArray[np.bool_] | None = None) -> Iterator[Problem]:
    """The problems in input order, with the ids of the survey; rows that cannot be asked come with a fault.

    wanted: which rows to yield, shape (rows,); None: all. Other rows are not even converted to Python.
    A row without an id of the user's is named by the first 16 hex digits of its row id.
    Raises InputError when the files are no longer those that were surveyed.
    """
    columns = columns_read(table, survey.reads, [])
    seen = 0
    for first, batch in table.batches(stop_at):
        seen = first + len(batch)
        if seen > survey.rows:
            break
        places = range(len(batch)) if wanted is None else np.flatnonzero(wanted[first:seen]).tolist()
        if places:
            rows = [first + place for place in places]
            chosen = batch if len(places) == len(batch) else batch.take(places)
            yield from _problems_of(table, survey, columns, rows, chosen)
    if seen != survey.rows:
        raise _changed(table, min(seen, survey.rows))


def _problems_of(
    table: Table, survey: Survey, columns: Mapping[str, str], rows: Sequence[int], batch: Batch
) -> Iterator[Problem]:
    """The problems of one batch, whose rows have these numbers."""
    asked, read = columns_asked(table, columns, batch)
    names, golds = ids_of(table, batch), references_of(table, batch)
    values, others = row_values(read, len(batch)), row_values(others_of(table, batch), len(batch))
    for row, cell, value, name, gold, other in zip(rows, asked, values, names, golds, others, strict=True):
        row_id, number, content = survey.row_id(row), survey.occurrence(row), content_hash(value)
        if row_id != (repeat_id(content, number) if number else content):
            raise _changed(table, row)
        yield Problem(row_id, row, name or row_id.hex()[:16], cell.text, value, gold, other, cell.fault)


def _changed(table: Table, row: int) -> InputError:
    what = f"`{table.spec.path}` changed while it was being read: row {row} is not what it was"
    return InputError([Fault("input.path", what, "Run the same command again")])
