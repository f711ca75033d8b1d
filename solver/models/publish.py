"""A directory with every file of a model -> one that counts as pulled: manifest, and what its revision stands for.

Also what to do without a network: use what was pulled, or take over a whole copy of a hub's own package.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path

from solver.errors import MachineError
from solver.models import manifest, places, weights
from solver.models.bring import link
from solver.models.fetch import disk_trouble
from solver.models.manifest import Manifest
from solver.models.sources import Source, as_folder

Say = Callable[[str], None]


def publish(source: Source, directory: Path, made: Manifest, say: Say) -> None:
    """Make a directory count as pulled. Raises OSError.

    What lies there, is not part of the model and might be loaded is renamed, and said.
    """
    for name in manifest.added(directory, made):
        (directory / name).rename(directory / f"{name}.not-listed")
        say(f"{directory / name} is no part of the model: renamed to {name}.not-listed")
    manifest.write(directory, made)
    ref = places.ref(source)
    ref.parent.mkdir(exist_ok=True)
    temporary = ref.with_name(f".{ref.name}.{os.getpid()}")
    temporary.write_text(directory.name, "utf-8")
    temporary.replace(ref)


def without_hub(source: Source, error: MachineError, say: Say) -> Path:
    """What can be used although the hub did not answer. Raises `error`, with what is here, where nothing can."""
    directory = places.pulled(source)
    if directory is not None:
        manifest.refuse_altered(directory, source)
        say(f"{error}. What was pulled before is whole, and is used")
        return directory
    partly = ""
    for cache in places.cached(source):
        if not (cache / "config.json").is_file():
            continue
        lacking = _unreadable(cache) or weights.missing(cache) or weights.torn(cache)
        if not lacking:
            return _adopt(source, cache, say)
        partly = partly or f". {cache} is not whole and cannot be used: {lacking}"
    if any((places.folder(source) / ".partial").glob("*")):
        partly = partly or f". Part of it is here; {source.pull} goes on from there"
    raise MachineError(f"{error}{partly}") from error


def _adopt(source: Source, cache: Path, say: Say) -> Path:
    """Take over a whole copy of the hub's own package: linked, hashed once, compared with nothing but itself."""
    directory = places.folder(source) / f"{as_folder(source.revision)}-adopted"
    named = set(weights.shards(cache))
    files = [path.relative_to(cache).as_posix() for path in sorted(cache.rglob("*")) if path.is_file()]
    files = [name for name in files if manifest.is_loaded(name) and (name in named or not _is_weights(name))]
    try:
        for name in files:
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            link(cache / name, directory / name)
        entries = {name: manifest.entry_of(directory / name) for name in files}
        origin = f"taken over from {cache}, not compared with the hub"
        publish(source, directory, Manifest(str(source), directory.name, origin, entries), say)
    except OSError as error:
        raise disk_trouble(error, directory) from error
    say(
        f"{source}: the hub does not answer; the whole copy in {cache} is used. Its bytes could not be compared with "
        f"the hub's: {source.pull} does that later"
    )
    return directory


def _unreadable(cache: Path) -> str:
    """The first JSON file beside the weights that is cut short, in words; "" where all can be read."""
    for file in sorted(cache.glob("*.json")):
        try:
            json.loads(file.read_text("utf-8"))
        except (OSError, ValueError):
            return f"{file.name} cannot be read"
    return ""


def _is_weights(name: str) -> bool:
    return name.endswith(".safetensors")
