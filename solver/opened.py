"""A finished or growing run, for people: `run = solver.open_run("runs/math")` in a script or a notebook.

    run                       in a notebook: the headline and the curve
    run.stats()               every number (solver.statistics)
    run.results(), run.samples()     iterators of records; nothing is held in memory
    run.results_table(), run.samples_table()     pyarrow tables, or `.to_pandas()` of them
    run["demo-0004"]          one problem with its vote and candidates
    run.texts("demo-0004")    its samples

Reads only; needs no engine. Anything it raises is a SolverError.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa

from solver.records import Result, Sample, SampleKey
from solver.statistics import Statistics, stats
from solver.store import RESULTS, SAMPLES, Store, result_of_row


def open_run(path: str | Path) -> "Run":
    """Open a run directory to read. Raises StoreError when it is not one."""
    return Run(Store.read(Path(path)))


class Run:
    """One run directory, read as it was when it was opened; a context manager, though nothing need be closed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.path = store.path

    @property
    def finished(self) -> bool:
        """Whether the last run came to its end."""
        return self._store.finished

    def results(self) -> Iterator[Result]:
        """Every problem's result, in no particular order."""
        return (result_of_row(row) for row in self._store.results())

    def samples(self) -> Iterator[Sample]:
        """Every sample, one copy per key, with its exact text."""
        return self._store.samples()

    def results_table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The results table in input order, whole in memory; columns: these alone."""
        wanted = None if columns is None else [*dict.fromkeys([*columns, "row"])]
        batches = list(self._store.result_batches(wanted)) or [pa.RecordBatch.from_pylist([], schema=RESULTS)]
        table = pa.concat_tables([pa.Table.from_batches([batch]) for batch in batches], promote_options="default")
        return (table.sort_by("row") if len(table) else table).select(columns or table.column_names)

    def samples_table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The samples table, whole in memory; columns: these alone."""
        chosen = SAMPLES if columns is None else pa.schema([SAMPLES.field(name) for name in columns])
        return pa.Table.from_batches(self._store.sample_batches(columns), schema=chosen)

    def stats(self, *, price: float | None = None) -> Statistics:
        """Every number: see `solver.stats`."""
        return stats(self._store, price=price)

    def __getitem__(self, id: str) -> Result:
        """The result of one problem by the user's id or by row id. Raises KeyError."""
        row = self._store.result(id)
        if row is None:
            raise KeyError(id)
        return result_of_row(row)

    def texts(self, id: str) -> Mapping[SampleKey, Sample]:
        """The samples of one problem by the user's id or by row id. Raises KeyError."""
        return self._store.samples_of(self[id].problem.row_id)

    def __enter__(self) -> "Run":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._store.close()

    def __repr__(self) -> str:
        return f"<Run {self.path}: {'complete' if self.finished else 'not complete'}>"

    def _repr_html_(self) -> str:
        told: Any = stats(self._store, texts=False)
        return str(told._repr_html_())
