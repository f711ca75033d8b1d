"""The input room: a table of problems on disk -> a stream of `Problem` records, stamped.

    InputSpec --open_table--> Table --survey--> Survey --problems--> Problem, Problem, ...

`open_table` finds the files, their columns and types; `survey` is the owner's one pass over every
row: it hashes what the template reads, counts, and finds blanks and repeated ids; `problems` streams
the rows in input order with the identities of the survey. No step holds more than one batch of rows.
Every complaint is an `InputError` that carries all faults found, before any weights load.

Rows are counted from 0 over the whole input (as `Problem.row`), lines of text files from 1.

    files.py     InputSpec -> files of one format (folder, glob, Hugging Face splits)
    text.py      jsonl, csv, gzip -> rows            parquet.py   parquet -> record batches
    shapes.py    JSON and csv values -> arrow types
    scan.py      files -> rows, schema, faults       columns.py   schema -> problem, answer and id column
    tables.py    files -> Table: schema, columns, notes, batches
    asked.py     one cell of the problem column -> text or chat messages
    identity.py  values -> row ids; equal rows told apart
    surveying.py Table -> Survey                     stream.py    Table, Survey -> Problem, Problem, ...
"""

from typing import TYPE_CHECKING, Any

from solver.problems.files import InputSpec

if TYPE_CHECKING:
    from solver.problems.identity import Survey
    from solver.problems.stream import problems
    from solver.problems.surveying import survey
    from solver.problems.tables import Table, open_table

__all__ = ["InputSpec", "Survey", "Table", "open_table", "problems", "survey"]

_HOME = {"Table": "tables", "open_table": "tables", "Survey": "identity", "survey": "surveying", "problems": "stream"}


def __getattr__(name: str) -> Any:
    """Import pyarrow and numpy only when a table is opened, so that `solver --help` stays instant."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
