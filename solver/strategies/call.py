"""One call of a strategy on `ctx`: what its samples share, its identity, and the seed of each sample."""

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from solver.engine import Watch
from solver.engine.confidence import Confidence
from solver.records import Message, Sample, SampleKey, Sampling

OVERRIDABLE = frozenset(field.name for field in fields(Sampling))


@dataclass(frozen=True, slots=True)
class Call:
    """One `ctx.sample` or `ctx.stream`: the parts of a request that all its samples share; hash: its identity.

    data: what its samples keep; keep_ids: see Request.
    """

    path: str
    hash: int
    role: str
    messages: tuple[Message, ...]
    prefix: str
    token_ids: Sequence[int] | None
    sampling: Sampling
    watch: Watch | None
    data: str | None = None
    keep_ids: bool = False


def call_hash(
    role: str, messages: Sequence[Message] | None, prefix: str, overrides: Mapping[str, Any], watch: Watch | None = None
) -> int:
    """64 bits over what the call itself says; the job's own prompt (None) and base sampling are not part of it.

    Nor is a watch function, which is the path's own; a `Confidence` is, as its floor comes from other samples.
    """
    if isinstance(watch, Confidence):
        overrides = {**overrides, **watch.identity}
    turns = None if messages is None else [dict(turn) for turn in messages]
    identity = json.dumps([role, turns, prefix, overrides], sort_keys=True)
    digest = hashlib.blake2b(identity.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def overridden(
    max_tokens: int | None, stop: Sequence[str], schema: str | None, logprobs: bool, sampling: Mapping[str, Any]
) -> dict[str, Any]:
    """The sampling fields that a call sets itself. Raises TypeError for one that does not exist."""
    unknown = sorted(set(sampling) - OVERRIDABLE)
    if unknown:
        raise TypeError(f"not a sampling field: {', '.join(unknown)}")
    chosen: dict[str, Any] = dict(sampling)
    if max_tokens is not None:
        chosen["max_tokens"] = max_tokens
    if stop:
        chosen["stop"] = tuple(stop)
    if schema is not None:
        chosen["schema"] = schema
    if logprobs:
        chosen["logprobs"] = 0
    return chosen


def sample_seed(seed: int, key: SampleKey) -> int:
    """63 bits of a hash of the job's seed and the sample's key: independent of order, batch and resume."""
    text = f"{seed}\0{key.row_id.hex()}\0{key.path}\0{key.call}\0{key.k}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def holds(asked: asyncio.Future[Sample]) -> bool:
    """Whether an earlier question of this life still answers: not one that was cancelled or failed to come."""
    if not asked.done():
        return True
    return not asked.cancelled() and asked.exception() is None and asked.result().finished
