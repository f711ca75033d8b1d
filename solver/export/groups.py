"""A run directory -> one `Group` per problem, in input order: what is known about it and its responses.

Memory holds a chunk of problems at a time, cut by the number and the length of their samples.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa

from solver.statistics.headline import HELPED
from solver.store import RESULTS, Store
from solver.store.gather import Problems, Samples

CHUNK_PROBLEMS = 512
CHUNK_TOKENS = 4 * 2**20  # about 16 MB of text
_OWN = frozenset(RESULTS.names)
_SAMPLE = ("path", "call", "k", "text", "status", "finish_reason", "output_tokens", "mean_logprob", "seed")


class Response(NamedTuple):
    """One sample of a problem, or a candidate made of several.

    text: whole, the samples of a candidate one after another; reasoning_end: where its reasoning ends, None: it has
    none; candidate: whether it votes at all (a probe does not); label: True for right, False for wrong, None before
    somebody said (select.py).
    """

    path: str
    k: int
    text: str
    status: str
    finish_reason: str | None
    tokens: int
    mean_logprob: float | None
    seed: int
    candidate: bool = False
    answer: str | None = None
    class_id: int | None = None
    correct: bool | None = None
    marks: Sequence[str] = ()
    reasoning_end: int | None = None
    label: bool | None = None

    @property
    def truncated(self) -> bool:
        """Whether it was cut short."""
        return self.status == "truncated"

    @property
    def usable(self) -> bool:
        """Whether the model said something."""
        return self.status in ("ok", "truncated", "stopped")


@dataclass(frozen=True, slots=True)
class Group:
    """One problem. row: the results row without candidates, as stored; columns: the input's other columns;
    pass_rate: share of right candidates among those judged, helped ones apart, None without a reference;
    source: `verified` or `voted`, what the labels of its responses rest on."""

    row: Mapping[str, Any]
    columns: Mapping[str, Any]
    pass_rate: float | None
    responses: Sequence[Response]
    source: str | None = None

    @property
    def id(self) -> str:
        """The user's id."""
        return str(self.row["id"])

    @property
    def row_id(self) -> str:
        """32 hexadecimal characters."""
        return str(self.row["row_id"])

    @property
    def problem(self) -> str:
        """The problem's text."""
        return str(self.row["problem"])

    @property
    def right_class(self) -> int | None:
        """The class that won the vote, None without one."""
        for number, one in enumerate(self.row["classes"]):
            if one["answer"] == self.row["predicted"]:
                return number
        return None


def groups(store: Store) -> Iterator[Group]:
    """Every problem of the run that has a result, with all its samples that stand. Raises StoreError."""
    problems = Problems(store)
    samples = problems.samples(_SAMPLE)
    for table in problems.chunks(CHUNK_PROBLEMS):
        rows = _result_rows(table)
        for part in _parts(rows):
            yield from _joined(part, samples)


def _result_rows(table: pa.Table) -> list[dict[str, Any]]:
    """Results as dictionaries. Candidates are flattened first: arrow makes nested dictionaries slowly."""
    at = table.column_names.index("candidates")
    rows: list[dict[str, Any]] = table.remove_column(at).to_pylist()
    lists = table["candidates"].combine_chunks()
    lists = lists.combine_chunks() if isinstance(lists, pa.ChunkedArray) else lists
    flat = lists.flatten()
    keys = flat.field("keys")
    inner = keys.flatten()
    key = list(zip(*(inner.field(name).to_pylist() for name in ("path", "call", "k")), strict=True))
    ends = _ends(keys)
    names = ("k", "answer", "class_id", "correct", "marks", "reasoning_end")
    values = list(zip(*(flat.field(name).to_pylist() for name in names), strict=True))
    candidates = [(key[ends[n] : ends[n + 1]], *one) for n, one in enumerate(values)]
    ends = _ends(lists)
    for number, row in enumerate(rows):
        row["candidates"] = candidates[ends[number] : ends[number + 1]]
    return rows


def _ends(lists: pa.ListArray) -> list[int]:
    """Where each list begins among the flattened values, and one more."""
    lengths = lists.value_lengths().fill_null(0).to_pylist()
    ends = [0]
    for length in lengths:
        ends.append(ends[-1] + length)
    return ends


def _parts(rows: Sequence[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    """The problems in parts of a bounded number of tokens; one huge problem is a part of its own."""
    start = tokens = 0
    for at, row in enumerate(rows):
        if tokens and tokens + row["output_tokens"] > CHUNK_TOKENS:
            yield rows[start:at]
            start, tokens = at, 0
        tokens += row["output_tokens"]
    yield rows[start:]


def _joined(rows: Sequence[dict[str, Any]], samples: Samples) -> Iterator[Group]:
    numbers = [samples.numbers(row["row_id"]) for row in rows]
    table = samples.take([number for part in numbers for number in part])
    columns = (table[name].to_pylist() for name in _SAMPLE) if table.num_columns else ()
    said = list(zip(*columns, strict=True))
    at = 0
    for row, part in zip(rows, numbers, strict=True):
        yield _group(row, said[at : at + len(part)])
        at += len(part)


def _group(row: dict[str, Any], said: Sequence[tuple[Any, ...]]) -> Group:
    candidates = row.pop("candidates")
    by_key = {one[:3]: one for one in said}
    responses = []
    for keys, k, answer, class_id, correct, marks, end in candidates:
        parts = [by_key.pop(key) for key in keys if key in by_key]
        if len(parts) == len(keys) and parts:
            fields = (answer, class_id, correct, tuple(marks), end)
            responses.append(_candidate(parts, k, fields))
    responses.sort(key=lambda response: response.k)
    others = [Response(one[0], one[2], *one[3:]) for one in by_key.values()]
    judged = [c[4] for c in candidates if c[4] is not None and not set(HELPED) & set(c[5])]
    rate = sum(judged) / len(judged) if judged else None
    own = {name: value for name, value in row.items() if name in _OWN}
    rest = {name: value for name, value in row.items() if name not in _OWN}
    return Group(own, rest, rate, [*responses, *others])


def _candidate(parts: Sequence[tuple[Any, ...]], k: int, fields: tuple[Any, ...]) -> Response:
    """One response; where it was made of several samples, their texts follow each other."""
    last, (answer, class_id, correct, marks, end) = parts[-1], fields
    path, _, _, text, status, reason, tokens, logprob, seed = last
    if len(parts) > 1:
        before = "".join(part[3] for part in parts[:-1])
        end = None if end is None else end + len(before)
        text, tokens = before + text, sum(part[6] for part in parts)
    return Response(path, k, text, status, reason, tokens, logprob, seed, True, answer, class_id, correct, marks, end)
