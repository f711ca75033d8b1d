"""What answers say beside accuracy: can agreement be trusted, how long are they, which problems are hard.

Pure functions over `Answers`. Without references they tell what can be told: agreement, lengths, shares.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from solver.statistics.headline import Mask
from solver.statistics.intervals import Share, wilson
from solver.statistics.reading import F64, I64, Answers

BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Problems whose vote agreed about as much: from low (excluded, but 0) to high.

    agreement: their mean; accuracy: share of right votes among the judged ones.
    """

    low: float
    high: float
    problems: int
    judged: int
    agreement: float
    accuracy: Share


@dataclass(frozen=True, slots=True)
class Calibration:
    """Accuracy against agreement. error: mean |accuracy - agreement| over judged problems by bin (expected calibration
    error, Naeini et al. 2015), None without references."""

    bins: Sequence[Bin]
    error: float | None


@dataclass(frozen=True, slots=True)
class Lengths:
    """Output tokens of a group of candidates; the three are None where there are none."""

    candidates: int
    mean: float | None
    median: float | None
    p90: float | None


@dataclass(frozen=True, slots=True)
class Band:
    """Judged problems by the share of their candidates that is right: from low (excluded, but 0) to high."""

    name: str
    problems: int
    majority: Share
    mean_tokens: float | None


def calibration(answers: Answers) -> Calibration:
    """Ten equal bins of agreement; those without a problem are left out."""
    voted = ~np.isnan(answers.agreement)
    place = np.clip(np.ceil(np.where(voted, answers.agreement, 0.0) * BINS).astype(np.int64) - 1, 0, BINS - 1)
    bins, off, judged = [], 0.0, int((voted & answers.judged).sum())
    for number in range(BINS):
        inside = voted & (place == number)
        if not inside.any():
            continue
        known = inside & answers.judged
        accuracy = wilson(int(answers.correct[known].sum()), int(known.sum()))
        mean = float(answers.agreement[inside].mean())
        bins.append(Bin(number / BINS, (number + 1) / BINS, int(inside.sum()), int(known.sum()), mean, accuracy))
        if accuracy.value is not None:
            off += int(known.sum()) * abs(accuracy.value - float(answers.agreement[known].mean()))
    return Calibration(bins, off / judged if judged else None)


def lengths(answers: Answers) -> dict[str, Lengths]:
    """Lengths of all candidates and, of judged problems, of right and wrong ones; of truncated ones apart."""
    judged = answers.judged[answers.problem_of]
    groups = {
        "all": np.ones(len(answers.lengths), dtype=np.bool_),
        "right": judged & answers.right,
        "wrong": judged & ~answers.right & ~answers.truncated,
        "truncated": answers.truncated,
    }
    return {name: _lengths(answers.lengths[mask]) for name, mask in groups.items()}


def _lengths(tokens: I64) -> Lengths:
    if not len(tokens):
        return Lengths(0, None, None, None)
    median, p90 = np.percentile(tokens, [50, 90])
    return Lengths(len(tokens), float(tokens.mean()), float(median), float(p90))


BANDS: Sequence[tuple[str, float, float]] = (
    ("never right", -1.0, 0.0),
    ("up to 25%", 0.0, 0.25),
    ("25 to 50%", 0.25, 0.5),
    ("50 to 75%", 0.5, 0.75),
    ("75% and more", 0.75, 1.0 - 1e-9),
    ("always right", 1.0 - 1e-9, 1.0),
)
"""Difficulty bands by pass rate: name, low (excluded), high (included)."""


def pass_rates(answers: Answers, least: int | None = None) -> F64:
    """Share of right candidates of each problem, of the first `least` alone where a rule may stop early; 0 where it has
    none, NaN where it is not judged."""
    right, counts = answers.right, answers.counts
    if least is not None:
        places = np.arange(len(right)) - np.repeat(answers.first[:-1], counts)
        right, counts = right & (places < least), np.minimum(counts, least)
    rates = answers.per_problem(right) / np.maximum(counts, 1)
    return np.where(answers.judged, rates, np.nan)


def difficulty(answers: Answers) -> list[Band]:
    """Judged problems in bands of their pass rate; empty without references."""
    rates, mean = pass_rates(answers), answers.tokens / np.maximum(answers.counts, 1)
    if not answers.judged.any():
        return []
    return [_band(answers, name, (rates > low) & (rates <= high), mean) for name, low, high in BANDS]


def _band(answers: Answers, name: str, inside: Mask, mean_tokens: F64) -> Band:
    count = int(inside.sum())
    mean = float(mean_tokens[inside].mean()) if count else None
    return Band(name, count, wilson(int(answers.correct[inside].sum()), count), mean)
