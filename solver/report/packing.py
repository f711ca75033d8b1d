"""Rows and what they open to -> data blocks that fit the size budget.

The rows are one JSON block, read when the page opens. What they open to lies in blocks of PROBLEMS problems,
compressed (deflate) and in base64, which the page unpacks when one is opened: so a page of 30 MB opens at once.
Where the budget is too small, samples are cut shorter, then left out, and then the table ends early; all of it is said.
"""

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from solver.report.listing import Listing, Opened, told
from solver.report.samples import Shown

PROBLEMS = 50
"""Problems of a block: as many as a page of the table has."""
LEAST = 160
"""Characters below which a sample says nothing and is left out."""
_ROWS_SHARE = 0.5  # of the budget, at most, for the rows themselves
_PROBE = 12  # every so manyth block is packed to tell how short samples must be


@dataclass(frozen=True, slots=True)
class Packed:
    """Data blocks as they stand in the page. length: characters of a sample, 0 for none; listed: problems."""

    rows: str
    blocks: list[str]
    length: int
    listed: int


def pack(listing: Listing, texts: Mapping[int, Shown], budget: int, length: int) -> Packed:
    """The whole of it in at most about `budget` bytes; length: characters of a sample, at most."""
    listed = _fitting(listing.rows, int(budget * _ROWS_SHARE))
    rows = in_script(listing.rows[:listed])
    left = budget - len(rows)
    groups = [listing.opened[start : start + PROBLEMS] for start in range(0, listed, PROBLEMS)]
    length = _probed(groups, texts, left, length)
    while True:
        blocks = [_block(group, texts, length) for group in groups]
        size = sum(map(len, blocks))
        if size <= left or not length:
            break
        length = _less(length, left, size)
    if size > left:  # what problems open to does not fit even without samples
        kept = 0
        while kept < len(blocks) and sum(map(len, blocks[: kept + 1])) <= left:
            kept += 1
        listed = min(listed, kept * PROBLEMS)
        rows, blocks = in_script(listing.rows[:listed]), blocks[:kept]
    return Packed(rows, blocks, length, listed)


def _fitting(rows: Sequence[Any], budget: int) -> int:
    """How many rows from the first on fit."""
    size = 0
    for number, row in enumerate(rows):
        size += len(in_script(row)) + 1
        if size > budget:
            return number
    return len(rows)


def _probed(groups: Sequence[Sequence[Opened]], texts: Mapping[int, Shown], budget: int, length: int) -> int:
    """A length at which all blocks will fit, from packing a few of them."""
    some = groups[:: max(1, len(groups) // _PROBE)]
    while length and some:
        size = sum(len(_block(group, texts, length)) for group in some) * len(groups) / len(some)
        if size <= 0.97 * budget:
            break
        length = _less(length, 0.97 * budget, size)
    return length


def _less(length: int, budget: float, size: float) -> int:
    shorter = int(length * max(0.5, 0.97 * budget / size))
    return shorter if shorter >= LEAST else 0


def _block(group: Sequence[Opened], texts: Mapping[int, Shown], length: int) -> str:
    made = [told(one, texts, length) for one in group]
    data = json.dumps(made, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return base64.b64encode(zlib.compress(data, 6)).decode()


def in_script(value: Any) -> str:
    """JSON in pure ASCII that may stand inside a script element: nothing in it can end or open one."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
