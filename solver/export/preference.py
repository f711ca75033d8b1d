"""`dpo`, `simpo`, `kto`: what is better and what is worse.

Pairs. right-wrong: the i-th right response against the i-th wrong one. The others are the remedies for overthinking of
Chen et al. 2024 (arXiv 2412.21187): always against the longest right response of the problem, positive is the shortest
right response; its first right solution (fcs, first-correct solution: the response up to there); that and the solution
that confirms it (fcs-reflection); that and every later solution that goes about it in a new way (gds, greedily diverse
solutions). Of all right responses the one whose kept part is shortest is taken; where that is no shorter than the
longest there is no pair. Solutions are told apart as in solver/statistics/overthinking.py.

TRL reads `chosen` and `rejected` as lists of messages, LLaMA-Factory as one message each: the shapes differ.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from solver.export.asked import Asked
from solver.export.chat import prompt, reply
from solver.export.groups import Group, Response
from solver.export.sft import FACTS, MESSAGE, message_type
from solver.export.sft import facts as facts_of
from solver.statistics.overthinking import Solution, new_ways, solutions

Row = dict[str, Any]
Pair = tuple[Response, Response]


def pair_schema(asked: Asked) -> pa.Schema:
    """prompt, chosen, rejected (TRL) or conversations, chosen, rejected (LLaMA-Factory), then facts of both."""
    more = [("pairs", pa.string()), ("rejected_k", pa.int32()), ("rejected_answer", pa.string())]
    if asked.trainer == "llamafactory":
        own = [("conversations", pa.list_(MESSAGE)), ("chosen", MESSAGE), ("rejected", MESSAGE)]
    else:
        messages = pa.list_(message_type(asked))
        own = [("prompt", messages), ("chosen", messages), ("rejected", messages)]
    return pa.schema([*own, *FACTS, *more])


def pair_rows(group: Group, asked: Asked) -> Iterator[Row]:
    """A row per pair; the facts are those of the chosen response, the tokens of one that was cut are not known."""
    for better, worse in _pairs(group, asked):
        chosen, rejected = reply(better, asked), reply(worse, asked)
        if asked.trainer == "llamafactory":
            own: Row = {"conversations": prompt(group, asked), "chosen": chosen, "rejected": rejected}
        else:
            own = {"prompt": prompt(group, asked), "chosen": [chosen], "rejected": [rejected]}
        more: Row = {"pairs": asked.pairs, "rejected_k": worse.k, "rejected_answer": worse.answer}
        if all(better is not one for one in group.responses):
            more["output_tokens"] = None
        yield {**own, **facts_of(group, better), **more}


def kto_schema(asked: Asked) -> pa.Schema:
    """prompt, completion, label (TRL) or messages, kto_tag (LLaMA-Factory), then the facts."""
    if asked.trainer == "llamafactory":
        return pa.schema([("messages", pa.list_(MESSAGE)), ("kto_tag", pa.bool_()), *FACTS])
    messages = pa.list_(message_type(asked))
    return pa.schema([("prompt", messages), ("completion", messages), ("label", pa.bool_()), *FACTS])


def kto_rows(group: Group, asked: Asked) -> Iterator[Row]:
    """A row per response; with `balance` as many wrong ones of a problem as right ones, in turn."""
    responses = group.responses
    if asked.balance == "labels":
        right, wrong = _sides(group)
        responses = [one for pair in zip(right, wrong, strict=False) for one in pair]
    for response in responses:
        said, label = reply(response, asked), bool(response.label)
        if asked.trainer == "llamafactory":
            own: Row = {"messages": [*prompt(group, asked), said], "kto_tag": label}
        else:
            own = {"prompt": prompt(group, asked), "completion": [said], "label": label}
        yield {**own, **facts_of(group, response)}


def _sides(group: Group) -> tuple[list[Response], list[Response]]:
    return [r for r in group.responses if r.label], [r for r in group.responses if not r.label]


def _pairs(group: Group, asked: Asked) -> Iterator[Pair]:
    right, wrong = _sides(group)
    if asked.pairs == "right-wrong":
        yield from zip(right, wrong, strict=False)
        return
    if not right:
        return
    longest = max(right, key=lambda response: len(response.text))
    kept = right if asked.pairs == "shortest-longest" else _first_solutions(group, right, asked.pairs)
    shortest = min(kept, key=lambda response: len(response.text), default=None)
    if shortest is not None and len(shortest.text) < len(longest.text):
        yield shortest, longest


def _first_solutions(group: Group, right: Sequence[Response], pairs: str) -> list[Response]:
    """Right responses cut as `pairs` says; those without a right solution that can be told apart are left out."""
    made = []
    for response in right:
        parts = solutions(response.text, right_spellings(group))
        first = next((number for number, part in enumerate(parts) if part.right), None)
        if first is not None:
            made.append(_cut(response, _kept(response.text, parts, first, pairs)))
    return made


def right_spellings(group: Group) -> set[str]:
    """How the right answer of a problem is spelled."""
    spelled = {response.answer for response in group.responses if response.label}
    return {text for text in (*spelled, group.row["reference"] if group.source == "verified" else None) if text}


def _kept(text: str, parts: Sequence[Solution], first: int, pairs: str) -> list[Solution]:
    kept = list(parts[: first + 1])
    if pairs == "fcs-reflection":
        kept += [part for part in parts[first + 1 :] if part.right][:1]
    elif pairs == "gds":
        new = new_ways(text, parts)
        kept += [part for number, part in enumerate(parts) if number > first and new[number]]
    return kept


def _cut(response: Response, kept: Sequence[Solution]) -> Response:
    """The response with these solutions alone; itself where they are all of it. Cut within its reasoning, it says after
    it what it said."""
    text, end = "".join(response.text[part.begin : part.end] for part in kept), response.reasoning_end
    if text == response.text:
        return response
    if end is None or kept[-1].end >= end:
        shift = 0 if end is None else end - _dropped(kept, end)
        return response._replace(text=text, reasoning_end=shift or None)
    head = f"{text.rstrip()}\n</think>\n\n"
    return response._replace(text=head + response.text[end:].lstrip(), reasoning_end=len(head))


def _dropped(kept: Sequence[Solution], end: int) -> int:
    """Characters before `end` that are in none of these solutions."""
    return end - sum(max(0, min(part.end, end) - part.begin) for part in kept)
