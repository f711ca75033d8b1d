"""How one candidate is obtained: the first of the three parts of a voting strategy (draw, stop, choose).

A draw names its calls by constant paths and asks all samples of candidate k under the number k, so that the store
answers them on resume and a race that is left can end what belongs to it.
"""

from collections.abc import AsyncGenerator, Mapping
from typing import Any, ClassVar

from solver.errors import Fault
from solver.records import Candidate
from solver.strategies.context import Context
from solver.strategies.facts import Ahead
from solver.strategies.race import in_order


class Draw:
    """A way to obtain candidates; subclasses write `draw`, and `fields`, `parameters` and `faults` where they have any.

    fields: keys of the strategy block that are its own; parameters: what of them its candidates depend on, as JSON
    values, without what says the default; logprobs: whether the choice reads the log-probability of the sample that
    holds the answer.
    """

    fields: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, block: Mapping[str, Any]) -> None:
        self.parameters: Mapping[str, Any] = {}
        self.logprobs = by_logprob(block.get("choose"))

    @classmethod
    def faults(cls, block: Mapping[str, Any]) -> list[Fault]:
        """What is wrong with the values of its fields; where: the dotted key inside the strategy block."""
        return []

    async def draw(self, ctx: Context, k: int) -> Candidate:
        """Candidate k of this problem."""
        raise NotImplementedError

    def candidates(self, ctx: Context, n: int, *, ahead: Ahead, start: int = 0) -> AsyncGenerator[Candidate, None]:
        """Candidates start .. start + n - 1 in order of k, at most `ahead` unfinished beyond the one consumed."""
        return in_order(ctx, n, ahead, self.draw, start=start)


class Plain(Draw):
    """One response to the job's prompt: the draw of plain self-consistency."""

    async def draw(self, ctx: Context, k: int) -> Candidate:
        """Response k."""
        (sample,) = await ctx.sample(1, path="answer", start=k, logprobs=self.logprobs)
        return ctx.candidate(sample)

    async def candidates(
        self, ctx: Context, n: int, *, ahead: Ahead, start: int = 0
    ) -> AsyncGenerator[Candidate, None]:
        """The same as a stream of one call, which costs a task less for each."""
        stream = ctx.stream(n, ahead=ahead, path="answer", start=start, logprobs=self.logprobs)
        try:
            async for sample in stream:
                yield ctx.candidate(sample)
        finally:
            await stream.aclose()


def by_logprob(choose: Any) -> bool:
    """Whether a `choose:` block weighs candidates by their log-probability, as it does where it names no score."""
    return (
        isinstance(choose, Mapping)
        and choose.get("rule") in ("weighted", "best-of-n")
        and choose.get("by", "logprob") == "logprob"
    )
