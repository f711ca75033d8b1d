"""What the pages of a parquet file unpack to, by their own headers: the footer is only a promise.

Half a kilobyte of file can hold a page of one megabyte that five hundred rows repeat, under a footer that speaks of
one megabyte in all. Page headers cannot lie about it: the reader unpacks what they say. They are thrift structs in the
compact protocol (parquet-format, `PageHeader`); only their numbers are looked at.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow.parquet as pq

_DICTIONARY = 2  # PageType.DICTIONARY_PAGE
_TYPE, _UNPACKED, _PACKED = 1, 2, 3  # fields of PageHeader
_LONGEST = 16 * 2**20  # bytes of one header
_WIDTHS = {3: 1, 7: 8}  # of thrift's bytes and doubles


@dataclass(frozen=True, slots=True)
class Pages:
    """The largest page and the largest dictionary, in bytes when unpacked."""

    largest: int
    dictionary: int


def unpacked_pages(path: Path, metadata: pq.FileMetaData) -> Pages:
    """Looks at every page header of a file. What is no header is left for the reader to complain about."""
    largest = dictionary = 0
    with path.open("rb") as file:
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            for chunk in map(group.column, range(group.num_columns)):
                for page in _headers(file, chunk):
                    size = page.get(_UNPACKED, 0)
                    largest = max(largest, size)
                    dictionary = max(dictionary, size if page.get(_TYPE) == _DICTIONARY else 0)
    return Pages(largest, dictionary)


def _headers(file: BinaryIO, chunk: pq.ColumnChunkMetaData) -> Iterator[dict[int, int]]:
    """The header of each page of a column chunk."""
    at = chunk.data_page_offset
    if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < at:
        at = chunk.dictionary_page_offset
    end = at + chunk.total_compressed_size
    while at < end:
        header, length = _header(file, at)
        if header is None:
            return
        yield header
        at += length + max(0, header.get(_PACKED, 0))


def _header(file: BinaryIO, at: int) -> tuple[dict[int, int] | None, int]:
    """The numbers of the header at an offset and its length; None for what is no header."""
    for size in (512, 2**16, _LONGEST):
        file.seek(at)
        data = file.read(size)
        try:
            return _struct(data, 0, depth=0)
        except (IndexError, KeyError, RecursionError):
            if len(data) < size:
                break
    return None, 0


def _struct(data: bytes, at: int, depth: int) -> tuple[dict[int, int], int]:
    """A compact thrift struct: its whole numbers by field id, and where it ends."""
    if depth > 20:
        raise RecursionError
    numbers: dict[int, int] = {}
    field = 0
    while head := data[at]:
        at += 1
        if head >> 4:
            field += head >> 4
        else:
            field, at = _zigzag(data, at)
        value, at = _value(data, at, head & 15, depth)
        if value is not None:
            numbers[field] = value
    return numbers, at + 1


def _value(data: bytes, at: int, kind: int, depth: int) -> tuple[int | None, int]:
    """One value of a thrift type: a number, or None for what is passed over."""
    if kind in (1, 2):  # true and false are types
        return None, at
    if kind in (4, 5, 6):
        return _zigzag(data, at)
    if kind == 8:
        size, at = _varint(data, at)
        return None, at + size
    if kind in (9, 10):
        return None, _list(data, at, depth)
    if kind == 12:
        return None, _struct(data, at, depth + 1)[1]
    return None, at + _WIDTHS[kind]


def _list(data: bytes, at: int, depth: int) -> int:
    size, kind = data[at] >> 4, data[at] & 15
    at += 1
    if size == 15:
        size, at = _varint(data, at)
    for _ in range(size):
        at = at + 1 if kind in (1, 2) else _value(data, at, kind, depth + 1)[1]
        if at > len(data):
            raise IndexError
    return at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7


def _zigzag(data: bytes, at: int) -> tuple[int, int]:
    number, at = _varint(data, at)
    return (number >> 1) ^ -(number & 1), at
