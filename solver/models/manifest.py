"""Our manifest of a pulled model: what lies in its directory, with hashes. Written last, so that a directory with one
is complete.

A start trusts a file whose size and modification time are the manifest's and reads no weights; `verify` reads every
byte. The manifest knows the weights' hash for the generation fingerprint too (content.py).
"""

import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from solver.errors import Fault, ModelError
from solver.models.sources import Source

NAME = ".solver-manifest.json"
FORM = 1
WRONG = -1  # instead of the time of a file that `models verify` found to differ
CHUNK = 8 * 2**20
LOADED = (".json", ".safetensors", ".model", ".py", ".jinja", ".txt")
"""Endings of what is fetched of a model, and may be loaded by an engine or a tokenizer: no pickled weights."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file. sha256, blake2b: of its bytes, the latter 128 bits; told: what the hub said about it (`sha256`, `blob`,
    `size`), "" where the hub could not be asked; mtime_ns: when it was hashed."""

    size: int
    mtime_ns: int
    sha256: str
    blake2b: str
    told: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was pulled. source: with the revision asked for; pinned: what that stood for; origin: in words."""

    source: str
    pinned: str
    origin: str
    files: Mapping[str, Entry]
    pulled_at: str = ""


@dataclass(frozen=True, slots=True)
class Digests:
    """Hashes of one file, of one reading. blob: git's SHA-1 of it as a blob."""

    size: int
    sha256: str
    blake2b: str
    blob: str


def digests(path: Path, seen: Callable[[int], None] = lambda _: None) -> Digests:
    """Every hash of a file. seen: told the bytes read, piece by piece. Raises OSError."""
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        sha, blake, blob = hashlib.sha256(), hashlib.blake2b(digest_size=16), hashlib.sha1(usedforsecurity=False)
        blob.update(b"blob %d\0" % size)
        with_blob = size <= 64 * 2**20  # larger files are not in git but beside it
        while chunk := stream.read(CHUNK):
            sha.update(chunk)
            blake.update(chunk)
            if with_blob:
                blob.update(chunk)
            seen(len(chunk))
    return Digests(size, sha.hexdigest(), blake.hexdigest(), blob.hexdigest() if with_blob else "")


def entry_of(path: Path, told: str = "", found: Digests | None = None) -> Entry:
    """The manifest's line about a file that lies where it belongs. Raises OSError."""
    found, seen = found or digests(path), path.stat()
    return Entry(seen.st_size, seen.st_mtime_ns, found.sha256, found.blake2b, told)


def read(directory: Path) -> Manifest | None:
    """The manifest of a directory, None where there is none. Raises ModelError for one that cannot be read."""
    file = directory / NAME
    try:
        told: Any = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _unreadable(file, str(error)) from error
    try:
        if told.pop("form") != FORM:
            raise ValueError("written by another version of solver")
        entries = {str(name): Entry(**entry) for name, entry in told.pop("files").items()}
        if not all(map(is_inside, entries)):
            raise ValueError("it names files outside of the directory")
        return Manifest(files=entries, **told)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _unreadable(file, str(error) or type(error).__name__) from error


def _unreadable(file: Path, why: str) -> ModelError:
    return ModelError([Fault(str(file), f"cannot be read: {why}", "Remove it and pull the model again")])


def write(directory: Path, manifest: Manifest) -> None:
    """Publish the manifest, in one step and durably. Raises OSError."""
    told = {"form": FORM} | asdict(replace(manifest, pulled_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())))
    temporary = directory / f"{NAME}.{os.getpid()}"
    with temporary.open("w", encoding="utf-8") as stream:
        json.dump(told, stream, indent=1, sort_keys=True)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(directory / NAME)
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_inside(name: str) -> bool:
    """Whether a file's name, as a hub or a manifest tells it, stays inside of the model's directory."""
    parts = name.split("/")
    return bool(name) and name.isprintable() and "\\" not in name and not {"", ".", ".."} & set(parts)


def is_loaded(name: str) -> bool:
    """Whether a file is part of a model: by its ending; weights only beside the configuration."""
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") for part in path.parts)
    ours = len(path.parts) > 1 and path.parts[0] == "prepared"  # a view that was made here (models/view.py)
    return not hidden and not ours and path.suffix in LOADED and (path.suffix != ".safetensors" or len(path.parts) == 1)


def changes(directory: Path, manifest: Manifest) -> list[str]:
    """What is not as the manifest says, by size and time alone: `NAME is missing`, ..., each file at most once."""
    told = []
    for name, entry in manifest.files.items():
        try:
            seen = (directory / name).stat()
        except OSError:
            told.append(f"{name} is missing")
            continue
        if not stat.S_ISREG(seen.st_mode):
            told.append(f"{name} is no file")
        elif seen.st_size != entry.size:
            told.append(f"{name} has {seen.st_size:,} bytes, not {entry.size:,}")
        elif entry.mtime_ns == WRONG:
            told.append(f"{name} has other bytes")
        elif seen.st_mtime_ns != entry.mtime_ns:
            told.append(f"{name} was written to since")
    return told + added_told(directory, manifest)


def added(directory: Path, manifest: Manifest) -> list[str]:
    """Files, in folders too, that an engine might load and that the manifest does not know."""
    present = sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())
    return [name for name in present if is_loaded(name) and name not in manifest.files]


def added_told(directory: Path, manifest: Manifest) -> list[str]:
    """The same in words."""
    return [f"{name} was added" for name in added(directory, manifest)]


def refuse_altered(directory: Path, source: Source | None = None) -> None:
    """Raise ModelError where a directory is not as its manifest says, by sizes and times; nothing where it has none."""
    known = read(directory)
    told = [] if known is None else changes(directory, known)
    if known is None or not told:
        return
    more = f" and {len(told) - 5} more" if len(told) > 5 else ""
    what = f"{directory} is not as it was pulled: {', '.join(told[:5])}{more}"
    mend = f"To mend it: {source.pull if source else f'solver models pull {known.source}'}"
    copied = "" if source else f"; if it was only copied: solver models verify {directory}"
    raise ModelError([Fault("model.source", what, mend + copied)])


def differs(path: Path, entry: Entry, seen: Callable[[int], None] = lambda _: None) -> str:
    """How a file differs from the manifest, in words, after reading every byte; its time does not count."""
    try:
        found = digests(path, seen)
    except OSError as error:
        return "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
    if found.size != entry.size:
        return f"has {found.size:,} bytes, not {entry.size:,}"
    if found.sha256 != entry.sha256:
        return f"has other bytes (SHA-256 {found.sha256[:12]}, not {entry.sha256[:12]})"
    return ""


def noted(directory: Path, manifest: Manifest, wrong: Container[str]) -> Manifest:
    """The manifest with the times that verified files have now, and with those marked that are wrong."""
    times = {n: WRONG if n in wrong else (directory / n).stat().st_mtime_ns for n in manifest.files}
    return replace(manifest, files={n: replace(entry, mtime_ns=times[n]) for n, entry in manifest.files.items()})


def known_hashes(directory: Path, names: Iterable[str]) -> dict[str, str]:
    """File name -> BLAKE2b of those files that are as the manifest of their directory says."""
    try:
        manifest = read(directory)
        if manifest is None:
            return {}
        seen = {name: (directory / name).stat() for name in names if name in manifest.files}
    except (OSError, ModelError):
        return {}
    return {
        name: manifest.files[name].blake2b
        for name, found in seen.items()
        if (found.st_size, found.st_mtime_ns) == (manifest.files[name].size, manifest.files[name].mtime_ns)
    }
