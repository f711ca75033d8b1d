"""Answers -> classes: keys first, workers for residue only, one partition rule for all.

Classes come from equal keys, so they are transitive by construction. A missing unit or name is no difference as long
as the bag holds one such attribute; with two, bare values stay apart from both. The partition depends on the set of
answers, never on their order.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import lru_cache
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

from solver.answers import residue
from solver.answers.keys import Key, leaves
from solver.answers.pool import ResiduePool
from solver.answers.reading import read
from solver.answers.shapes import resolve
from solver.answers.words import AMBIGUOUS

Found = TypeVar("Found")
_read = lru_cache(maxsize=100_000)(read)


class Standing(NamedTuple):
    """Where an answer stands in a bag, and what of that holds whatever else comes into the bag.

    class_id: its class in this bag, None when it does not vote. reading, worth: numbers that tell this bag's answers
    apart. Answers with one `reading` are in one class in every bag. Answers with different `worth` are in one class in
    none; None: it may yet be in one with any other, as answers that have other meanings, or parts that only a worker
    can read, may. Where all readings are worths, any smaller bag has the same classes.
    """

    class_id: int | None
    reading: int | None = None
    worth: int | None = None


class Grader:
    """Groups equal answers. An async context: leaving it kills its workers, which start with the first residue.

    workers: processes; seconds and memory: limits of one residue (CPU seconds, bytes beyond what a worker loads).
    Use it inside the event loop that made the first call.
    """

    def __init__(self, workers: int = 2, *, seconds: float = 2.0, memory: int = 1 << 30) -> None:
        self._pool = ResiduePool(workers, seconds, memory)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Kill the workers."""
        await self._pool.close()

    async def classify(self, answers: Sequence[str | None]) -> list[int | None]:
        """Class of each answer, numbered by first appearance; None for what does not vote: no answer, an empty or
        unreadable one, one whose grading overran its limits."""
        distinct = list(dict.fromkeys(answers))  # samples of one problem mostly agree, and texts alone decide
        numbers = partition((await self._keys(distinct))[1])
        class_of = dict(zip(distinct, numbers, strict=True))
        return [class_of[answer] for answer in answers]

    async def standings(self, answers: Sequence[str | None]) -> list[Standing]:
        """Class of each answer, as `classify` says, and what no further answer can change about it."""
        found, keys = await self._keys(answers)
        numbers: dict[Key, int] = {}
        return [_standing(*known, numbers) for known in zip(partition(keys), found, keys, strict=True)]

    async def _keys(self, answers: Sequence[str | None]) -> tuple[list[Key | None], list[Key | None]]:
        """What each answer says as it is read, and as workers fill it in; None where it says nothing."""
        found = [None if answer is None else _read(answer) for answer in answers]
        texts = {text for one in set(found) if one is not None for text in leaves(one)}
        table = await self._resolved(sorted(texts)) if texts else {}
        return found, [None if one is None else resolve(one, table) for one in found]

    async def equivalent(self, first: str, second: str) -> bool:
        """Whether two answers are equal by value, as a careful labeller would say; symmetric, and every string is
        equal to itself, although an empty or unreadable one never votes."""
        if first.strip() == second.strip():
            return True
        one, two = await self.classify([first, second])
        return one is not None and one == two

    async def _resolved(self, texts: Sequence[str]) -> dict[str, Key | None]:
        """Residue text -> key. What agrees at positive points is one key when it agrees at points of both signs."""
        import asyncio  # here, because importing it takes longer than all of this package

        meanings = await asyncio.gather(*(self._pool.run(residue.fingerprint, text) for text in texts))
        groups: dict[Key, dict[tuple[str, ...], list[str]]] = {}
        for text, meaning in zip(texts, meanings, strict=True):
            if meaning is not None:
                groups.setdefault(meaning.key, {}).setdefault(meaning.signed, []).append(text)
        table: dict[str, Key | None] = dict.fromkeys(texts)
        for found, prints in groups.items():
            leaders = _leaders(sorted(prints))
            for signed, members in prints.items():
                apart = leaders[signed] != min(leaders.values())
                alone = found._replace(value=(found.value, leaders[signed])) if apart else found
                table.update(dict.fromkeys(members, alone))
        return table


def _leaders(prints: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Print -> the one that speaks for it: the first it agrees with, in an order that only the prints decide."""
    leaders: dict[tuple[str, ...], tuple[str, ...]] = {}
    for signed in prints:
        speaking = (other for other in leaders.values() if residue.agree(signed, other))
        leaders[signed] = next(speaking, signed)
    return leaders


PLAIN = frozenset({"number", "choice"})
"""Kinds of which no text means one value and perhaps another: two values of a kind never become one class."""


def _standing(class_id: int | None, found: Key | None, key: Key | None, numbers: dict[Key, int]) -> Standing:
    """numbers: those given in this bag so far."""
    if class_id is None or found is None or key is None:
        return Standing(None)
    if key.kind not in PLAIN or any(alt.kind in PLAIN for alt in key.alt):
        return Standing(class_id, numbers.setdefault(found, len(numbers)))
    reading = numbers.setdefault(key.bare(), len(numbers))
    return Standing(class_id, reading, numbers.setdefault(Key(key.kind, key.value), len(numbers)))


def partition(keys: Sequence[Key | None]) -> list[int | None]:
    """Class of each key, by first appearance; None stays None. Equal values whose units or names differ are apart,
    and a bare one joins only when all that have the attribute agree on it. So it is with other meanings (`alt`):
    two classes that a text could belong to are one when neither could join a third."""
    if not any(key is not None and (key.unit or key.name or key.alt) for key in keys):  # nearly always
        return _numbered(keys)
    plain = [None if key is None else key.bare() for key in keys]
    canonical = _canonical([key for key in dict.fromkeys(plain) if key is not None])
    others: dict[Key, set[Key]] = {}
    for key in dict.fromkeys(keys):
        for alt in key.alt if key is not None else ():
            for joined in _matching(alt.bare(), canonical):
                own = canonical[key.bare()] if key is not None else joined
                if joined != own:
                    others.setdefault(own, set()).add(joined)
                    others.setdefault(joined, set()).add(own)
    merged = {
        one: min(one, *two, key=repr)
        for one, two in others.items()
        if len(two) == 1 and len(others[next(iter(two))]) == 1
    }
    found = (None if key is None else canonical[key] for key in plain)
    return _numbered([None if key is None else merged.get(key, key) for key in found])


def _numbered(keys: Sequence[Key | None]) -> list[int | None]:
    """One number for equal keys, by first appearance."""
    numbers: dict[Key, int] = {}
    return [None if key is None else numbers.setdefault(key, len(numbers)) for key in keys]


def _canonical(keys: Sequence[Key]) -> dict[Key, Key]:
    """Each key without the attributes that do not part it from others of its value."""
    bases: dict[tuple[str, object], list[Key]] = {}
    for key in keys:
        bases.setdefault((key.kind, key.value), []).append(key)
    canonical: dict[Key, Key] = {}
    for family in bases.values():
        spelled = _units([key.unit for key in family if key.unit])
        units = len(set(spelled.values()))
        names = len({key.name for key in family if key.name})
        for key in family:
            unit = spelled[key.unit] if units > 1 and key.unit else ""
            canonical[key] = key._replace(unit=unit, name=key.name if names > 1 else "")
    return canonical


def _units(units: Sequence[str]) -> dict[str, str]:
    """Unit -> unit. One that may be several (pounds) is the one that the others name, if just one is; a measure word
    with a thing (20棵树) is the measure word (20棵) where nothing else is counted by it."""
    things: dict[str, set[str]] = {}
    for unit in units:
        measure, _, thing = unit.partition("|")
        things.setdefault(measure, set()).update({thing} - {""})
    present = {unit if len(things[unit.partition("|")[0]]) > 1 else unit.partition("|")[0] for unit in units}
    spelled = {}
    for unit in dict.fromkeys(units):
        one = unit if unit in present else unit.partition("|")[0]
        told = present & set(AMBIGUOUS.get(one, ()))
        spelled[unit] = next(iter(told)) if len(told) == 1 else one
    return spelled


def _matching(alt: Key, canonical: Mapping[Key, Key]) -> set[Key]:
    """The classes that another meaning fits into."""
    return {
        known
        for key, known in canonical.items()
        if (key.kind, key.value) == (alt.kind, alt.value)
        and (not alt.unit or not key.unit or alt.unit == key.unit)
        and (not alt.name or not key.name or alt.name == key.name)
    }


def equivalent(first: str, second: str) -> bool:
    """`Grader.equivalent` for a single pair, callable anywhere; residue costs the start of a worker each time."""

    async def once() -> bool:
        async with Grader(workers=1) as grader:
            return await grader.equivalent(first, second)

    return _apart(once)


def classified(answers: Sequence[str | None]) -> list[int | None]:
    """`Grader.classify` for a single bag, callable anywhere."""

    async def once() -> list[int | None]:
        async with Grader(workers=1) as grader:
            return await grader.classify(answers)

    return _apart(once)


def _apart(once: Callable[[], Coroutine[Any, Any, Found]]) -> Found:
    """What a coroutine returns in a thread with a loop of its own, so it also works under a running one."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(once())).result()
