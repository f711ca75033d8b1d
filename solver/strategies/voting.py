"""Voting: draw candidates, stop when enough have come, choose among their answers. One loop for a whole family.

A strategy of the family is this loop with its own draw (`drawing.Draw`); every stopping rule and every way to choose
works with all of them.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any, ClassVar

from solver.errors import Fault, nearest
from solver.records import Candidate, Problem, Result
from solver.strategies import choosing, stopping
from solver.strategies.context import Context
from solver.strategies.drawing import Draw, Plain
from solver.strategies.reflecting import Reflect
from solver.strategies.tally import Tally
from solver.strategies.wording import cue_faults

PARTS = ("name", "stop", "choose", "reflect", "cues")
"""Keys of every voting strategy's block; the others belong to its draw."""


class Voting:
    """Up to n candidates and a vote. Subclasses give a name and a draw.

    draw: how a candidate is obtained; draws: other draws, each asked for by a key of the block (`think: {...}`).
    """

    name: ClassVar[str]
    draw: ClassVar[type[Draw]] = Plain
    draws: ClassVar[Mapping[str, type[Draw]]] = {}

    def __init__(self, block: Mapping[str, Any], n: int) -> None:
        self.n = n
        self.source = self._drawn(block)(block)
        if "reflect" in block:
            self.source = Reflect(block, self.source)
        self.stop = stopping.make(block.get("stop"))
        self.choose = choosing.make(block.get("choose"))
        self.parameters = self._parameters()

    def _parameters(self) -> Mapping[str, Any]:
        """Without what says the default, so that results of plain self-consistency stay current."""
        parameters: dict[str, Any] = {"name": self.name, "n": self.n, **self.source.parameters}
        if self.stop.parameters != {"rule": "fixed"}:
            parameters["stop"] = dict(self.stop.parameters)
        if self.choose.parameters != {"rule": "majority"}:
            parameters["choose"] = dict(self.choose.parameters)
        return parameters

    @property
    def least(self) -> int:
        """Candidates that are drawn of every problem, whatever they say."""
        return self.stop.least(self.n)

    @property
    def drawn(self) -> str:
        """How it obtains candidates, as text: two that say the same here can vote on each other's."""
        return f"{type(self.source).__name__}{json.dumps(self.source.parameters, sort_keys=True)}"

    @classmethod
    def _drawn(cls, block: Mapping[str, Any]) -> type[Draw]:
        return next((draw for key, draw in cls.draws.items() if key in block), cls.draw)

    @classmethod
    def faults(cls, block: Mapping[str, Any]) -> list[Fault]:
        """Every fault of the block; where: the dotted key inside it."""
        drawn = cls._drawn(block)
        known = {*PARTS, *drawn.fields, *cls.draws}
        found = [
            Fault(str(key), f"is not a field of {cls.name}", nearest(str(key), known))
            for key in block
            if key not in known
        ]
        asked = [key for key in cls.draws if key in block]
        if len(asked) > 1:
            found.append(Fault(asked[1], f"cannot stand beside `{asked[0]}`", "Keep one of them"))
        if "stop" in block:
            found += stopping.faults(block["stop"])
        if "choose" in block:
            found += choosing.faults(block["choose"])
        if "reflect" in block:
            found += Reflect.faults(block)
        if not found and _rule(block, "stop") == "exact" and _rule(block, "choose") not in (None, "majority"):
            what = "`exact` knows what a majority cannot lose any more, not what another choice can"
            found.append(Fault("stop.rule", what, "Use `beta` or `esc`, or `choose: {rule: majority}`"))
        return found + cue_faults(block) + drawn.faults(block)

    async def solve(self, problem: Problem, ctx: Context) -> Result:
        """Draw until the rule says it is over, group the answers, choose."""
        drawn: list[Candidate] = []
        tally = Tally()
        counts = self.stop.early

        def ahead() -> int:
            return self.stop.needs(tally, self.n - len(drawn)) - 1

        async with aclosing(self.source.candidates(ctx, self.n, ahead=ahead if counts else self.n)) as candidates:
            async for candidate in candidates:
                drawn.append(candidate)
                if counts:
                    await ctx.count(tally, candidate)
                    if self.stop.over(tally, self.n - len(drawn)):
                        break
        classed = await ctx.classes(drawn)
        weights = await self.choose.weights(ctx, classed)
        if counts:
            weights = self._heard(tally, classed, weights)
        return ctx.result(classed, await ctx.vote(classed, weights), weights)

    async def look(self, ctx: Context, count: int) -> Sequence[Candidate]:
        """The first `count` candidates, classed, whatever the stopping rule would say."""
        async with aclosing(self.source.candidates(ctx, count, ahead=count)) as candidates:
            return await ctx.classes([candidate async for candidate in candidates])

    def _heard(
        self, tally: Tally, candidates: Sequence[Candidate], weights: Sequence[float] | None
    ) -> Sequence[float] | None:
        """The weights, 0 for candidates that the stopping rule does not hear."""
        voters = self.stop.voters(tally)
        if len(voters) == len(candidates):
            return weights
        own = [candidate.weight for candidate in candidates] if weights is None else weights
        return [weight if number in voters else 0.0 for number, weight in enumerate(own)]


def _rule(block: Mapping[str, Any], part: str) -> Any:
    return block.get(part, {}).get("rule")
