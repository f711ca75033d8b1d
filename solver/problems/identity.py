"""Who is who: the ids of rows, and how equal rows are told apart.

A row's id is a hash of the values that the prompt template reads and of the number of equal rows before it,
counted over the whole input. So it is the same in every format, whatever stands in other columns or rows, and
wherever the row is moved (among equal rows, places are what is numbered).

    content = blake2b-128(canonical JSON of {name: value})
    row id  = content                              for the first row with it
              blake2b-128(content, n as 8 bytes)   for the n-th one after it

Canonical JSON: sorted keys, UTF-8, no spaces. Numbers and truth values are hashed as the text that a template
writes for them (7 in jsonl, "7" in csv); keys of objects that hold null count as missing, as arrow pads them.
Everything here is pure; `surveying.py` makes the pass over the rows.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, time
from hashlib import blake2b
from json.encoder import encode_basestring
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CHUNK = 2**20


@dataclass(frozen=True, slots=True)
class Survey:
    """Identities of all rows of a table, in input order: 24 bytes a row, and a little for each repetition.

    reads: the names that the template reads; rows: how many; faulty: rows that cannot be asked; carried: what stands
    for that which the result of each row takes over from it, shape (rows,), see `carried_hash`.
    """

    reads: tuple[str, ...]
    rows: int
    faulty: int
    carried: NDArray[np.uint64]
    _ids: NDArray[np.bytes_]
    _repeated: NDArray[np.int64]
    _numbers: NDArray[np.int64]

    def row_ids(self) -> NDArray[np.bytes_]:
        """All row ids, dtype S16, shape (rows,), in input order; not a copy. They compare and sort right as they
        stand, but a single one taken out loses its trailing zero bytes: use `row_id`."""
        return self._ids

    def row_id(self, row: int) -> bytes:
        """The id of a row: 16 bytes."""
        return self._ids[row : row + 1].tobytes()

    def occurrence(self, row: int) -> int:
        """How many rows before this one are equal to it in what the template reads."""
        place = int(self._repeated.searchsorted(row))
        found = place < len(self._repeated) and int(self._repeated[place]) == row
        return int(self._numbers[place]) if found else 0


def content_hash(values: Mapping[str, Any]) -> bytes:
    """16 bytes that stand for the values a template reads, whatever format they came in."""
    return blake2b(_object(values).encode(), digest_size=16).digest()


def carried_hash(name: str, reference: str | None, columns: Mapping[str, Any]) -> bytes:
    """8 bytes that stand for what a result takes from its row beside the problem itself: the user's id ("" for none),
    the reference answer, the other columns."""
    values = {column: told for column, value in columns.items() if (told := _whole(value)) is not None}
    return _carried(name, reference, _object(values))


def _carried(name: str, reference: str | None, told: str) -> bytes:
    gold = "null" if reference is None else encode_basestring(reference)
    text = f"[{encode_basestring(name)},{gold},{told}]"
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def content_hashes(columns: Mapping[str, list[Any]], rows: int) -> bytes:
    """`content_hash` of so many rows, one after another, from the columns that the template reads."""
    texts = _texts(columns, rows)
    if texts is None:
        return b"".join(map(content_hash, row_values(columns, rows)))
    return b"".join([blake2b(text.encode(), digest_size=16).digest() for text in texts])


def carried_hashes(
    names: Sequence[str], references: Sequence[str | None], columns: Mapping[str, list[Any]], rows: int
) -> bytes:
    """`carried_hash` of so many rows, one after another, from their other columns."""
    texts = _texts(columns, rows)
    if texts is None:
        return b"".join(map(carried_hash, names, references, row_values(columns, rows)))
    return b"".join(map(_carried, names, references, texts))


def row_values(columns: Mapping[str, list[Any]], rows: int) -> list[dict[str, Any]]:
    """Rows as mappings from columns of values; as many empty rows where there are no columns."""
    if not columns:
        return [{} for _ in range(rows)]
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _texts(columns: Mapping[str, list[Any]], rows: int) -> Iterable[str] | None:
    """`_object` of every row, one at a time, where all values are texts, the usual case; None elsewhere."""
    if not columns:
        return ["{}"] * rows
    if any({*map(type, values)} != {str} for values in columns.values()):
        return None
    names = sorted(columns)
    row = ",".join(encode_basestring(name).replace("%", "%%") + ":%s" for name in names)
    told = [map(encode_basestring, columns[name]) for name in names]
    return map(("{" + row + "}").__mod__, zip(*told, strict=True))


def _whole(value: Any) -> Any:
    """An arrow scalar as a Python value, or as text where there is none: as which it came depends on its batch."""
    if type(value) is str or not hasattr(value, "as_py"):
        return value
    try:
        return value.as_py()
    except (ValueError, OverflowError):
        import pyarrow as pa

        return pa.array([value], value.type).to_string()


def repeat_id(content: bytes, number: int) -> bytes:
    """The row id of the `number`-th repetition (from 1) of a content."""
    return blake2b(content + number.to_bytes(8, "little"), digest_size=16).digest()


def canonical(value: Any) -> Any:
    """A value made of text, null, lists and objects only, the same for every way to store it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return [canonical(element) for element in value]
    if isinstance(value, Mapping):
        return {str(key): canonical(element) for key, element in value.items() if element is not None}
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _object(values: Mapping[str, Any]) -> str:
    """Canonical JSON of named values. Texts, the usual case, take a short way: in a survey of a million rows the
    general encoder is most of the time."""
    parts = []
    for name in sorted(values):
        value = values[name]
        told = encode_basestring(value) if type(value) is str else _ENCODE(canonical(value))
        parts.append(f"{encode_basestring(name)}:{told}")
    return "{" + ",".join(parts) + "}"


_ENCODE: Callable[[Any], str] = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def occurrences(ids: NDArray[np.bytes_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows equal to an earlier one, ascending, and how many are before each.

    ids: S16, shape (rows,). Sorts a copy of the first halves (8 bytes a row); only rows whose first half stands
    twice are looked at any further.
    """
    halves = ids.view(np.uint64).reshape(-1, 2)
    twice = standing_twice(halves[:, 0].copy())
    chunks = range(0, len(ids), _CHUNK) if len(twice) else ()
    found = [start + np.flatnonzero(_among(twice, halves[start : start + _CHUNK, 0])) for start in chunks]
    rows = np.concatenate([np.empty(0, np.int64), *found])
    heads, tails = halves[rows].T
    order = np.lexsort((tails, heads))  # stable: equal rows stay in input order
    heads, tails, rows = heads[order], tails[order], rows[order]
    places = np.arange(len(rows))
    fresh = np.ones(len(rows), dtype=bool)
    fresh[1:] = (heads[1:] != heads[:-1]) | (tails[1:] != tails[:-1])
    numbers = places - np.maximum.accumulate(np.where(fresh, places, 0))
    again = np.flatnonzero(numbers)
    again = again[np.argsort(rows[again])]
    return rows[again], numbers[again]


def standing_twice(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Values that stand more than once, ascending; sorts its argument in place."""
    hashes.sort()
    return np.unique(hashes[1:][hashes[1:] == hashes[:-1]])


def _among(known: NDArray[np.uint64], values: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which values are in `known`, which is ascending and not empty."""
    hits: NDArray[np.bool_] = known[np.minimum(np.searchsorted(known, values), len(known) - 1)] == values
    return hits
