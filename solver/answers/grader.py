"""Answers -> classes: keys first, workers for residue only, one partition rule for all.

Classes come from equal keys, so they are transitive by construction. A missing unit or name is no difference as long
as the bag holds one such attribute; with two, bare values stay apart from both. The partition depends on the set of
answers, never on their order.
"""

from collections.abc import Sequence
from functools import lru_cache
from types import TracebackType
from typing import Self

from solver.answers import residue
from solver.answers.keys import Key, leaves, resolve
from solver.answers.pool import ResiduePool
from solver.answers.reading import read

_read = lru_cache(maxsize=100_000)(read)


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
        found = [None if answer is None else _read(answer) for answer in answers]
        texts = {text for one in set(found) if one is not None for text in leaves(one)}
        table = await self._resolved(sorted(texts)) if texts else {}
        return partition([None if one is None else resolve(one, table) for one in found])

    async def equivalent(self, first: str, second: str) -> bool:
        """Whether two answers are equal by value, as a careful labeller would say; symmetric."""
        if first.strip() and first.strip() == second.strip():
            return True
        one, two = await self.classify([first, second])
        return one is not None and one == two

    async def _resolved(self, texts: Sequence[str]) -> dict[str, Key | None]:
        """Residue text -> key. Equal fingerprints of different form are one key only when certified equal."""
        import asyncio  # here, because importing it takes longer than all of this package

        meanings = await asyncio.gather(*(self._pool.run(residue.fingerprint, text) for text in texts))
        groups: dict[Key, dict[str, list[str]]] = {}
        for text, meaning in zip(texts, meanings, strict=True):
            if meaning is not None:
                groups.setdefault(meaning.key, {}).setdefault(meaning.form, []).append(text)
        certified = await asyncio.gather(*(self._certified(forms) for forms in groups.values()))
        table: dict[str, Key | None] = dict.fromkeys(texts)
        for (found, forms), leaders in zip(groups.items(), certified, strict=True):
            for form, members in forms.items():
                apart = leaders[form] != min(leaders.values())
                alone = found._replace(value=(found.value, leaders[form])) if apart else found
                table.update(dict.fromkeys(members, alone))
        return table

    async def _certified(self, forms: dict[str, list[str]]) -> dict[str, str]:
        """Form -> the form that speaks for it, in an order that only the texts decide."""
        leaders: dict[str, str] = {}
        for form in sorted(forms):
            leaders[form] = form
            for other in sorted(set(leaders.values()) - {form}):
                if await self._pool.run(residue.certify, min(forms[form]), min(forms[other])):
                    leaders[form] = other
                    break
        return leaders


def partition(keys: Sequence[Key | None]) -> list[int | None]:
    """Class of each key, by first appearance; None stays None. Equal values whose units or names differ are apart,
    and a bare one joins only when all that have the attribute agree on it."""
    bases: dict[tuple[str, object], list[Key]] = {}
    for key in dict.fromkeys(key for key in keys if key is not None):
        bases.setdefault((key.kind, key.value), []).append(key)
    canonical: dict[Key, Key] = {}
    for family in bases.values():
        units = len({key.unit for key in family if key.unit})
        names = len({key.name for key in family if key.name})
        for key in family:
            canonical[key] = key._replace(unit=key.unit if units > 1 else "", name=key.name if names > 1 else "")
    numbers: dict[Key, int] = {}
    return [None if key is None else numbers.setdefault(canonical[key], len(numbers)) for key in keys]


def equivalent(first: str, second: str) -> bool:
    """`Grader.equivalent` for a single pair, callable anywhere; residue costs the start of a worker each time."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as thread:  # a loop of its own, so it also works under a running one
        return thread.submit(asyncio.run, _once(first, second)).result()


async def _once(first: str, second: str) -> bool:
    async with Grader(workers=1) as grader:
        return await grader.equivalent(first, second)
