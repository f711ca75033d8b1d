"""The results table -> the few numbers that every run ends with, with 95% intervals.

Reads candidates and votes only, one arrow batch at a time; needs no engine. pass@1 is the mean over problems
of the share of right candidates (the unbiased estimator of Chen et al. 2021, arXiv 2107.03374, at k = 1); its
interval treats problems, not samples, as the unit. A candidate without a gradable answer is wrong.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Share:
    """An estimate between 0 and 1 with its 95% interval; all None when nothing was counted."""

    value: float | None
    low: float | None
    high: float | None

    def __str__(self) -> str:
        if self.value is None or self.low is None or self.high is None:
            return "-"
        return f"{self.value:.1%} (95%: {self.low:.1%} to {self.high:.1%})"


NOTHING = Share(None, None, None)


@dataclass(frozen=True, slots=True)
class Stats:
    """Headline numbers of a run.

    referenced: problems with a gradable reference, over which pass_at_1 and majority are taken, one that a strategy
    abstained from among the wrong; answered: the majority over those that it did not; ungradable: those
    whose reference cannot be graded; agreement: mean
    share of valid votes that the winner has; truncated: truncated candidates of all candidates.
    """

    problems: int
    failed: int
    no_answer: int
    wants_more: int
    abstained: int
    ties: int
    samples: int
    valid: int
    truncated: int
    output_tokens: int
    referenced: int
    ungradable: int
    pass_at_1: Share
    majority: Share
    answered: Share
    agreement: Share

    @property
    def truncated_share(self) -> float | None:
        """Truncated candidates of all candidates."""
        return self.truncated / self.samples if self.samples else None


COLUMNS = (
    "reference",
    "correct",
    "n_samples",
    "n_valid",
    "n_truncated",
    "agreement",
    "tie",
    "output_tokens",
    "status",
    "candidates.list.element.correct",
)
"""The columns of the results table that `summarize` reads."""


def summarize(batches: Iterable[pa.RecordBatch]) -> Stats:
    """Headline numbers over batches of the results table (`COLUMNS` suffice)."""
    counts = dict.fromkeys(("ok", "abstained", "no_answer", "failed", "wants_more"), 0)
    totals = dict.fromkeys(("n_samples", "n_valid", "n_truncated", "output_tokens", "tie"), 0)
    rates, agreements, right, ungradable, silent = Moments(), Moments(), 0, 0, 0
    for batch in batches:
        status = batch.column("status").to_numpy(zero_copy_only=False)
        for name in counts:
            counts[name] += int((status == name).sum())
        for name in totals:
            totals[name] += int(batch.column(name).to_numpy(zero_copy_only=False).sum())
        agreements.add(batch.column("agreement").drop_null().to_numpy())
        asked = _mask(batch.column("reference").is_valid()) & (status != "wants_more")
        candidates, judged, correct = _judged(batch.column("candidates"))
        unknown = asked & (candidates > 0) & (judged == 0)
        counted = asked & ~unknown
        rates.add(correct[counted] / np.maximum(judged[counted], 1))
        right += int(_mask(batch.column("correct").fill_null(False))[counted].sum())
        silent += int((counted & (status == "abstained")).sum())
        ungradable += int(unknown.sum())
    return Stats(
        problems=sum(counts.values()),
        failed=counts["failed"],
        no_answer=counts["no_answer"],
        wants_more=counts["wants_more"],
        abstained=counts["abstained"],
        ties=totals["tie"],
        samples=totals["n_samples"],
        valid=totals["n_valid"],
        truncated=totals["n_truncated"],
        output_tokens=totals["output_tokens"],
        referenced=rates.count,
        ungradable=ungradable,
        pass_at_1=rates.interval(),
        majority=wilson(right, rates.count),
        answered=wilson(right, rates.count - silent),
        agreement=agreements.interval(),
    )


def _judged(candidates: pa.ListArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """For each row: how many candidates, how many that are right or wrong, how many that are right."""
    rows = len(candidates)
    of_row = candidates.value_parent_indices().to_numpy()
    correct = candidates.flatten().field("correct")
    known, right = of_row[_mask(correct.is_valid())], of_row[_mask(correct.fill_null(False))]
    return tuple(np.bincount(some, minlength=rows) for some in (of_row, known, right))  # type: ignore[return-value]


def _mask(flags: pa.BooleanArray) -> npt.NDArray[np.bool_]:
    return np.asarray(flags.to_numpy(zero_copy_only=False), dtype=np.bool_)


class Moments:
    """Mean and variance of a stream, joined block by block (Chan, Golub and LeVeque 1979)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self._squares = 0.0

    def add(self, values: npt.NDArray[np.float64]) -> None:
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
