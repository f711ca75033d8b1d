"""Which samples the report shows, and their texts, cut: the samples table is read once, whole texts are never kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from solver.store import Store
from solver.store.index import Ids, key_hashes

COLUMNS = ("row_id", "path", "call", "k", "text", "status", "output_tokens", "error")
Cut = tuple[str, int, str]
"""A text: its head, how many characters are left out after it, and its tail; ("whole", 0, "") where nothing is."""
_HEAD = 0.6  # of a cut text; the end has the answer


@dataclass(frozen=True, slots=True)
class Shown:
    """One sample as the report shows it. reasoning: what was thought and not said aloud; said: the rest."""

    status: str
    tokens: int
    reasoning: Cut
    said: Cut
    error: str | None

    def within(self, length: int) -> "Shown":
        """The same in at most so many characters: what was said goes first, reasoning gets what is left."""
        said = shorter(self.said, length)
        left = max(length - len(said[0]) - len(said[2]), length // 4)
        return Shown(self.status, self.tokens, shorter(self.reasoning, left), said, self.error)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The samples to show: sorted hashes of their keys, and where the reasoning of each ends (-1: nowhere)."""

    hashes: np.ndarray[Any, np.dtype[np.uint64]]
    ends: np.ndarray[Any, np.dtype[np.int64]]

    @classmethod
    def of(cls, ends: Mapping[int, int]) -> "Wanted":
        """From hash -> end of the reasoning."""
        hashes = np.array(sorted(ends), dtype=np.uint64)
        return cls(hashes, np.array([ends[one] for one in hashes.tolist()], dtype=np.int64))


def hashes_of(row_ids: Sequence[str], keys: Sequence[Mapping[str, Any]]) -> list[int]:
    """The hash of each sample key; row_ids: as the tables have them."""
    if not keys:
        return []
    call = np.array([key["call"] for key in keys], dtype=np.uint64)
    k = np.array([key["k"] for key in keys], dtype=np.int64)
    made = key_hashes(Ids.of_column(pa.array(row_ids)), pa.array([key["path"] for key in keys]), call, k)
    return [int(one) for one in made]


def texts(store: Store, wanted: Wanted, length: int) -> dict[int, Shown]:
    """The wanted samples by hash, each in at most `length` characters. Raises StoreError where shards are damaged."""
    out: dict[int, Shown] = {}
    if not len(wanted.hashes):
        return out
    for batch in store.sample_batches(COLUMNS):
        call, k = batch.column("call").to_numpy(), batch.column("k").to_numpy().astype(np.int64)
        hashes = key_hashes(Ids.of_column(batch.column("row_id")), batch.column("path"), call, k)
        at = np.minimum(np.searchsorted(wanted.hashes, hashes), len(wanted.hashes) - 1)
        hits = np.flatnonzero(wanted.hashes[at] == hashes)
        if not len(hits):
            continue
        for place, row in zip(hits.tolist(), batch.take(pa.array(hits)).to_pylist(), strict=True):
            out[int(hashes[place])] = _shown(row, int(wanted.ends[at[place]]), length)
    return out


def _shown(row: Mapping[str, Any], end: int, length: int) -> Shown:
    text = row["text"] or ""
    thought, said = (text[:end], text[end:]) if end > 0 else ("", text)
    whole = Shown(row["status"], row["output_tokens"] or 0, (thought, 0, ""), (said, 0, ""), row["error"])
    return whole.within(length)


def shorter(text: Cut, length: int) -> Cut:
    """A text, cut or not, in at most `length` characters: from the middle, as the answer stands at the end."""
    head, gone, tail = text
    if len(head) + len(tail) <= length:
        return text
    front = int(length * _HEAD)
    back = length - front
    if gone:
        kept_head, kept_tail = head[:front], tail[max(len(tail) - back, 0) :]
    else:
        kept_head, kept_tail = head[:front], head[len(head) - back :]
    return kept_head, gone + len(head) + len(tail) - len(kept_head) - len(kept_tail), kept_tail
