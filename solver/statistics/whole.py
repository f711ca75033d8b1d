"""Everything that a run's tables say, in one record: `solver.stats(run)`."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from solver import strategies
from solver.errors import SolverError
from solver.statistics import headline, told
from solver.statistics.cost import Cost, cost
from solver.statistics.curves import Point, curves
from solver.statistics.headline import Stats, summarize
from solver.statistics.measures import Band, Calibration, Lengths, calibration, difficulty, lengths
from solver.statistics.overthinking import NONE, Overthinking, overthinking
from solver.statistics.reading import read
from solver.store import Store
from solver.strict_yaml import read_file


@dataclass(frozen=True, slots=True)
class Statistics:
    """The numbers of a run.

    early: a rule may have stopped sampling early; least: the samples that were then drawn whatever came out, which
    alone enter the curves; curve: by k from 1; abstained: problems with valid answers but no prediction; apart:
    candidates that were left out because they were helped; tokens_per_problem, tokens_per_right: output tokens,
    cancelled samples and probes included, over all problems and over those voted right.
    """

    name: str
    headline: Stats
    early: bool
    least: int | None
    curve: Sequence[Point]
    calibration: Calibration
    lengths: Mapping[str, Lengths]
    difficulty: Sequence[Band]
    overthinking: Overthinking
    cost: Cost | None
    abstained: int
    apart: int
    tokens_per_problem: float | None
    tokens_per_right: float | None

    def json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Everything, for human eyes."""
        return told.lines(self)

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        return told.page(self)


def stats(run: Store | str | Path, *, price: float | None = None, texts: bool = True) -> Statistics:
    """The statistics of a run directory, finished or not.

    price: of a GPU for an hour; texts: False leaves out what needs responses to be read (overthinking).
    Raises StoreError where it is no run directory or is damaged.
    """
    if isinstance(run, Store):
        return _stats(run, price, texts)
    with Store.read(Path(run)) as store:
        return _stats(store, price, texts)


def _stats(store: Store, price: float | None, texts: bool) -> Statistics:
    least = least_of(store)
    top, answers = summarize(store.result_batches(headline.COLUMNS), least), read(store)
    early = least is not None
    problems, right = len(answers.row), int((answers.correct & answers.judged).sum())
    total, judged = int(answers.tokens.sum()), int(answers.tokens[answers.judged].sum())
    name = str((store.summary or {}).get("name", store.path.resolve().name))
    return Statistics(
        name=name,
        headline=top,
        early=early,
        least=least,
        curve=curves(answers, least),
        calibration=calibration(answers),
        lengths=lengths(answers),
        difficulty=difficulty(answers),
        overthinking=overthinking(store, int(answers.judged.sum()), len(answers.lengths)) if texts else NONE,
        cost=cost(store.summary, price),
        abstained=int(answers.abstained.sum()),
        apart=top.samples - len(answers.lengths),
        tokens_per_problem=total / problems if problems else None,
        tokens_per_right=judged / right if right else None,
    )


def least_of(store: Store) -> int | None:
    """Samples that the run's strategy draws of every problem whatever comes out; None where it never stops early."""
    try:
        job = read_file(store.path / "job.yaml", os.environ).value
        block, n = job["strategy"], int(job["sampling"]["n"])
        made = strategies.make(block, n)
    except (SolverError, KeyError, TypeError, ValueError, OSError):  # made by hand, or by another version
        return None
    least = getattr(made, "least", None)
    return None if least is None or least >= n else int(least)
