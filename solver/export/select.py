"""Which responses are exported: a chain of filters, each of which says what it left.

`filters(asked, store)` gives the chain, `Funnel` runs problems through it and counts. No row goes without a count.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from solver import answers
from solver.export.asked import Asked
from solver.export.groups import Group, Response
from solver.export.similar import duplicates
from solver.statistics.headline import HELPED, marked, mask
from solver.store import Store

QUARTERS = 4
RUN = "in the run"

Keep = Callable[[Group], Sequence[Response]]


class Filter(NamedTuple):
    """keep: the responses of a problem that go on; none: the problem does not."""

    name: str
    keep: Keep


class Funnel:
    """Filters and what each left: name -> problems with a response, responses."""

    def __init__(self, filters: Sequence[Filter], last: Sequence[str] = ()) -> None:
        """last: names that somebody else counts, after the filters."""
        self._filters = filters
        self.counts = {name: [0, 0] for name in (RUN, *(one.name for one in filters), *last)}

    def through(self, groups: Iterable[Group]) -> Iterator[Group]:
        """The problems that have a response left; without any filter, those without one too."""
        for group in groups:
            self.count(RUN, len(group.responses))
            left = group
            for one in self._filters:
                kept = one.keep(left)
                left = labelled(left, kept)
                if not kept:
                    break
                self.count(one.name, len(kept))
            else:
                yield left

    def count(self, name: str, responses: int) -> None:
        """One more problem that has so many responses left; none is no problem."""
        count = self.counts[name]
        count[0] += bool(responses) or name == RUN
        count[1] += responses


def labelled(group: Group, responses: Sequence[Response]) -> Group:
    """The group with these responses."""
    return group if responses is group.responses else replace(group, responses=responses)


def filters(asked: Asked, store: Store) -> list[Filter]:
    """The chain of filters for what was asked, cheap ones first."""
    if asked.format == "labels":
        return []
    chain = [Filter("candidates with a text", _said)] if asked.format != "table" else []
    if not asked.hinted and asked.format != "table":
        chain.append(Filter("not helped by a hint", lambda g: [r for r in g.responses if not set(HELPED) & {*r.marks}]))
    if (asked.training or asked.format == "openmathreasoning") and not asked.keep_truncated:
        chain.append(Filter("not truncated", lambda g: [r for r in g.responses if not r.truncated]))
    chain += _limits(asked, store)
    if asked.format != "table":
        chain.append(Filter(f"labelled ({asked.labels})", _telling(asked)))
        chain += _sides(asked)
    chain += [Filter(name, keep) for name, keep in duplicates(asked)]
    return chain


def _sides(asked: Asked) -> Iterator[Filter]:
    """What the format can use of right and wrong responses."""
    if asked.format in ("sft", "openmathreasoning"):
        yield Filter("right", _right)
    elif asked.format == "openr1":
        yield Filter("of a problem with a right one", lambda group: group.responses if _right(group) else ())
    elif asked.format in ("dpo", "simpo") and asked.pairs != "right-wrong":
        yield Filter("of a problem with two right ones", lambda g: g.responses if len(_right(g)) > 1 else ())
    elif asked.format in ("dpo", "simpo"):

        def both(group: Group) -> Sequence[Response]:
            return group.responses if 0 < len(_right(group)) < len(group.responses) else ()

        yield Filter("of a problem with right and wrong", both)


def _right(group: Group) -> Sequence[Response]:
    return [response for response in group.responses if response.label]


def _said(group: Group) -> Sequence[Response]:
    return [r for r in group.responses if r.candidate and r.usable]


def _limits(asked: Asked, store: Store) -> Iterator[Filter]:
    least, most = asked.pass_rate
    if (least, most) != (0.0, 1.0):

        def in_band(group: Group) -> Sequence[Response]:
            inside = group.pass_rate is not None and least <= group.pass_rate <= most
            return group.responses if inside else ()

        yield Filter(f"pass rate {least:g} to {most:g}", in_band)
    if asked.balance == "difficulty":
        limits = _limits_of_quarters(store, asked)

        def balanced(group: Group) -> Sequence[Response]:
            if group.pass_rate is None or not _useful(group.pass_rate, asked):
                return ()
            return group.responses if group.row_id <= limits[_quarter(group.pass_rate)] else ()

        yield Filter("balanced by difficulty", balanced)
    shortest, longest = asked.tokens
    if shortest or longest is not None:
        cap = float("inf") if longest is None else longest
        name = f"{shortest:,} to {'any number of' if longest is None else f'{longest:,}'} tokens"
        yield Filter(name, lambda group: [r for r in group.responses if shortest <= r.tokens <= cap])


def _quarter(rate: float) -> int:
    return min(int(rate * QUARTERS), QUARTERS - 1)


def _limits_of_quarters(store: Store, asked: Asked) -> list[str]:
    """For each quarter of the pass rate the greatest row id that is taken, so that as many come of each that has any.

    Row ids are hashes, so this is a fixed random choice. Problems that the format cannot use do not count.
    """
    found: list[list[str]] = [[] for _ in range(QUARTERS)]
    least, most = asked.pass_rate
    names = ("row_id", "candidates.list.element.correct", "candidates.list.element.marks")
    for batch in store.result_batches(names):
        lists = batch.column("candidates")
        flat, of = lists.flatten(), lists.value_parent_indices().to_numpy()
        correct = flat.field("correct")
        judged = mask(correct.is_valid()) & ~marked(flat.field("marks"), HELPED)
        right = mask(correct.fill_null(False)) & judged
        sizes = np.bincount(of, weights=judged, minlength=batch.num_rows)
        rates = np.bincount(of, weights=right, minlength=batch.num_rows) / np.maximum(sizes, 1)
        for row_id, rate, size in zip(batch.column("row_id").to_pylist(), rates.tolist(), sizes.tolist(), strict=True):
            if size and least <= rate <= most and _useful(rate, asked):
                found[_quarter(rate)].append(row_id)
    each = min((len(ids) for ids in found if ids), default=0)
    return [sorted(ids)[each - 1] if ids and each else "" for ids in found]


def _useful(rate: float, asked: Asked) -> bool:
    """Whether a problem with this share of right responses can give the format a row."""
    if asked.format in ("dpo", "simpo") and asked.pairs == "right-wrong":
        return 0 < rate < 1
    return rate > 0 or asked.format in ("kto", "table")


def _telling(asked: Asked) -> Keep:
    """Says of each response whether it is right, and leaves out what nobody can say it of."""

    def told(group: Group) -> Sequence[Response]:
        judge = judge_of(group, asked)
        return (
            [] if judge is None else [r._replace(label=said) for r in group.responses if (said := judge(r)) is not None]
        )

    return told


def judge_of(group: Group, asked: Asked) -> Callable[[Response], bool | None] | None:
    """What tells right from wrong in this problem, or None."""
    match source(group, asked):
        case "verified":
            reference = group.row["reference"]
            return lambda response: _helped_to(response, reference) or response.correct
        case "voted":
            right = group.right_class
            predicted = group.row["predicted"]
            return lambda response: _helped_to(response, predicted) or _in_class(response, right)
        case _:
            return None


def _in_class(response: Response, right: int | None) -> bool | None:
    return None if response.class_id is None else response.class_id == right


def _helped_to(response: Response, right: str | None) -> bool | None:
    """Of a response that was helped, which is in no class: whether it says the right answer. None of all others."""
    if not set(HELPED) & set(response.marks) or response.answer is None or right is None:
        return None
    key = answers.key(response.answer)
    return response.answer == right or (key is not None and key == answers.key(right))


def source(group: Group, asked: Asked) -> str | None:
    """`verified`, `voted` or None: what labels of this problem can rest on."""
    if asked.labels != "voted" and group.pass_rate is not None:
        return "verified"
    return "voted" if asked.labels != "verified" and decided(group, asked) else None


def decided(group: Group, asked: Asked) -> bool:
    """Whether the vote is clear enough: cast for good, no tie, agreement and margin reached."""
    row = group.row
    if row["status"] != "ok" or row["predicted"] is None or row["tie"]:
        return False
    return bool((row["agreement"] or 0) >= asked.min_agreement and (row["margin"] or 0) >= asked.min_margin)
