"""Candidates of one problem -> a vote with its evidence. Pure but for `classes`, which asks the grader.

In the line: a strategy extracts candidates, `classes` says which are equal, `vote` counts them. A candidate without
a gradable answer has no class and does not vote. Classes stand in the order of the decision: weight, votes, lowest k.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from math import fsum

from solver.answers import Grader, classified
from solver.records import AnswerClass, Candidate, Vote

VERSION = 1
"""Version of the voting rules; results decided under another version are decided anew."""


async def classes(candidates: Sequence[Candidate], grader: Grader, reference: str | None) -> tuple[Candidate, ...]:
    """The candidates with `class_id` and `correct` set.

    The reference judges classes but never shapes them: they are the same with and without it. A candidate without a
    gradable answer is wrong; without a gradable reference nothing is known (`correct` None).
    """
    answers = [candidate.answer for candidate in candidates]
    ids = await grader.classify(answers)
    if reference is None:
        return classed(candidates, ids, None)
    if reference in answers:  # it shapes nothing then that the same text has not shaped already
        joint, gold = ids, ids[answers.index(reference)]
    else:
        *joint, gold = await grader.classify([*answers, reference])
    if gold is None:
        return classed(candidates, ids, None)
    same = (one for one, together in zip(ids, joint, strict=True) if one is not None and together == gold)
    return classed(candidates, ids, next(same, -1))


def classed(
    candidates: Sequence[Candidate], class_ids: Sequence[int | None], reference_class: int | None
) -> tuple[Candidate, ...]:
    """The candidates with dense class ids in the order of the decision, and `correct`.

    class_ids: any numbering, None for what does not vote. reference_class: the class the reference belongs to, in the
    same numbering; one that no candidate has (-1) when no answer is right; None when there is no gradable reference.
    """
    dense = {number: place for place, number in enumerate(_ranked(candidates, class_ids))}
    return tuple(
        replace(
            one,
            class_id=None if number is None else dense[number],
            correct=None if reference_class is None else number == reference_class,
        )
        for one, number in zip(candidates, class_ids, strict=True)
    )


def weighed(candidates: Sequence[Candidate], weights: Sequence[float]) -> tuple[Candidate, ...]:
    """Classed candidates with other weights, one per candidate, renumbered in the order of the new decision."""
    loaded = [replace(one, weight=weight) for one, weight in zip(candidates, weights, strict=True)]
    dense = {number: place for place, number in enumerate(_ranked(loaded))}
    return tuple(one if one.class_id is None else replace(one, class_id=dense[one.class_id]) for one in loaded)


def vote(candidates: Sequence[Candidate] | Sequence[str | None], weights: Sequence[float] | None = None) -> Vote:
    """The decision over classed candidates, with its evidence. A plain list of answers, None where there is none, is
    classed here, which costs the start of a worker when one of them needs computing.

    `Vote.classes[i]` is what `class_id == i` means in `candidates` as `classed` numbered them. With `weights` (one per
    candidate, in place of their own) it is what `class_id == i` means in `weighed(candidates, weights)`, which is then
    what a result should keep.
    """
    graded = _known(candidates)
    members = graded if weights is None else weighed(graded, weights)
    ranked = _ranked(members)
    if not ranked:
        known = any(one.correct is not None for one in members)
        return Vote(None, False if known else None, 0, 0, None, None, False, ())
    evidence = tuple(_class(members) for members in ranked.values())
    winner, total = evidence[0], fsum(one.weight for one in evidence)
    second = evidence[1].weight if len(evidence) > 1 else 0.0
    n_valid = sum(one.votes for one in evidence)
    return Vote(
        predicted=winner.answer,
        correct=next(iter(ranked.values()))[0].correct,
        votes=winner.votes,
        n_valid=n_valid,
        agreement=winner.votes / n_valid,
        margin=(winner.weight - second) / total if total > 0 else 0.0,
        tie=len(evidence) > 1 and winner.weight == second,
        classes=evidence,
    )


def _known(candidates: Sequence[Candidate] | Sequence[str | None]) -> Sequence[Candidate]:
    """The candidates as they are, or candidates made of answers, with their classes."""
    told = [one for one in candidates if isinstance(one, Candidate)]
    if len(told) == len(candidates):
        return told
    answers = [one.answer if isinstance(one, Candidate) else one for one in candidates]
    return classed([Candidate((), k, answer) for k, answer in enumerate(answers)], classified(answers), None)


def _ranked(
    candidates: Sequence[Candidate], class_ids: Sequence[int | None] | None = None
) -> dict[int, list[Candidate]]:
    """Class id (None: their own) -> members by k, heaviest class first; ties by votes, then by the lowest k."""
    groups: dict[int, list[Candidate]] = {}
    ids = [one.class_id for one in candidates] if class_ids is None else class_ids
    for one, number in sorted(zip(candidates, ids, strict=True), key=lambda pair: pair[0].k):
        if number is not None:
            groups.setdefault(number, []).append(one)
    return dict(sorted(groups.items(), key=lambda item: (-_weight(item[1]), -len(item[1]), item[1][0].k)))


def _weight(members: Sequence[Candidate]) -> float:
    return fsum(one.weight for one in members)


def _class(members: Sequence[Candidate]) -> AnswerClass:
    """The evidence of one class; spellings by frequency, then by the first k."""
    spellings = tuple(text for text, _ in Counter(one.answer for one in members if one.answer).most_common())
    return AnswerClass(spellings[0] if spellings else "", len(members), _weight(members), spellings)
