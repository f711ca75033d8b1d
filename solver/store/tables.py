"""The two tables: their arrow schemas, and records to rows and back. Pure; no files here.

Row ids are 32 lowercase hexadecimal characters in the tables and 16 bytes in records; `call` and `decision` are 64-bit
unsigned numbers. Parquet text is UTF-8 and cannot hold a lone surrogate, which JSON endpoints do send (NUL is fine).
Such a character is stored as U+FFFD. In the samples table the original is kept in `data`: whenever a text field held a
surrogate (or `data` itself looks like this wrapper), `data` becomes

    {"solver:exact": {"text": "\\ud83d...", "data": <the original data or null>, ...}}

in pure ASCII JSON with one entry per field that had to change, and `samples_of_batch` puts them back. Two halves that
stand side by side (two deltas of one stream) become the character that they spell, as in any JSON. The results table
does not keep the originals: it can always be rebuilt.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import pyarrow as pa

from solver.errors import StoreError
from solver.records import AnswerClass, Candidate, Outcome, Problem, Result, Sample, SampleKey, Status, Vote

SAMPLES = pa.schema(
    [
        ("row_id", pa.string()),
        ("path", pa.string()),
        ("call", pa.uint64()),
        ("k", pa.int32()),
        ("role", pa.string()),
        ("text", pa.string()),
        ("status", pa.string()),
        ("finish_reason", pa.string()),
        ("prompt_tokens", pa.int32()),
        ("output_tokens", pa.int32()),
        ("mean_logprob", pa.float64()),
        ("seed", pa.int64()),
        ("error", pa.string()),
        ("data", pa.string()),
    ]
)

_KEY = pa.struct([("path", pa.string()), ("call", pa.uint64()), ("k", pa.int32())])
_CLASS = pa.struct(
    [("answer", pa.string()), ("votes", pa.int32()), ("weight", pa.float64()), ("spellings", pa.list_(pa.string()))]
)
_CANDIDATE = pa.struct(
    [
        ("keys", pa.list_(_KEY)),
        ("k", pa.int32()),
        ("answer", pa.string()),
        ("rule", pa.string()),
        ("class_id", pa.int32()),
        ("correct", pa.bool_()),
        ("weight", pa.float64()),
        ("marks", pa.list_(pa.string())),
        ("reasoning_end", pa.int64()),
    ]
)
RESULTS = pa.schema(
    [
        ("row_id", pa.string()),
        ("row", pa.int64()),
        ("id", pa.string()),
        ("problem", pa.string()),
        ("reference", pa.string()),
        ("predicted", pa.string()),
        ("correct", pa.bool_()),
        ("votes", pa.int32()),
        ("n_samples", pa.int32()),
        ("n_valid", pa.int32()),
        ("n_truncated", pa.int32()),
        ("agreement", pa.float64()),
        ("margin", pa.float64()),
        ("tie", pa.bool_()),
        ("classes", pa.list_(_CLASS)),
        ("candidates", pa.list_(_CANDIDATE)),
        ("output_tokens", pa.int64()),
        ("status", pa.string()),
        ("decision", pa.uint64()),
    ]
)

_EXACT = "solver:exact"
_WRAPPED = '{"' + _EXACT + '"'
_SAMPLE_COLUMNS: dict[str, Callable[[Sample], Any]] = {
    "row_id": lambda s: s.key.row_id.hex(),
    "path": lambda s: s.key.path,
    "call": lambda s: s.key.call,
    "k": lambda s: s.key.k,
    "role": lambda s: s.role,
    "text": lambda s: s.text,
    "status": lambda s: s.status.value,
    "finish_reason": lambda s: s.finish_reason,
    "prompt_tokens": lambda s: s.prompt_tokens,
    "output_tokens": lambda s: s.output_tokens,
    "mean_logprob": lambda s: s.mean_logprob,
    "seed": lambda s: s.seed,
    "error": lambda s: s.error,
    "data": lambda s: s.data,
}
_AFTER_STATUS = ("finish_reason", "prompt_tokens", "output_tokens", "seed", "mean_logprob", "error", "data")
_TEXTS = ("path", "role", "text", "finish_reason", "error", "data")


def samples_batch(samples: Sequence[Sample]) -> pa.RecordBatch:
    """Samples as rows of the samples table. Raises StoreError naming the sample whose field does not fit its column."""
    columns = {name: [read(sample) for sample in samples] for name, read in _SAMPLE_COLUMNS.items()}
    if not any(data is not None and data.startswith(_WRAPPED) for data in columns["data"]):
        with suppress(UnicodeEncodeError):
            return _batch(columns, SAMPLES)
    for index in range(len(samples)):
        _keep_exact(columns, index)
    return _batch(columns, SAMPLES)


def samples_of_batch(rows: pa.RecordBatch | pa.Table) -> list[Sample]:
    """Rows of the samples table as records, with the exact text where a surrogate had been replaced."""
    columns: dict[str, list[Any]] = {name: rows.column(name).to_pylist() for name in SAMPLES.names}
    for index, data in enumerate(columns["data"]):
        if data is not None and data.startswith(_WRAPPED):
            for name, exact in json.loads(data)[_EXACT].items():
                columns[name][index] = exact
    row_ids = map(bytes.fromhex, columns["row_id"])
    keys = map(SampleKey, row_ids, columns["path"], columns["call"], columns["k"])
    others = (columns[name] for name in _AFTER_STATUS)
    return list(map(Sample, keys, columns["role"], columns["text"], map(Status, columns["status"]), *others))


def own_data(data: str | None) -> str | None:
    """What a strategy or an engine had kept in `data`, where a row of the samples table has it wrapped."""
    if data is None or not data.startswith(_WRAPPED):
        return data
    own: str | None = json.loads(data)[_EXACT]["data"]
    return own


def _keep_exact(columns: dict[str, list[Any]], index: int) -> None:
    """Replace what one row cannot store and keep the originals in its `data`."""
    row = {name: columns[name][index] for name in _TEXTS}
    changed = {name: text for name, text in row.items() if text is not None and storable(text) != text}
    if changed or (row["data"] is not None and row["data"].startswith(_WRAPPED)):
        for name, text in changed.items():
            columns[name][index] = storable(text)
        columns["data"][index] = json.dumps({_EXACT: {**changed, "data": row["data"]}})


def storable(text: str) -> str:
    """`text` with every lone surrogate replaced by U+FFFD; the same object when there is none."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def results_schema(extra: pa.Schema | None) -> pa.Schema:
    """Schema of the results table with the input's other columns behind ours; a taken name becomes `input_<name>`."""
    fields = list(RESULTS)
    taken = set(RESULTS.names)
    for field in extra or ():
        name = stored_name(field.name, taken)
        taken.add(name)
        fields.append(field.with_name(name).with_nullable(True))
    return pa.schema(fields)


def stored_name(name: str, taken: Iterable[str]) -> str:
    """The column that holds the input's column `name`."""
    while name in taken:
        name = f"input_{name}"
    return name


def results_batch(results: Sequence[Result], extra: pa.Schema | None = None) -> pa.RecordBatch:
    """Results as rows of the results table; extra: the input's other columns, under their own names and types.

    Raises StoreError naming the column, and the problem, whose value does not fit.
    """
    rows = [_result_row(result) for result in results]
    schema = results_schema(extra)
    columns = {name: [row[name] for row in rows] for name in RESULTS.names}
    for stored, field in zip(schema.names[len(RESULTS) :], extra or (), strict=True):
        columns[stored] = [result.problem.columns.get(field.name) for result in results]
    try:
        return _batch(columns, schema)
    except UnicodeEncodeError:
        return _batch({name: [_storable_deep(value) for value in values] for name, values in columns.items()}, schema)


def _storable_deep(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {_storable_deep(name): _storable_deep(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_storable_deep(inner) for inner in value]
    return value


def _result_row(result: Result) -> dict[str, Any]:
    problem, vote = result.problem, result.vote
    return {
        "row_id": problem.row_id.hex(),
        "row": problem.row,
        "id": problem.id,
        "problem": problem.text,
        "reference": problem.reference,
        "predicted": vote.predicted,
        "correct": vote.correct,
        "votes": vote.votes,
        "n_samples": result.n_samples,
        "n_valid": vote.n_valid,
        "n_truncated": result.n_truncated,
        "agreement": vote.agreement,
        "margin": vote.margin,
        "tie": vote.tie,
        "classes": [
            {"answer": c.answer, "votes": c.votes, "weight": c.weight, "spellings": c.spellings} for c in vote.classes
        ],
        "candidates": [_candidate_row(candidate) for candidate in result.candidates],
        "output_tokens": result.output_tokens,
        "status": result.status.value,
        "decision": result.decision,
    }


def _candidate_row(candidate: Candidate) -> dict[str, Any]:
    return {
        "keys": [{"path": key.path, "call": key.call, "k": key.k} for key in candidate.keys],
        "k": candidate.k,
        "answer": candidate.answer,
        "rule": candidate.rule,
        "class_id": candidate.class_id,
        "correct": candidate.correct,
        "weight": candidate.weight,
        "marks": candidate.marks,
        "reasoning_end": candidate.reasoning_end,
    }


def result_of_row(row: Mapping[str, Any]) -> Result:
    """A row of the results table as a record. The problem's template values are not stored; `values` is empty."""
    row_id = bytes.fromhex(row["row_id"])
    columns = {name: value for name, value in row.items() if name not in RESULTS.names}
    problem = Problem(row_id, row["row"], row["id"], row["problem"], {}, row["reference"], columns)
    classes = tuple(AnswerClass(c["answer"], c["votes"], c["weight"], tuple(c["spellings"])) for c in row["classes"])
    votes = {name: row[name] for name in ("predicted", "correct", "votes", "n_valid", "agreement", "margin", "tie")}
    candidates = tuple(_candidate_of(row_id, candidate) for candidate in row["candidates"])
    counts = {name: row[name] for name in ("n_samples", "n_truncated", "output_tokens", "decision")}
    return Result(problem, Vote(**votes, classes=classes), candidates, status=Outcome(row["status"]), **counts)


def _candidate_of(row_id: bytes, row: Mapping[str, Any]) -> Candidate:
    keys = tuple(SampleKey(row_id, key["path"], key["call"], key["k"]) for key in row["keys"])
    return Candidate(**{**row, "keys": keys, "marks": tuple(row["marks"])})


def _batch(columns: Mapping[str, list[Any]], schema: pa.Schema) -> pa.RecordBatch:
    arrays = [_column(columns, field) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _column(columns: Mapping[str, list[Any]], field: pa.Field) -> pa.Array:
    try:
        return pa.array(columns[field.name], type=field.type)
    except (pa.ArrowException, OverflowError, TypeError) as error:
        for row_id, value in zip(columns["row_id"], columns[field.name], strict=True):
            _explain_misfit(row_id, value, field)
        raise StoreError(f"column `{field.name}` ({field.type}) cannot be stored: {error}") from error


def _explain_misfit(row_id: str, value: Any, field: pa.Field) -> None:
    try:
        pa.array([value], type=field.type)
    except (pa.ArrowException, OverflowError, TypeError) as error:
        raise StoreError(
            f"column `{field.name}` of problem {row_id} does not fit its type {field.type}: {error}"
        ) from error
