r"""How much of a response comes after its first right answer, and how much of that says something new.

The measures of Chen et al. 2024 ("Do NOT Think That Much for 2+3=?", arXiv 2412.21187), over responses: outcome
efficiency = mean of s * T1 / T (T: tokens of the response, T1: tokens up to its first right solution, s: whether it has
one); process efficiency = mean of D / T (D: tokens of solutions that go about it in a new way). A solution ends where
the response boxes an answer; a response that boxes none is one solution, right if its answer is. Where the paper asks a
model whether two solutions go the same way, here they do when half of their words in threes are common (Jaccard
similarity, Broder 1997); tokens within a response are taken by characters. So the first measure is the paper's own
wherever answers are boxed, the second is an approximation.
"""

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from solver import answers as rules
from solver.answers.boxes import last_box
from solver.statistics.intervals import NOTHING, Moments, Share
from solver.statistics.responses import hashes_of, responses
from solver.store import Store

MOST = 20_000
"""Responses that are looked at: those of as many problems as reach this number, spread evenly over the run."""
SAME_WAY = 0.5

_BOX = re.compile(r"\\f?boxed\s{0,3}\{")
_WORD = re.compile(r"[A-Za-z]+|\d+|[^\sA-Za-z\d]")
_LONGEST = 200_000  # characters of a response that are looked at
_LONGEST_BOX = 2000


@dataclass(frozen=True, slots=True)
class Overthinking:
    """Over responses to judged problems. responses: looked at; with_right: those with a right solution.

    first_right: mean output tokens to the first right solution; solutions: mean number of solutions of a response;
    redundant: mean number of solutions after the first right one.
    """

    responses: int
    with_right: int
    outcome: Share
    process: Share
    first_right: float | None
    solutions: float | None
    redundant: float | None


NONE = Overthinking(0, 0, NOTHING, NOTHING, None, None, None)


@dataclass(frozen=True, slots=True)
class Solution:
    """One solution within a response: where it begins and ends, and whether the answer that it boxes is right."""

    begin: int
    end: int
    right: bool


def solutions(text: str, right: Iterable[str]) -> list[Solution]:
    """The solutions of a response in order; what follows the last box belongs to the last.

    right: spellings of the right answer.
    """
    whole, text = len(text), text[:_LONGEST]
    spelled = set(right)
    keys = {rules.key(one) for one in spelled} - {None}
    found: list[Solution] = []
    places = [match.start() for match in _BOX.finditer(text)]
    for start, following in itertools.pairwise([*places, len(text)]):
        box = last_box(text[start : min(following, start + _LONGEST_BOX)])
        if box is not None and box.end > 0:
            right_one = box.content in spelled or rules.key(box.content) in keys
            found.append(Solution(found[-1].end if found else 0, start + box.end, right_one))
    return [*found[:-1], replace(found[-1], end=whole)] if found else []


def new_ways(text: str, parts: Sequence[Solution]) -> list[bool]:
    """For each solution whether it differs from all before it."""
    if len(parts) < 2:  # nothing to compare with: most responses, and splitting them into words takes long
        return [True] * len(parts)
    told: list[frozenset[tuple[str, ...]]] = []
    out = []
    for part in parts:
        words = _WORD.findall(text[part.begin : part.end].lower())
        threes = frozenset(zip(words, words[1:], words[2:], strict=False))
        out.append(not any(_similar(threes, other) for other in told))
        told.append(threes)
    return out


def _similar(one: frozenset[Any], other: frozenset[Any]) -> bool:
    union = len(one | other)
    return not union or len(one & other) / union >= SAME_WAY


def overthinking(store: Store, judged: int, samples: int) -> Overthinking:
    """The measures of a run, from the texts of MOST responses or so. judged, samples: of the run, problems and
    candidates; both may be 0."""
    if not judged or not samples:
        return NONE
    wanted, right = _chosen(store, max(1, samples // MOST))
    outcome, process, first, numbers, redundant = Moments(), Moments(), Moments(), Moments(), Moments()
    for place, (text, tokens, status, _) in responses(store, wanted):
        if status != "ok":  # cut short: how long it would have been is not known
            continue
        spellings, is_right = right[place]
        if not text:
            outcome.add(np.zeros(1))
            continue
        parts = solutions(text, spellings) or [Solution(0, len(text), is_right)]
        at = next((number for number, part in enumerate(parts) if part.right), None)
        shares = [(part.end - part.begin) / len(text) for part in parts]
        reached = parts[at].end / len(text) if at is not None and at < len(parts) - 1 else 1.0
        outcome.add(np.array([0.0 if at is None else reached]))
        process.add(np.array([sum(one for one, new in zip(shares, new_ways(text, parts), strict=True) if new)]))
        numbers.add(np.array([float(len(parts))]))
        if at is not None:
            first.add(np.array([reached * tokens]))
            redundant.add(np.array([float(len(parts) - 1 - at)]))
    return Overthinking(
        outcome.count,
        first.count,
        outcome.interval(),
        process.interval(),
        first.mean if first.count else None,
        numbers.mean if numbers.count else None,
        redundant.mean if redundant.count else None,
    )


def _chosen(store: Store, every: int) -> tuple[list[list[int]], list[tuple[frozenset[str], bool]]]:
    """Of each response to look at the hashes of its samples; how the right answer is spelled, whether its own is."""
    wanted, right = [], []
    for row in store.results(("row_id", "reference", "candidates")):
        known = [one for one in row["candidates"] if one["correct"] is not None and one["keys"]]
        if not known or int(row["row_id"][:8], 16) % every:
            continue
        spellings = frozenset(one["answer"] for one in known if one["correct"]) | {row["reference"]}
        keys = [key for one in known for key in one["keys"]]
        hashes = iter(hashes_of([row["row_id"]] * len(keys), keys))
        wanted += [[next(hashes) for _ in one["keys"]] for one in known]
        right += [(spellings, one["correct"]) for one in known]
    return wanted, right
