"""A strategy's block -> a plan: the stopping rule, the chooser and the wrappers that a replay needs of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from solver.errors import Fault, JobError
from solver.strategies import Strategy, make, validate
from solver.strategies.stopping import Stop
from solver.strategies.voting import Voting
from solver.strategies.weighing import Choose
from solver.strategies.wrappers import Abstain, Cascade, agreed

FIXED: Mapping[str, Any] = {"name": "self-consistency"}


@dataclass(frozen=True, slots=True)
class Plan:
    """One strategy under replay. probe: candidates that are looked at first, 0: none; agree: the share of them that
    settles it; below: the share of valid votes under which nothing is said."""

    name: str
    stop: Stop
    choose: Choose
    probe: int = 0
    agree: float = 1.0
    below: float = 0.0

    @property
    def majority(self) -> bool:
        """Whether it only counts."""
        return bool(self.choose.parameters["rule"] == "majority")

    def settled(self, votes: int, count: int) -> bool:
        """Whether the candidates looked at first agree, when just so many have come."""
        return count == self.probe and agreed(votes, count, self.agree)


def plans(named: Mapping[str, Mapping[str, Any]], n: int) -> list[Plan]:
    """A plan for each strategy, `fixed` first. Raises JobError with every fault."""
    faults = [
        Fault(f"--strategy {name}", f"{fault.where}: {fault.what}", fault.fix)
        for name, block in named.items()
        for fault in validate(block)
    ]
    if faults:
        raise JobError(faults)
    made = {name: make(block, n) for name, block in named.items()}
    faults = [fault for name, strategy in made.items() for fault in _cannot(name, strategy)]
    if faults:
        raise JobError(faults)
    others = [_plan(name, strategy) for name, strategy in made.items() if name != "fixed"]
    return [_plan("fixed", make(FIXED, n)), *others]


def same_draw(named: Mapping[str, Mapping[str, Any]], block: Mapping[str, Any], n: int) -> None:
    """Raises JobError for strategies whose candidates are obtained otherwise than those that were recorded."""
    recorded = _voting(make(block, n))
    faults = []
    for name, other in named.items():
        voting = None if validate(other) else _voting(make(other, n))
        if voting is not None and recorded is not None and voting.drawn != recorded.drawn:
            what = f"draws its candidates otherwise ({voting.drawn}) than those recorded ({recorded.drawn})"
            faults.append(Fault(f"--strategy {name}", what, "Run it: a replay asks no model"))
    if faults:
        raise JobError(faults)


def _voting(strategy: Strategy) -> Voting | None:
    while isinstance(strategy, Cascade | Abstain):
        strategy = strategy.inner
    return strategy if isinstance(strategy, Voting) else None


def _cannot(name: str, strategy: Strategy) -> list[Fault]:
    """Why a strategy cannot be replayed."""
    voting = _voting(strategy)
    if voting is None:
        return [Fault(f"--strategy {name}", "asks for more than votes on recorded samples", "Run it instead")]
    if voting.choose.parameters["rule"] == "usc":
        return [Fault(f"--strategy {name}", "`usc` asks the model once more for each problem", "Run it instead")]
    return []


def _plan(name: str, strategy: Strategy) -> Plan:
    probe, agree, below = 0, 1.0, 0.0
    while isinstance(strategy, Cascade | Abstain):
        if isinstance(strategy, Cascade):
            probe, agree = strategy.probe, strategy.agree
        else:
            below = max(below, strategy.below)
        strategy = strategy.inner
    assert isinstance(strategy, Voting)
    return Plan(name, strategy.stop, strategy.choose, probe, agree, below)
