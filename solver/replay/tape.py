"""What was recorded of one problem, and the two places it may come from: a run directory, or a table of samples."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from solver import answers
from solver.errors import Fault, InputError, nearest
from solver.job import load_job
from solver.problems import InputSpec
from solver.problems.files import find_files
from solver.records import Result, SampleKey
from solver.store import Store


@dataclass(frozen=True, slots=True)
class Recorded:
    """One problem with its candidates, in order of k: parallel tuples.

    answers: extracted, None where there is none; tokens: output tokens of all its samples; logprobs: mean
    log-probability of a token in the last one; weights: as its draw gave them; columns: of the input.
    """

    id: str
    answers: tuple[str | None, ...]
    tokens: tuple[int, ...]
    reference: str | None = None
    logprobs: tuple[float | None, ...] = ()
    weights: tuple[float, ...] = ()
    columns: Mapping[str, Any] = field(default_factory=dict)
    texts: tuple[str, ...] = ()

    @classmethod
    def of_result(cls, result: Result, tokens: Mapping[SampleKey, int]) -> "Recorded":
        """From a result at hand, and the output tokens of its samples."""
        held = sorted(result.candidates, key=lambda one: one.k)
        return cls(
            id=result.problem.id,
            answers=tuple(one.answer for one in held),
            tokens=tuple(sum(tokens.get(key, 0) for key in one.keys) for one in held),
            reference=result.problem.reference,
            columns=result.problem.columns,
        )


_OWN = frozenset({"row_id", "row", "id", "problem", "reference", "predicted", "correct", "votes", "n_samples"})


def read_run(directory: Path) -> tuple[list[Recorded], Mapping[str, Any]]:
    """Every problem of a run that has candidates, and the block of the strategy that drew them."""
    store = Store.read(directory)
    block = load_job(directory / "job.yaml").strategy
    said: dict[str, dict[tuple[str, int, int], tuple[int, float | None, str]]] = {}
    names = ["row_id", "path", "call", "k", "output_tokens", "mean_logprob", "text"]
    for batch in store.sample_batches(names):
        for row in batch.to_pylist():
            key = (row["path"], row["call"], row["k"])
            said.setdefault(row["row_id"], {})[key] = (row["output_tokens"], row["mean_logprob"], row["text"] or "")
    return [_of_row(row, said.get(row["row_id"], {})) for row in store.results() if row["candidates"]], block


def _of_row(row: Mapping[str, Any], said: Mapping[tuple[str, int, int], tuple[int, float | None, str]]) -> Recorded:
    held = sorted(row["candidates"], key=lambda one: int(one["k"]))
    nothing: tuple[int, float | None, str] = (0, None, "")
    samples = [[said.get((key["path"], key["call"], key["k"]), nothing) for key in one["keys"]] for one in held]
    return Recorded(
        id=row["id"],
        answers=tuple(one["answer"] for one in held),
        tokens=tuple(sum(sample[0] for sample in of_one) for of_one in samples),
        reference=row["reference"],
        logprobs=tuple(of_one[-1][1] for of_one in samples),
        weights=tuple(1.0 for _ in held),
        columns={name: value for name, value in row.items() if name not in _OWN},
        texts=tuple(of_one[-1][2][one["reasoning_end"] or 0 :] for of_one, one in zip(samples, held, strict=True)),
    )


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a table of samples hold what; None: found by a common name, if there is one."""

    id: str | None = None
    answer: str | None = None
    text: str | None = None
    reference: str | None = None
    tokens: str | None = None
    logprob: str | None = None


COMMON: Mapping[str, Sequence[str]] = {
    "id": ("problem_id", "id", "uuid", "row_id", "question_id"),
    "answer": ("predicted", "prediction", "answer"),
    "text": ("text", "response", "completion", "output"),
    "reference": ("reference", "gold", "expected_answer", "final_answer"),
    "tokens": ("output_tokens", "tokens", "completion_tokens"),
    "logprob": ("mean_logprob",),
}


def read_table(path: Path, columns: Columns) -> list[Recorded]:
    """A table with one row for each sample, grouped by problem in order of appearance. Raises InputError."""
    found = find_files(InputSpec(str(path)))
    tables = [_table(Path(file), found.format) for file in found.files]
    held = _columns(tables[0].column_names, columns)
    groups: dict[Any, list[dict[str, Any]]] = {}
    for table in tables:
        for row in table.select(sorted(set(held.values()))).to_pylist():
            groups.setdefault(row[held["id"]], []).append(row)
    return [_of_samples(str(name), rows, held) for name, rows in groups.items()]


def _table(path: Path, kind: str) -> pa.Table:

    from pyarrow import csv, json, parquet

    try:
        if kind == "parquet":
            return parquet.read_table(path)
        with pa.input_stream(str(path)) as stream:
            return json.read_json(stream) if kind == "jsonl" else csv.read_csv(stream)
    except (pa.ArrowException, OSError) as error:
        raise InputError([Fault("SOURCE", f"cannot read {path}: {error}")]) from error


def _columns(there: Sequence[str], columns: Columns) -> dict[str, str]:
    """What is held where. Raises InputError with every column that is missing."""
    held, faults = {}, []
    for what, names in COMMON.items():
        given = getattr(columns, what)
        if given is not None and given not in there:
            faults.append(Fault(f"--{what}", f"no column `{given}`", nearest(given, there)))
        name = given or next((name for name in names if name in there), None)
        if name is not None:
            held[what] = name
    if "id" not in held and not columns.id:
        faults.append(Fault("--id", "no column says which problem a sample belongs to", nearest("id", there)))
    if not {"answer", "text"} & held.keys() and not faults:
        faults.append(Fault("--text", "no column holds responses, and none answers", nearest("text", there)))
    if faults:
        raise InputError(faults)
    return held


def _of_samples(name: str, rows: Sequence[Mapping[str, Any]], held: Mapping[str, str]) -> Recorded:
    def each(what: str) -> Iterator[Any]:
        return (row[held[what]] if what in held else None for row in rows)

    gold = next((value for value in each("reference") if value is not None), None)
    texts = tuple("" if value is None else str(value) for value in each("text"))
    return Recorded(
        id=name,
        answers=tuple(map(_text, each("answer"))) if "answer" in held else tuple(map(_extracted, texts)),
        tokens=tuple(int(value or 0) for value in each("tokens")),
        reference=None if gold is None else answers.reference(str(gold)),
        logprobs=tuple(each("logprob")),
        texts=texts,
    )


def _text(value: Any) -> str | None:
    return None if value is None or str(value) == "" else str(value)


def _extracted(text: str) -> str | None:
    found = answers.extract(text, truncated=False, reasoning=answers.DEFAULT_REASONING)
    return found.answer if found else None
