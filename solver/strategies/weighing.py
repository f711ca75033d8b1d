"""What a candidate weighs: 1, its confidence, its likelihood, or a score from outside.

A chooser (`choosing.py`) gives every classed candidate its weight; the heaviest class wins the vote. So the evidence
of all of them is one vote, and candidates keep the weight that decided.
"""

from collections.abc import Mapping, Sequence
from math import exp, isfinite
from typing import Any, ClassVar, Protocol

from solver.errors import Fault, InputError, nearest
from solver.records import Candidate
from solver.strategies.context import Context

BY = ("confidence", "logprob", "column")


class Choose(Protocol):
    """A way to choose. parameters: the rule and its values, as JSON. fields: the keys it has beside `rule`."""

    fields: ClassVar[frozenset[str]]
    parameters: Mapping[str, Any]

    async def weights(self, ctx: Context, candidates: Sequence[Candidate]) -> Sequence[float] | None:
        """What each classed candidate weighs in the vote; None: its own weight."""
        ...

    @classmethod
    def faults(cls, block: Mapping[str, Any]) -> list[Fault]:
        """What is wrong with the values of its fields."""
        ...


class Majority:
    """The class with most candidates; where the draw weighs them (deepconf), the heaviest."""

    fields: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, block: Mapping[str, Any]) -> None:
        self.parameters: Mapping[str, Any] = {"rule": "majority"}

    @classmethod
    def faults(cls, block: Mapping[str, Any]) -> list[Fault]:
        return []

    async def weights(self, ctx: Context, candidates: Sequence[Candidate]) -> Sequence[float] | None:
        return None


class Weighted(Majority):
    """The heaviest class: argmax over answers of the sum of its candidates' scores.

    by: `confidence`, the weight that the draw gave; `logprob`, exp of the mean log-probability of a token, which is
    the likelihood normalised by length (Wang et al. 2022, arXiv 2203.11171, section 3.1); `column`, a column of the
    input that holds a list with one number for each k, as a scorer outside wrote it. A candidate without a score
    weighs nothing.
    """

    fields: ClassVar[frozenset[str]] = frozenset({"by", "column"})
    rule: ClassVar[str] = "weighted"

    def __init__(self, block: Mapping[str, Any]) -> None:
        self._by: str = block.get("by", "logprob")
        self._column: str | None = block.get("column")
        self.parameters = {"rule": self.rule, "by": self._by}
        if self._column is not None:
            self.parameters = {**self.parameters, "column": self._column}

    @classmethod
    def faults(cls, block: Mapping[str, Any]) -> list[Fault]:
        by, column, found = block.get("by", "logprob"), block.get("column"), []
        if by not in BY:
            found.append(Fault("choose.by", f"unknown score `{by}`", nearest(str(by), BY)))
        if by == "column" and not (isinstance(column, str) and column):
            fix = "Name the column of the input that holds a list with one number for each sample"
            found.append(Fault("choose.column", "is missing", fix))
        if by != "column" and column is not None:
            found.append(Fault("choose.column", f"has no meaning with `by: {by}`", "Set `by: column`, or leave it out"))
        return found

    async def weights(self, ctx: Context, candidates: Sequence[Candidate]) -> Sequence[float] | None:
        return [0.0 if score is None else score for score in self.scores(ctx, candidates)]

    def scores(self, ctx: Context, candidates: Sequence[Candidate]) -> list[float | None]:
        """The score of each candidate, None where there is none. Raises InputError for a column that is not there."""
        if self._by == "column":
            return _of_column(ctx, self._column or "", candidates)
        if self._by == "confidence":
            return [candidate.weight for candidate in candidates]
        means = (ctx.said(candidate).mean_logprob for candidate in candidates)
        return [None if mean is None else exp(mean) for mean in means]


class BestOfN(Weighted):
    """The answer of the one candidate with the highest score; a class weighs what its best candidate does.

    Source: Cobbe et al. 2021, "Training Verifiers to Solve Math Word Problems", arXiv 2110.14168. Scores: as of
    `Weighted`. A candidate without a score never is the best where another has one.
    """

    rule: ClassVar[str] = "best-of-n"

    async def weights(self, ctx: Context, candidates: Sequence[Candidate]) -> Sequence[float] | None:
        scores = self.scores(ctx, candidates)
        lowest = min((score for score in scores if score is not None), default=0.0)
        return best([min(0.0, lowest) if score is None else score for score in scores], candidates)


def best(scores: Sequence[float], candidates: Sequence[Candidate]) -> list[float]:
    """The score for the best candidate of each class, 0 for the others: the heaviest class is that of the best one."""
    leading: dict[int, int] = {}
    for number, (score, candidate) in enumerate(zip(scores, candidates, strict=True)):
        if candidate.class_id is not None:
            known = leading.setdefault(candidate.class_id, number)
            if score > scores[known]:
                leading[candidate.class_id] = number
    chosen = set(leading.values())
    return [score if number in chosen else 0.0 for number, score in enumerate(scores)]


def _of_column(ctx: Context, column: str, candidates: Sequence[Candidate]) -> list[float | None]:
    columns = ctx.problem.columns
    if column not in columns:
        raise InputError(
            [Fault("strategy.choose.column", f"the input has no column `{column}`", nearest(column, columns))]
        )
    held = columns[column]
    if not isinstance(held, Sequence) or isinstance(held, str):
        what = f"column `{column}` must hold a list with one number for each sample, not {held!r}"
        raise InputError([Fault("strategy.choose.column", what)])
    return [_number(held[candidate.k]) if candidate.k < len(held) else None for candidate in candidates]


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return float(value)
