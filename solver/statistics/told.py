"""Statistics for human eyes: aligned lines for a terminal, a small table for a notebook."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from solver.statistics.curves import at
from solver.statistics.headline import Stats
from solver.statistics.intervals import Share

if TYPE_CHECKING:
    from solver.statistics.measures import Lengths
    from solver.statistics.whole import Statistics

Row = tuple[str, str]


def lines(s: "Statistics") -> list[str]:
    """Every number, in blocks with a headline each."""
    out = aligned(rows(s.headline))
    for title, block in (("accuracy over samples", _curve(s)), ("agreement and accuracy", _calibration(s))):
        out += _block(title, block)
    out += _block("difficulty (share of right samples)", _difficulty(s))
    out += _block("output tokens", _lengths(s))
    return out + _block("overthinking", _overthinking(s)) + _block("cost", _cost(s))


def page(s: "Statistics") -> str:
    """The headline and the curve as an HTML table, for a notebook."""
    body = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows(s.headline))
    curve = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in _curve(s))
    return f"<table><caption>{escape(s.name)}</caption>{body}{curve}</table>"


def aligned(named: Iterable[Row]) -> list[str]:
    """Names and values in two columns."""
    return [f"  {name:<14} {value}" for name, value in named]


def rows(s: Stats) -> list[Row]:
    """The headline."""
    ends = {"failed": s.failed, "without an answer": s.no_answer, "tied": s.ties}
    out = [("problems", f"{s.problems:,}" + parts(ends))]
    if s.wants_more:
        out.append(("wants more", f"{s.wants_more:,} problems ask for samples that the run does not hold"))
    if s.abstained:
        out.append(("abstained", f"{s.abstained:,} problems; of the others' answers are right {s.answered}"))
    if s.referenced:
        out += [("pass@1", str(s.pass_at_1)), ("majority", str(s.majority))]
    if s.ungradable:
        out.append(("ungradable", f"{s.ungradable:,} problems have a reference that cannot be graded"))
    silent = {"truncated": s.truncated, "without an answer": s.samples - s.valid}
    return [
        *out,
        ("agreement", str(s.agreement)),
        ("samples", f"{s.samples:,}" + parts(silent)),
        ("truncated", "-" if s.truncated_share is None else f"{s.truncated_share:.1%}"),
        ("output tokens", f"{s.output_tokens:,}"),
    ]


def parts(counts: dict[str, int]) -> str:
    """What a number is made of, in brackets; zeros are left out."""
    told = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    return f" ({told})" if told else ""


def _block(title: str, named: Sequence[Row]) -> list[str]:
    return ["", title, *aligned(named)] if named else []


def _curve(s: "Statistics") -> list[Row]:
    points = at(s.curve)
    out = [("k", "pass@k                           maj@k                            tokens")] if points else []
    for k, point in points.items():
        left = f"   ({point.left_out:,} problems left out)" if point.left_out else ""
        out.append((str(k), f"{point.pass_at!s:<32} {point.maj_at!s:<32} {point.tokens:,.0f}{left}"))
    if s.early and points:
        out.append(("", f"sampling may stop early: only the first {s.least} samples of each problem tell without bias"))
    return out


def _calibration(s: "Statistics") -> list[Row]:
    out = []
    for one in s.calibration.bins:
        accuracy = f"   right {one.accuracy}" if one.judged else ""
        out.append((f"{one.low:.0%} to {one.high:.0%}", f"{one.problems:>7,} problems{accuracy}"))
    if s.calibration.error is not None:
        out.append(("off by", f"{s.calibration.error:.1%} in the mean (expected calibration error)"))
    return out


def _difficulty(s: "Statistics") -> list[Row]:
    known = [(band, band.mean_tokens) for band in s.difficulty if band.mean_tokens is not None]
    return [
        (band.name, f"{band.problems:>7,} problems   majority {band.majority}   a sample {tokens:,.0f} tokens")
        for band, tokens in known
    ]


def _lengths(s: "Statistics") -> list[Row]:
    out = [] if s.tokens_per_problem is None else [("a problem", f"{s.tokens_per_problem:,.0f}")]
    if s.tokens_per_right is not None:
        out.append(("a right vote", f"{s.tokens_per_right:,.0f}"))
    return [*out, *((name, _length(one)) for name, one in s.lengths.items() if one.candidates)]


def _length(one: "Lengths") -> str:
    return f"mean {one.mean:,.0f}, median {one.median:,.0f}, 90% below {one.p90:,.0f} ({one.candidates:,} samples)"


def _overthinking(s: "Statistics") -> list[Row]:
    o = s.overthinking
    if o.first_right is None or o.solutions is None or o.redundant is None:
        return []
    return [
        ("outcome", f"{_percent(o.outcome)} of a response's tokens lead to its first right solution"),
        ("process", f"{_percent(o.process)} belong to solutions that go another way than those before (by words)"),
        ("first right", f"after {o.first_right:,.0f} tokens; {o.solutions:.2f} solutions a response"),
        ("redundant", f"{o.redundant:.2f} solutions after the first right one ({o.responses:,} responses looked at)"),
    ]


def _percent(share: Share) -> str:
    return "-" if share.value is None else f"{share.value:.1%}"


def _cost(s: "Statistics") -> list[Row]:
    if s.cost is None:
        return []
    what = f"{s.cost.gpu_hours:,.2f} GPU hours" if s.cost.gpus else f"{s.cost.hours:,.2f} hours, no GPU"
    money = "" if s.cost.money is None else f", {s.cost.money:,.2f} at the price given"
    return [("engine", f"{what}{money} (starts that came to their end)")]
