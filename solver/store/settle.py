"""What finish leaves of the samples table: one copy of each key. Keys are read only where one may be there twice."""

from collections.abc import Mapping

from solver.store import manifest
from solver.store.current import Kept, sample_masks
from solver.store.layout import Layout
from solver.store.shards import Shard
from solver.store.swap import counted_samples


def standing_copies(layout: Layout, epoch: int, written: int, rows: Mapping[str, int]) -> list[tuple[Shard, Kept]]:
    """For each samples shard which of its rows stand (see `index.chosen`); nothing where no key can be there twice.

    epoch, written: of this start, and how many rows its writers know to be durable. rows: of shards read before.
    Second copies come of a later start, or of a flush that failed after its rename: then there are more rows than the
    writers count. What the last finish looked through is not looked at again unless something came to it.
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
    return [(shard, Kept(mask, None)) for shard, mask in zip(shards, sample_masks(shards), strict=True)]
