"""How the winner is picked: the third of the three parts of a voting strategy (draw, stop, choose).

    choose: {rule: majority}                     most candidates; the heaviest where the draw weighs them
    choose: {rule: weighted, by: logprob}        the heaviest class by confidence, logprob or a column of scores
    choose: {rule: best-of-n, by: column, column: scores}
    choose: {rule: mbr, utility: rouge-l, over: text}
    choose: {rule: usc}                          one further call in which the model itself names the winner

The heaviest class always wins; a chooser sets what each candidate weighs (weighing.py).
"""

from collections.abc import Mapping
from typing import Any

from solver.errors import Fault, nearest
from solver.strategies.mbr import Mbr
from solver.strategies.usc import Usc
from solver.strategies.weighing import BestOfN, Choose, Majority, Weighted

CHOICES: Mapping[str, type[Majority]] = {
    "majority": Majority,
    "weighted": Weighted,
    "best-of-n": BestOfN,
    "mbr": Mbr,
    "usc": Usc,
}


def make(block: Mapping[str, Any] | None) -> Choose:
    """The chooser of a valid `choose:` block; None: majority."""
    return CHOICES[(block or {}).get("rule", "majority")](block or {})


def faults(block: Any) -> list[Fault]:
    """Every fault of a `choose:` block."""
    if not isinstance(block, Mapping):
        what = f"must be a block such as {{rule: majority}}, not {block!r}"
        return [Fault("choose", what, nearest(str(block), CHOICES))]
    rule = block.get("rule", "majority")
    if not isinstance(rule, str) or rule not in CHOICES:
        return [Fault("choose.rule", f"unknown rule `{rule}`", nearest(str(rule), CHOICES))]
    known = CHOICES[rule].fields
    found = [
        Fault(f"choose.{key}", f"is not a field of the rule {rule}", nearest(str(key), ["rule", *known]))
        for key in block
        if key != "rule" and key not in known
    ]
    return found + CHOICES[rule].faults(block)
