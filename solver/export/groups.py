"""A run directory -> one `Group` per problem, in input order: what is known about it and its responses.

Memory holds a chunk of problems at a time, cut by the number and the length of their samples.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa

from solver.statistics.headline import HELPED
from solver.store import RESULTS, Store, own_data
from solver.store.gather import Problems, Samples
from solver.strategies.response import beginning, together

CHUNK_PROBLEMS = 512
CHUNK_TOKENS = 4 * 2**20  # about 16 MB of text
_OWN = frozenset(RESULTS.names)
_FIELDS = ("path", "call", "k", "text", "status", "finish_reason", "output_tokens", "mean_logprob", "seed")
_SAMPLE = (*_FIELDS, "data")  # which says how the samples of one response hang together


class Response(NamedTuple):
    """One sample of a problem; the last one of a candidate stands for the candidate.

    text: of a candidate the whole response, with the samples that its last one goes on from and the cues between them
    (strategies/response.py); tokens: output tokens of the samples that the text is made of; own_tokens: of this
    sample alone; reasoning_end: where the reasoning ends in the text, None: it has none; candidate: whether it is a
    full response (a probe, a critique or a first draft is not); label: True for right, False for wrong, None before
    somebody said (select.py).
    """

    path: str
    k: int
    text: str
    status: str
    finish_reason: str | None
    own_tokens: int
    mean_logprob: float | None
    seed: int
    tokens: int
    candidate: bool = False
    answer: str | None = None
    class_id: int | None = None
    correct: bool | None = None
    marks: Sequence[str] = ()
    reasoning_end: int | None = None
    label: bool | None = None

    @property
    def truncated(self) -> bool:
        """Whether it was cut short. A candidate may end in a sample that was, and be whole: its marks know."""
        return "truncated" in self.marks if self.candidate else self.status == "truncated"

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


class Groups:
    """Every problem of a run that has a result, with all its samples that stand. Raises StoreError.

    samples: of the whole run, those of problems without a result too.
    """

    def __init__(self, store: Store) -> None:
        self._problems = Problems(store)
        self._samples = self._problems.samples(_SAMPLE)
        self.samples = len(self._samples)

    def __iter__(self) -> Iterator[Group]:
        for table in self._problems.chunks(CHUNK_PROBLEMS):
            for part in _parts(_result_rows(table)):
                yield from _joined(part, self._samples)


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
    responses, ends = [], set()
    for keys, k, *fields in candidates:
        parts = [by_key[key] for key in keys if key in by_key]
        if parts and len(parts) == len(keys):
            responses.append(_candidate(parts, k, fields))
            ends.add(keys[-1])
    responses.sort(key=lambda response: response.k)
    others = [_sample(one) for key, one in by_key.items() if key not in ends]
    judged = [c[4] for c in candidates if c[4] is not None and not set(HELPED) & set(c[5])]
    rate = sum(judged) / len(judged) if judged else None
    own = {name: value for name, value in row.items() if name in _OWN}
    rest = {name: value for name, value in row.items() if name not in _OWN}
    return Group(own, rest, rate, [*responses, *others])


def _sample(one: Sequence[Any]) -> Response:
    path, _, k, text, status, reason, tokens, logprob, seed, _ = one
    return Response(path, k, text, status, reason, tokens, logprob, seed, tokens)


def _candidate(parts: Sequence[tuple[Any, ...]], k: int, fields: Sequence[Any]) -> Response:
    """The response that the last of these samples ends."""
    path, _, _, text, status, reason, own, logprob, seed, _ = parts[-1]
    answer, class_id, correct, marks, end = fields
    tokens = own
    if len(parts) > 1:
        data = [own_data(part[-1]) for part in parts]
        text = together([(part[3], one) for part, one in zip(parts, data, strict=True)])
        tokens = sum(part[6] for part in parts[beginning(data) :])
    told = (answer, class_id, correct, tuple(marks), end)
    return Response(path, k, text, status, reason, own, logprob, seed, tokens, True, *told)
