"""Exchanging results so that a kill at any step leaves either the old table or the new one.

    1 swap.json: what will come, what will go     5 move what goes to _solver/superseded/
    2 publish what comes                          6 remove swap.json
    3 dataset card
    4 manifest.json, naming this swap: from here on the new table counts

Start-up looks at swap.json: if the manifest names this swap it goes on from step 5, else it sets aside what had come.
Readers look at it as well and leave out the half that does not count.
"""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from solver.errors import StoreError
from solver.store.current import Kept
from solver.store.layout import Layout
from solver.store.publish import disk_errors, move, publish_text, remove
from solver.store.shards import (
    GROUP_ROWS,
    Shard,
    list_shards,
    next_seq,
    read_columns,
    shard_at,
    shard_path,
    write_shard,
)


@dataclass(frozen=True, slots=True)
class Swap:
    """Names (within `results/`) of the shards that come and of those that go."""

    id: str
    new: tuple[str, ...]
    old: tuple[str, ...]


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object that we published, None when there is none. Raises StoreError when it is not one."""
    with disk_errors("read", path):
        try:
            content = json.loads(path.read_text())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise StoreError(
                f"{path} is not JSON: {error}. Restore it from a copy, or start a new directory"
            ) from error
    if not isinstance(content, dict):
        raise StoreError(f"{path} is not a JSON object. Restore it from a copy, or start a new directory")
    return content


@contextmanager
def as_we_wrote(path: Path) -> Iterator[None]:
    """Raises StoreError where what `read_json` gave does not hold what we put there."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"{type(error).__name__}: {error}"
        raise StoreError(
            f"{path} does not hold what belongs there ({what}). Restore it from a copy, or start a new directory"
        ) from error


def counted_results(layout: Layout) -> list[Shard]:
    """The results shards that make up the table, oldest first, a half-made swap taken into account."""
    shards = list_shards(layout.results)
    swap = _pending(layout)
    if swap is None:
        return shards
    left_out = swap.old if _committed(layout, swap) else swap.new
    return [shard for shard in shards if shard.path.name not in left_out]


def recover(layout: Layout) -> str | None:
    """Finish or undo a half-made swap; returns what was done, for people. The owner calls it before anything else."""
    swap = _pending(layout)
    if swap is None:
        return None
    committed = _committed(layout, swap)
    _retire(layout, swap.old if committed else swap.new)
    remove(layout.swap)
    return f"an exchange of results that had been cut off was {'finished' if committed else 'undone'}"


def exchange(
    layout: Layout, epoch: int, shards: Sequence[Shard], kept: Sequence[Kept], commit: Callable[[str | None], None]
) -> None:
    """Leave of `shards` only what is `kept`; `commit` writes the manifest with the swap id that it is given."""
    touched = [(shard, keep) for shard, keep in zip(shards, kept, strict=True) if not keep.untouched]
    if not touched:
        commit(None)
        return
    first = next_seq(layout.shard_directories, epoch, 0)
    mixed = [(shard, keep) for shard, keep in touched if keep.mask.any()]
    new = [shard_path(layout.results, epoch, 0, first + number) for number in range(len(mixed))]
    swap = Swap(uuid.uuid4().hex, tuple(path.name for path in new), tuple(shard.path.name for shard, _ in touched))
    publish_text(layout.swap, layout.tmp, json.dumps({"id": swap.id, "new": swap.new, "old": swap.old}))
    for path, (shard, keep) in zip(new, mixed, strict=True):
        table = _renewed(shard, keep)
        write_shard(path, layout.tmp, table.schema, table.to_batches(max_chunksize=GROUP_ROWS))
    commit(swap.id)
    _retire(layout, swap.old)
    remove(layout.swap)


def _renewed(shard: Shard, kept: Kept) -> pa.Table:
    table = read_columns(shard, None)
    if kept.rows is not None:
        at = table.schema.get_field_index("row")
        table = table.set_column(at, table.schema.field(at), pa.array(kept.rows))
    return table.filter(pa.array(kept.mask))


def _retire(layout: Layout, names: Sequence[str]) -> None:
    for name in names:
        if (layout.results / name).exists():
            move(layout.results / name, layout.aside("superseded", "results") / name)


def _pending(layout: Layout) -> Swap | None:
    record = read_json(layout.swap)
    if record is None:
        return None
    with as_we_wrote(layout.swap):
        names = [*record["new"], *record["old"]]
        if any(shard_at(Path(name)) is None or Path(name).name != name for name in names):
            raise StoreError(f"{layout.swap} names files that are not shards; nothing was touched")
        return Swap(record["id"], tuple(record["new"]), tuple(record["old"]))


def _committed(layout: Layout, swap: Swap) -> bool:
    manifest: Mapping[str, Any] = read_json(layout.manifest) or {}
    return manifest.get("swap") == swap.id
