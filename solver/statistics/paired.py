"""Two or more runs on the problems that they share: paired differences with 95% intervals.

Problems are matched by row id, which depends on what the prompt template reads; where no id is shared, by the text of
the problem and its occurrence among equal ones. Differences are taken problem by problem, so what makes problems hard
for all runs drops out. The p-value is McNemar's exact one, over problems that only one of two runs votes right.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from solver.errors import StoreError
from solver.statistics.headline import Mask
from solver.statistics.intervals import Estimate, Share, bootstrap, estimate, share
from solver.statistics.measures import pass_rates
from solver.statistics.reading import F64, I64, Answers, read
from solver.statistics.whole import least_of
from solver.store import Store


@dataclass(frozen=True, slots=True)
class Side:
    """One run over the shared problems. tokens: output tokens of a problem."""

    name: str
    problems: int
    majority: Share
    pass_at_1: Share
    agreement: Share
    tokens: Estimate


@dataclass(frozen=True, slots=True)
class Difference:
    """A run minus the first one, problem by problem.

    majority, pass_at_1: differences of shares; tokens: of output tokens of a problem; only_first, only_this: problems
    that one alone votes right; p: the chance of so uneven a split if both were equally good.
    """

    name: str
    majority: Estimate
    pass_at_1: Estimate
    tokens: Estimate
    only_first: int
    only_this: int
    p: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """shared: problems that all runs hold; judged: those of them with a gradable reference in all; by: what matched
    them, `row id` or `problem text`."""

    shared: int
    judged: int
    by: str
    sides: Sequence[Side]
    differences: Sequence[Difference]

    def json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Everything, for human eyes."""
        width = max(len(side.name) for side in self.sides)
        out = [f"{self.shared:,} problems shared (by {self.by}), {self.judged:,} of them judged in all runs", ""]
        for side in self.sides:
            tokens = "-" if side.tokens.value is None else f"{side.tokens.value:,.0f} tokens a problem"
            out.append(f"  {side.name:<{width}}  majority {side.majority}   pass@1 {side.pass_at_1}   {tokens}")
        for one in self.differences:
            out += ["", f"{one.name} minus {self.sides[0].name}", f"  majority  {_points(one.majority)}"]
            out += [f"  pass@1    {_points(one.pass_at_1)}", f"  tokens    {_signed(one.tokens)}"]
            if one.p is not None:
                chance = f"p = {one.p:.3g} if both were equally good (McNemar, exact)"
                out.append(f"  right     only before {one.only_first:,}, only now {one.only_this:,}: {chance}")
        return out


def compare(runs: Sequence[str | Path]) -> Comparison:
    """Compare runs; the first is what the others are held against.

    Raises StoreError for what is no run, and where the runs share no problem.
    """
    names, sides = [], []
    for path in runs:
        with Store.read(Path(path)) as store:
            answers = read(store)
            sides.append((answers, pass_rates(answers, least_of(store)), _ids(store), _texts(store)))
            names.append(str((store.summary or {}).get("name", store.path.resolve().name)))
    if len(set(names)) < len(names):
        names = [str(path) for path in runs]
    by, rows = _shared([ids for *_, ids, _ in sides], [texts for *_, texts in sides])
    if not len(rows[0]):
        raise StoreError("the runs share no problem: neither a row id nor the text of a problem is in all of them")
    judged = np.logical_and.reduce([one.judged[at] for (one, *_), at in zip(sides, rows, strict=True)])
    columns = [_columns(one, rates, at, judged) for (one, rates, *_), at in zip(sides, rows, strict=True)]
    told = [_side(name, column) for name, column in zip(names, columns, strict=True)]
    differences = [_difference(name, columns[0], column) for name, column in zip(names[1:], columns[1:], strict=True)]
    return Comparison(len(rows[0]), int(judged.sum()), by, told, differences)


def _ids(store: Store) -> list[str]:
    return [name for batch in store.result_batches(("row_id",)) for name in batch.column("row_id").to_pylist()]


def _texts(store: Store) -> list[str]:
    """A name of each problem from its text, and from how many equal ones stand before it in the input."""
    named = []
    for batch in store.result_batches(("problem", "row")):
        for text, row in zip(batch.column("problem").to_pylist(), batch.column("row").to_pylist(), strict=True):
            named.append((hashlib.blake2b((text or "").encode(), digest_size=16).hexdigest(), row))
    seen: Counter[str] = Counter()
    out = [""] * len(named)
    for at in sorted(range(len(named)), key=lambda at: named[at][1]):
        digest = named[at][0]
        out[at] = f"{digest}/{seen[digest]}"
        seen[digest] += 1
    return out


def _shared(ids: Sequence[list[str]], texts: Sequence[list[str]]) -> tuple[str, list[I64]]:
    """How problems are matched, and for each run where the shared ones stand, in one order."""
    by, places, common = "row id", *_common(ids)
    if not common:
        by, places, common = "problem text", *_common(texts)
    return by, [np.array([place[name] for name in common], dtype=np.int64) for place in places]


def _common(names: Sequence[list[str]]) -> tuple[list[Mapping[str, int]], list[str]]:
    """Where each name stands in each run, and the names that all runs have, in the order of the first."""
    places: list[Mapping[str, int]] = [{name: at for at, name in enumerate(one)} for one in names]
    return places, sorted(set(places[0]).intersection(*places[1:]), key=lambda name: places[0][name])


def _columns(answers: Answers, rates: F64, rows: I64, judged: Mask) -> F64:
    """Majority, pass@1, agreement and tokens of each shared problem; NaN where not judged. Shape (problems, 4)."""
    right = np.where(judged, answers.correct[rows].astype(np.float64), np.nan)
    rates = np.where(judged, rates[rows], np.nan)
    return np.stack([right, rates, answers.agreement[rows], answers.tokens[rows].astype(np.float64)], axis=1)


def _side(name: str, column: F64) -> Side:
    mean, low, high = bootstrap(column)
    told = [(float(mean[i]), float(low[i]), float(high[i])) for i in range(4)]
    return Side(name, len(column), share(*told[0]), share(*told[1]), share(*told[2]), estimate(*told[3]))


def _difference(name: str, first: F64, this: F64) -> Difference:
    mean, low, high = bootstrap(this - first)
    told = [estimate(float(mean[i]), float(low[i]), float(high[i])) for i in (0, 1, 3)]
    gained, lost = int((this[:, 0] > first[:, 0]).sum()), int((this[:, 0] < first[:, 0]).sum())
    p = mcnemar(lost, gained) if not np.isnan(mean[0]) else None
    return Difference(name, told[0], told[1], told[2], lost, gained, p)


def mcnemar(lost: int, gained: int) -> float:
    """The exact two-sided p-value of McNemar's test (1947): binomial at 1/2 over the discordant pairs."""
    pairs = lost + gained
    tail = sum(math.comb(pairs, i) for i in range(min(lost, gained) + 1))
    return min(1.0, float(2 * tail / 2**pairs))


def _points(one: Estimate) -> str:
    if one.value is None or one.low is None or one.high is None:
        return "-"
    return f"{one.value * 100:+.1f} points (95%: {one.low * 100:+.1f} to {one.high * 100:+.1f})"


def _signed(one: Estimate) -> str:
    if one.value is None or one.low is None or one.high is None:
        return "-"
    return f"{one.value:+,.0f} a problem (95%: {one.low:+,.0f} to {one.high:+,.0f})"
