"""`sft`: one conversation per right response, in the shape a trainer reads."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from solver.export.asked import Asked
from solver.export.chat import prompt, reply
from solver.export.groups import Group, Response

Row = dict[str, Any]

_MESSAGE = [("role", pa.string()), ("content", pa.string())]
MESSAGE = pa.struct(_MESSAGE)
REASONED = pa.struct([*_MESSAGE, ("reasoning_content", pa.string())])
TURN = pa.struct([("from", pa.string()), ("value", pa.string())])
FACTS = [
    ("id", pa.string()),
    ("row_id", pa.string()),
    ("k", pa.int32()),
    ("answer", pa.string()),
    ("reference", pa.string()),
    ("label_source", pa.string()),
    ("marks", pa.list_(pa.string())),
    ("pass_rate", pa.float64()),
    ("agreement", pa.float64()),
    ("output_tokens", pa.int64()),
]
"""What every training row says about itself."""


def facts(group: Group, response: Response) -> Row:
    """Where a row comes from and what its label rests on."""
    return {
        "id": group.id,
        "row_id": group.row_id,
        "k": response.k,
        "answer": response.answer,
        "reference": group.row["reference"],
        "label_source": group.source,
        "marks": list(response.marks),
        "pass_rate": group.pass_rate,
        "agreement": group.row["agreement"],
        "output_tokens": response.tokens,
    }


def message_type(asked: Asked) -> pa.StructType:
    """The arrow type of one message."""
    return REASONED if asked.reasoning == "field" else MESSAGE


def schema(asked: Asked) -> pa.Schema:
    """Columns of the shape asked for, then those of FACTS."""
    message = message_type(asked)
    shapes = {
        "messages": [("messages", pa.list_(message))],
        "sharegpt": [("conversations", pa.list_(TURN)), ("system", pa.string())],
        "alpaca": [(name, pa.string()) for name in ("instruction", "input", "output", "system")],
        "prompt-completion": [("prompt", pa.list_(message)), ("completion", pa.list_(message))],
    }
    return pa.schema([*shapes[asked.shape], *FACTS])


def rows(group: Group, asked: Asked) -> Iterator[Row]:
    """A row per right response."""
    shape = _SHAPES[asked.shape]
    for response in group.responses:
        if response.label:
            yield {**shape(group, response, asked), **facts(group, response)}


def _messages(group: Group, response: Response, asked: Asked) -> Row:
    return {"messages": [*prompt(group, asked), reply(response, asked)]}


def _sharegpt(group: Group, response: Response, asked: Asked) -> Row:
    said = reply(response, asked)["content"]
    turns = [{"from": "human", "value": group.problem}, {"from": "gpt", "value": said}]
    return {"conversations": turns, "system": asked.system or ""}


def _alpaca(group: Group, response: Response, asked: Asked) -> Row:
    said = reply(response, asked)["content"]
    return {"instruction": group.problem, "input": "", "output": said, "system": asked.system or ""}


def _prompt_completion(group: Group, response: Response, asked: Asked) -> Row:
    return {"prompt": prompt(group, asked), "completion": [reply(response, asked)]}


_SHAPES: Mapping[str, Callable[[Group, Response, Asked], Row]] = {
    "messages": _messages,
    "sharegpt": _sharegpt,
    "alpaca": _alpaca,
    "prompt-completion": _prompt_completion,
}
