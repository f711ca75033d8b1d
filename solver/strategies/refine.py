"""Refine: answer, critique, revise, and a vote over what then stands.

    {name: refine, rounds: 2}

What a second look did is marked on its candidate (reflecting.flips).
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from solver.errors import Fault
from solver.records import Candidate, Sample
from solver.strategies.context import Context
from solver.strategies.drawing import Draw
from solver.strategies.reflecting import flips
from solver.strategies.voting import Voting
from solver.strategies.wording import Cues, number_faults, turns


class Critique(Draw):
    """Answer, critique, revise, for so many rounds; a critique that finds nothing wrong ends it.

    Source: Madaan et al. 2023, "Self-Refine: Iterative Refinement with Self-Feedback", arXiv 2303.17651. The first
    answer is plain self-consistency's, so what a run holds of that is used. A round that fails leaves the answer
    before it.
    """

    fields: ClassVar[frozenset[str]] = frozenset({"rounds"})

    def __init__(self, block: Mapping[str, Any]) -> None:
        super().__init__(block)
        self.rounds = block.get("rounds", 1)
        self._cues = Cues(block)
        self.parameters = {"rounds": self.rounds, **self._cues.parameters}

    @classmethod
    def faults(cls, block: Mapping[str, Any]) -> list[Fault]:
        """What is wrong with `rounds`."""
        return number_faults(block, {"rounds": (1, 20)})

    async def draw(self, ctx: Context, k: int) -> Candidate:
        """Candidate k: its answer after the last review that wanted another."""
        samples = await ctx.sample(1, path="answer", start=k, logprobs=self.logprobs)
        first = ctx.candidate(*samples)
        marks: list[str] = []
        for number in range(self.rounds if samples[-1].usable else 0):
            review, revised = await self._round(ctx, k, number, samples[-1])
            if review is None or revised is None:
                marks += [] if review is not None else ["critique_failed"]
                break
            if not revised.usable:
                marks.append("revise_failed")
                break
            samples += [review, revised]
        last = ctx.candidate(*samples)
        return ctx.candidate(*samples, marks=[*marks, *await flips(ctx, first, last)])

    async def _round(self, ctx: Context, k: int, number: int, answer: Sample) -> tuple[Sample | None, Sample | None]:
        """The review and the revised answer; no review where it failed, no revision where none is wanted."""
        chat = [*ctx.prompt, *turns(ctx.solution(answer) or answer.text, self._cues.say(ctx, "critique"))]
        (review,) = await ctx.sample(1, path=f"critique/{number}", role="critic", start=k, messages=chat)
        if not review.usable:
            return None, None
        said = ctx.solution(review)
        if self._cues.say(ctx, "verdict_correct").casefold() in said.casefold():
            return review, None
        chat += turns(said or review.text, self._cues.say(ctx, "revise"))
        (revised,) = await ctx.sample(1, path=f"revise/{number}", start=k, messages=chat, logprobs=self.logprobs)
        return review, revised


class Refine(Voting):
    """Up to n refined answers and a vote over them."""

    name: ClassVar[str] = "refine"
    draw: ClassVar[type[Draw]] = Critique
