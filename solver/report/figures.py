"""The statistics -> the charts of the report, each with a heading and a sentence that says what is seen."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from solver.report import svg
from solver.statistics import Share, Statistics
from solver.statistics.curves import Point
from solver.statistics.reading import F64, I64, Answers

BINS = 24
_BANDS = ("never", "to 25%", "to 50%", "to 75%", "over 75%", "always")  # short names on the axis


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart with what stands above and below it; svg: made here, safe to stand in a page."""

    heading: str
    svg: str
    caption: str


def figures(s: Statistics, answers: Answers) -> list[Figure]:
    """Those that the run has numbers for."""
    made = (_samples(s), _tokens(s), _calibration(s), _lengths(answers), _difficulty(s))
    return [figure for figure in made if figure is not None]


def _samples(s: Statistics) -> Figure | None:
    if not s.curve:
        return None
    last = s.curve[-1]
    axis = svg.doubling("samples per problem, k", 1, max(last.k, 2))
    chart = _curves("Accuracy over samples", s.curve, [point.k for point in s.curve], axis)
    caption = (
        f"pass@{last.k} is the chance that one of {last.k} samples is right, maj@{last.k} that their majority is. "
        "Unbiased over all samples; bands are 95% intervals over problems."
    )
    if s.early:
        caption += f" Sampling may stop early: only the first {s.least} samples of each problem tell without bias."
    if last.left_out:
        caption += f" {last.left_out:,} problems have too few samples for the last point."
    return Figure("Accuracy over samples", chart.svg(), caption)


def _tokens(s: Statistics) -> Figure | None:
    known = [point for point in s.curve if point.tokens > 0]
    if len(known) < 2:
        return None
    tokens = [point.tokens for point in known]
    axis = svg.decimal("output tokens per problem", min(tokens), max(tokens))
    chart = _curves("Accuracy over tokens", known, tokens, axis)
    caption = "The same curves over what they cost: the mean tokens of k samples of one problem."
    return Figure("Accuracy over tokens", chart.svg(), caption)


def _curves(title: str, points: Sequence[Point], at: Sequence[float], axis: svg.Axis) -> svg.Chart:
    shares = [share for point in points for share in (point.pass_at, point.maj_at)]
    lows, highs = (_known(getattr(share, end) for share in shares) for end in ("low", "high"))
    said = ", ".join(f"k {p.k}: pass {_percent(p.pass_at)}, majority {_percent(p.maj_at)}" for p in _worth(points))
    chart = svg.Chart(title, said, axis, svg.percent("accuracy", min(lows, default=0), max(highs, default=1)))
    for kind, name in (("s2", "pass"), ("s1", "maj")):
        curve = [(x, getattr(point, f"{name}_at")) for x, point in zip(at, points, strict=True)]
        known = [(x, c.value, c.low, c.high) for x, c in curve if c.value is not None]
        chart.band([(x, low, high) for x, _, low, high in known], kind)
    for kind, name, long in (("s1", "maj", "maj@k, the majority"), ("s2", "pass", "pass@k, any of k")):
        whole = [(x, point, getattr(point, f"{name}_at")) for x, point in zip(at, points, strict=True)]
        chart.line([(x, c.value) for x, _, c in whole if c.value is not None], kind, long)
        for x, point, c in whole:
            if c.value is not None and point in _worth(points):
                chart.mark(x, c.value, kind, f"{name}@{point.k}: {c}, {point.tokens:,.0f} tokens")
    return chart


def _worth(points: Sequence[Point]) -> list[Point]:
    return [point for point in points if point.k & (point.k - 1) == 0 or point is points[-1]]


def _calibration(s: Statistics) -> Figure | None:
    bins = s.calibration.bins
    if not bins:
        return None
    most, total = max(one.problems for one in bins), sum(one.problems for one in bins)
    judged = [one for one in bins if one.judged]
    said = "; ".join(f"agreement {one.low:.0%} to {one.high:.0%}: {one.problems} problems" for one in bins)
    x, title = svg.percent("agreement of the vote"), "Agreement and accuracy" if judged else "Agreement of the votes"
    if not judged:
        chart = svg.Chart(title, said, x, svg.linear("problems", most))
        for one in bins:
            chart.bar(one.low, one.high, one.problems, "s1", f"{one.problems:,} problems")
        return Figure(title, chart.svg(), "How much of the valid votes the winner has; nothing to judge by.")
    chart = svg.Chart(title, said, x, svg.percent("right votes"))
    for one in bins:
        part = one.problems / total
        chart.bar(one.low, one.high, part, "pale", f"{one.problems:,} problems: {part:.1%}")
    chart.line([(0, 0), (1, 1)], "even", "as often right as agreed")
    chart.name("pale", "share of problems")
    for one in judged:
        a = one.accuracy
        if a.value is not None and a.low is not None and a.high is not None:
            chart.mark(one.agreement, a.value, "s1", f"agreement {one.agreement:.0%}: right {a}", (a.low, a.high))
    off = "" if s.calibration.error is None else f" The mean distance is {100 * s.calibration.error:.1f} points."
    return Figure(title, chart.svg(), f"Above the line the vote is more often right than it agrees, below less.{off}")


def _lengths(answers: Answers) -> Figure | None:
    judged, seen = answers.judged[answers.problem_of], answers.lengths > 0
    groups = {"right": judged & answers.right, "wrong": judged & ~answers.right & ~answers.truncated}
    if not judged.any():
        groups = {"samples": ~answers.truncated}
    groups["truncated"] = answers.truncated
    lengths = {name: answers.lengths[mask & seen] for name, mask in groups.items()}
    known = {name: tokens for name, tokens in lengths.items() if len(tokens)}
    if not known:
        return None
    both = np.concatenate(list(known.values()))
    low, high = max(1.0, float(np.percentile(both, 0.5))), float(max(np.percentile(both, 99.8), 2))
    edges = np.unique(np.geomspace(low, max(high, low * 1.5), BINS + 1).round())
    heights = {name: _shares(tokens, edges) for name, tokens in known.items()}
    top = max(max(one) for one in heights.values())
    said = "; ".join(f"{name}: median {np.median(tokens):,.0f} tokens" for name, tokens in known.items())
    x = svg.decimal("output tokens of a sample", float(edges[0]), float(edges[-1]))
    chart = svg.Chart("Lengths of samples", said, x, svg.percent("share of the group", 0, top))
    kinds = {"right": "good", "wrong": "bad", "samples": "s1", "truncated": "warn"}
    for name, shares in heights.items():
        chart.area(svg.steps(edges.tolist(), shares), kinds[name], f"{name} ({len(known[name]):,})")
    ends = "The outermost bars hold what lies beyond."
    return Figure("Lengths of samples", chart.svg(), f"{said[0].upper()}{said[1:]}. Each group adds up to 100%. {ends}")


def _shares(tokens: I64, edges: F64) -> list[float]:
    counts, _ = np.histogram(np.clip(tokens, edges[0], edges[-1]), edges)
    return [float(share) for share in counts / len(tokens)]


def _difficulty(s: Statistics) -> Figure | None:
    if not s.difficulty:
        return None
    most, count = max(band.problems for band in s.difficulty), len(s.difficulty)
    said = "; ".join(f"{band.name}: {band.problems} problems" for band in s.difficulty)
    ticks = [(number + 0.5, name) for number, name in enumerate(_BANDS)]
    x = svg.Axis("share of a problem's samples that is right", 0, count, ticks)
    chart = svg.Chart("Difficulty", said, x, svg.linear("problems", most * 1.08))
    for number, band in enumerate(s.difficulty):
        tokens = "" if band.mean_tokens is None else f", a sample {band.mean_tokens:,.0f} tokens"
        tip = f"{band.name}: {band.problems:,} problems, majority right {band.majority}{tokens}"
        chart.bar(
            number + 0.1, number + 0.9, band.problems, "pale", tip, label=f"{band.problems:,}" if band.problems else ""
        )
        won = band.problems * (band.majority.value or 0)
        if won:
            chart.bar(number + 0.1, number + 0.9, won, "s1", tip)
    chart.name("pale", "problems")
    chart.name("s1", "of these, the majority is right")
    hard = s.difficulty[0].problems
    caption = f"{hard:,} problems were never answered rightly, {s.difficulty[-1].problems:,} always."
    return Figure("Difficulty", chart.svg(), caption)


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _percent(share: Share) -> str:
    return "-" if share.value is None else f"{share.value:.1%}"
