"""A run directory as a killed run leaves it, of any size, in a minute or two: for bench_resume.py.

The input and its ids are real (`solver.run.read_input`), and so are the shards (`write_shard`: schemas, row groups,
checksums, fsyncs); only the rows are made straight as arrow columns. Samples are texts of about 200 characters.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from solver import strategies
from solver.problems import problems
from solver.run import read_input, read_job
from solver.run.open import Asked, Decisions, Served, fingerprint
from solver.store import SAMPLES, Store, results_schema
from solver.store.layout import Layout
from solver.store.shards import GROUP_ROWS, shard_path, write_shard
from solver.strategies.call import call_hash

N = 16
HALF = 8  # samples that an unfinished problem already has
POOL = 4096
TEXT = 200
_DIGITS = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)


@dataclass(frozen=True)
class Size:
    """How much: problems, the share that is done, shards of each table, and whether what is not done is scattered."""

    problems: int
    done: float
    shards: int
    scattered: bool

    def unfinished(self) -> "np.ndarray[Any, np.dtype[np.bool_]]":
        """Which rows have no result: the last ones, or every so many."""
        count = round(self.problems * (1 - self.done))
        mask = np.zeros(self.problems, dtype=np.bool_)
        if count:
            mask[np.linspace(0, self.problems - 1, count).astype(int) if self.scattered else slice(-count, None)] = True
        return mask


def write_input(folder: Path, count: int) -> Path:
    """`count` different problems with references, as parquet in pieces."""
    schema = pa.schema([("id", pa.string()), ("problem", pa.string()), ("answer", pa.string())])
    path = folder / "in.parquet"
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, count, 50_000):
            numbers = range(start, min(count, start + 50_000))
            texts = [
                f"A train of {n + 3} cars leaves at noon, and each car carries {n % 90 + 10} crates of {n % 7 + 2} "
                "parts. How many parts does the train carry when two cars stay behind?"
                for n in numbers
            ]
            columns = [[f"p{n}" for n in numbers], texts, [str(n % 5) for n in numbers]]
            writer.write_table(pa.table(columns, schema=schema))
    return path


def write_job(folder: Path, count: int) -> Path:
    """The job; JSON is YAML."""
    replies = [f"{'So far this holds. ' * 10}The answer is \\boxed{{{number}}}." for number in range(5)]
    (folder / "replies.json").write_text(json.dumps(replies), "utf-8")
    job = {
        "name": "bench-resume",
        "input": {"path": str(write_input(folder, count))},
        "prompt": {"template": "o1-en"},
        "sampling": {"n": N},
        "engine": {"kind": "scripted", "replies": str(folder / "replies.json"), "slots": 256},
        "output": {"dir": str(folder / "run")},
    }
    (folder / "job.yaml").write_text(json.dumps(job), "utf-8")
    return folder / "job.yaml"


def build(folder: Path, size: Size) -> tuple[Path, list[str]]:
    """Input, job and run directory in `folder`; returns the job's path and the row ids that are not done."""
    path = write_job(folder, size.problems)
    job = read_job(path)
    asked = read_input(job)
    decisions = Decisions(job, strategies.make(job.strategy, job.n), asked.survey, revote=False).accepted().decisions
    with Store.create_or_open(Path(job.output.dir)) as store:
        store.check_fingerprint(fingerprint(asked, Served()), "")
        rows = _Rows(asked, decisions[:, 0])
        layout, unfinished = Layout(store.path), size.unfinished()
        edges = np.linspace(0, size.problems, size.shards + 1).astype(int).tolist()
        for seq, (start, stop) in enumerate(pairwise(edges)):
            done = np.flatnonzero(~unfinished[start:stop]) + start
            for table, made in (
                (layout.samples, rows.samples(np.arange(start, stop), unfinished[start:stop])),
                (layout.results, rows.results(done)),
            ):
                if made.num_rows:
                    target = shard_path(table, store.epoch or 0, 0, seq)
                    write_shard(target, layout.tmp, made.schema, made.to_batches(max_chunksize=GROUP_ROWS))
    ids = asked.survey
    return path, [ids.row_id(row).hex() for row in np.flatnonzero(unfinished).tolist()]


class _Rows:
    """Rows of both tables for any rows of the input."""

    def __init__(self, asked: Asked, decisions: "np.ndarray[Any, np.dtype[np.uint64]]") -> None:
        self._hex = _hexadecimal(asked.survey.row_ids())
        self._decisions = decisions
        self._problems = problems(asked.table, asked.survey)
        self._read = 0
        self._extra = asked.table.schema_other
        self._random = np.random.default_rng(0)
        letters = self._random.choice(list("abcdefghijklmnopqrstuvwxyz    "), (POOL, TEXT))
        endings = (f" The answer is \\boxed{{{number % 5}}}." for number in range(POOL))
        self._texts = pa.array(["".join(row) + end for row, end in zip(letters, endings, strict=True)])

    def samples(self, rows: Any, unfinished: Any) -> pa.Table:
        """All 16 samples of finished problems, 8 of unfinished ones."""
        counts = np.where(unfinished, HALF, N)
        of_row = np.repeat(rows, counts)
        size = len(of_row)
        k = np.arange(size) - np.repeat(np.cumsum(counts) - counts, counts)
        columns: dict[str, Any] = {
            "row_id": _strings(self._hex[of_row]),
            "path": pa.repeat("answer", size),
            "call": pa.repeat(pa.scalar(call_hash("answer", None, "", {}), pa.uint64()), size),
            "k": pa.array(k, pa.int32()),
            "role": pa.repeat("answer", size),
            "text": self._texts.take(pa.array(self._random.integers(0, POOL, size))),
            "status": pa.repeat("ok", size),
            "finish_reason": pa.repeat("stop", size),
            "prompt_tokens": pa.repeat(pa.scalar(40, pa.int32()), size),
            "output_tokens": pa.array(self._random.integers(30, 60, size), pa.int32()),
            "seed": pa.array(self._random.integers(0, 2**62, size)),
        }
        return _table(columns, SAMPLES, size)

    def results(self, rows: Any) -> pa.Table:
        """Results with two classes of answers, 12 votes to 4; the input's own columns beside them."""
        size, asked = len(rows), list(self._next(rows))
        answer = pa.array([problem.reference for problem in asked], pa.string())
        schema = results_schema(self._extra)
        columns: dict[str, Any] = {
            "row_id": _strings(self._hex[rows]),
            "row": pa.array(rows, pa.int64()),
            "id": pa.array([problem.id for problem in asked]),
            "problem": pa.array([problem.text for problem in asked]),
            "reference": answer,
            "predicted": answer,
            "correct": pa.repeat(True, size),
            "tie": pa.repeat(False, size),
            "agreement": pa.repeat(0.75, size),
            "margin": pa.repeat(0.5, size),
            "classes": _lists(_classes(answer), 2, schema.field("classes").type),
            "candidates": _lists(_candidates(answer), N, schema.field("candidates").type),
            "status": pa.repeat("ok", size),
            "decision": pa.array(self._decisions[rows]),
            **{name: pa.array([p.columns[name] for p in asked]) for name in self._extra.names},
        }
        counts = {"votes": 12, "n_samples": N, "n_valid": N, "n_truncated": 0, "output_tokens": 45 * N}
        columns |= {n: pa.repeat(pa.scalar(v, schema.field(n).type), size) for n, v in counts.items()}
        return _table(columns, schema, size)

    def _next(self, rows: Sequence[int]) -> Iterator[Any]:
        """The problems of these rows, which ascend from call to call."""
        for row in rows:
            for problem in self._problems:
                if problem.row == row:
                    yield problem
                    break


def _classes(answer: pa.Array) -> pa.Array:
    both = pa.array([text for one in answer.to_pylist() for text in (one, "none")])
    votes = np.tile([12, 4], len(answer))
    spellings = pa.ListArray.from_arrays(pa.array(range(len(both) + 1), pa.int32()), both)
    return pa.StructArray.from_arrays(
        [both, pa.array(votes, pa.int32()), pa.array(votes, pa.float64()), spellings],
        ["answer", "votes", "weight", "spellings"],
    )


def _candidates(answer: pa.Array) -> pa.Array:
    size = len(answer) * N
    k = np.tile(np.arange(N), len(answer))
    texts = answer.take(pa.array(np.repeat(np.arange(len(answer)), N)))
    call = pa.repeat(pa.scalar(call_hash("answer", None, "", {}), pa.uint64()), size)
    key = pa.StructArray.from_arrays([pa.repeat("answer", size), call, pa.array(k, pa.int32())], ["path", "call", "k"])
    first = k < 12
    parts = {
        "keys": pa.ListArray.from_arrays(pa.array(range(size + 1), pa.int32()), key),
        "k": pa.array(k, pa.int32()),
        "answer": pc.if_else(pa.array(first), texts, "none"),
        "rule": pa.repeat("boxed", size),
        "class_id": pa.array(np.where(first, 0, 1), pa.int32()),
        "correct": pa.array(first),
        "weight": pa.repeat(1.0, size),
        "marks": pa.ListArray.from_arrays(pa.array([0] * (size + 1), pa.int32()), pa.array([], pa.string())),
        "reasoning_end": pa.nulls(size, pa.int64()),
    }
    return pa.StructArray.from_arrays(list(parts.values()), list(parts))


def _lists(values: pa.Array, each: int, kind: pa.DataType) -> pa.Array:
    """`each` values a row."""
    return pa.ListArray.from_arrays(pa.array(np.arange(0, len(values) + 1, each), pa.int32()), values).cast(kind)


def _table(columns: dict[str, Any], schema: pa.Schema, size: int) -> pa.Table:
    absent = {field.name: pa.nulls(size, field.type) for field in schema if field.name not in columns}
    return pa.table([(columns | absent)[field.name] for field in schema], schema=schema)


def _hexadecimal(ids: "np.ndarray[Any, np.dtype[np.bytes_]]") -> "np.ndarray[Any, np.dtype[np.uint8]]":
    """Shape (rows, 32): the characters of every row id."""
    raw = ids.view(np.uint8).reshape(-1, 16)
    return _DIGITS[np.stack([raw >> 4, raw & 15], axis=2).reshape(-1, 32)]


def _strings(characters: "np.ndarray[Any, np.dtype[np.uint8]]") -> pa.Array:
    offsets = np.arange(0, characters.size + 1, 32, dtype=np.int32)
    return pa.StringArray.from_buffers(len(characters), pa.py_buffer(offsets), pa.py_buffer(characters.tobytes()))
