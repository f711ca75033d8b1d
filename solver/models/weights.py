"""Safetensors files: which a model's index names, and whether one is whole. Reads headers, never tensors."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from solver.errors import Fault, ModelError

INDEX = "model.safetensors.index.json"
LONGEST = 100 * 2**20  # bytes of a header; the format allows no more


def shards(directory: Path) -> list[str]:
    """The files that the index names, sorted; without an index those that are there. Raises ValueError, OSError."""
    if not (directory / INDEX).is_file():
        return sorted(path.name for path in directory.glob("*.safetensors"))
    index: Any = json.loads((directory / INDEX).read_text("utf-8"))
    named = index.get("weight_map", {}) if isinstance(index, dict) else {}
    return sorted(set(map(str, named.values()))) if isinstance(named, dict) else []


def missing(directory: Path) -> str:
    """The weights that are not there, in words; "" when none is missing. Raises ModelError for a broken index."""
    try:
        named = shards(directory)
    except (OSError, ValueError) as error:
        fault = Fault(str(directory / INDEX), f"cannot be read: {error}", "Download the model again")
        raise ModelError([fault]) from error
    lost = [shard for shard in named if not (directory / shard).is_file()]
    if lost:
        return f"{len(lost)} of {len(named)} files, {lost[0]} first"
    return "" if any(directory.glob("*.safetensors")) else "no *.safetensors"


def torn(directory: Path, names: Iterable[str] | None = None) -> str:
    """In words, the first shard that does not have the size its own header tells; "" where all have.

    names: those to look at, by default all that are there.

    The format is 8 bytes of length, a JSON header with the offsets of every tensor, then the tensors
    (github.com/huggingface/safetensors, "Format").
    """
    for path in sorted(directory.glob("*.safetensors") if names is None else map(directory.joinpath, names)):
        try:
            size, whole = path.stat().st_size, _told(path)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return f"{path.name} is no safetensors file"
        if size != whole:
            return f"{path.name} has {size:,} bytes, not {whole:,}"
    return ""


def _told(path: Path) -> int:
    """The size in bytes that a file's header tells."""
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 2 <= length <= LONGEST:
            raise ValueError("no header")
        header: dict[str, Any] = json.loads(stream.read(length))
    ends = [int(tensor["data_offsets"][1]) for name, tensor in header.items() if name != "__metadata__"]
    return 8 + length + max(ends, default=0)
