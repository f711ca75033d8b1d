"""What an answer means, as one hashable value: a typed key, with unit and name beside it.

Equal keys are equal answers, so classes made of keys are transitive by construction. `reading` makes keys from text;
a part of an answer that only a worker can read is a residue leaf inside the key, which `shapes.resolve` fills in.
"""

from collections.abc import Hashable
from typing import NamedTuple


class Key(NamedTuple):
    """What an answer means. `value`: a Fraction, a string, or a tuple / frozenset of keys (and bracket marks).

    unit and name are attributes: a missing one is no difference. alt: other meanings the same text may have; they
    join a class only where exactly one offers itself, and they are no part of what a key is (`bare`).
    """

    kind: str
    value: Hashable
    unit: str = ""
    name: str = ""
    alt: tuple["Key", ...] = ()

    def bare(self) -> "Key":
        """The key without its other meanings."""
        return self._replace(alt=()) if self.alt else self


RESIDUE = "residue"
EQUATION = "equation"
INFINITY = Key("infinity", 1)
MINUS_INFINITY = Key("infinity", -1)


def parts(found: Key) -> list[Key]:
    """The keys inside a key, in their order."""
    inside = found.value if isinstance(found.value, tuple | frozenset) else ()
    return [part for part in inside if isinstance(part, Key)]


def leaves(found: Key) -> tuple[str, ...]:
    """The residue texts inside a key and its other meanings, which only the pool can resolve."""
    own = (str(found.value),) if found.kind == RESIDUE else ()
    return (*own, *(text for part in (*parts(found), *found.alt) for text in leaves(part)))
