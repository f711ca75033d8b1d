"""Many walks -> one row for each strategy: accuracy, samples, tokens, what is saved, with intervals over shuffles."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from solver.replay.plan import Plan
from solver.replay.tape import Recorded
from solver.replay.walk import Ending

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spread:
    """A mean over orders, and between which values 95% of the orders lie."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Row:
    """One strategy. accuracy and difference (against fixed, on the same orders): over problems with a gradable
    reference, None without any; same: share of problems and orders with the very winner of fixed; samples and tokens: a
    problem; wants_more: problems left out, because it asks for samples that were not recorded; silent: share of
    problems without an answer."""

    name: str
    accuracy: Spread | None
    difference: Spread | None
    same: float
    samples: Spread
    tokens: float
    samples_saved: float
    tokens_saved: float | None
    silent: float
    wants_more: int


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay found. problems: recorded; n: samples a problem at most; orders: of each problem."""

    problems: int
    n: int
    orders: int
    rows: tuple[Row, ...]

    def json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return asdict(self)


def summary(
    recorded: Sequence[Recorded], plans: Sequence[Plan], endings: Sequence[Sequence[Sequence[Ending | None]]], n: int
) -> Replayed:
    """endings: by problem, order and plan; the first plan is what the others are compared with."""
    orders = len(endings[0]) if endings else 0
    rows = tuple(_row(plan.name, endings, number) for number, plan in enumerate(plans)) if endings else ()
    return Replayed(len(recorded), n, orders, rows)


def _row(name: str, endings: Sequence[Sequence[Sequence[Ending | None]]], number: int) -> Row:
    pairs = [
        [(order[number], order[0]) for order in problem]
        for problem in endings
        if all(order[number] is not None and order[0] is not None for order in problem)
    ]
    left_out = sum(any(order[number] is None for order in problem) for problem in endings)
    own = [[one for one, _ in problem if one is not None] for problem in pairs]
    fixed = [[other for _, other in problem if other is not None] for problem in pairs]
    if not own:
        nothing = Spread(float("nan"), float("nan"), float("nan"))
        return Row(name, None, None, float("nan"), nothing, float("nan"), float("nan"), None, float("nan"), left_out)
    samples, before = _table(own, "samples"), _table(fixed, "samples")
    tokens, tokens_before = _table(own, "tokens"), _table(fixed, "tokens")
    winners = [
        (a.winner, b.winner) for one, other in zip(own, fixed, strict=True) for a, b in zip(one, other, strict=True)
    ]
    judged = [place for place, problem in enumerate(own) if any(one.right is not None for one in problem)]
    right = _table([own[place] for place in judged], "right")
    right_before = _table([fixed[place] for place in judged], "right")
    return Row(
        name=name,
        accuracy=_spread(right) if judged else None,
        difference=_spread(right - right_before) if judged else None,
        same=sum(a == b for a, b in winners) / len(winners),
        samples=_spread(samples),
        tokens=float(tokens.mean()),
        samples_saved=float(before.mean() / samples.mean()),
        tokens_saved=float(tokens_before.mean() / tokens.mean()) if tokens.any() else None,
        silent=sum(winner is None for winner, _ in winners) / len(winners),
        wants_more=left_out,
    )


def _table(endings: Sequence[Sequence[Ending]], what: str) -> Floats:
    """Shape (problems, orders)."""
    return np.array([[float(getattr(one, what) or 0) for one in problem] for problem in endings], dtype=np.float64)


def _spread(table: Floats) -> Spread:
    by_order = table.mean(axis=0)
    low, high = np.quantile(by_order, [0.025, 0.975])
    return Spread(float(by_order.mean()), float(low), float(high))


def told(found: Replayed) -> list[str]:
    """The table for human eyes, as Markdown."""
    if not found.rows:
        return ["nothing recorded: no problem has a candidate"]
    lines = [
        f"{found.problems:,} problems, up to {found.n} samples each, {found.orders} orders; in brackets: 95% of orders",
        "",
        "| strategy | accuracy | against fixed, points | same winner | samples | saved | tokens | saved |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in found.rows:
        accuracy = "-" if row.accuracy is None else _told(row.accuracy, 100, ".2f", "%")
        difference = "-" if row.difference is None else _told(row.difference, 100, "+.2f", "")
        saved = "-" if row.tokens_saved is None else f"{row.tokens_saved:.2f}x"
        cells = [row.name, accuracy, difference, f"{row.same:.2%}", f"{row.samples.value:.2f}"]
        lines.append("| " + " | ".join([*cells, f"{row.samples_saved:.2f}x", f"{row.tokens:,.0f}", saved]) + " |")
    lacking = [
        f"{row.name}: {row.wants_more:,} problems left out, for which it wants more samples than were recorded"
        for row in found.rows
        if row.wants_more
    ]
    return [*lines, *([""] if lacking else []), *lacking]


def _told(spread: Spread, scale: float, form: str, unit: str) -> str:
    value, low, high = (format(scale * number, form) for number in (spread.value, spread.low, spread.high))
    return f"{value}{unit} ({low} to {high})"
