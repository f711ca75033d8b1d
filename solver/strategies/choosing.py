"""How the winner is picked: the third of the three parts of a voting strategy (draw, stop, choose).

The heaviest class always wins; a chooser sets what each candidate weighs. So one vote shows the evidence of all of
them, and candidates keep the weight that decided.

    choose: {rule: majority}                 every candidate weighs what its draw gave it: 1, or its confidence
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from solver.errors import Fault, nearest
from solver.records import Candidate
from solver.strategies.context import Context


class Choose(Protocol):
    """A way to choose. parameters: the rule and its values, as JSON. fields: the keys it has beside `rule`."""

    fields: ClassVar[frozenset[str]]
    parameters: Mapping[str, Any]

    async def weights(self, ctx: Context, candidates: Sequence[Candidate]) -> Sequence[float] | None:
        """What each classed candidate weighs in the vote; None: its own weight."""
        ...

    @classmethod
    def faults(cls, block: Mapping[str, Any]) -> list[Fault]:
        """What is wrong with the values of its fields."""
        ...


class Majority:
    """The class with most candidates; where the draw weighs them (deepconf), the heaviest."""

    fields: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, block: Mapping[str, Any]) -> None:
        self.parameters: Mapping[str, Any] = {"rule": "majority"}

    @classmethod
    def faults(cls, block: Mapping[str, Any]) -> list[Fault]:
        return []

    async def weights(self, ctx: Context, candidates: Sequence[Candidate]) -> Sequence[float] | None:
        return None


CHOICES: Mapping[str, type[Majority]] = {"majority": Majority}


def make(block: Mapping[str, Any] | None) -> Choose:
    """The chooser of a valid `choose:` block; None: majority."""
    return CHOICES[(block or {}).get("rule", "majority")](block or {})


def faults(block: Any) -> list[Fault]:
    """Every fault of a `choose:` block."""
    if not isinstance(block, Mapping):
        what = f"must be a block such as {{rule: majority}}, not {block!r}"
        return [Fault("choose", what, nearest(str(block), CHOICES))]
    rule = block.get("rule", "majority")
    if rule not in CHOICES:
        return [Fault("choose.rule", f"unknown rule `{rule}`", nearest(str(rule), CHOICES))]
    known = CHOICES[rule].fields
    found = [
        Fault(f"choose.{key}", f"is not a field of the rule {rule}", nearest(str(key), ["rule", *known]))
        for key in block
        if key != "rule" and key not in known
    ]
    return found + CHOICES[rule].faults(block)
