"""Self-consistency: N independent chains of thought, and the answer that most of them reach.

Source: Wang et al. 2022, "Self-Consistency Improves Chain of Thought Reasoning in Language Models",
arXiv 2203.11171. Answers are counted by equivalence class, not by spelling, and a response without a
gradable answer does not vote.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from solver.errors import Fault, nearest
from solver.records import Problem, Result
from solver.strategies.context import Context


class SelfConsistency:
    """N samples, majority over answer classes."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.parameters: Mapping[str, Any] = {"name": "self-consistency", "n": n}

    @staticmethod
    def faults(fields: Mapping[str, Any]) -> Sequence[Fault]:
        """This strategy has no parameters beside `sampling.n`."""
        return [
            Fault(f"strategy.{key}", "is not a field of self-consistency", nearest(key, ["name"])) for key in fields
        ]

    async def solve(self, problem: Problem, ctx: Context) -> Result:
        """Sample n responses, group their answers, vote."""
        samples = await ctx.sample(self.n, path="answer")
        candidates = await ctx.classes([ctx.candidate(sample) for sample in samples])
        return ctx.result(candidates, await ctx.vote(candidates))
