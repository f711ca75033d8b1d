"""What is durable: which problems are done, where each row's samples lie. Numpy arrays, from key columns only.

Row ids are two unsigned 64-bit halves in sorted arrays, found by binary search: 10 million finished problems take
24 bytes each, a sample 8 bytes and its row 24. No text is read here.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from solver.records import Sample, SampleKey, Status

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

Pair = tuple[bytes, int]
"""(row id, decision)"""
Placed = tuple[bytes, int, int]
"""(row id, decision, row)"""


class InputRows(NamedTuple):
    """The input as it is now, one element per row: row ids (dtype S16), and the decisions about each that count, shape
    (rows, decisions)."""

    ids: npt.NDArray[np.bytes_]
    decisions: U64


_NIBBLE = np.full(256, 255, dtype=np.uint8)
_NIBBLE[np.frombuffer(b"0123456789abcdef", dtype=np.uint8)] = np.arange(16, dtype=np.uint8)


class Ids(NamedTuple):
    """Row ids as the upper and lower half of 128 bits, one element per row."""

    high: U64
    low: U64

    @classmethod
    def of_bytes(cls, ids: Sequence[bytes]) -> "Ids":
        """From 16-byte row ids."""
        return cls._of_matrix(np.frombuffer(b"".join(ids), dtype=np.uint8).reshape(-1, 16))

    @classmethod
    def of_stamps(cls, ids: npt.NDArray[np.bytes_]) -> "Ids":
        """From an array of dtype S16, as a survey keeps them."""
        return cls._of_matrix(ids.view(np.uint8).reshape(-1, 16))

    @classmethod
    def of_column(cls, column: pa.ChunkedArray | pa.Array) -> "Ids":
        """From a `row_id` column. Raises pyarrow.ArrowInvalid where an id is not 32 hexadecimal characters."""
        parts = [_hex_matrix(chunk) for chunk in getattr(column, "chunks", [column]) if len(chunk)]
        return cls._of_matrix(np.concatenate(parts) if parts else np.empty((0, 16), dtype=np.uint8))

    @classmethod
    def join(cls, parts: Sequence["Ids"]) -> "Ids":
        """One after another."""
        return cls(_concatenate([part.high for part in parts]), _concatenate([part.low for part in parts]))

    @classmethod
    def _of_matrix(cls, matrix: npt.NDArray[np.uint8]) -> "Ids":
        halves = np.ascontiguousarray(matrix).view(">u8").astype(np.uint64)
        return cls(halves[:, 0].copy(), halves[:, 1].copy())

    def take(self, chosen: Any) -> "Ids":
        """Numpy indexing of both halves."""
        return Ids(self.high[chosen], self.low[chosen])

    def order(self) -> npt.NDArray[np.intp]:
        """What sorts them, equal ids staying as they stood. Upper halves alone nearly always do, in half the time."""
        order = np.argsort(self.high, kind="stable")
        by_half = self.take(order)
        if ((np.diff(by_half.high) == 0) & (np.diff(by_half.low) != 0)).any():
            order = np.lexsort((self.low, self.high))
        return order

    def tobytes(self, index: int) -> bytes:
        """One row id as 16 bytes."""
        return int(self.high[index]).to_bytes(8, "big") + int(self.low[index]).to_bytes(8, "big")


def _hex_matrix(chunk: pa.Array) -> npt.NDArray[np.uint8]:
    offsets = np.frombuffer(chunk.buffers()[1], dtype=np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
    if chunk.null_count or (np.diff(offsets) != 32).any():
        raise pa.ArrowInvalid("a row_id is not 32 characters long")
    text = np.frombuffer(chunk.buffers()[2], dtype=np.uint8)[offsets[0] : offsets[-1]].reshape(-1, 32)
    nibbles = _NIBBLE[text]
    if (nibbles == 255).any():
        raise pa.ArrowInvalid("a row_id is not hexadecimal")
    return np.left_shift(nibbles[:, ::2], np.uint8(4)) | nibbles[:, 1::2]


def _concatenate(parts: Sequence[U64]) -> U64:
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.uint64)


def _halves(row_id: bytes) -> tuple[np.uint64, np.uint64]:
    return np.uint64(int.from_bytes(row_id[:8], "big")), np.uint64(int.from_bytes(row_id[8:], "big"))


class Decisions:
    """Which decisions about each row id there are, and for the input as it is now also where each row stands; what
    `done` asks. A row id may stand more than once."""

    def __init__(self, ids: Ids, decisions: U64, rows: I64 | None = None) -> None:
        """decisions: shape (ids,) or (ids, decisions); rows: shape (ids,)."""
        order = ids.order()
        self._ids, self._decisions = ids.take(order), _matrix(decisions)[order]
        self._rows = None if rows is None else rows[order]

    @classmethod
    def of_input(cls, current: "Iterable[Pair] | Iterable[Placed] | InputRows", chunk: int = 65536) -> "Decisions":
        """From arrays, or from pairs or triples of any number, gathered so that no list of all is in memory."""
        if isinstance(current, InputRows):
            return cls(Ids.of_stamps(current.ids), current.decisions, np.arange(len(current.ids), dtype=np.int64))
        ids: list[Ids] = []
        numbers: list[U64] = []
        source: Iterator[Pair | Placed] = iter(current)
        while block := list(islice(source, chunk)):
            ids.append(Ids.of_bytes([item[0] for item in block]))
            numbers.append(np.array([item[1:] for item in block], dtype=np.uint64))
        joined = np.concatenate(numbers) if numbers else np.empty((0, 1), dtype=np.uint64)
        return cls(Ids.join(ids), joined[:, 0], joined[:, 1].astype(np.int64) if joined.shape[1] == 2 else None)

    def __len__(self) -> int:
        return len(self._decisions)

    @property
    def distinct(self) -> int:
        """How many row ids there are, each counted once."""
        high, low = self._ids
        return int(((np.diff(high) != 0) | (np.diff(low) != 0)).sum()) + bool(len(high))

    def has(self, row_id: bytes, decision: int | None = None) -> bool:
        """Whether this very pair is there; for None, whether any decision about the row is."""
        high, low = _halves(row_id)
        at = int(np.searchsorted(self._ids.high, high))
        while at < len(self) and self._ids.high[at] == high:
            if self._ids.low[at] == low and (decision is None or decision in self._decisions[at].tolist()):
                return True
            at += 1
        return False

    def among(self, ids: Ids) -> Mask:
        """For each id, whether any decision about it is there."""
        return np.asarray(self._find(ids, None) >= 0)

    def pairs(self, ids: Ids, decisions: U64) -> tuple[Mask, I64 | None]:
        """For each id, whether it is there with any of its decisions, and where its row stands in the input (None:
        nobody said). decisions: shape (ids,) or (ids, decisions)."""
        found = self._find(ids, _matrix(decisions))
        return found >= 0, self._rows[found] if self._rows is not None and len(self) else None

    def _find(self, ids: Ids, decisions: U64 | None) -> I64:
        found = np.full(len(ids.high), -1, dtype=np.int64)
        at = np.searchsorted(self._ids.high, ids.high)
        open_ = np.flatnonzero(at < len(self))
        while len(open_):  # one turn, and one more per id that shares its upper half or has several decisions
            open_ = open_[self._ids.high[at[open_]] == ids.high[open_]]
            same = self._ids.low[at[open_]] == ids.low[open_]
            if decisions is not None:
                same &= _any_equal(self._decisions[at[open_]], decisions[open_])
            found[open_[same]] = at[open_[same]]
            open_ = open_[~same]
            at[open_] += 1
            open_ = open_[at[open_] < len(self)]
        return found


def _matrix(decisions: U64) -> U64:
    return decisions if decisions.ndim == 2 else decisions[:, None]


def _any_equal(held: U64, wanted: U64) -> Mask:
    """For each row of two matrices, whether they share a number."""
    equal = np.zeros(len(held), dtype=np.bool_)
    for one in held.T:
        equal |= (wanted == one[:, None]).any(axis=1)
    return equal


class Places:
    """Where the samples of each row lie: (shard number, row in it), oldest first."""

    def __init__(self, parts: Sequence[tuple[Ids, int, npt.NDArray[np.uint32]]]) -> None:
        """parts: for each shard, oldest first, the ids of the rows to know, its number, and their positions in it."""
        ids = Ids.join([part for part, _, _ in parts])
        shards = [np.full(len(rows), number, dtype=np.uint32) for _, number, rows in parts]
        order = ids.order()
        ids = ids.take(order)
        change = (np.diff(ids.high) != 0) | (np.diff(ids.low) != 0)
        starts = np.flatnonzero(np.concatenate(([True], change))) if len(order) else np.empty(0, dtype=np.int64)
        self._ids, self._starts = ids.take(starts), np.append(starts, len(order))
        self._shards = _concatenate_u32(shards)[order]
        self._rows = _concatenate_u32([rows for _, _, rows in parts])[order]

    def __len__(self) -> int:
        return len(self._rows)

    def of(self, row_id: bytes) -> list[tuple[int, int]]:
        """(shard number, row) of every sample of one row, oldest first."""
        high, low = _halves(row_id)
        at = int(np.searchsorted(self._ids.high, high))
        while at < len(self._ids.high) and self._ids.high[at] == high:
            if self._ids.low[at] == low:
                span = slice(int(self._starts[at]), int(self._starts[at + 1]))
                return list(zip(self._shards[span].tolist(), self._rows[span].tolist(), strict=True))
            at += 1
        return []


def _concatenate_u32(parts: Sequence[npt.NDArray[np.uint32]]) -> npt.NDArray[np.uint32]:
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.uint32)


def key_hashes(ids: Ids, path: pa.Array, call: U64, k: I64) -> U64:
    """64-bit mixes of sample keys, for finding the few that may be equal; equality itself is decided on the keys."""
    words = path.dictionary_encode()
    codes = np.array([hash_text(word) for word in words.dictionary.to_pylist()], dtype=np.uint64)
    mixed = ids.high ^ codes[words.indices.to_numpy(zero_copy_only=False)]
    for part in (ids.low, call, k.astype(np.uint64)):
        mixed = mix(mixed) ^ part
    return mix(mixed)


def hash_text(text: str) -> int:
    """A 64-bit polynomial hash of a short name, equal in every process."""
    value = 14695981039346656037
    for byte in text.encode("utf-8", "surrogatepass"):
        value = ((value ^ byte) * 1099511628211) % 2**64
    return value


def mix(value: U64) -> U64:
    """64-bit numbers to well mixed ones, one to one: the finalizer of splitmix64 (Steele, Lea and Flood 2014)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@dataclass(frozen=True, slots=True)
class Copy:
    """What decides between two durable copies of one key."""

    status: Status
    output_tokens: int

    def beats(self, first: "Copy") -> bool:
        """Whether this later copy takes the place of the `first` one: see `chosen`."""
        if first.status is Status.CANCELLED:
            return self.status is not Status.CANCELLED
        if first.status not in (Status.TRUNCATED, Status.TOO_LONG):
            return False
        if self.status in (Status.OK, Status.STOPPED):
            return True
        return self.status is Status.TRUNCATED and (
            first.status is Status.TOO_LONG or self.output_tokens > first.output_tokens
        )


def chosen(copies: Iterable[Sample]) -> dict[SampleKey, Sample]:
    """The copy that stands for each key, from copies given oldest first.

    The first one does, except: a cancelled copy gives way to any finished one; a truncated or too long one to a
    complete one (`ok`, `stopped`), and to a longer truncated one.
    """
    winners: dict[SampleKey, Sample] = {}
    for sample in copies:
        held = winners.get(sample.key)
        if held is None or Copy(sample.status, sample.output_tokens).beats(Copy(held.status, held.output_tokens)):
            winners[sample.key] = sample
    return winners


def answers(sample: Sample, *, max_tokens: int | None = None, context: int | None = None) -> bool:
    """Whether a durable copy answers a call under these caps (None: whatever they were).

    A cancelled copy never does. A truncated one does unless both caps leave room for more than it has; a too long
    prompt does unless the context now holds it.
    """
    match sample.status:
        case Status.CANCELLED:
            return False
        case Status.TRUNCATED:
            at_cap = max_tokens is None or sample.output_tokens >= max_tokens
            return at_cap or (context is not None and sample.prompt_tokens + sample.output_tokens >= context)
        case Status.TOO_LONG:
            return context is None or sample.prompt_tokens >= context
        case _:
            return True
