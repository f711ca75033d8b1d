"""One problem -> samples -> one result: the ways to spend samples on a problem.

A strategy is one coroutine over one problem; its only await points are calls on `ctx`
(strategies/context.py). It holds no state between problems, writes nothing and knows no engine, so
thousands run interleaved over one engine and a resumed run simply calls it again.

`STRATEGIES` maps the job's `strategy.name` to a class; each class validates its own parameters.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from solver.errors import Fault, nearest
from solver.records import Problem, Result
from solver.strategies.context import Context
from solver.strategies.self_consistency import SelfConsistency


class Strategy(Protocol):
    """What the driver needs of a strategy. `parameters` is everything its decision depends on, as JSON values."""

    parameters: Mapping[str, Any]

    async def solve(self, problem: Problem, ctx: Context) -> Result:
        """Ask, choose, and return the result of one problem."""
        ...


STRATEGIES = {"self-consistency": SelfConsistency}


def validate(block: Mapping[str, Any]) -> Sequence[Fault]:
    """Every fault of a `strategy:` block."""
    name = block.get("name", "self-consistency")
    if name not in STRATEGIES:
        return [Fault("strategy.name", f"unknown strategy `{name}`", nearest(str(name), STRATEGIES))]
    return STRATEGIES[name].faults({key: value for key, value in block.items() if key != "name"})


def make(block: Mapping[str, Any], n: int) -> Strategy:
    """The strategy of a valid block; `n` is the job's number of samples."""
    return STRATEGIES[block.get("name", "self-consistency")](n)
