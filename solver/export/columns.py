"""The layouts of two known datasets, and the run as plain tables: `openr1`, `openmathreasoning`, `table`, `labels`.

Where a known layout has a column that a run cannot fill, the input's column of that name is taken, else it is null.
"""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from solver.export.asked import Asked
from solver.export.chat import prompt, reply
from solver.export.groups import Group
from solver.export.select import decided, source
from solver.export.sft import MESSAGE

Row = dict[str, Any]

_TEXTS = pa.list_(pa.string())
_OPENR1 = [
    *((name, pa.string()) for name in ("problem", "solution", "answer", "problem_type", "question_type", "source")),
    ("uuid", pa.string()),
    ("is_reasoning_complete", pa.list_(pa.bool_())),
    ("generations", _TEXTS),
    ("correctness_math_verify", pa.list_(pa.bool_())),
    ("correctness_llama", pa.list_(pa.bool_())),
    ("finish_reasons", _TEXTS),
    ("correctness_count", pa.int64()),
    ("messages", pa.list_(MESSAGE)),
    ("label_source", pa.string()),
]
_OPENMATH = [
    *((name, pa.string()) for name in ("problem", "generated_solution", "expected_answer", "problem_type")),
    *((name, pa.string()) for name in ("problem_source", "generation_model", "inference_mode", "pass_rate_72b_tir")),
    ("used_in_kaggle", pa.bool_()),
    ("pass_rate", pa.float64()),
    ("id", pa.string()),
    ("label_source", pa.string()),
]
_PROBLEM = [
    ("id", pa.string()),
    ("row", pa.int64()),
    ("row_id", pa.string()),
    ("problem", pa.string()),
    ("reference", pa.string()),
    ("predicted", pa.string()),
    ("predicted_correct", pa.bool_()),
    ("votes", pa.int32()),
    ("n_valid", pa.int32()),
    ("agreement", pa.float64()),
    ("margin", pa.float64()),
    ("tie", pa.bool_()),
]
_RESPONSE = [
    ("path", pa.string()),
    ("k", pa.int32()),
    ("text", pa.string()),
    ("status", pa.string()),
    ("finish_reason", pa.string()),
    ("output_tokens", pa.int64()),
    ("mean_logprob", pa.float64()),
    ("seed", pa.int64()),
    ("candidate", pa.bool_()),
    ("answer", pa.string()),
    ("class_id", pa.int32()),
    ("correct", pa.bool_()),
    ("marks", _TEXTS),
    ("reasoning_end", pa.int64()),
    ("label_source", pa.string()),
]
_SILENT = {"failed": "no response", "abstained": "the strategy abstained", "wants_more": "the rule wants more samples"}
_LABEL = [("label", pa.string()), ("label_source", pa.string()), ("why", pa.string())]


def openr1_schema(asked: Asked) -> pa.Schema:
    """The columns of OpenR1-Math-220k, and `label_source`."""
    return pa.schema(_OPENR1)


def openr1_rows(group: Group, asked: Asked) -> Iterator[Row]:
    """A row for a problem with a right response: all of its responses as parallel lists, the first right one as
    messages. correctness_math_verify: against the reference, or the vote, as `label_source` says."""
    right = [response for response in group.responses if response.label]
    if not right:
        return
    said = group.responses
    known = {name: _text(group.columns.get(name)) for name in ("solution", "problem_type", "question_type", "source")}
    yield {
        **known,
        "problem": group.problem,
        "answer": _expected(group),
        "uuid": _text(group.columns.get("uuid")) or group.id,
        "is_reasoning_complete": [not one.truncated for one in said],
        "generations": [one.text for one in said],
        "correctness_math_verify": [bool(one.label) for one in said],
        "correctness_llama": None,
        "finish_reasons": [one.finish_reason for one in said],
        "correctness_count": len(right),
        "messages": [*prompt(group, asked), reply(right[0], asked)],
        "label_source": group.source,
    }


def openmath_schema(asked: Asked) -> pa.Schema:
    """The columns of OpenMathReasoning, then ours: the pass rate of this model under its own name."""
    return pa.schema(_OPENMATH)


def openmath_rows(group: Group, asked: Asked, model: str) -> Iterator[Row]:
    """A row per right response."""
    columns = group.columns
    used = columns.get("used_in_kaggle")
    for response in group.responses:
        if response.label:
            yield {
                "problem": group.problem,
                "generated_solution": reply(response, asked)["content"],
                "expected_answer": _expected(group),
                "problem_type": _text(columns.get("problem_type")),
                "problem_source": _text(columns.get("problem_source", columns.get("source"))),
                "generation_model": model,
                "inference_mode": "cot",
                "pass_rate_72b_tir": _text(columns.get("pass_rate_72b_tir")),
                "used_in_kaggle": used if isinstance(used, bool) else None,
                "pass_rate": group.pass_rate,
                "id": group.id,
                "label_source": group.source,
            }


def table_schema(extra: pa.Schema) -> pa.Schema:
    """Problem, sample, then the input's other columns; extra: these, as the results table has them."""
    return _with(pa.schema([*_PROBLEM, *_RESPONSE]), extra)


def table_rows(group: Group, asked: Asked, schema: pa.Schema) -> Iterator[Row]:
    """A row per sample of any status, candidates first; a problem without samples has one row all the same.

    The row of a candidate made of several samples is that of its last one, but its text is the whole response.
    """
    head = {name: group.row.get(name) for name, _ in _PROBLEM} | {"predicted_correct": group.row["correct"]}
    own = len(_PROBLEM) + len(_RESPONSE)
    tail = dict(zip(schema.names[own:], group.columns.values(), strict=True))
    for one in group.responses:
        told = source(group, asked) if one.candidate else None
        said = {"output_tokens": one.own_tokens, "label_source": told}
        fields = {name: getattr(one, name) for name, _ in _RESPONSE if name not in said}
        yield {**head, **fields, **said, **tail}
    if not group.responses:
        yield {**head, **dict.fromkeys((name for name, _ in _RESPONSE), None), **tail}


def labels_schema(extra: pa.Schema) -> pa.Schema:
    """id and problem, the predicted answer, its evidence, the label; then the input's other columns."""
    return _with(pa.schema([*_PROBLEM, *_LABEL]), extra)


def labels_rows(group: Group, asked: Asked, schema: pa.Schema) -> Iterator[Row]:
    """One row per problem: `labelled` where the vote is clear enough, else `abstained` and why."""
    head = {name: group.row.get(name) for name, _ in _PROBLEM} | {"predicted_correct": group.row["correct"]}
    tail = dict(zip(schema.names[len(_PROBLEM) + len(_LABEL) :], group.columns.values(), strict=True))
    clear = decided(group, asked)
    label = {"label": "labelled" if clear else "abstained", "label_source": "voted" if clear else None}
    yield {**head, **label, "why": None if clear else _why(group, asked), **tail}


def _why(group: Group, asked: Asked) -> str:
    row = group.row
    if row["status"] in _SILENT or row["predicted"] is None:
        return _SILENT.get(row["status"], "no answer")
    if row["tie"]:
        return "tie"
    return "agreement" if (row["agreement"] or 0) < asked.min_agreement else "margin"


def _expected(group: Group) -> str | None:
    """What right responses were compared with."""
    return _text(group.row["reference"] if group.source == "verified" else group.row["predicted"])


def _with(own: pa.Schema, extra: pa.Schema) -> pa.Schema:
    """Both, where a name of `extra` that is taken becomes `input_<name>`."""
    fields, taken = list(own), set(own.names)
    for field in extra:
        name = field.name
        while name in taken:
            name = f"input_{name}"
        taken.add(name)
        fields.append(field.with_name(name).with_nullable(True))
    return pa.schema(fields)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
