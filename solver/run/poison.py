"""Poison: engine deaths -> the request that kills engines. Bookkeeping alone: no clock, no engine, no event loop.

In: which requests were in the engine at each death, and which finished. Out: who may be asked now, and verdicts.

A request that was in the engine at two deaths without finishing is a suspect (after one, everything is simply asked
again, so that deaths by chance cost no throughput). Suspects are tried apart: one group at a time with nothing else
in the engine; a group under which it dies is split in halves, problems before samples, and the other half comes
first, so that innocents finish between two deaths. Three deaths under one sample alone, or under changing samples
of one question that no single one of them explains, are a verdict. An engine that is simply broken must condemn
nobody: a verdict is held back until the engine has finished another sample since the death it began with.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from solver.records import SampleKey

WITNESSED = 2  # deaths that a request may witness unfinished before it is tried apart
SOLO = 3  # deaths under it alone that condemn a sample, or a question

Question = tuple[bytes, str, int]
Counts = tuple[int, int]
"""Deaths that a request has witnessed, and how many of them happened under it alone."""


@dataclass(slots=True)
class _Trials:
    """Deaths under samples of one question alone: how many, which samples were in all of them, which in any."""

    deaths: int
    common: set[SampleKey]
    any: set[SampleKey] = field(default_factory=set)


class Suspects:
    """What is known about every request in progress. known: counts that an earlier process left behind."""

    def __init__(self, known: Mapping[SampleKey, Counts] | None = None) -> None:
        self.finished = 0
        self.in_a_row = 0
        self._known = dict(known or {})
        self._active: set[SampleKey] = set()
        self._witnessed: dict[SampleKey, int] = {}
        self._solo: dict[SampleKey, int] = {}
        self._since: dict[SampleKey, int] = {}
        self._groups: deque[tuple[SampleKey, ...]] = deque()
        self._arrived: list[SampleKey] = []
        self._trial: dict[SampleKey, None] = {}
        self._guilty: dict[SampleKey, str] = {}
        self._trials: dict[Question, _Trials] = {}
        self._condemned: dict[Question, int] = {}

    def asked(self, key: SampleKey) -> None:
        """A request begins; one that witnessed deaths in an earlier process is tried apart at once.

        Whatever was counted there, a verdict takes another death here: nobody is condemned on hearsay.
        """
        self._active.add(key)
        witnessed, solo = self._known.pop(key, (0, 0))
        if witnessed:
            self._witnessed[key], self._solo[key] = witnessed, solo
            self._since[key] = self.finished
        if key[:3] in self._condemned:
            self._since.setdefault(key, self._condemned[key[:3]])
            self._guilty[key] = QUESTION
        elif solo:
            self._groups.append((key,))
        elif witnessed >= WITNESSED:
            self._arrived.append(key)

    def left(self, key: SampleKey, *, finished: bool = False) -> None:
        """A request is over; finished: the engine brought it to a good end in its present life."""
        books: tuple[dict[SampleKey, Any], ...] = (self._witnessed, self._solo, self._since, self._trial, self._guilty)
        for book in books:
            book.pop(key, None)
        self._active.discard(key)
        if finished:
            self.finished += 1
            self.in_a_row = 0

    def died(self, inside: Iterable[SampleKey]) -> None:
        """The engine died while these requests were in it."""
        self.in_a_row += 1
        blamed = [key for key in inside if key in self._active]
        for key in blamed:
            self._witnessed[key] = self._witnessed.get(key, 0) + 1
            self._since.setdefault(key, self.finished)
        if self._trial:
            rest = tuple(key for key in self._trial if key not in set(blamed))
            self._trial = {}
            self._tried(tuple(blamed))
            self._queue(rest)
        else:
            self._queue(tuple(key for key in blamed if self._witnessed[key] >= WITNESSED))

    def advance(self) -> None:
        """The engine is empty: the next group may be tried, if there is one."""
        while (self._groups or self._arrived) and not self._trial:
            if self._groups:
                group = self._groups.popleft()
            else:
                group, self._arrived = tuple(self._arrived), []
            self._trial = {key: None for key in group if key in self._active and key not in self._guilty}

    def may_enter(self, key: SampleKey) -> bool:
        """Whether a request may go into the engine now."""
        if self._trial:
            return key in self._trial
        return not self._groups and not self._arrived and key not in self._guilty

    def verdict(self, key: SampleKey) -> str | None:
        """Why a request is quarantined, or None: it is not, or not yet."""
        if key in self._guilty and self.finished > self._since[key]:
            return self._guilty[key]
        return None

    @property
    def held(self) -> int:
        """Verdicts that are held back."""
        return sum(self.verdict(key) is None for key in self._guilty)

    @property
    def held_rows(self) -> int:
        """Problems that have a verdict held back."""
        return len({key.row_id for key in self._guilty if self.verdict(key) is None})

    def guilty_questions(self) -> set[Question]:
        """Questions of which a sample has a verdict, held back or not."""
        return {key[:3] for key in self._guilty}

    def settle(self) -> None:
        """Nobody else is left to ask, and the engine is known to work, or to have worked: verdicts stand."""
        self._since.update(dict.fromkeys(self._guilty, -1))

    def forget(self) -> None:
        """The engine is broken: whatever was counted against requests was its own fault."""
        self._known, self._witnessed, self._solo, self._guilty = {}, {}, {}, {}

    def counts(self) -> Iterator[tuple[SampleKey, Counts]]:
        """Every request in progress, and every one of an earlier process that is still to be asked, with its deaths."""
        for key in self._active:
            yield key, (self._witnessed.get(key, 0), self._solo.get(key, 0))
        yield from self._known.items()

    def _tried(self, group: Sequence[SampleKey]) -> None:
        """The engine died with nothing but this group in it."""
        if len(group) == 1:
            key = group[0]
            self._solo[key] = self._solo.get(key, 0) + 1
            if self._solo[key] >= SOLO:
                self._guilty[key] = _SAMPLE
        if len(questions := {key[:3] for key in group}) == 1:
            self._asked_alone(questions.pop(), group)
        for half in _halves(group):
            self._queue(half)

    def _queue(self, group: tuple[SampleKey, ...]) -> None:
        if group:
            self._groups.append(group)

    def _asked_alone(self, question: Question, group: Sequence[SampleKey]) -> None:
        """Deaths that no single sample was present at speak against what all of them share: the prompt."""
        tried = self._trials.setdefault(question, _Trials(0, set(group)))
        tried.deaths += 1
        tried.common &= set(group)
        tried.any |= set(group)
        if tried.deaths >= SOLO and not tried.common:
            members = [key for key in tried.any if key in self._active]
            self._condemned[question] = min(self._since[key] for key in members)
            self._guilty.update(dict.fromkeys(members, QUESTION))


_SAMPLE = f"the engine died {SOLO} times while it worked on this sample alone"
QUESTION = f"the engine died at least {SOLO} times while it worked on samples of this question alone"


def _halves(group: Sequence[SampleKey]) -> tuple[tuple[SampleKey, ...], tuple[SampleKey, ...]]:
    """Two halves in order, siblings together as long as there are several questions; one alone stays as it is."""
    questions = list(dict.fromkeys(key[:3] for key in group))
    if len(questions) > 1:
        first = set(questions[: len(questions) // 2])
        return tuple(k for k in group if k[:3] in first), tuple(k for k in group if k[:3] not in first)
    middle = len(group) // 2
    return tuple(group[:middle]), tuple(group[middle:])
