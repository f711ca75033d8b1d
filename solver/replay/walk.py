"""One problem in one order under all plans at once: where each stops, who wins, what it took."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from solver import votes
from solver.answers import Grader, Standing
from solver.records import Candidate, Problem, Sample, SampleKey, Status
from solver.replay.plan import Plan
from solver.replay.tape import Recorded
from solver.strategies.tally import Tally


class Ending(NamedTuple):
    """How a plan ended on one order. winner: class in the bag of all recorded answers, None for no answer; right:
    whether it is, None where nothing can be known; samples and tokens: what was drawn to the end."""

    winner: int | None
    right: bool | None
    samples: int
    tokens: int


@dataclass(slots=True)
class Tape:
    """A problem ready for many walks: its answers read once, their standings in a bag of any of them kept.

    whole: the standing of each answer in the bag of all; simple: whether that is also its standing in any smaller
    bag, as with plain numbers; right: of each answer.
    """

    recorded: Recorded
    whole: Mapping[str, Standing]
    right: Mapping[str, bool | None]
    simple: bool
    grader: Grader
    _known: dict[frozenset[str], Mapping[str, Standing]] = field(default_factory=dict)

    @classmethod
    async def of(cls, recorded: Recorded, grader: Grader) -> "Tape":
        """Read and group the answers of one problem."""
        distinct = list(dict.fromkeys(answer for answer in recorded.answers if answer is not None))
        standings = dict(zip(distinct, await grader.standings(distinct), strict=True))
        right: dict[str, bool | None] = dict.fromkeys(distinct)
        if recorded.reference is not None:
            given = [Candidate((), k, answer) for k, answer in enumerate(distinct)]
            judged = await votes.classes(given, grader, recorded.reference)
            right = {one.answer: one.correct for one in judged if one.answer is not None}
        for answer, correct in zip(recorded.answers, recorded.correct, strict=False):
            if answer is not None:
                right[answer] = correct
        simple = all(one.reading == one.worth for one in standings.values())
        return cls(recorded, standings, right, simple, grader)

    async def standings(self, answers: Sequence[str]) -> list[Standing]:
        """Standings in the bag of just these distinct answers."""
        if self.simple:
            return [self.whole[answer] for answer in answers]
        bag = frozenset(answers)
        if bag not in self._known:
            ordered = sorted(bag)
            self._known[bag] = dict(zip(ordered, await self.grader.standings(ordered), strict=True))
        return [self._known[bag][answer] for answer in answers]


async def walks(tape: Tape, plans: Sequence[Plan], n: int, shuffles: int, seed: int) -> list[list[Ending | None]]:
    """Endings of every plan on so many orders, the same for all plans: shape (orders, plans). None: it wants more
    samples than were recorded."""
    count = len(tape.recorded.answers)
    chance = random.Random(f"{seed}\0{tape.recorded.id}")
    orders = [chance.sample(range(count), count) for _ in range(shuffles)] or [list(range(count))]
    return [await walk(tape, plans, order[:n], n) for order in orders]


async def walk(tape: Tape, plans: Sequence[Plan], order: Sequence[int], n: int) -> list[Ending | None]:
    """One order. A plan that was settled by its first look is over there."""
    tally, tokens = Tally(), 0
    endings: list[Ending | None] = [None] * len(plans)
    active = dict(enumerate(plans))
    stopped: dict[int, Ending] = {}
    for position, place in enumerate(order, 1):
        tokens += tape.recorded.tokens[place]
        if tally.add(tape.recorded.answers[place], position - 1):
            tally.group(await tape.standings(tally.answers))
        for number, plan in list(active.items()):
            if plan.probe == position and plan.settled(tally.leaders()[0], position):
                endings[number] = _ending(plan, tape, tally, _counted(tally, range(position)), tokens)
                del active[number]
                continue
            if number not in stopped and plan.stop.over(tally, n - position):
                stopped[number] = await _chosen(plan, tape, tally, order[:position], tokens)
            if number in stopped and position >= min(plan.probe, n):
                endings[number] = stopped[number]._replace(
                    samples=max(stopped[number].samples, position), tokens=tokens
                )
                del active[number]
        if not active:
            break
    return endings


async def _chosen(plan: Plan, tape: Tape, tally: Tally, order: Sequence[int], tokens: int) -> Ending:
    voters = plan.stop.voters(tally)
    if plan.majority and not any(weight != 1.0 for weight in tape.recorded.weights):
        return _ending(plan, tape, tally, _counted(tally, voters), tokens)
    candidates = [_candidate(tape, tally, k, place) for k, place in enumerate(order)]
    weights = await plan.choose.weights(_Told(tape.recorded, order), candidates)  # type: ignore[arg-type]
    own = [one.weight for one in candidates] if weights is None else list(weights)
    heard = [weight if number in voters else 0.0 for number, weight in enumerate(own)]
    first = next((one for one in votes.weighed(candidates, heard) if one.class_id == 0), None)
    winner = None if first is None else tally.seen[first.k]
    return _ending(plan, tape, tally, (winner, *_counted(tally, voters)[1:]), tokens)


def _counted(tally: Tally, voters: range) -> tuple[int | None, int, int]:
    """By majority among some candidates: place of a winning answer, the votes of its class, all valid votes."""
    counts: dict[int, list[int]] = {}
    for number in voters:
        class_id, place = tally.class_of(number), tally.seen[number]
        if class_id is not None and place is not None:
            counts.setdefault(class_id, [place, 0])[1] += 1
    if not counts:
        return None, 0, 0
    place, most = max(counts.values(), key=lambda one: one[1])
    return place, most, sum(one[1] for one in counts.values())


def _ending(plan: Plan, tape: Tape, tally: Tally, chosen: tuple[int | None, int, int], tokens: int) -> Ending:
    place, most, valid = chosen
    if place is None:
        known = any(right is not None for right in (*tape.recorded.correct, *tape.right.values()))
        return Ending(None, False if known else None, len(tally), tokens)
    answer = tally.answers[place]
    if plan.below and most < plan.below * valid:
        return Ending(None, None if tape.right[answer] is None else False, len(tally), tokens)
    return Ending(tape.whole[answer].class_id, tape.right[answer], len(tally), tokens)


def _candidate(tape: Tape, tally: Tally, k: int, place: int) -> Candidate:
    weight = tape.recorded.weights[place] if tape.recorded.weights else 1.0
    return Candidate((_key(k),), k, tape.recorded.answers[place], class_id=tally.class_of(k), weight=weight)


def _key(k: int) -> SampleKey:
    return SampleKey(b"", "answer", 0, k)


class _Told:
    """What a chooser may ask of `ctx`, answered from the record; there is nobody to ask for more."""

    def __init__(self, recorded: Recorded, order: Sequence[int]) -> None:
        self._recorded, self._order = recorded, order
        columns = {name: _reordered(value, order) for name, value in recorded.columns.items()}
        self.problem = Problem(b"", 0, recorded.id, "", {}, None, columns)

    def said(self, candidate: Candidate) -> Sample:
        """The last sample of a candidate, without its reasoning."""
        place, held = self._order[candidate.k], self._recorded
        mean = held.logprobs[place] if held.logprobs else None
        text = held.texts[place] if held.texts else ""
        return Sample(_key(candidate.k), "answer", text, Status.OK, None, 0, held.tokens[place], 0, mean_logprob=mean)


def _reordered(value: Any, order: Sequence[int]) -> Any:
    if not isinstance(value, list) or not order or max(order) >= len(value):
        return value
    return [value[place] for place in order]
