"""Deep Think with Confidence: votes weighed by how sure the model was, and responses ended when it no longer is.

    {name: deepconf, mode: online, keep: 0.9, warmup: 16, window: 2048, top: 20, share: 0.95}
    {name: deepconf, mode: offline, keep: 0.1, measure: bottom}

Source: Fu et al. 2025, arXiv 2508.15260. `keep` is the share of responses to keep: 0.1 ("low") spends least, 0.9
("high") is the careful one. Where the paper and its code differ or are silent the code decides: a warm-up response
below the threshold does not vote either. Its code has no stop at a share of the weight; the paper's 0.95 is here.
"""

import math
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, ClassVar

from solver.engine.confidence import Confidence, Measured
from solver.errors import Fault, nearest
from solver.records import Candidate, Problem, Result, Status
from solver.strategies.context import Context
from solver.strategies.race import AHEAD, in_order
from solver.strategies.tally import Tally
from solver.strategies.wording import number_faults

MEASURES = ("lowest", "bottom", "tail", "mean")
MODES = ("online", "offline")
DEFAULTS: Mapping[str, Any] = {
    "mode": "online",
    "keep": 0.9,
    "measure": "lowest",
    "window": 2048,
    "top": 20,
    "warmup": 16,
    "share": 0.95,
}


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies, linear between neighbours (numpy's default)."""
    ranked = sorted(values)
    place = (len(ranked) - 1) * share
    low = math.floor(place)
    high = min(low + 1, len(ranked) - 1)
    return ranked[low] + (ranked[high] - ranked[low]) * (place - low)


class DeepConf:
    """Up to n responses; the confident ones vote, with their confidence as weight.

    offline: all n, of which the share `keep` with the highest `measure` votes. online: `warmup` responses set the
    threshold, the (1 - keep) percentile of their lowest group confidence; a later one is ended where a window falls
    below it; no more are drawn once the leader has `share` of the weight.
    """

    name: ClassVar[str] = "deepconf"

    def __init__(self, block: Mapping[str, Any], n: int) -> None:
        told = {**DEFAULTS, **{key: value for key, value in block.items() if key in DEFAULTS}}
        self.n = n
        self.online = told["mode"] == "online"
        self.keep, self.share, self.warmup = float(told["keep"]), float(told["share"]), min(n, told["warmup"])
        self.measure = "lowest" if self.online else told["measure"]
        self.least = self.warmup if self.online else n
        self._rule = Confidence(told["top"], told["window"])
        self.parameters: Mapping[str, Any] = {"name": self.name, "n": n, **told, "measure": self.measure}

    @classmethod
    def faults(cls, block: Mapping[str, Any]) -> list[Fault]:
        """Every fault of the block; where: the dotted key inside it."""
        known = {"name", *DEFAULTS}
        found = [
            Fault(str(key), "is not a field of deepconf", nearest(str(key), known)) for key in block if key not in known
        ]
        for key, values in (("mode", MODES), ("measure", MEASURES)):
            if key in block and block[key] not in values:
                found.append(Fault(key, f"must be one of {', '.join(values)}", nearest(str(block[key]), values)))
        if block.get("mode") == "offline":
            online = [key for key in ("warmup", "share") if key in block]
            found += [Fault(key, "belongs to the mode online", "Leave it out") for key in online]
        elif "measure" in block and block["measure"] != "lowest":
            found.append(Fault("measure", "is lowest in the mode online", "Leave it out, or set mode: offline"))
        limits = {"keep": (0.0, 1.0), "share": (0.0, 1.0), "window": (1, 10**7), "top": (1, 20), "warmup": (1, 10**5)}
        return found + number_faults(block, limits)

    async def solve(self, problem: Problem, ctx: Context) -> Result:
        """Draw, drop what is not confident, vote by confidence."""
        samples = await ctx.sample(self.warmup if self.online else self.n, path="answer", watch=self._rule)
        drawn = [self._weighed(ctx, ctx.candidate(sample)) for sample in samples]
        floor = self._floor(drawn)
        voters = [self._kept(candidate, floor) for candidate in drawn]
        if self.online and self.warmup < self.n:
            voters += await self._more(ctx, voters, floor)
        classed = await ctx.classes(voters)
        heard = [one if one.weight > 0 else replace(one, class_id=None) for one in classed]
        weights = [one.weight for one in heard]
        return ctx.result(heard, await ctx.vote(heard, weights), weights)

    def _weighed(self, ctx: Context, candidate: Candidate) -> Candidate:
        """The candidate with its confidence as weight, 0 where nothing was measured."""
        found = Measured.of(ctx.said(candidate).data)
        return replace(candidate, weight=0.0 if found is None else float(getattr(found, self.measure)))

    def _floor(self, drawn: Sequence[Candidate]) -> float | None:
        measured = [one.weight for one in drawn if one.weight > 0]
        return round(percentile(measured, 1 - self.keep), 6) if measured else None

    def _kept(self, candidate: Candidate, floor: float | None) -> Candidate:
        """The candidate as it votes: without weight where it was ended or lies below the floor."""
        if str(Status.STOPPED) in candidate.marks:
            return replace(candidate, answer=None, rule=None, weight=0.0)
        if floor is not None and candidate.weight < floor:
            return replace(candidate, weight=0.0, marks=(*candidate.marks, "unsure"))
        return candidate

    async def _more(self, ctx: Context, voters: Sequence[Candidate], floor: float | None) -> list[Candidate]:
        """Responses under the threshold's eye, one by one in order of k, until the leader is sure."""
        rule, tally, found = replace(self._rule, floor=floor), Tally(), list[Candidate]()

        async def draw(ctx: Context, k: int) -> Candidate:
            (sample,) = await ctx.sample(1, path="answer", start=k, watch=rule)
            return self._kept(self._weighed(ctx, ctx.candidate(sample)), floor)

        weights: list[float] = []
        for one in voters:
            await self._count(ctx, tally, weights, one)
        if leading_share(tally, weights) >= self.share:
            return found
        more = in_order(ctx, self.n - self.warmup, AHEAD, draw, start=self.warmup)
        async with aclosing(more) as candidates:
            async for candidate in candidates:
                found.append(candidate)
                await self._count(ctx, tally, weights, candidate)
                if leading_share(tally, weights) >= self.share:
                    break
        return found

    async def _count(self, ctx: Context, tally: Tally, weights: list[float], one: Candidate) -> None:
        weights.append(one.weight)
        await ctx.count(tally, one if one.weight > 0 else replace(one, answer=None))


def leading_share(tally: Tally, weights: Sequence[float]) -> float:
    """What the heaviest class has of all the weight that votes; 0 while nothing does."""
    sums: dict[int, float] = {}
    for number, weight in enumerate(weights):
        label = tally.class_of(number)
        if label is not None:
            sums[label] = sums.get(label, 0.0) + weight
    total = math.fsum(sums.values())
    return max(sums.values()) / total if total else 0.0
