"""`trajectory`: wrong, then reflection, then right, in one training text, with marks that say where each part lies.

within: a right response that itself boxes a wrong answer before its first right one, as the model wrote it. joined: a
wrong and a right response of one problem with a sentence between them, which the model did not write. The column
`chain` says which; `segments` gives `kind` (wrong, reflection, right), `begin` and `end` in characters of the
assistant's message.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from solver.export.asked import Asked
from solver.export.chat import parted, prompt, reply, tagged
from solver.export.groups import Group, Response
from solver.export.preference import right_spellings
from solver.export.sft import FACTS, facts, message_type
from solver.statistics.overthinking import solutions

Row = dict[str, Any]
Segment = tuple[str, int, int]

_SEGMENT = pa.struct([("kind", pa.string()), ("begin", pa.int64()), ("end", pa.int64())])


def schema(asked: Asked) -> pa.Schema:
    """messages, chain, segments, wrong_k, then the facts of the right response."""
    own = [("messages", pa.list_(message_type(asked))), ("chain", pa.string())]
    return pa.schema([*own, ("segments", pa.list_(_SEGMENT)), ("wrong_k", pa.int32()), *FACTS])


def rows(group: Group, asked: Asked) -> Iterator[Row]:
    """First the chains within responses, then the joined ones: the i-th wrong response with the i-th right one."""
    right = [response for response in group.responses if response.label]
    wrong = [response for response in group.responses if not response.label]
    for response in right:
        content = reply(response, asked)["content"]
        segments = _within(content, right_spellings(group))
        if segments:
            yield _row(group, response, asked, ("within", content, segments, None))
    for worse, better in zip(wrong, right, strict=False):
        content, segments = _joined(worse, better, asked)
        yield _row(group, better, asked, ("joined", content, segments, worse.k))


def _row(group: Group, right: Response, asked: Asked, chain: tuple[str, str, Sequence[Segment], int | None]) -> Row:
    name, content, segments, wrong_k = chain
    told = [{"kind": kind, "begin": begin, "end": end} for kind, begin, end in segments]
    message = {"role": "assistant", "content": content}
    own = {"messages": [*prompt(group, asked), message], "chain": name, "segments": told, "wrong_k": wrong_k}
    return {**own, **facts(group, right)}


def _within(text: str, spellings: set[str]) -> list[Segment]:
    """The wrong solutions before the first right one, and that; nothing where the first solution is right."""
    parts = solutions(text, spellings)
    first = next((number for number, part in enumerate(parts) if part.right), 0)
    if not first:
        return []
    segments = [("wrong", part.begin, part.end) for part in parts[:first]]
    return [*segments, ("right", parts[first].begin, parts[first].end)]


def _joined(wrong: Response, right: Response, asked: Asked) -> tuple[str, list[Segment]]:
    """Both thoughts in one reasoning block where the right response has one, else both responses in one text."""
    (wrong_thought, wrong_said), (thought, said) = parted(wrong), parted(right)
    inside = thought is not None and asked.reasoning == "inline"
    first = (wrong_thought if inside and wrong_thought is not None else wrong_said).strip()
    last = (thought if inside and thought is not None else said).strip()
    body = f"{first}\n\n{asked.reflection}\n\n{last}"
    content = tagged(body, said) if inside else body
    begin = content.index(body)
    middle = begin + len(first) + 2
    end = middle + len(asked.reflection)
    return content, [
        ("wrong", begin, begin + len(first)),
        ("reflection", middle, end),
        ("right", end + 2, len(content)),
    ]
