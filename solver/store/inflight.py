"""What was in flight when a process last flushed: the text of such a note, and what the next owner makes of it.

A note holds the key of every request in progress, with the engine deaths it has witnessed and those that happened
under it alone. It is a hint, not the ledger: it lets a request that kills engines be found once and not once per
start. Being in flight when a process was killed counts for nothing.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from solver.records import SampleKey
from solver.store.layout import Layout

Deaths = tuple[int, int]
"""Engine deaths that a request has witnessed, and how many of them happened under it alone."""


def note(in_progress: Iterable[tuple[SampleKey, Deaths]]) -> str:
    """JSON text: [row id, path, call, k], and for those that witnessed deaths their two counts."""
    rows = [
        [key.row_id.hex(), key.path, key.call, key.k, *(deaths if any(deaths) else ())] for key, deaths in in_progress
    ]
    return json.dumps({"in_flight": rows})


def left_behind(run: Path, epoch: int) -> dict[SampleKey, Deaths]:
    """Requests that witnessed engine deaths, as the latest earlier owner left them; empty where nothing is readable.

    All workers of that owner count. epoch: of the present owner.
    """
    found: dict[int, list[Path]] = {}
    for path in sorted(Layout(run).in_flight.glob("*.json")):
        number = path.name.partition("-")[0]
        if number.isdecimal() and int(number) < epoch:
            found.setdefault(int(number), []).append(path)
    return {key: deaths for path in found.get(max(found, default=0), []) for key, deaths in _read(path)}


def _read(path: Path) -> Iterable[tuple[SampleKey, Deaths]]:
    try:
        for row_id, where, call, k, *deaths in json.loads(path.read_text("utf-8"))["in_flight"]:
            if deaths:
                yield SampleKey(bytes.fromhex(row_id), str(where), int(call), int(k)), (int(deaths[0]), int(deaths[1]))
    except (OSError, ValueError, TypeError, KeyError, IndexError):
        return  # a hint that cannot be read costs a few restarts, no sample
