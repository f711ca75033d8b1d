"""A model's name in a job -> a local directory that holds all of it, and its two configuration files.

In: `modelscope:OWNER/NAME@REVISION`, `hf:OWNER/NAME@REVISION`, a short name or a path. Out: `LocalModel`. `find` never
touches the network and writes nothing (for `check`); `resolve` pulls what is not here (for `run`).

    sources.py  what a user calls a model         manifest.py  what a pulled directory holds, with hashes
    hubs.py     listings and bytes                weights.py   safetensors: index and headers
    fetch.py    one file, resumed and verified    content.py   the hash of a model's content
    pull.py     a whole model                     tokenizer.py messages -> token ids -> text
    places.py   where models lie
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from solver.errors import Fault, ModelError
from solver.models import manifest, places, weights
from solver.models.sources import Source, nearest_name, parse


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model on this machine: its directory and its two configuration files.

    pulled: False for a copy in the cache of a hub's own package, which a run compares with the hub first.
    """

    source: str
    path: Path
    config: Mapping[str, Any]
    generation: Mapping[str, Any]
    pulled: bool = True

    @property
    def context(self) -> int | None:
        """Rows of the position table: `max_position_embeddings`, in tokens.

        Rope scaling is left out on purpose: engines multiply by its factor, but the table of a
        dynamic-NTK model (InternLM3) has only these rows.
        """
        length = self.config.get("max_position_embeddings")
        return int(length) if length else None

    @property
    def complete(self) -> bool:
        """Whether every shard that the index names is there, so that no hub need be asked."""
        return not self.missing

    @property
    def missing(self) -> str:
        """The weights that are not there, in words; "" when none is missing."""
        return weights.missing(self.path)

    @property
    def torn(self) -> str:
        """The first file of weights that is cut short or no safetensors file, in words; "" where all are whole."""
        return weights.torn(self.path)

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """Every end-of-sequence id that the generation config or the config names."""
        ids: list[int] = []
        for source in (self.generation, self.config):
            eos = source.get("eos_token_id")
            ids += eos if isinstance(eos, list) else [] if eos is None else [eos]
        return tuple(sorted(set(ids)))


def find(source: str, revision: str | None = None) -> LocalModel | None:
    """The model if it already lies on this machine, else None. Reads no network, writes nothing.

    revision: where the source itself carries none; by default the hub's main line. A path that is not a model directory
    raises ModelError: a path never falls through to a download; so does a pulled directory that was altered.
    """
    known = parse(source, revision)
    if known is None:
        return open_directory(source, Path(source))
    if (directory := places.pulled(known)) is not None:
        return open_directory(source, directory, known)
    for directory in places.cached(known):
        if not (directory / "config.json").is_file():
            continue
        with suppress(ModelError):  # cut short: a run completes it
            return replace(open_directory(source, directory, known), pulled=False)
    return None


def resolve(
    source: str, revision: str | None = None, say: Callable[[str], None] = lambda _: None, *, live: bool = False
) -> LocalModel:
    """The model's local directory. What was pulled is opened without a network; else it is pulled from its hub, and say
    is told.

    live: show progress on a terminal. Raises ModelError for an unknown name or a broken directory, MachineError when
    the hub cannot be reached, its package is not installed, or the disk refuses.
    """
    known = parse(source, revision)
    if known is None:
        return open_directory(source, Path(source))
    directory = places.pulled(known)
    if directory is None:
        from solver.models.pull import pull

        say(f"{known} was not pulled yet: pulling it, as `{known.pull}` does")
        directory = pull(known, say, live=live, anew=False)
    return open_directory(source, directory, known)


def open_directory(source: str, path: Path, hub: Source | None = None) -> LocalModel:
    """Read a model directory's configuration.

    hub: where it came from. Raises ModelError when it is no model's, or is not as it was pulled.
    """
    if not (path / "config.json").is_file() and not (path / manifest.NAME).is_file():
        what = ": that is a file" if path.is_file() else "" if path.is_dir() else ": there is no such directory"
        fix = "Give a directory that holds config.json, or modelscope:OWNER/NAME"
        hint = "" if path.exists() else nearest_name(path.name)
        raise ModelError([Fault("model.source", f"no config.json in {path}{what}", hint or fix)])
    manifest.refuse_altered(path, hub)
    config, generation = (_json(path / name) for name in ("config.json", "generation_config.json"))
    return LocalModel(source, path.resolve(), config, generation)


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        loaded = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError([Fault(str(path), f"cannot be read: {error}", "Download the model again")]) from error
    return loaded if isinstance(loaded, dict) else {}
