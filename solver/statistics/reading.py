"""A run directory -> arrays over its problems and their candidates, without reading a text.

Tokens are the engine's counts in the samples table, joined to candidates by sample key (as 64-bit hashes: among ten
million samples two are taken for each other in one run of 400,000). Some 100 bytes a candidate while reading.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from solver.statistics.headline import HELPED, Mask, marked, mask
from solver.store import RESULTS, Store
from solver.store.index import Ids, key_hashes

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]

PROBLEM_COLUMNS = (
    "row_id",
    "row",
    "reference",
    "predicted",
    "correct",
    "n_valid",
    "agreement",
    "tie",
    "output_tokens",
    "status",
)
CANDIDATE_COLUMNS = ("keys", "k", "class_id", "correct", "marks")
COLUMNS = (*PROBLEM_COLUMNS, *(f"candidates.list.element.{name}" for name in ("k", "class_id", "correct", "marks")))
KEYS = tuple(f"candidates.list.element.keys.list.element.{name}" for name in ("path", "call", "k"))


@dataclass(frozen=True, slots=True)
class Answers:
    """Problems in the order of the results table, and their candidates, those of one problem together, by k.

    Of each problem, shape (problems,): its row id and row in the input; judged: it has a gradable reference; correct:
    its vote is right; agreement: NaN without a vote; abstained: valid candidates but no prediction; tokens: all
    output tokens, cancelled samples and probes included; first: where its candidates begin, shape (problems + 1,).
    Of each candidate, shape (candidates,): class_of, -1 where it does not vote; right; truncated; lengths: output
    tokens of its samples.
    """

    ids: Ids
    row: I64
    judged: Mask
    correct: Mask
    agreement: F64
    tie: Mask
    abstained: Mask
    failed: Mask
    tokens: I64
    first: I64
    class_of: I64
    right: Mask
    truncated: Mask
    lengths: I64

    @property
    def counts(self) -> I64:
        """Candidates of each problem, shape (problems,)."""
        return np.diff(self.first)

    @property
    def problem_of(self) -> I64:
        """The problem that each candidate belongs to, shape (candidates,)."""
        return np.repeat(np.arange(len(self.row)), self.counts)

    def per_problem(self, values: npt.NDArray[Any]) -> F64:
        """Sums over the candidates of each problem; values: shape (candidates,), out: shape (problems,)."""
        sums = np.bincount(self.problem_of, weights=values, minlength=len(self.row))
        return np.asarray(sums, dtype=np.float64)


def read(store: Store) -> Answers:
    """The answers of a run. Raises StoreError where shards are damaged or gone."""
    known = _token_counts(store)
    parts = [_part(batch, known) for batch in store.result_batches((*COLUMNS, *KEYS))]
    if not parts:
        parts = [_part(pa.RecordBatch.from_pylist([], schema=RESULTS), known)]
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0] if name not in ("ids", "n")}
    first = np.concatenate(([0], np.cumsum(np.concatenate([part["n"] for part in parts]))))
    return Answers(ids=Ids.join([part["ids"] for part in parts]), first=first, **columns)


def _token_counts(store: Store) -> tuple[U64, npt.NDArray[np.int32]]:
    """Sorted key hashes of every sample, and its output tokens."""
    hashes, counts = [], []
    for batch in store.sample_batches(("row_id", "path", "call", "k", "output_tokens")):
        call, k = batch.column("call").to_numpy(), batch.column("k").to_numpy().astype(np.int64)
        hashes.append(key_hashes(Ids.of_column(batch.column("row_id")), batch.column("path"), call, k))
        counts.append(batch.column("output_tokens").to_numpy().astype(np.int32))
    if not hashes:
        return np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.int32)
    joined = np.concatenate(hashes)
    order = np.argsort(joined)
    return joined[order], np.concatenate(counts)[order]


def _part(batch: pa.RecordBatch, known: tuple[U64, npt.NDArray[np.int32]]) -> Mapping[str, Any]:
    """The arrays of one batch: candidates in the order of k, those apart left out."""
    ids = Ids.of_column(batch.column("row_id"))
    candidates = batch.column("candidates")
    problem_of = candidates.value_parent_indices().to_numpy().astype(np.int64)
    flat = candidates.flatten()
    marks = flat.field("marks")
    apart, truncated = marked(marks, HELPED), marked(marks, ("truncated",))
    correct = flat.field("correct")
    judged = np.bincount(problem_of[mask(correct.is_valid())], minlength=batch.num_rows) > 0
    bare = np.bincount(problem_of, minlength=batch.num_rows) == 0
    referenced, status = mask(batch.column("reference").is_valid()), batch.column("status").to_numpy(False)
    order = np.lexsort((flat.field("k").to_numpy(), problem_of))
    order = order[~apart[order]]
    valid = batch.column("n_valid").to_numpy() > 0
    return {
        "ids": ids,
        "n": np.bincount(problem_of[order], minlength=batch.num_rows),
        "row": batch.column("row").to_numpy(),
        "judged": referenced & (judged | bare) & (status != "wants_more"),
        "correct": mask(batch.column("correct").fill_null(False)),
        "agreement": batch.column("agreement").fill_null(np.nan).to_numpy(False),
        "tie": mask(batch.column("tie")),
        "abstained": valid & mask(batch.column("predicted").is_null()) & (status != "wants_more"),
        "failed": status == "failed",
        "tokens": batch.column("output_tokens").to_numpy().astype(np.int64),
        "class_of": flat.field("class_id").fill_null(-1).to_numpy().astype(np.int64)[order],
        "right": mask(correct.fill_null(False))[order],
        "truncated": truncated[order],
        "lengths": _lengths(flat, ids.take(problem_of), known)[order],
    }


def _lengths(flat: pa.StructArray, ids: Ids, known: tuple[U64, npt.NDArray[np.int32]]) -> I64:
    """Output tokens of each candidate's samples; a sample that is not in the run counts nothing."""
    keys = flat.field("keys")
    of = keys.value_parent_indices().to_numpy().astype(np.int64)
    inner = keys.flatten()
    call, k = inner.field("call").to_numpy(), inner.field("k").to_numpy().astype(np.int64)
    hashes, counts = known
    wanted = key_hashes(ids.take(of), inner.field("path"), call, k)
    at = np.minimum(np.searchsorted(hashes, wanted), max(len(hashes) - 1, 0))
    found = hashes[at] == wanted if len(hashes) else np.zeros(len(wanted), dtype=np.bool_)
    tokens = np.where(found, counts[at] if len(counts) else 0, 0)
    return np.bincount(of, weights=tokens, minlength=len(flat)).astype(np.int64)
