"""What an answer means, as one hashable value: a typed key, with unit and name beside it.

Equal keys are equal answers, so classes made of keys are transitive by construction. `reading` makes keys from text;
a part of an answer that only math-verify can read is a residue leaf inside the key, which `resolve` fills in.
"""

from collections.abc import Hashable, Mapping
from typing import NamedTuple


class Key(NamedTuple):
    """What an answer means. `value`: a Fraction, a string, or a tuple / frozenset of keys (and bracket marks)."""

    kind: str
    value: Hashable
    unit: str = ""
    name: str = ""


RESIDUE = "residue"
INFINITY = Key("infinity", 1)
MINUS_INFINITY = Key("infinity", -1)


def leaves(found: Key) -> tuple[str, ...]:
    """The residue texts inside a key, which only the pool can resolve."""
    if found.kind == RESIDUE:
        return (str(found.value),)
    inside = found.value if isinstance(found.value, tuple | frozenset) else ()
    return tuple(text for part in inside if isinstance(part, Key) for text in leaves(part))


def resolve(found: Key, table: Mapping[str, Key | None]) -> Key | None:
    """The key with every residue leaf replaced by what `table` says; None when one of them has no meaning."""
    if found.kind == RESIDUE:
        known = table.get(str(found.value))
        return None if known is None else known._replace(unit=found.unit or known.unit, name=found.name or known.name)
    if not isinstance(found.value, tuple | frozenset):
        return found
    parts = [resolve(part, table) if isinstance(part, Key) else part for part in found.value]
    if any(part is None for part in parts):
        return None
    return found._replace(value=type(found.value)(parts))
