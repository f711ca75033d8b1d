"""The samples table, batch by batch -> whole responses of chosen candidates, those made of several samples too.

A response is given out and forgotten once its last sample has been read. Samples of one problem lie close together, so
few texts are held at a time.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from solver.store import Store, own_data
from solver.store.index import Ids, key_hashes
from solver.strategies.response import beginning, together

_COLUMNS = ("row_id", "path", "call", "k", "text", "status", "output_tokens", "error", "data")


class Whole(NamedTuple):
    """One response. tokens: output tokens of the samples that its text is made of; status, error: of the last one."""

    text: str
    tokens: int
    status: str
    error: str | None


def hashes_of(row_ids: Sequence[str], keys: Sequence[Mapping[str, Any]]) -> list[int]:
    """The hash of each sample key, as the tables have them: a row id, and `path`, `call` and `k`."""
    if not keys:
        return []
    call = np.array([key["call"] for key in keys], dtype=np.uint64)
    k = np.array([key["k"] for key in keys], dtype=np.int64)
    made = key_hashes(Ids.of_column(pa.array(row_ids)), pa.array([key["path"] for key in keys]), call, k)
    return [int(one) for one in made]


def responses(store: Store, wanted: Sequence[Sequence[int]]) -> Iterator[tuple[int, Whole]]:
    """The place in `wanted` of each response, and the response, as they are met. One that lacks a sample never comes.

    wanted: the hashes of the samples of each, in order. Raises StoreError where shards are damaged.
    """
    users: dict[int, list[int]] = {}
    for place, parts in enumerate(wanted):
        for part in set(parts):
            users.setdefault(part, []).append(place)
    missing = [len(set(parts)) for parts in wanted]
    held: dict[int, dict[str, Any]] = {}
    for part, row in _rows(store, np.array(sorted(users), dtype=np.uint64)):
        held[part] = row
        for place in users[part]:
            missing[place] -= 1
            if not missing[place]:
                yield place, _whole([held[one] for one in wanted[place]])
        for one in {one for place in users[part] if not missing[place] for one in wanted[place]}:
            if not any(missing[place] for place in users[one]):
                held.pop(one, None)


def _rows(store: Store, hashes: np.ndarray[Any, np.dtype[np.uint64]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The samples of these keys, each with its hash."""
    for batch in store.sample_batches(_COLUMNS) if len(hashes) else ():
        call, k = batch.column("call").to_numpy(), batch.column("k").to_numpy().astype(np.int64)
        found = key_hashes(Ids.of_column(batch.column("row_id")), batch.column("path"), call, k)
        at = np.minimum(np.searchsorted(hashes, found), len(hashes) - 1)
        hits = np.flatnonzero(hashes[at] == found)
        if len(hits):
            yield from zip(found[hits].tolist(), batch.take(pa.array(hits)).to_pylist(), strict=True)


def _whole(rows: Sequence[Mapping[str, Any]]) -> Whole:
    data, last = [own_data(row["data"]) for row in rows], rows[-1]
    text = together([(row["text"] or "", one) for row, one in zip(rows, data, strict=True)])
    tokens = sum(row["output_tokens"] or 0 for row in rows[beginning(data) :])
    return Whole(text, tokens, last["status"], last["error"])
