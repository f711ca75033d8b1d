"""The results table -> the few numbers that every run ends with, with 95% intervals.

Reads candidates and votes only, batch by batch; needs no engine. pass@1 is the mean over problems of the
share of right candidates (the unbiased estimator of Chen et al. 2021, arXiv 2107.03374, at k = 1); its
interval treats problems, not samples, as the unit. A candidate without a gradable answer is wrong.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

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

    referenced: problems with a gradable reference, over which pass_at_1 and majority are taken; ungradable: those
    whose reference cannot be graded; agreement: mean
    share of valid votes that the winner has; truncated: truncated candidates of all candidates.
    """

    problems: int
    failed: int
    no_answer: int
    wants_more: int
    ties: int
    samples: int
    valid: int
    truncated: int
    output_tokens: int
    referenced: int
    ungradable: int
    pass_at_1: Share
    majority: Share
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
    "candidates",
)
"""The columns of the results table that `summarize` reads."""


def summarize(rows: Iterable[dict[str, Any]]) -> Stats:
    """Headline numbers over rows of the results table (`COLUMNS` suffice)."""
    counts = dict.fromkeys(("ok", "no_answer", "failed", "wants_more"), 0)
    totals = dict.fromkeys(("n_samples", "n_valid", "n_truncated", "output_tokens", "tie"), 0)
    rates, agreements, right, ungradable = Moments(), Moments(), 0, 0
    for row in rows:
        counts[row["status"]] += 1
        for name in totals:
            totals[name] += row[name]
        if row["agreement"] is not None:
            agreements.add(row["agreement"])
        if row["reference"] is not None and row["status"] != "wants_more":
            judged = [one["correct"] for one in row["candidates"] if one["correct"] is not None]
            if row["candidates"] and not judged:
                ungradable += 1
                continue
            rates.add(sum(judged) / len(judged) if judged else 0.0)
            right += bool(row["correct"])
    return Stats(
        problems=sum(counts.values()),
        failed=counts["failed"],
        no_answer=counts["no_answer"],
        wants_more=counts["wants_more"],
        ties=totals["tie"],
        samples=totals["n_samples"],
        valid=totals["n_valid"],
        truncated=totals["n_truncated"],
        output_tokens=totals["output_tokens"],
        referenced=rates.count,
        ungradable=ungradable,
        pass_at_1=rates.interval(),
        majority=wilson(right, rates.count),
        agreement=agreements.interval(),
    )


class Moments:
    """Mean and variance of a stream (Welford 1962)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self._squares = 0.0

    def add(self, value: float) -> None:
        """One more value."""
        self.count += 1
        step = value - self.mean
        self.mean += step / self.count
        self._squares += step * (value - self.mean)

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
