r"""What a tree is worth: an exact rational, or a value to many digits; letters stand at fixed points.

Third stage of residue, in a worker. Rationals are exact as long as they can be; what is irrational is computed with
more digits than its largest part has, so that nothing is lost by cancelling. `print_of` is an expression's fingerprint.
"""

from collections.abc import Mapping
from fractions import Fraction
from hashlib import blake2b

from solver.answers.digits import Undefined, Worth, rational, shown
from solver.answers.evaluation import Evaluation
from solver.answers.grammar import Tree
from solver.answers.tokens import RefusedError

DRAWS = 4
_WORKING = 70  # digits
_COUNTERS = {"k": 3, "m": 31, "n": 59, "N": 59}  # letters that count stand at whole numbers, n above m above k


def worth(tree: Tree, at: Mapping[str, Worth] | None = None) -> Worth:
    """The value of a tree with its letters at the given places. Raises Undefined or RefusedError."""
    digits = _WORKING
    for _ in range(3):
        search = Evaluation(at or {}, digits)
        found = search.of(tree)
        if isinstance(found, Fraction):
            return found
        needed = _WORKING + 2 * search.largest
        if needed <= digits:
            return rational(found.real if abs(found.imag) < 1e-50 else found)
        digits = needed
    raise RefusedError("too large")


def letters(tree: Tree) -> frozenset[str]:
    """The free letters of a tree."""
    if tree[0] == "sym":
        return frozenset((tree[1],))
    if tree[0] in ("sum", "prod"):
        _, name, low, high, body = tree
        return letters(low) | letters(high) | (letters(body) - {name})
    return frozenset().union(*(letters(part) for part in tree[1:] if isinstance(part, tuple)))


def print_of(tree: Tree) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """An expression's values at positive points, and at points of both signs ("" where it has no real value)."""
    names = letters(tree)
    positive = tuple(shown(worth(tree, place(names, draw))) for draw in range(DRAWS))
    return positive, tuple(_real_or_nothing(tree, place(names, draw, signed=True)) for draw in range(DRAWS))


def place(names: frozenset[str], draw: int, *, signed: bool = False) -> dict[str, Fraction]:
    """Where each letter stands in one draw: a rational of its own, drawn from its name; a whole one if it counts."""
    return {name: _coordinate(name, draw, signed) for name in names}


def _coordinate(name: str, draw: int, signed: bool) -> Fraction:
    seed = int.from_bytes(blake2b(f"{draw}/{name}".encode(), digest_size=4).digest(), "big")
    minus = signed and (draw == 0 or seed % 2)
    counted = Fraction(
        _COUNTERS.get(name, 0) + draw + 4 * (seed // 2 % 6)
    )  # every remainder by 4, so that (-1)^n is no constant
    value = counted if name in _COUNTERS else Fraction(seed // 2 % 1997 + 503, 1009)
    return -value if minus else value


def _real_or_nothing(tree: Tree, at: Mapping[str, Fraction]) -> str:
    try:
        found = worth(tree, at)
    except Undefined:
        return ""
    return "" if not isinstance(found, Fraction) and abs(found.imag) > 1e-30 else shown(found)
