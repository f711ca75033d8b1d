"""What finish leaves of the samples table: one copy of each key. Keys are read only where one may be there twice."""

from collections.abc import Mapping, Sequence

import numpy as np

from solver.store import manifest
from solver.store.current import Heads, Kept, read_sample_heads, sample_masks, standing_twice
from solver.store.layout import Layout
from solver.store.shards import Shard, read_each
from solver.store.swap import counted_samples


def standing_copies(
    layout: Layout, epoch: int, written: int, rows: Mapping[str, int], heads: Mapping[str, Heads]
) -> list[tuple[Shard, Kept]]:
    """For each samples shard that may hold second copies which of its rows stand (see `index.chosen`).

    epoch, written: of this start, and how many rows its writers know to be durable. rows, heads: of shards read before.
    Second copies come of a later start, or of a flush that failed after its rename: then there are more rows than the
    writers count. What the last finish looked through is not looked at again unless something came to it, and then
    only shards that share a problem with another, or in which a problem has one k twice.
    Raises CorruptShardError.
    """
    shards = counted_samples(layout)
    settled = manifest.settled(layout)
    fresh = [shard for shard in shards if shard.relative not in settled]
    if not fresh:
        return []
    if all(shard.epoch == epoch for shard in shards):
        there = sum(int(file["rows"]) for file in manifest.describe(fresh, rows))
        if len(fresh) == len(shards) and there == written:
            return []
    looked_at = _suspicious(shards, heads)
    return [(shard, Kept(mask, None)) for shard, mask in zip(looked_at, sample_masks(looked_at), strict=True)]


def _suspicious(shards: Sequence[Shard], known: Mapping[str, Heads]) -> list[Shard]:
    """The shards that may hold a key which stands twice, in the order given. known: of shards read before."""
    found = read_each(shards, lambda shard: known.get(shard.relative) or read_sample_heads(shard)[1])
    shared = standing_twice(np.concatenate([one.ids for one in found]))
    return [shard for shard, one in zip(shards, found, strict=True) if one.suspicious(shared)]
