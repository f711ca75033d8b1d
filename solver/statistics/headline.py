"""The results table -> the few numbers that every run ends with, with 95% intervals.

Reads candidates and votes only, one arrow batch at a time; needs no engine. pass@1 is the mean over problems
of the share of right candidates (the unbiased estimator of Chen et al. 2021, arXiv 2107.03374, at k = 1); its
interval treats problems, not samples, as the unit. A candidate without a gradable answer is wrong; one that was
helped (marked `hinted`) does not count. Where a rule may stop early, how many candidates a problem has depends on how
they came out, and pass@1 is taken over the first few alone, which are drawn in any case.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from solver.statistics.intervals import Moments, Share, wilson

Mask = npt.NDArray[np.bool_]

HELPED = ("hinted",)
"""Marks of candidates that were helped, and so say nothing of what the model can do: no count has them."""


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
    "candidates.list.element.k",
    "candidates.list.element.correct",
    "candidates.list.element.marks",
)
"""The columns of the results table that `summarize` reads."""


def summarize(batches: Iterable[pa.RecordBatch], least: int | None = None) -> Stats:
    """Headline numbers over batches of the results table (`COLUMNS` suffice).

    least: samples that every problem draws whatever comes out; None where nothing stops early.
    """
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
        asked = mask(batch.column("reference").is_valid()) & (status != "wants_more")
        candidates, judged, correct = _judged(batch.column("candidates"), least)
        unknown = asked & (candidates > 0) & (judged == 0)
        counted = asked & ~unknown
        rates.add(correct[counted] / np.maximum(judged[counted], 1))
        right += int(mask(batch.column("correct").fill_null(False))[counted].sum())
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


def _judged(
    candidates: pa.ListArray, least: int | None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """For each row: how many candidates, how many that are right or wrong, how many that are right; of the first
    `least` alone."""
    rows = len(candidates)
    of_row = candidates.value_parent_indices().to_numpy()
    flat = candidates.flatten()
    own, correct = ~marked(flat.field("marks"), HELPED), flat.field("correct")
    if least is not None:
        own &= flat.field("k").to_numpy() < least
    known, right = of_row[own & mask(correct.is_valid())], of_row[own & mask(correct.fill_null(False))]
    return tuple(np.bincount(some, minlength=rows) for some in (of_row[own], known, right))  # type: ignore[return-value]


def mask(flags: pa.BooleanArray) -> Mask:
    """A boolean column without nulls as numpy has it."""
    return np.asarray(flags.to_numpy(zero_copy_only=False), dtype=np.bool_)


def marked(marks: pa.ListArray, names: Sequence[str]) -> Mask:
    """Whether each list of marks holds one of these names."""
    out = np.zeros(len(marks), dtype=np.bool_)
    hits = mask(pc.is_in(marks.flatten(), value_set=pa.array(names, pa.string())))
    out[marks.value_parent_indices().to_numpy()[hits]] = True
    return out
