"""Second looks: a doubt from which the model goes on, on top of any draw; and the marks of what a second look did.

    reflect: {times: 1}        on any voting strategy

Whoever reads candidates can count the marks: `right_to_wrong`, `wrong_to_right` (where there is a reference) and
`changed` (another answer than before).
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from solver.errors import Fault
from solver.records import Candidate, Status
from solver.strategies.context import Context
from solver.strategies.drawing import Draw
from solver.strategies.wording import Cues, block_faults


async def flips(ctx: Context, before: Candidate, after: Candidate) -> tuple[str, ...]:
    """Marks of what became of an answer between two looks; none where it stayed."""
    old, new = await ctx.classes([before, after])
    if old.class_id == new.class_id:
        return ()
    if old.correct is None or new.correct is None or old.correct == new.correct:
        return ("changed",)
    return ("changed", "right_to_wrong" if old.correct else "wrong_to_right")


class Reflect(Draw):
    """Whatever another draw brings, and then a doubt from which the model goes on, so many times.

    Source: Zhao et al. 2024, "Marco-o1", arXiv 2411.14405: the sentence after a rollout that makes the model rethink
    (their wording is not ours). A response that was cut or failed is left as it is.
    """

    limits: ClassVar[Mapping[str, tuple[float, float]]] = {"times": (1, 100)}

    def __init__(self, block: Mapping[str, Any], inner: Draw) -> None:
        super().__init__(block)
        self.times = block["reflect"].get("times", 1)
        self._inner, self._cues = inner, Cues(block)
        self.parameters = {**inner.parameters, "reflect": {"times": self.times}, **self._cues.parameters}

    @classmethod
    def faults(cls, block: Mapping[str, Any]) -> list[Fault]:
        """What is wrong with `reflect:`."""
        return block_faults(block, "reflect", cls.limits)

    async def draw(self, ctx: Context, k: int) -> Candidate:
        """Candidate k of the inner draw, looked at again."""
        first = best = await self._inner.draw(ctx, k)
        own = [mark for mark in first.marks if mark not in set(Status)]
        parts = ctx.samples(first)
        for number in range(self.times):
            if parts[-1].status is not Status.OK:
                break
            lead = self._cues.say(ctx, "reflect")
            (sample,) = await ctx.sample(
                1,
                path=f"reflect/{number}",
                start=k,
                after=parts,
                lead=lead,
                logprobs=self.logprobs,
            )
            if not sample.usable:
                own.append("reflect_failed")
                break
            parts.append(sample)
            best = ctx.candidate(*parts)
        if best is first:
            return ctx.candidate(*parts, marks=own)
        return ctx.candidate(*parts, marks=[*own, *await flips(ctx, first, best)])
