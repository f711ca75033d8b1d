"""Small run directories made of candidates: what a run leaves, without a run."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from solver.records import Candidate, Outcome, Problem, Result, Sample, SampleKey, Status
from solver.store import Store
from solver.votes import classed, vote


@dataclass(frozen=True)
class Said:
    """One response: its answer (None: none), what it says, how long it is, how it ended, where its reasoning ends."""

    answer: str | None
    tokens: int = 10
    text: str | None = None
    status: Status = Status.OK
    marks: tuple[str, ...] = ()
    reasoning_end: int | None = None


@dataclass(frozen=True)
class Asked:
    """One problem with its responses."""

    said: Sequence[Said]
    reference: str | None = "1"
    text: str = ""
    columns: Mapping[str, Any] = field(default_factory=dict)


def answers(*texts: str | None, **fields: Any) -> Asked:
    """A problem answered so."""
    return Asked([Said(text) for text in texts], **fields)


def make_run(
    path: Path, asked: Sequence[Asked], *, name: str = "made", job: str | None = None, first_id: int = 0, **facts: Any
) -> Path:
    """A finished run directory of these problems; first_id: the row id of the first, counted on from there."""

    async def write() -> None:
        with Store.create_or_open(path) as store:
            if job is not None:
                store.write_job(job)
            columns = pa.Table.from_pylist([dict(one.columns) for one in asked]).schema
            async with store.writer(extra=columns or None) as writer:
                for row, one in enumerate(asked):
                    samples, result = _rows(row, one, (first_id + row).to_bytes(16, "big"))
                    for sample in samples:
                        await writer.add(sample)
                    await writer.add_result(result)
            store.finish({"name": name, **facts})

    asyncio.run(write())
    return path


def _rows(row: int, asked: Asked, row_id: bytes) -> tuple[list[Sample], Result]:
    text = asked.text or f"problem {row}"
    problem = Problem(row_id, row, f"p{row}", text, {}, asked.reference, asked.columns)
    samples, candidates = [], []
    for k, said in enumerate(asked.said):
        key = SampleKey(problem.row_id, "answer", 7, k)
        words = said.text if said.text is not None else f"So \\boxed{{{said.answer}}}"
        samples.append(Sample(key, "answer", words, said.status, "stop", 5, said.tokens, k))
        cut = ("truncated",) if said.status is Status.TRUNCATED else ()
        marks, end = (*cut, *said.marks), said.reasoning_end
        candidates.append(Candidate((key,), k, said.answer, "boxed", marks=marks, reasoning_end=end))
    numbers = {text: number for number, text in enumerate(dict.fromkeys(c.answer for c in candidates if c.answer))}
    voting = [None if c.answer is None or "hinted" in c.marks else numbers[c.answer] for c in candidates]
    gold = None if asked.reference is None else numbers.get(asked.reference, -1)
    done = classed(candidates, voting, gold)
    cast = vote(done)
    outcome = Outcome.OK if cast.predicted is not None else Outcome.NO_ANSWER
    cut = sum("truncated" in c.marks for c in done)
    return samples, Result(problem, cast, done, len(done), cut, sum(s.output_tokens for s in samples), outcome)
