"""One problem -> samples -> one result: the ways to spend samples on a problem.

A strategy is one coroutine over one problem; its only await points are calls on `ctx`
(strategies/context.py). It holds no state between problems, writes nothing and knows no engine, so
thousands run interleaved over one engine and a resumed run simply calls it again.

    drawing.py   how one candidate is obtained     ┐
    stopping.py  when enough have come             ├─ voting.py: one loop over the three
    choosing.py  what each candidate weighs        ┘
    race.py      candidates side by side, consumed in order of k
    wrappers.py  strategies around a strategy: cascade, abstain

    thinking.py, reflecting.py, refine.py, parts.py   other draws: budgets of thinking, second looks, parts
    deepconf.py, debate.py, rationalize.py            strategies with a loop of their own
    response.py, wording.py                           one response in several samples; what is said to the model

`STRATEGIES` maps the job's `strategy.name` to a class, which is made from the whole block and validates it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from solver.errors import Fault, nearest
from solver.records import Problem, Result
from solver.strategies.context import Context
from solver.strategies.debate import Debate
from solver.strategies.deepconf import DeepConf
from solver.strategies.parts import Chain, Plan
from solver.strategies.rationalize import Rationalize
from solver.strategies.refine import Refine
from solver.strategies.self_consistency import SelfConsistency
from solver.strategies.wrappers import Abstain, Cascade

DEFAULT = "self-consistency"


class Strategy(Protocol):
    """What the driver needs of a strategy. `parameters` is everything its decision depends on, as JSON values."""

    parameters: Mapping[str, Any]

    async def solve(self, problem: Problem, ctx: Context) -> Result:
        """Ask, choose, and return the result of one problem."""
        ...


class StrategyClass(Protocol):
    """What `STRATEGIES` holds: made from a valid block and the job's number of samples."""

    def __call__(self, block: Mapping[str, Any], n: int) -> Strategy: ...

    def faults(self, block: Mapping[str, Any]) -> Sequence[Fault]:
        """Every fault of the whole block; where: the dotted key inside it."""
        ...


STRATEGIES: dict[str, StrategyClass] = {
    "self-consistency": SelfConsistency,
    "cascade": Cascade,
    "abstain": Abstain,
    "deepconf": DeepConf,
    "refine": Refine,
    "plan": Plan,
    "chain": Chain,
    "rationalize": Rationalize,
    "debate": Debate,
}


def validate(block: Mapping[str, Any]) -> Sequence[Fault]:
    """Every fault of a `strategy:` block; where: the dotted key inside it."""
    name = block.get("name", DEFAULT)
    if not isinstance(name, str) or name not in STRATEGIES:
        return [Fault("name", f"unknown strategy `{name}`", nearest(str(name), STRATEGIES))]
    return STRATEGIES[name].faults(block)


def make(block: Mapping[str, Any], n: int) -> Strategy:
    """The strategy of a valid block; `n` is the job's number of samples."""
    return STRATEGIES[block.get("name", DEFAULT)](block, n)
