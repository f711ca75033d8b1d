"""Estimates with their 95% intervals: of shares, of means, and of anything averaged over problems, by bootstrap.

The unit is always the problem: samples of one problem are alike, so an interval over samples would be too narrow.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]

Z95 = 1.959963984540054
RESAMPLES = 1000
MOST_RESAMPLED = 100_000
"""Problems up to which means are bootstrapped; over more of them the normal interval is the same to four digits."""
_AT_ONCE = 4_000_000  # random numbers in memory together


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over problems with its 95% interval, in the unit of what is averaged; all None when nothing was."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Share(Estimate):
    """An estimate between 0 and 1."""

    def __str__(self) -> str:
        if self.value is None or self.low is None or self.high is None:
            return "-"
        return f"{self.value:.1%} (95%: {self.low:.1%} to {self.high:.1%})"


NOTHING = Share(None, None, None)


class Moments:
    """Mean and variance of a stream, joined block by block (Chan, Golub and LeVeque 1979)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self._squares = 0.0

    def add(self, values: F64) -> None:
        """More values."""
        if not len(values):
            return
        mean, before = float(values.mean()), self.count
        step, self.count = mean - self.mean, before + len(values)
        self.mean += step * len(values) / self.count
        self._squares += float(np.square(values - mean).sum()) + step * step * before * len(values) / self.count

    def interval(self) -> Share:
        """The mean with its normal 95% interval, cut to [0, 1]; one value alone says nothing: [0, 1]."""
        if not self.count:
            return NOTHING
        if self.count == 1:
            return Share(self.mean, 0.0, 1.0)
        error = Z95 * math.sqrt(self._squares / (self.count - 1) / self.count)
        return Share(self.mean, max(0.0, self.mean - error), min(1.0, self.mean + error))


def wilson(right: int, count: int) -> Share:
    """A proportion with Wilson's 95% score interval (Wilson 1927)."""
    if not count:
        return NOTHING
    p, z2 = right / count, Z95**2
    centre = (p + z2 / (2 * count)) / (1 + z2 / count)
    half = Z95 / (1 + z2 / count) * math.sqrt(p * (1 - p) / count + z2 / (4 * count**2))
    return Share(p, max(0.0, centre - half), min(1.0, centre + half))


def bootstrap(values: F64, *, seed: int = 0, resamples: int = RESAMPLES) -> tuple[F64, F64, F64]:
    """Column means of `values` with 95% percentile intervals over resampled rows (Efron 1979): mean, low, high.

    values: shape (problems, columns), NaN where a problem has no value; rows are drawn together, so that columns of
    one table may be compared. Shapes out: (columns,); NaN for a column without values.
    """
    known = ~np.isnan(values)
    filled, count = np.where(known, values, 0.0), known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(axis=0) / count
        if len(values) > MOST_RESAMPLED:
            spread = np.sqrt((np.where(known, (values - mean) ** 2, 0.0)).sum(axis=0) / np.maximum(count - 1, 1))
            error = Z95 * spread / np.sqrt(count)
            return mean, mean - error, mean + error
    drawn = _resampled(filled, known.astype(np.float64), seed, resamples)
    empty = np.full(values.shape[1], np.nan)
    if not len(drawn):
        return mean, empty, empty
    low, high = np.nanpercentile(drawn, [2.5, 97.5], axis=0) if count.all() else _percentiles(drawn)
    return mean, low, high


def _percentiles(drawn: F64) -> tuple[F64, F64]:
    """The same column by column, NaN where nothing was drawn."""
    known = [column[~np.isnan(column)] for column in drawn.T]
    ends = [np.percentile(one, [2.5, 97.5]) if len(one) else (np.nan, np.nan) for one in known]
    return np.array([end[0] for end in ends]), np.array([end[1] for end in ends])


def _resampled(filled: F64, known: F64, seed: int, resamples: int) -> F64:
    """Means of each column over problems drawn with replacement; shape (resamples, columns)."""
    problems = len(filled)
    if not problems:
        return np.empty((0, filled.shape[1]))
    dice, out = np.random.default_rng(seed), []
    for start in range(0, resamples, step := max(1, _AT_ONCE // problems)):
        rows = min(step, resamples - start)
        drawn = dice.integers(problems, size=(rows, problems))
        drawn += np.arange(rows)[:, None] * problems
        weights = np.bincount(drawn.ravel(), minlength=rows * problems).reshape(rows, problems).astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            out.append((weights @ filled) / (weights @ known))
    return np.concatenate(out)


def share(value: float, low: float, high: float) -> Share:
    """A Share of three numbers; NOTHING where they are NaN."""
    return NOTHING if math.isnan(value) else Share(value, max(0.0, low), min(1.0, high))


def estimate(value: float, low: float, high: float) -> Estimate:
    """An Estimate of three numbers; all None where they are NaN."""
    return Estimate(None, None, None) if math.isnan(value) else Estimate(value, low, high)
