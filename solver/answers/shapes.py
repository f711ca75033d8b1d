r"""Keys of many parts: sets, unions, intervals, tuples; one form for what is written in many.

`[1,2]\cup[2,3]` is [1,3], `x>1 and x<5` is (1,5), `\{1,1\}` is 1; a unit or name that all parts share stands beside the
whole. The same rules hold when the parts are read (`shaped`) and when workers have filled the leaves in (`resolve`).
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction

from solver.answers.keys import EQUATION, INFINITY, MINUS_INFINITY, RESIDUE, Key, leaves, parts

_LISTING = "list of solutions"  # a set, unless some are said twice: 1, 1, 2
_UNORDERED = ("set", "union", "both", "cases")
EMPTY = Key("set", frozenset())
EVERYTHING = Key("tuple", (MINUS_INFINITY, INFINITY))


def shaped(kind: str, members: Sequence[Key], marks: tuple[str, ...] = ()) -> Key:
    """The key of many, in the one form of its kind. marks: the brackets of an interval or list."""
    members, unit, name = _shared(_members(members))
    if kind == _LISTING:
        members = _solutions(members)
        repeated = 1 < len(set(members)) < len(members) and not any(leaves(part) for part in members)
        if repeated:
            return Key("multiset", tuple(sorted(members, key=repr)), unit, name)
        kind = _LISTING if any(leaves(part) for part in members) else "set"
    if kind == "set":
        members = _solutions(members)
        if len(set(members)) == 1 and members[0].kind not in ("set", "builder"):
            return members[0]._replace(unit=unit or members[0].unit, name=name or members[0].name)
    settled = not any(leaves(part) for part in members)
    if settled and kind in ("union", "both") and (found := _on_the_line(kind, members)) is not None:
        return found._replace(unit=unit, name=name)
    value = frozenset(members) if kind in _UNORDERED else (*marks, *members)
    return Key(kind, value, unit, name)


def interval(opening: str, low: Key, high: Key, closing: str) -> Key:
    """`(a, b)` is one key whether it is meant as a point or as an open interval."""
    if opening + closing == "()":
        return shaped("tuple", (low, high))
    return shaped("interval", (low, high), (opening, closing))


def resolve(found: Key, table: Mapping[str, Key | None]) -> Key | None:
    """The key with every residue leaf replaced by what `table` says; None when one of them has no meaning."""
    if found.kind == RESIDUE:
        known = table.get(str(found.value))
        if known is None:
            return _first(found.alt, table)
        others = tuple(one for alt in found.alt if (one := resolve(alt, table)) is not None)
        merged = known._replace(unit=found.unit or known.unit, name=found.name or known.name)
        return merged._replace(alt=(*merged.alt, *others))
    if found.kind == EQUATION:
        return _equation(found, table)
    others = tuple(one.bare() for alt in found.alt if (one := resolve(alt, table)) is not None)
    if not isinstance(found.value, tuple | frozenset):
        return found._replace(alt=others)
    inside = [resolve(part, table) for part in parts(found)]
    known_parts = [part for part in inside if part is not None]
    if len(known_parts) < len(inside):
        return _first(found.alt, table)
    marks = tuple(mark for mark in found.value if isinstance(mark, str))
    if _solved(known_parts):  # relations as they are, and also their solved sides
        others = (*others, shaped(found.kind, known_parts, marks))
        known_parts = [part.bare() for part in known_parts]
    made = shaped(found.kind, known_parts, marks)
    return made._replace(unit=found.unit or made.unit, name=found.name or made.name, alt=others)


def _first(others: Sequence[Key], table: Mapping[str, Key | None]) -> Key | None:
    return next((one for alt in others if (one := resolve(alt, table)) is not None), None)


def _equation(found: Key, table: Mapping[str, Key | None]) -> Key | None:
    """`y = 2x+1` is a relation that may be told by its right side alone; `x = \\sqrt 8` is a value with a name."""
    right, whole = (resolve(part, table) for part in parts(found))
    if right is None:
        return whole
    told = right.bare()._replace(name=found.name)
    if whole is None or whole.kind != "relation" or (right.kind == "expr" and len(parts_of(right)) == 1):
        return told
    return whole._replace(alt=(told,))


def parts_of(found: Key) -> tuple[object, ...]:
    """The raw parts of an expression's value."""
    return found.value if isinstance(found.value, tuple) else (found.value,)


def _members(members: Sequence[Key]) -> list[Key]:
    """Parts inside a whole, with one meaning each: of relations all solved for one letter, the solved side."""
    if _solved(members):
        return [one.alt[0] for one in members]
    return [one.bare() for one in members]


def _solved(members: Sequence[Key]) -> bool:
    """Whether all parts are relations solved for one letter."""
    solved = all(one.kind == "relation" and one.alt for one in members)
    return solved and len({one.alt[0].name for one in members}) == 1


def _shared(members: Sequence[Key]) -> tuple[list[Key], str, str]:
    """The parts without the unit and the name that all of them have."""
    found = {"unit": "", "name": ""}
    kept = list(members)
    for mark in found:
        values = {getattr(part, mark) for part in members}
        if len(values) == 1 and values != {""}:
            found[mark] = values.pop()
            kept = [part._replace(unit="") if mark == "unit" else part._replace(name="") for part in kept]
    return kept, found["unit"], found["name"]


def _solutions(members: Sequence[Key]) -> list[Key]:
    """`x_1 = 1, x_2 = 2` lists two solutions for x: numbered names are dropped, different names stay."""
    stems = {part.name.partition("_")[0].rstrip("0123456789") for part in members}
    if len(stems) > 1 or len({part.name for part in members}) < len(members):
        return list(members)
    return [part._replace(name="") for part in members]


def _on_the_line(kind: str, members: Sequence[Key]) -> Key | None:
    """The union or intersection of intervals of the real line; None when the parts are something else."""
    known = [_spans(part) for part in members]
    found = [spans for spans in known if spans]
    if len(found) < len(known):
        return None
    if kind == "both":
        common = found[0]
        for spans in found[1:]:
            pairs = ((max(one[0], two[0]), min(one[1], two[1])) for one in common for two in spans)
            common = [span for span in pairs if _holds(*span)]
        return _from_spans(_merged(common), members) if common else EMPTY
    return _from_spans(_merged([span for spans in found for span in spans]), members)


_End = tuple[Fraction, int]
_Span = tuple[_End, _End]
_FAR = Fraction(10**400)
# A low end (a, 0) takes a in, (a, 1) leaves it out; a high end (b, 0) takes b in, (b, -1) leaves it out.


def _holds(low: _End, high: _End) -> bool:
    """Whether a span has a point."""
    return low[0] < high[0] or (low[0] == high[0] and low[1] == high[1] == 0)


def _merged(spans: Sequence[_Span]) -> list[_Span]:
    """Spans in order, those that overlap or touch made one."""
    found: list[_Span] = []
    for low, high in sorted(spans):
        last = found[-1][1] if found else low
        if found and (low[0] < last[0] or (low[0] == last[0] and 0 in (low[1], last[1]))):
            found[-1] = (found[-1][0], max(last, high))
        else:
            found.append((low, high))
    return found


def _spans(part: Key) -> list[_Span] | None:
    if part.unit or part.name:
        return None
    if part.kind == "union":
        inside = [_spans(one) for one in parts(part)]
        return [span for one in inside if one for span in one] if all(inside) else None
    if part.kind == "set" and part.value:
        inside = [_spans(one) for one in parts(part)]
        return [span for one in inside if one for span in one] if all(inside) else None
    if part.kind not in ("tuple", "interval"):
        place = _place(part)
        return None if place is None else [((place, 0), (place, 0))]
    ends = [_place(one) for one in parts(part)]
    if len(ends) != 2 or ends[0] is None or ends[1] is None or ends[0] > ends[1]:
        return None
    marks = "".join(mark for mark in part.value if isinstance(mark, str)) if isinstance(part.value, tuple) else ""
    return [((ends[0], int(marks[:1] != "[")), (ends[1], -int(marks[1:] != "]")))]


def _place(end: Key) -> Fraction | None:
    """Where a key stands on the real line; None for what does not."""
    if end.unit or end.name:
        return None
    if end.kind == "infinity":
        return _FAR * (1 if end.value == 1 else -1)
    if isinstance(end.value, Fraction) and end.kind == "number":
        return end.value
    if end.kind == "expr" and len(value := parts_of(end)) == 1 and "i" not in str(value[0]):
        return Fraction(str(value[0]))
    return None


def _from_spans(spans: Sequence[_Span], members: Sequence[Key]) -> Key:
    keys = {_FAR: INFINITY, -_FAR: MINUS_INFINITY}
    for part in members:
        keys.update(_ends(part))
    made = []
    for low, high in spans:
        if low[0] == high[0]:
            made.append(keys[low[0]])
            continue
        opening, closing = "[" if low[1] == 0 else "(", "]" if high[1] == 0 else ")"
        if opening + closing == "()":
            made.append(Key("tuple", (keys[low[0]], keys[high[0]])))
        else:
            made.append(Key("interval", (opening, closing, keys[low[0]], keys[high[0]])))
    if len(made) == 1:
        return made[0]
    points = all(one.kind not in ("tuple", "interval") for one in made)
    return Key("set" if points else "union", frozenset(made))


def _ends(part: Key) -> dict[Fraction, Key]:
    place = _place(part)
    if place is not None:
        return {place: part}
    return {end: key for one in parts(part) for end, key in _ends(one).items()}
