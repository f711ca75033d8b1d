"""Rationalization: where no sample is right, try again with the answer in hand, and keep what then comes out right.

    {name: rationalize, tries: 4}

Source: Zelikman et al. 2022, "STaR: Bootstrapping Reasoning With Reasoning", arXiv 2203.14465. The hint stands in the
prompt of the hinted call only: what is kept is the response, a solution to the job's own prompt. A way to make
training data, not to answer: a hinted candidate is marked `hinted`, has no class and does not vote, and `correct` says
nothing of it (it was kept because it is right), so neither pass@1 nor the majority knows it.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from solver.errors import Fault
from solver.records import Candidate, Problem, Result
from solver.strategies.context import Context
from solver.strategies.voting import Voting
from solver.strategies.wording import Cues, number_faults


class Rationalize(Voting):
    """n plain samples and a vote; where none is right, up to `tries` hinted ones, until one is."""

    name: ClassVar[str] = "rationalize"
    own: ClassVar[frozenset[str]] = frozenset({"tries"})

    def __init__(self, block: Mapping[str, Any], n: int) -> None:
        super().__init__(block, n)
        self.tries = block.get("tries", 4)
        self._cues = Cues(block)
        self.parameters = {**self.parameters, "tries": self.tries, **self._cues.parameters}

    @classmethod
    def faults(cls, block: Mapping[str, Any]) -> list[Fault]:
        """Every fault of the block."""
        rest = {key: value for key, value in block.items() if key not in cls.own}
        return [*super().faults(rest), *number_faults(block, {"tries": (1, 100)})]

    async def solve(self, problem: Problem, ctx: Context) -> Result:
        """The vote, and a hinted candidate behind those that voted where there is one."""
        result = await super().solve(problem, ctx)
        judged = [one.correct for one in result.candidates if one.correct is not None]
        if problem.reference is None or not judged or any(judged):
            return result
        hinted = await self._hinted(ctx, problem.reference)
        return result if hinted is None else replace(result, candidates=(*result.candidates, hinted))

    async def _hinted(self, ctx: Context, reference: str) -> Candidate | None:
        """The first hinted response that is right, numbered behind all that may ever vote."""
        messages = self._cues.ask(ctx, "rationalize", reference=reference)
        for k in range(self.tries):
            (sample,) = await ctx.sample(1, path="hinted", start=k, messages=messages)
            (judged,) = await ctx.classes([ctx.candidate(sample, marks=["hinted"])])
            if judged.correct:
                return replace(judged, k=self.n + k, class_id=None, correct=None, weight=0.0)
        return None
