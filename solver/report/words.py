"""The statistics -> headline numbers and small tables of the report, in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from solver.progress import duration
from solver.statistics import Share, Statistics

Row = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Number:
    """A headline number: what it is, the number, and what stands below in small."""

    name: str
    value: str
    note: str


def numbers(s: Statistics) -> list[Number]:
    """The headline, most important first."""
    top = s.headline
    out = []
    if top.referenced:
        out = [_share("majority right", top.majority), _share("pass@1", top.pass_at_1)]
    out.append(_share("agreement", top.agreement))
    ends = {"failed": top.failed, "without an answer": top.no_answer, "tied": top.ties, "abstained": s.abstained}
    out.append(Number("problems", f"{top.problems:,}", _told(ends)))
    silent = {"without an answer": top.samples - top.valid}
    out.append(Number("samples", f"{top.samples:,}", _told(silent)))
    cut = "-" if top.truncated_share is None else f"{top.truncated_share:.1%}"
    out.append(Number("truncated", cut, f"{top.truncated:,} samples"))
    if s.tokens_per_problem is not None:
        right = "" if s.tokens_per_right is None else f"{s.tokens_per_right:,.0f} a right vote"
        out.append(Number("tokens a problem", f"{s.tokens_per_problem:,.0f}", right))
    return out


def _share(name: str, share: Share) -> Number:
    if share.value is None or share.low is None or share.high is None:
        return Number(name, "-", "")
    return Number(name, f"{share.value:.1%}", f"95%: {100 * share.low:.1f} to {100 * share.high:.1f}")


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)


def notes(s: Statistics) -> list[str]:
    """What a reader must know before believing the numbers."""
    top, out = s.headline, []
    if not top.referenced:
        out.append("No problem has a gradable reference, so nothing here says what is right.")
    elif top.referenced < top.problems:
        out.append(f"Accuracy is over the {top.referenced:,} problems that have a gradable reference.")
    if top.ungradable:
        out.append(f"{top.ungradable:,} problems have a reference that cannot be graded.")
    if top.wants_more:
        out.append(f"{top.wants_more:,} problems ask for samples that the run does not hold.")
    if s.apart:
        out.append(f"{s.apart:,} candidates were helped (hints) and do not count.")
    return out


def engine(s: Statistics, summary: Mapping[str, Any] | None) -> list[Row]:
    """Time, throughput and cost, as far as the manifest tells them."""
    out = [("output tokens", f"{s.headline.output_tokens:,}")]
    last = (summary or {}).get("last_run")
    if isinstance(last, Mapping) and last.get("samples") and last.get("seconds"):
        seconds = float(last["seconds"])
        tokens, samples = last["output_tokens"] / seconds, last["samples"] / seconds
        out += [
            ("last start", f"{last['samples']:,} samples in {duration(seconds)}"),
            ("throughput", f"{tokens:,.0f} tokens/s, {samples:,.2f} samples/s"),
        ]
    if s.cost is not None:
        out.append(("engine, all starts", duration(s.cost.hours * 3600)))
        if s.cost.gpus:
            out.append(("GPU hours", f"{s.cost.gpu_hours:,.2f} on {s.cost.gpus:,} GPUs"))
        if s.cost.money is not None:
            each = s.cost.money / max(1, s.headline.problems)
            out.append(("cost", f"{s.cost.money:,.2f} at the price given, {each:,.4f} a problem"))
    return out


def lengths(s: Statistics) -> list[tuple[str, str, str, str, str]]:
    """Group, samples, mean, median, 90% below: in output tokens."""
    return [
        (name, f"{one.candidates:,}", f"{one.mean:,.0f}", f"{one.median:,.0f}", f"{one.p90:,.0f}")
        for name, one in s.lengths.items()
        if one.candidates
    ]


def overthinking(s: Statistics) -> list[Row]:
    """How much of a response comes after its first right answer."""
    o = s.overthinking
    if o.first_right is None or o.solutions is None or o.redundant is None:
        return []
    return [
        ("outcome efficiency", f"{_percent(o.outcome)} of the tokens lead to the first right solution"),
        ("process efficiency", f"{_percent(o.process)} belong to solutions that go a new way (by words)"),
        ("first right solution", f"after {o.first_right:,.0f} tokens"),
        ("solutions a response", f"{o.solutions:.2f}, {o.redundant:.2f} of them after the first right one"),
        ("responses looked at", f"{o.responses:,}"),
    ]


def _percent(share: Share) -> str:
    return "-" if share.value is None else f"{share.value:.1%}"
