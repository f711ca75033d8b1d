"""Debate: agents answer, read each other and answer anew, and then vote.

    {name: debate, rounds: 2, reads: 4}      sampling.n agents

Source: Du et al. 2023, "Improving Factuality and Reasoning in Language Models through Multiagent Debate", arXiv
2305.14325 (three agents, two rounds). The first round is plain self-consistency's, so what a run holds of that is
used. An agent reads at most `reads` others, the next ones in a ring, so that many agents still fit the context.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from solver.errors import Fault, nearest
from solver.records import Problem, Result, Sample
from solver.strategies import choosing
from solver.strategies.context import Context
from solver.strategies.drawing import by_logprob
from solver.strategies.reflecting import flips
from solver.strategies.wording import Cues, cue_faults, number_faults, turns


class Debate:
    """n agents, so many rounds after the first answer, a vote over the last answers."""

    name: ClassVar[str] = "debate"
    fields: ClassVar[frozenset[str]] = frozenset({"name", "choose", "cues", "rounds", "reads"})

    def __init__(self, block: Mapping[str, Any], n: int) -> None:
        self.n = n
        self.rounds, self.reads = block.get("rounds", 1), block.get("reads", 4)
        self._logprobs = by_logprob(block.get("choose"))
        self._choose, self._cues = choosing.make(block.get("choose")), Cues(block)
        self.parameters: Mapping[str, Any] = {
            "name": self.name,
            "n": n,
            "rounds": self.rounds,
            "reads": self.reads,
            "choose": dict(self._choose.parameters),
            **self._cues.parameters,
        }

    @classmethod
    def faults(cls, block: Mapping[str, Any]) -> list[Fault]:
        """Every fault of the block; where: the dotted key inside it."""
        unknown = [key for key in block if key not in cls.fields]
        found = [Fault(str(key), "is not a field of debate", nearest(str(key), cls.fields)) for key in unknown]
        found += choosing.faults(block["choose"]) if "choose" in block else []
        return [*found, *cue_faults(block), *number_faults(block, {"rounds": (1, 20), "reads": (1, 64)})]

    async def solve(self, problem: Problem, ctx: Context) -> Result:
        """Let them answer, read and answer again; an agent that fails keeps what it said before."""
        said = [[sample] for sample in await ctx.sample(self.n, path="answer", logprobs=self._logprobs)]
        first = [ctx.candidate(*own) for own in said]
        for number in range(self.rounds):
            heard = [ctx.solution(own[-1]) if own[-1].usable else "" for own in said]
            turn = [self._turn(ctx, agent, number, heard) for agent in range(self.n)]
            for own, sample in zip(said, await asyncio.gather(*turn), strict=True):
                own.extend([sample] if sample is not None and sample.usable else [])
        last = [ctx.candidate(*own) for own in said]
        marks = [await flips(ctx, *pair) for pair in zip(first, last, strict=True)]
        candidates = [ctx.candidate(*own, marks=flip) for own, flip in zip(said, marks, strict=True)]
        classed = await ctx.classes(candidates)
        weights = await self._choose.weights(ctx, classed)
        return ctx.result(classed, await ctx.vote(classed, weights), weights)

    async def _turn(self, ctx: Context, agent: int, number: int, heard: Sequence[str]) -> Sample | None:
        """What one agent says after reading; None where it has nobody to read or nothing to compare."""
        ring = [heard[(agent + step) % self.n] for step in range(1, self.n)]
        others = [text for text in ring if text][: self.reads]
        if not others or not heard[agent]:
            return None
        chat = [*ctx.prompt, *turns(heard[agent], self._cues.say(ctx, "debate", others=others))]
        (sample,) = await ctx.sample(1, path=f"debate/{number}", start=agent, messages=chat, logprobs=self._logprobs)
        return sample
