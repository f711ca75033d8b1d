"""The results table -> the rows of the browsable table, and what each row opens to: its classes, a sample of each.

A row is a small list (see ROW); `Opened` keeps what is needed to write the rest once the texts have been read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from solver.report.samples import Shown, Wanted
from solver.statistics.responses import hashes_of
from solver.store import RESULTS, Store

ROW = ("id", "problem", "predicted", "reference", "flags", "agreement", "tokens", "valid", "samples")
"""What a row holds, in order. agreement: in percent, -1 without a vote; flags: a sum of FLAGS."""
FLAGS = {
    "right": 1,
    "wrong": 2,
    "tied": 4,
    "truncated": 8,
    "split": 16,
    "no answer": 32,
    "failed": 64,
    "abstained": 128,
}
SPLIT = 0.5
"""A vote is split when its winner has no more than this share of the valid votes."""

_ID, _HEAD, _ANSWER, _PROBLEM = 80, 300, 60, 4000  # characters kept
_SPELLINGS, _CLASSES = 4, 24


@dataclass(frozen=True, slots=True)
class Part:
    """A class of answers, or (answer None) the candidates that do not vote; sample: which of the wanted responses is
    shown, -1 for none."""

    answer: str | None
    votes: int
    weight: float
    correct: bool | None
    spellings: list[str]
    voters: list[str]
    k: int
    rule: str | None
    sample: int


@dataclass(frozen=True, slots=True)
class Opened:
    """What one problem opens to; more: classes that are not listed."""

    text: str
    truncated: int
    status: str
    margin: float | None
    parts: list[Part]
    more: int


@dataclass(frozen=True, slots=True)
class Listing:
    """The problems that are listed, in input order. total: all that the run has."""

    rows: list[list[Any]]
    opened: list[Opened]
    wanted: list[Wanted]
    total: int


def listing(store: Store, most: int) -> Listing:
    """The first `most` problems of the input. Raises StoreError where shards are damaged."""
    numbers = [batch.column("row").to_numpy() for batch in store.result_batches(("row",))]
    order = np.sort(np.concatenate(numbers)) if numbers else np.empty(0, dtype=np.int64)
    last = int(order[min(most, len(order)) - 1]) if len(order) and most else -1
    read, wanted = [], list[Wanted]()
    for row in _rows(store, last):
        parts, more = _parts(row, wanted)
        read.append((row["row"], _line(row), Opened(*_head(row), parts, more)))
    read.sort(key=lambda one: one[0])
    return Listing([line for _, line, _ in read], [opened for *_, opened in read], wanted, len(order))


def _rows(store: Store, last: int) -> Iterator[dict[str, Any]]:
    for batch in store.result_batches(RESULTS.names):
        if len(hits := np.flatnonzero(batch.column("row").to_numpy() <= last)):
            yield from batch.take(hits).to_pylist()


def _line(row: Mapping[str, Any]) -> list[Any]:
    flags = {
        "right": row["correct"] is True,
        "wrong": row["correct"] is False,
        "tied": row["tie"],
        "truncated": bool(row["n_truncated"]),
        "split": row["agreement"] is not None and row["agreement"] <= SPLIT,
        "no answer": row["status"] == "no_answer",
        "failed": row["status"] == "failed",
        "abstained": row["status"] == "abstained",
    }
    agreement = -1 if row["agreement"] is None else round(100 * row["agreement"])
    told = [first(row["id"], _ID), first(row["problem"] or "", _HEAD)]
    given = [None if row[name] is None else first(row[name], _ANSWER) for name in ("predicted", "reference")]
    marks = sum(FLAGS[name] for name, is_so in flags.items() if is_so)
    return [*told, *given, marks, agreement, row["output_tokens"], row["n_valid"], row["n_samples"]]


def _head(row: Mapping[str, Any]) -> tuple[str, int, str, float | None]:
    return first(row["problem"] or "", _PROBLEM), row["n_truncated"], row["status"], row["margin"]


def first(text: str, length: int) -> str:
    """The beginning of a text, with a mark where it goes on."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _parts(row: Mapping[str, Any], wanted: list[Wanted]) -> tuple[list[Part], int]:
    """The classes of a problem, and those without a vote; to `wanted` goes what is to be shown of them."""
    by_class: dict[int | None, list[Mapping[str, Any]]] = {}
    for candidate in row["candidates"]:
        by_class.setdefault(candidate["class_id"], []).append(candidate)
    parts = []
    for number, one in enumerate(row["classes"][:_CLASSES]):
        if members := by_class.get(number):
            spellings = [first(text, _ANSWER) for text in one["spellings"][:_SPELLINGS]]
            parts.append((one["answer"], one["votes"], one["weight"], spellings, members))
    if silent := by_class.get(None):
        parts.append((None, 0, 0.0, [], silent))
    keys = [key for *_, members in parts for key in members[0]["keys"]]
    hashes = iter(hashes_of([row["row_id"]] * len(keys), keys))
    out = []
    for answer, votes, weight, spellings, members in parts:
        one, place = members[0], -1
        if one["keys"]:
            place = len(wanted)
            wanted.append(Wanted([next(hashes) for _ in one["keys"]], one["reasoning_end"] or 0))
        told = None if answer is None else first(answer, 4 * _ANSWER)
        voters = [_voter(member) for member in members[:64]]
        out.append(Part(told, votes, weight, one["correct"], spellings, voters, one["k"], one["rule"], place))
    return out, max(0, len(row["classes"]) - _CLASSES)


def _voter(candidate: Mapping[str, Any]) -> str:
    if candidate["class_id"] is not None:
        return str(candidate["k"])
    why = ", ".join(candidate["marks"]) or ("no answer" if candidate["answer"] is None else "not gradable")
    return f"{candidate['k']} ({why})"


def told(opened: Opened, texts: Mapping[int, Shown], length: int) -> dict[str, Any]:
    """What a problem opens to, as JSON values, with samples in at most `length` characters; 0 leaves them out."""
    return {
        "text": opened.text,
        "truncated": opened.truncated,
        "status": opened.status,
        "margin": opened.margin,
        "more": opened.more,
        "parts": [_part(part, texts.get(part.sample), length) for part in opened.parts],
    }


def _part(part: Part, shown: Shown | None, length: int) -> dict[str, Any]:
    out: dict[str, Any] = {
        "answer": part.answer,
        "votes": part.votes,
        "weight": part.weight,
        "correct": part.correct,
        "spellings": part.spellings,
        "voters": part.voters,
        "k": part.k,
        "rule": part.rule,
    }
    if shown is not None and length:
        cut = shown.within(length)
        out["sample"] = {
            "status": cut.status,
            "tokens": cut.tokens,
            "reasoning": cut.reasoning if cut.reasoning[0] else None,
            "said": cut.said,
            "error": cut.error,
        }
    return out
