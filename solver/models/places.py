"""Where models lie: ours, and those that the hubs' own packages downloaded.

$SOLVER_HOME/models, else the user's cache directory + solver/models
  <hub>/OWNER--NAME/<pinned revision>/    the model's files, and our manifest
  <hub>/OWNER--NAME/.refs/<revision>      which pinned revision a branch or tag stood for when it was pulled
  <hub>/OWNER--NAME/.partial/             what is under way
"""

import os
from collections.abc import Iterator
from pathlib import Path

from solver.models import manifest
from solver.models.sources import HUBS, Source, as_folder


def home() -> Path:
    """The directory that holds every pulled model."""
    if chosen := os.environ.get("SOLVER_HOME"):
        return Path(os.path.abspath(os.path.expanduser(chosen))) / "models"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "solver" / "models"


def folder(source: Source) -> Path:
    """Everything of one model, of whatever revision."""
    return home() / source.hub / source.folder


def ref(source: Source) -> Path:
    """The file that says which pinned revision the one asked for stands for."""
    return folder(source) / ".refs" / as_folder(source.revision)


def pulled(source: Source) -> Path | None:
    """The directory with a manifest that holds the revision, or None."""
    try:
        pinned = ref(source).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        pinned = ""
    for name in (pinned, as_folder(source.revision)):
        if name and as_folder(name) == name and (folder(source) / name / manifest.NAME).is_file():
            return folder(source) / name
    return None


def every() -> Iterator[Path]:
    """Every pulled model's directory."""
    yield from sorted(path.parent for path in home().glob(f"*/*/*/{manifest.NAME}"))


def cached(source: Source) -> Iterator[Path]:
    """Directories where the hub's own package keeps this revision, newest layout first; none need exist."""
    owner, _, short = source.name.partition("/")
    if source.hub == "hf":
        below = _huggingface(source)
        ref_file = below / "refs" / source.revision
        yield below / "snapshots" / (ref_file.read_text().strip() if ref_file.is_file() else source.revision)
        return
    for root in _modelscope():
        yield root / "models" / source.folder / "snapshots" / source.revision
        for spelled in (short, short.replace(".", "___")):
            yield root / "models" / owner / spelled
            yield root / owner / spelled


def copies(source: Source, path: str, hashes: tuple[str | None, ...]) -> Iterator[Path]:
    """Files on this machine that may be the one a hub lists as `path`, under one of these hashes; ours first."""
    places = [*sorted(folder(source).glob("[!.]*")), *cached(source)]
    if source.hub == "hf":
        below = _huggingface(source)
        yield from (below / "blobs" / value for value in hashes if value)
        places += sorted(below.glob("snapshots/*"))
    else:
        for root in _modelscope():
            places += sorted((root / "models" / source.folder).glob("snapshots/*"))
    yield from (place / path for place in places)


def whose(place: Path) -> str:
    """In words, whose directory a path is in."""
    for hub, roots in (("hf", (_hf_hub(),)), ("modelscope", _modelscope())):
        if any(place.is_relative_to(root) for root in roots):
            return f"the {HUBS[hub][0]} cache"
    return "another revision"


def _hf_hub() -> Path:
    home = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    return Path(os.environ.get("HF_HUB_CACHE") or home / "hub")


def _huggingface(source: Source) -> Path:
    return _hf_hub() / f"models--{source.folder}"


def _modelscope() -> tuple[Path, Path]:
    cache = Path(os.environ.get("MODELSCOPE_CACHE") or "~/.cache/modelscope").expanduser()
    return cache, cache / "hub"
