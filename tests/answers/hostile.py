"""The strings of suite/hostile.jsonl, written out: tests and the benchmark read them here.

A row is `{"category", "text"}`, or a recipe `{"category", "repeat": [piece, count], "before", "after"}` for what would
be long. Rows with one `value` may be equal to each other (and to that value); all others are equal to nothing else.
"""

import json
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_name("suite") / "hostile.jsonl"


class Hostile(NamedTuple):
    """One string of the file; `value`: what it may be equal to, or None."""

    category: str
    text: str
    value: str | None


def hostile(marker: str = "marker") -> list[Hostile]:
    """All of them, in file order; code that ran would make the file `marker`."""
    return [_written(json.loads(line.replace("MARKER", marker))) for line in FILE.read_text("utf-8").splitlines()]


def _written(row: dict) -> Hostile:
    piece, count = row.get("repeat", ("", 0))
    text = row.get("text", row.get("before", "") + piece * count + row.get("after", ""))
    return Hostile(row["category"], text, row.get("value"))
