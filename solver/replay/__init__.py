"""Recorded samples -> what other voting strategies would have made of them, without an engine.

    tape.py    a finished run, or a table of recorded samples -> `Recorded`, one for each problem
    plan.py    a strategy's block -> what of it can be replayed: its own stopping rule and chooser
    walk.py    one problem in one order under all plans at once -> where each stops, who wins
    table.py   many walks -> accuracy, samples, tokens, with intervals over shuffles

The rules are the objects that a run uses. The samples of a problem are shuffled, because the order in which they were
drawn is one of many; every strategy sees the same orders, so differences are paired. What a run would have in flight
when a rule stops it, and cancel, is not counted here.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from solver.answers import Grader
from solver.replay.plan import Plan, plans, same_draw
from solver.replay.table import Replayed, summary, told
from solver.replay.tape import Columns, Recorded, read_run, read_table
from solver.replay.walk import Tape, walks

__all__ = ["Columns", "Recorded", "Replayed", "replay", "replayed", "told"]


def replay(
    source: Path,
    named: Mapping[str, Mapping[str, Any]],
    *,
    n: int | None = None,
    shuffles: int = 50,
    seed: int = 0,
    columns: Columns | None = None,
) -> Replayed:
    """Replay the samples of a run directory or of a table under named strategies (their blocks).

    n: samples a problem at most, by default the most that a problem has; shuffles: orders of each problem's samples,
    0: the recorded one alone. Raises SolverError: nothing there, columns not found, a strategy that cannot be replayed.
    """
    if source.is_dir() and columns is None:
        recorded, block = read_run(source)
        same_draw(named, block, n or 1)
    else:
        recorded = read_table(source, columns or Columns())
        same_draw(named, {}, n or 1)
    return replayed(recorded, named, n=n, shuffles=shuffles, seed=seed)


def replayed(
    recorded: Sequence[Recorded],
    named: Mapping[str, Mapping[str, Any]],
    *,
    n: int | None = None,
    shuffles: int = 50,
    seed: int = 0,
) -> Replayed:
    """The same over records at hand; `fixed` is always among the strategies, as what the others are compared with."""
    most = n or max((len(one.answers) for one in recorded), default=1)
    ready = plans(named, most)
    return asyncio.run(_replayed(recorded, ready, most, shuffles, seed))


async def _replayed(recorded: Sequence[Recorded], ready: Sequence[Plan], n: int, shuffles: int, seed: int) -> Replayed:
    async with Grader() as grader:
        endings = [await walks(await Tape.of(one, grader), ready, n, shuffles, seed) for one in recorded]
    return summary(recorded, ready, endings, n)
