"""Exchanging shards of both tables so that a kill at any step leaves either the old tables or the new ones.

    1 swap.json: what will come, what will go     5 move what goes to _solver/superseded/
    2 publish what comes                          6 remove swap.json
    3 dataset card
    4 manifest.json, naming this swap: from here on the new tables count

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
    """Names (such as `results/part-0001-00-000000.parquet`) of the shards that come and of those that go."""

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
        except (ValueError, RecursionError) as error:
            raise StoreError(f"{path} is not JSON: {error}. {_mend(path)}") from error
    if not isinstance(content, dict):
        raise StoreError(f"{path} is not a JSON object. {_mend(path)}")
    return content


def _mend(path: Path) -> str:
    """What to do about a file of ours that is spoiled. Only the manifest can be done without: a run writes it anew."""
    if path.name == "manifest.json" and not (path.parent / "_solver" / "swap.json").exists():
        return "Restore it from a copy, or move it away: the next `solver run` writes it anew"
    return "Restore it from a copy, or start a new directory"


@contextmanager
def as_we_wrote(path: Path) -> Iterator[None]:
    """Raises StoreError where what `read_json` gave does not hold what we put there."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"{type(error).__name__}: {error}"
        raise StoreError(f"{path} does not hold what belongs there ({what}). {_mend(path)}") from error


def counted_results(layout: Layout) -> list[Shard]:
    """The results shards that make up the table, oldest first, a half-made swap taken into account."""
    return _counted(layout, layout.results)


def counted_samples(layout: Layout) -> list[Shard]:
    """The same of the samples table."""
    return _counted(layout, layout.samples)


def _counted(layout: Layout, table: Path) -> list[Shard]:
    shards = list_shards(table)
    swap = _pending(layout)
    if swap is None:
        return shards
    left_out = set(swap.old if _committed(layout, swap) else swap.new)
    return [shard for shard in shards if shard.relative not in left_out]


def recover(layout: Layout) -> str | None:
    """Finish or undo a half-made swap; returns what was done, for people. The owner calls it before anything else."""
    swap = _pending(layout)
    if swap is None:
        return None
    committed = _committed(layout, swap)
    _retire(layout, swap.old if committed else swap.new)
    remove(layout.swap)
    return f"an exchange of tables that had been cut off was {'finished' if committed else 'undone'}"


def exchange(
    layout: Layout, epoch: int, kept: Sequence[tuple[Shard, Kept]], commit: Callable[[str | None], None]
) -> None:
    """Leave of these shards, of either table, only what is kept; the others stay.

    commit: writes the manifest with the swap id that it is given.
    """
    touched = [(shard, keep) for shard, keep in kept if not keep.untouched]
    if not touched:
        commit(None)
        return
    first = next_seq(layout.shard_directories, epoch, 0)
    mixed = [(shard, keep) for shard, keep in touched if keep.mask.any()]
    new = [shard_path(shard.path.parent, epoch, 0, first + number) for number, (shard, _) in enumerate(mixed)]
    coming = tuple(f"{path.parent.name}/{path.name}" for path in new)
    swap = Swap(uuid.uuid4().hex, coming, tuple(shard.relative for shard, _ in touched))
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
        if (path := layout.run / name).exists():
            move(path, layout.aside("superseded", path.parent.name) / path.name)


def _pending(layout: Layout) -> Swap | None:
    record = read_json(layout.swap)
    if record is None:
        return None
    with as_we_wrote(layout.swap):
        new, old = (tuple(_relative(layout, name) for name in record[side]) for side in ("new", "old"))
        return Swap(record["id"], new, old)


def _relative(layout: Layout, name: str) -> str:
    """A name as version 0.1 wrote it, which exchanged results alone, or as it is now."""
    path = Path(name) if "/" in name else Path("results", name)
    shard = shard_at(layout.run / path)
    if shard is None or len(path.parts) != 2 or shard.path.parent not in (layout.samples, layout.results):
        raise StoreError(f"{layout.swap} names files that are not shards; nothing was touched")
    return shard.relative


def _committed(layout: Layout, swap: Swap) -> bool:
    manifest: Mapping[str, Any] = read_json(layout.manifest) or {}
    return manifest.get("swap") == swap.id
