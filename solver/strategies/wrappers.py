"""Strategies around a strategy: `cascade` looks first and spends later, `abstain` says nothing when unsure.

    strategy: {name: cascade, probe: 4, agree: 1.0, within: {name: self-consistency, stop: {rule: beta}}}
    strategy: {name: abstain, below: 0.5, within: beta:0.95}

`within` is the block of the inner strategy, or its short form.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from solver import strategies
from solver.errors import Fault, nearest
from solver.records import Outcome, Problem, Result
from solver.schema import short_strategy
from solver.strategies.context import Context
from solver.strategies.voting import Voting


def inner(block: Mapping[str, Any]) -> Mapping[str, Any]:
    """The block of the strategy inside, self-consistency by default."""
    given = block.get("within", {})
    return short_strategy(given) if isinstance(given, str) else given


def faults_within(block: Mapping[str, Any]) -> list[Fault]:
    """Every fault of the block inside."""
    if not isinstance(block.get("within", {}), Mapping | str):
        return [Fault("within", f"must be a strategy, not {block['within']!r}")]
    found = strategies.validate(inner(block))
    return [replace(fault, where=f"within.{fault.where}") for fault in found]


def unknown(block: Mapping[str, Any], name: str, fields: tuple[str, ...]) -> list[Fault]:
    """The keys of a block that a strategy does not have."""
    known = ("name", "within", *fields)
    return [Fault(str(key), f"is not a field of {name}", nearest(str(key), known)) for key in block if key not in known]


def share_fault(block: Mapping[str, Any], key: str) -> list[Fault]:
    """A share must be a number above 0 and up to 1."""
    value = block.get(key, 1.0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        return [Fault(key, f"must be a number above 0 and up to 1, not {value!r}")]
    return []


class Cascade:
    """Draw `probe` candidates as the inner strategy does; where at least the share `agree` of them give one answer,
    that is it. Elsewhere the inner strategy goes on, and the candidates that are there count among its own.

    Source: the allocation by difficulty of Wang et al. 2024, "Make Every Penny Count: Difficulty-Adaptive
    Self-Consistency", arXiv 2408.13457, with agreement among the first samples for difficulty.
    """

    name: ClassVar[str] = "cascade"
    FIELDS: ClassVar[tuple[str, ...]] = ("probe", "agree")

    def __init__(self, block: Mapping[str, Any], n: int) -> None:
        made = strategies.make(inner(block), n)
        assert isinstance(made, Voting)
        self.inner = made
        self.probe = min(int(block.get("probe", 4)), n)
        self.agree = float(block.get("agree", 1.0))
        self.least = min(self.probe, made.least)
        own = {"name": self.name, "probe": self.probe, "agree": self.agree}
        self.parameters: Mapping[str, Any] = {**own, "within": dict(made.parameters)}

    @classmethod
    def faults(cls, block: Mapping[str, Any]) -> list[Fault]:
        """Every fault of the block and of the one inside."""
        found = [*unknown(block, cls.name, cls.FIELDS), *share_fault(block, "agree")]
        probe = block.get("probe", 4)
        if type(probe) is not int or probe < 1:
            found.append(Fault("probe", f"must be a whole number from 1, not {probe!r}"))
        within = faults_within(block)
        name = inner(block).get("name", strategies.DEFAULT) if not within else strategies.DEFAULT
        kind = strategies.STRATEGIES[name]
        if not (isinstance(kind, type) and issubclass(kind, Voting)):
            what = f"`{name}` draws no candidates that could be looked at first"
            found.append(Fault("within.name", what, "Put a strategy that votes inside"))
        return found + within

    async def solve(self, problem: Problem, ctx: Context) -> Result:
        """Look at a few candidates; spend more where they disagree."""
        looked = await self.inner.look(ctx, self.probe)
        vote = await ctx.vote(looked)
        if agreed(vote.votes, len(looked), self.agree):
            return ctx.result(looked, vote)
        return await self.inner.solve(problem, ctx)


def agreed(votes: int, count: int, agree: float) -> bool:
    """Whether so many of `count` candidates are enough; those without an answer speak against it."""
    return votes > 0 and votes >= agree * count - 1e-9


class Abstain:
    """The inner strategy, but no answer where the winner has less than the share `below` of the valid votes.

    Such a result has the status `abstained`, nothing predicted and nothing judged; its classes and candidates show
    what was there.
    """

    name: ClassVar[str] = "abstain"
    FIELDS: ClassVar[tuple[str, ...]] = ("below",)

    def __init__(self, block: Mapping[str, Any], n: int) -> None:
        self.inner = strategies.make(inner(block), n)
        self.below = float(block.get("below", 0.5))
        self.least: int = getattr(self.inner, "least", n)
        own = {"name": self.name, "below": self.below}
        self.parameters: Mapping[str, Any] = {**own, "within": dict(self.inner.parameters)}

    @classmethod
    def faults(cls, block: Mapping[str, Any]) -> list[Fault]:
        """Every fault of the block and of the one inside."""
        return [*unknown(block, cls.name, cls.FIELDS), *share_fault(block, "below"), *faults_within(block)]

    async def solve(self, problem: Problem, ctx: Context) -> Result:
        """Solve, and keep silent when unsure."""
        result = await self.inner.solve(problem, ctx)
        share = result.vote.agreement
        if share is None or result.status is not Outcome.OK or share >= self.below:
            return result
        return replace(result, vote=replace(result.vote, predicted=None, correct=None), status=Outcome.ABSTAINED)
