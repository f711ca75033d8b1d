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


class Judged(NamedTuple):
    """An answer in a bag: where it stands, and whether it is right; None where nothing can be known."""

    standing: Standing
    right: bool | None


@dataclass(slots=True)
class Tape:
    """A problem ready for many walks: its answers read once, their standings in a bag of any of them kept.

    whole: the standing of each answer in the bag of all, and whether it is right there; simple: whether that is so in
    any smaller bag, as with plain numbers.
    """

    recorded: Recorded
    grader: Grader
    whole: Mapping[str, Judged]
    simple: bool
    _known: dict[frozenset[str], Mapping[str, Judged]] = field(default_factory=dict)

    @classmethod
    async def of(cls, recorded: Recorded, grader: Grader) -> "Tape":
        """Read and group the answers of one problem."""
        distinct = list(dict.fromkeys(answer for answer in recorded.answers if answer is not None))
        whole = await judged(distinct, grader, recorded.reference)
        simple = all(one.standing.reading == one.standing.worth for one in whole.values())
        return cls(recorded, grader, whole, simple)

    async def bag(self, answers: Sequence[str]) -> Mapping[str, Judged]:
        """Each of these distinct answers in a bag of just them."""
        if self.simple:
            return self.whole
        bag = frozenset(answers)
        if bag not in self._known:
            self._known[bag] = await judged(sorted(bag), self.grader, self.recorded.reference)
        return self._known[bag]


async def judged(distinct: Sequence[str], grader: Grader, reference: str | None) -> dict[str, Judged]:
    """Standing of each answer in a bag of all of these, and whether it is right."""
    candidates = [Candidate((), k, answer) for k, answer in enumerate(distinct)]
    known = await votes.classes(candidates, grader, reference)
    standings = await grader.standings(distinct)
    return {one.answer or "": Judged(standing, one.correct) for one, standing in zip(known, standings, strict=True)}


async def walks(tape: Tape, plans: Sequence[Plan], n: int, shuffles: int, seed: int) -> list[list[Ending | None]]:
    """Endings of every plan on so many orders, the same for all plans: shape (orders, plans). None: it wants more
    samples than were recorded."""
    count = len(tape.recorded.answers)
    chance = random.Random(f"{seed}\0{tape.recorded.id}")
    orders = [chance.sample(range(count), count) for _ in range(shuffles)] or [list(range(count))]
    return [await walk(tape, plans, order[:n], n) for order in orders]


class _Seen(NamedTuple):
    """What has come of one order so far; bag: the answers among it."""

    tape: Tape
    bag: Mapping[str, Judged]
    tally: Tally
    tokens: int


async def walk(tape: Tape, plans: Sequence[Plan], order: Sequence[int], n: int) -> list[Ending | None]:
    """One order. A plan that was settled by its first look is over there."""
    seen = _Seen(tape, {}, Tally(), 0)
    endings: list[Ending | None] = [None] * len(plans)
    active = dict(enumerate(plans))
    stopped: dict[int, Ending] = {}
    for position, place in enumerate(order, 1):
        seen = await _with(seen, place)
        for number, plan in list(active.items()):
            if plan.probe == position and plan.settled(seen.tally.leaders()[0], position):
                endings[number] = _ending(plan, seen, _counted(seen.tally, range(position)))
                del active[number]
                continue
            if number not in stopped and plan.stop.over(seen.tally, n - position):
                stopped[number] = await _chosen(plan, seen, order[:position])
            if number in stopped and position >= min(plan.probe, n):
                most = max(stopped[number].samples, position)
                endings[number] = stopped[number]._replace(samples=most, tokens=seen.tokens)
                del active[number]
        if not active:
            break
    return endings


async def _with(seen: _Seen, place: int) -> _Seen:
    """One candidate more."""
    recorded, tally, bag = seen.tape.recorded, seen.tally, seen.bag
    if tally.add(recorded.answers[place], len(tally)):
        bag = await seen.tape.bag(tally.answers)
        tally.group([bag[answer].standing for answer in tally.answers])
    return _Seen(seen.tape, bag, tally, seen.tokens + recorded.tokens[place])


async def _chosen(plan: Plan, seen: _Seen, order: Sequence[int]) -> Ending:
    tape, tally = seen.tape, seen.tally
    voters = plan.stop.voters(tally)
    if plan.majority and not any(weight != 1.0 for weight in tape.recorded.weights):
        return _ending(plan, seen, _counted(tally, voters))
    candidates = [_candidate(tape, tally, k, place) for k, place in enumerate(order)]
    weights = await plan.choose.weights(_Told(tape.recorded, order), candidates)  # type: ignore[arg-type]
    own = [one.weight for one in candidates] if weights is None else list(weights)
    heard = [weight if number in voters else 0.0 for number, weight in enumerate(own)]
    winning = [tally.seen[one.k] for one in votes.weighed(candidates, heard) if one.class_id == 0]
    valid = sum(one.class_id is not None for one in candidates)
    return _ending(plan, seen, (max(winning, key=winning.count) if winning else None, len(winning), valid))


def _counted(tally: Tally, voters: range) -> tuple[int | None, int, int]:
    """By majority among some candidates: place of the winner's most frequent answer, its votes, all valid votes."""
    classes: dict[int, int] = {}
    spelled: dict[int, dict[int, int]] = {}
    for number in voters:
        class_id, place = tally.class_of(number), tally.seen[number]
        if class_id is not None and place is not None:
            classes[class_id] = classes.get(class_id, 0) + 1
            own = spelled.setdefault(class_id, {})
            own[place] = own.get(place, 0) + 1
    if not classes:
        return None, 0, 0
    winner = max(classes, key=classes.__getitem__)  # the first to appear among equals, as in a vote
    own = spelled[winner]
    return max(own, key=own.__getitem__), classes[winner], sum(classes.values())


def _ending(plan: Plan, seen: _Seen, chosen: tuple[int | None, int, int]) -> Ending:
    place, most, valid = chosen
    count, tape = len(seen.tally), seen.tape
    if place is None:
        return Ending(None, None if tape.recorded.reference is None else False, count, seen.tokens)
    answer = seen.tally.answers[place]
    right = seen.bag[answer].right
    if plan.below and most < plan.below * valid:
        return Ending(None, None if right is None else False, count, seen.tokens)
    return Ending(tape.whole[answer].standing.class_id, right, count, seen.tokens)


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
