"""Accuracy over the number of samples: pass@k and maj@k for every k, with intervals, and what they cost in tokens.

A problem enters at k when it has k candidates that were drawn without regard to how they came out. Where a rule may
stop early, the number of candidates depends on them, and only the first `least`, which are always drawn, are such.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from solver.statistics.estimators import F64, I64, maj_at, pass_at
from solver.statistics.intervals import Share, bootstrap, share
from solver.statistics.reading import Answers


@dataclass(frozen=True, slots=True)
class Point:
    """One k of the curves.

    problems: those that enter; left_out: referenced ones that have no unbiased value at this k; tokens: mean output
    tokens of k candidates of one problem.
    """

    k: int
    pass_at: Share
    maj_at: Share
    problems: int
    left_out: int
    tokens: float


def curves(answers: Answers, least: int | None = None) -> list[Point]:
    """A point for each k from 1 to the most candidates of any problem; empty without references.

    least: samples that every problem draws whatever comes out; None where nothing stops early.
    """
    counts = answers.counts if least is None else np.minimum(answers.counts, max(1, least))
    rows = np.flatnonzero(answers.judged & (counts > 0))
    if not len(rows):
        return []
    most = int(counts[rows].max())
    passed, voted = _values(answers, rows, counts, most)
    lengths = _mean_lengths(answers, rows, counts)
    ends = [bootstrap(values) for values in (passed, voted)]
    judged = int(answers.judged.sum())
    points = []
    for k in range(1, most + 1):
        inside = counts[rows] >= k
        shares = [share(*(float(part[k - 1]) for part in end)) for end in ends]
        tokens = k * float(lengths[inside].mean()) if inside.any() else 0.0
        points.append(Point(k, shares[0], shares[1], int(inside.sum()), judged - int(inside.sum()), tokens))
    return points


def _values(answers: Answers, rows: I64, counts: I64, most: int) -> tuple[F64, F64]:
    """pass@k and maj@k of each problem; shapes (rows, most), NaN beyond its candidates."""
    voted = np.full((len(rows), most), np.nan)
    right = np.zeros(len(rows), dtype=np.int64)
    for place, row in enumerate(rows):
        span = slice(int(answers.first[row]), int(answers.first[row] + counts[row]))
        right[place], others, silent = _split(answers.class_of[span], answers.right[span])
        won = maj_at(int(right[place]), others, silent)
        voted[place, : len(won)] = won
    return pass_at(counts[rows], right, most), voted


def _split(class_of: I64, right: npt.NDArray[np.bool_]) -> tuple[int, list[int], int]:
    """Members of the right class, members of each other class, and how many do not vote."""
    voting = class_of >= 0
    sizes = np.bincount(class_of[voting & ~right])
    return int((right & voting).sum()), sizes[sizes > 0].tolist(), int((~voting).sum())


def _mean_lengths(answers: Answers, rows: I64, counts: I64) -> F64:
    """Mean output tokens of the candidates that enter, for each of these problems."""
    total = np.concatenate(([0], np.cumsum(answers.lengths)))
    begin = answers.first[rows]
    return np.asarray((total[begin + counts[rows]] - total[begin]) / np.maximum(counts[rows], 1))


def at(points: Sequence[Point]) -> Mapping[int, Point]:
    """The points by k, those worth printing: powers of two and the last."""
    last = points[-1].k if points else 0
    return {point.k: point for point in points if point.k & (point.k - 1) == 0 or point.k == last}
