"""solver: ask a reasoning model N times for each problem of a table, group the answers, vote, write parquet.

    job -> problems -> prompts -> models -> engine -> strategies -> answers -> votes -> store
                          run/ drives the line; cli/ puts words to it

The command line is a thin layer over Python. To run a job: `from solver.run import read_job, run, revote`; to read what
came out: `solver.open_run(directory)`. The names below are imported when first used.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from solver.answers import Extracted, equivalent, extract
    from solver.opened import Run, open_run
    from solver.statistics import compare, stats
    from solver.store import Store
    from solver.votes import vote

__all__ = ["Extracted", "Run", "Store", "compare", "equivalent", "extract", "open_run", "stats", "vote"]

_HOME = {
    "Extracted": "answers",
    "Run": "opened",
    "Store": "store",
    "compare": "statistics",
    "equivalent": "answers",
    "extract": "answers",
    "open_run": "opened",
    "stats": "statistics",
    "vote": "votes",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module 'solver' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"solver.{_HOME[name]}"), name)
