"""Records for the store's tests, and the few things done in most of them."""

import asyncio
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from solver.records import AnswerClass, Candidate, Outcome, Problem, Result, Sample, SampleKey, Status, Vote
from solver.store import Store

DECISION = 2**64 - 7
CALL = 2**64 - 1
EXTRA = pa.schema([("level", pa.int64()), ("status", pa.string()), ("tags", pa.list_(pa.string()))])


def row_id(number: int) -> bytes:
    return hashlib.blake2b(str(number).encode(), digest_size=16).digest()


def key(number: int, k: int = 0, path: str = "answer") -> SampleKey:
    return SampleKey(row_id(number), path, CALL, k)


def sample(number: int, k: int = 0, text: str = "The answer is 4.", **fields: Any) -> Sample:
    given = {
        "key": key(number, k),
        "role": "answer",
        "status": Status.OK,
        "finish_reason": "stop",
        "prompt_tokens": 11,
        "output_tokens": 7,
        "seed": 2**63 - 1 - k,
    }
    return Sample(text=text, **{**given, **fields})


def result(number: int, *, n: int = 2, decision: int = DECISION, row: int | None = None, **columns: Any) -> Result:
    columns = {"level": number, "status": "from the input", "tags": ["a"], **columns}
    where = number if row is None else row
    problem = Problem(row_id(number), where, f"id{number}", f"problem {number}", {}, "4", columns)
    vote = Vote("4", True, n, n, 1.0, 1.0, False, (AnswerClass("4", n, float(n), ("4", "4.0")),))
    candidates = tuple(Candidate((key(number, k),), k, "4", "boxed", 0, True) for k in range(n))
    return Result(problem, vote, candidates, n, 0, 7 * n, Outcome.OK, decision)


def write(path: Path, samples: Iterable[Sample] = (), results: Iterable[Result] = ()) -> None:
    """One start of an owner that writes these rows and stops."""
    with Store.create_or_open(path) as store:
        put(store, samples, results)


def put(store: Store, samples: Iterable[Sample] = (), results: Iterable[Result] = ()) -> None:
    async def add() -> None:
        async with store.writer(extra=EXTRA) as writer:
            for one in samples:
                await writer.add(one)
            for each in results:
                await writer.add_result(each)

    asyncio.run(add())


def problems(path: Path, numbers: Iterable[int], n: int = 2) -> None:
    """One start that writes n samples and the result of every problem."""
    chosen = list(numbers)
    write(path, [sample(i, k) for i in chosen for k in range(n)], [result(i, n=n) for i in chosen])


def shards(path: Path, table: str) -> list[Path]:
    return sorted((path / table).iterdir())
