"""Minimum Bayes risk: the candidate that agrees most with all others, by a utility.

Source: Kumar and Byrne 2004, "Minimum Bayes-Risk Decoding for Statistical Machine Translation": with the samples as
the model's distribution, argmax over i of the mean over j of u(y_i, y_j). With u = equality it is the majority vote;
with a softer u, answers that nearly agree lend each other weight, which is for answers that are words.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from solver.errors import Fault, nearest
from solver.records import Candidate
from solver.strategies.context import Context
from solver.strategies.weighing import Majority, best

Tokens = tuple[str, ...]
Utility = Callable[[Tokens, Tokens], float]

LONGEST = 256
"""Tokens of a response that are compared, counted from its end: all pairs of 40 such take some 60 ms."""
OVER = ("answer", "text")
_WORD = re.compile(r"[\u3400-\u9fff]|\w+|[^\w\s]")


def token_f1(one: Tokens, other: Tokens) -> float:
    """F1 of the two bags of tokens, 0 to 1 (Rajpurkar et al. 2016, arXiv 1606.05250)."""
    shared = (Counter(one) & Counter(other)).total()
    return 2 * shared / (len(one) + len(other)) if shared else 0.0


def rouge_l(one: Tokens, other: Tokens) -> float:
    """F1 of the longest common subsequence, 0 to 1 (Lin 2004, "ROUGE"); the subsequence by Hyyrö's bit vectors."""
    places: dict[str, int] = {}
    for number, token in enumerate(one):
        places[token] = places.get(token, 0) | 1 << number
    full = (1 << len(one)) - 1
    row = full
    for token in other:
        match = row & places.get(token, 0)
        row = ((row + match) | (row - match)) & full
    shared = len(one) - row.bit_count()
    return 2 * shared / (len(one) + len(other)) if shared else 0.0


UTILITIES: Mapping[str, Utility | None] = {"equal": None, "token-f1": token_f1, "rouge-l": rouge_l}
"""Name -> utility; None is equality of answers by class."""


class Mbr(Majority):
    """The candidate with the highest expected utility. utility: `equal`, `token-f1`, `rouge-l`; over: what it compares,
    the `answer` or the whole `text` after the reasoning."""

    fields: ClassVar[frozenset[str]] = frozenset({"utility", "over"})

    def __init__(self, block: Mapping[str, Any]) -> None:
        self._utility = block.get("utility", "equal")
        self._over = block.get("over", "answer")
        self.parameters = {"rule": "mbr", "utility": self._utility, "over": self._over}

    @classmethod
    def faults(cls, block: Mapping[str, Any]) -> list[Fault]:
        """What is wrong with the values of its fields."""
        found = []
        for key, known in (("utility", tuple(UTILITIES)), ("over", OVER)):
            if key in block and block[key] not in known:
                found.append(Fault(f"choose.{key}", f"unknown: `{block[key]}`", nearest(str(block[key]), known)))
        return found

    async def weights(self, ctx: Context, candidates: Sequence[Candidate]) -> Sequence[float] | None:
        """The expected utility of the best of each class; ties go to the larger class."""
        utility = UTILITIES[self._utility]
        if utility is None:
            sizes = Counter(candidate.class_id for candidate in candidates)
            voters = max(1, len(candidates) - sizes[None])
            return best([sizes[candidate.class_id] / voters for candidate in candidates], candidates)
        voting = [number for number, candidate in enumerate(candidates) if candidate.class_id is not None]
        words = [self._words(ctx, candidates[number]) for number in voting]
        means = await asyncio.to_thread(expected, utility, words)
        scores = [0.0] * len(candidates)
        for number, mean in zip(voting, means, strict=True):
            scores[number] = mean
        return best(scores, candidates)

    def _words(self, ctx: Context, candidate: Candidate) -> Tokens:
        if self._over == "answer":
            return tokens(candidate.answer or "")
        return tokens(ctx.said(candidate).text[candidate.reasoning_end or 0 :])


def tokens(text: str) -> Tokens:
    """Words, marks, and Chinese characters one by one; the last `LONGEST` of them."""
    return tuple(_WORD.findall(text.lower())[-LONGEST:])


def expected(utility: Utility, words: Sequence[Tokens]) -> list[float]:
    """The mean utility of each with all, itself included; utility must be symmetric."""
    sums = [0.0] * len(words)
    for i, one in enumerate(words):
        sums[i] += utility(one, one)
        for j in range(i):
            same = utility(one, words[j])
            sums[i] += same
            sums[j] += same
    return [total / len(words) for total in sums]
