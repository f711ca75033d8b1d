"""Originals and a recipe -> a view: a directory with files of our own beside links to the originals' weights.

It lies in `prepared/` inside the model's directory or, where that cannot be written or belongs to a hub's own package,
under the user's cache directory.
Its name holds a hash of everything it is made from, so a changed original or recipe is another view, and an older one
that some process still reads stays as it is. Making one is atomic (a temporary directory, synced, renamed, under a
lock); finding one compares each file with the hash noted when it was made. Weights are linked, never copied, and the
links follow the originals.
"""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from solver.errors import MachineError

NOTED = "prepared.json"
FOLDER = "prepared"
WEIGHTS = ("*.safetensors", "*.safetensors.index.json")
WAIT = 300.0
"""Seconds to wait for another process that makes a view here (it takes seconds); after that each makes its own."""


def view(original: Path, name: str, make: Callable[[], Mapping[str, bytes]], *, inside: bool = True) -> Path:
    """The directory of a view, made if there is none that is whole.

    name: what it is, with a hash of all it is made from; make: file name -> content, called only when needed;
    inside: whether the model's directory may be written to. Raises what `make` raises, and MachineError where no place
    can be written.
    """
    ours = _cache() / f"{name}-{digest(str(original).encode())[:8]}"
    places = (original / FOLDER / name, ours) if inside else (ours,)
    for place in places:
        if _ready(original, place):
            return place
    files, reasons = make(), []
    for place in places:
        try:
            _publish(original, place, files)
            return place
        except OSError as error:
            reasons.append(f"{place.parent} ({error.strerror or error})")
    where = f"neither to {' nor to '.join(reasons)}" if inside else f"not to {reasons[0]}"
    raise MachineError(f"the prepared model can be written {where}. Make room there, or make it writable")


def digest(data: bytes) -> str:
    """A hash of 128 bits, in hexadecimal."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "solver" / FOLDER


def _ready(original: Path, place: Path) -> bool:
    """Whether every file is as it was made and every link leads to the original of today."""
    try:
        noted = json.loads((place / NOTED).read_text("utf-8"))
        if "config.json" not in noted or not all(
            digest((place / file).read_bytes()) == known for file, known in noted.items()
        ):
            return False
        _link_weights(original, place)
    except (OSError, ValueError, AttributeError):
        return False
    return True


def _link_weights(original: Path, place: Path) -> None:
    there = {file.name: file for form in WEIGHTS for file in original.glob(form) if file.exists()}
    linked = {link.name: link for form in WEIGHTS for link in place.glob(form)}
    for name in linked.keys() - there.keys():
        linked[name].unlink(missing_ok=True)
    for name, file in there.items():
        if not _same(place / name, file):
            _link(file, place / name)


def _same(link: Path, file: Path) -> bool:
    try:
        return link.samefile(file)
    except OSError:
        return False


def _link(file: Path, link: Path) -> None:
    """A symbolic link (relative where the view lies in the model's directory, so that both can move), or a hard one."""
    inside = link.is_relative_to(file.parent)
    temporary = link.with_name(f".{uuid.uuid4().hex}")
    try:
        temporary.symlink_to(os.path.relpath(file, link.parent) if inside else file)
    except OSError:  # a file system without them
        temporary.hardlink_to(file)
    temporary.replace(link)


def _publish(original: Path, place: Path, files: Mapping[str, bytes]) -> None:
    """Write, sync, rename; what another process has made in the meantime is kept. Raises OSError."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with _alone(place.parent):
        if _ready(original, place):
            return
        new, old = (place.parent / f"{kind}-{uuid.uuid4().hex}" for kind in (".making", ".damaged"))
        try:
            _fill(original, new, files)
            with suppress(FileNotFoundError):
                place.rename(old)
            new.rename(place)
            _sync(place.parent)
        finally:
            for left in (new, old):
                shutil.rmtree(left, ignore_errors=True)


def _fill(original: Path, new: Path, files: Mapping[str, bytes]) -> None:
    new.mkdir()
    noted = json.dumps({file: digest(content) for file, content in files.items()}, indent=1).encode()
    for name, content in {**files, NOTED: noted}.items():
        with (new / name).open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    _link_weights(original, new)
    _sync(new)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One maker at a time where the file system has locks: two would only do the work twice."""
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=WAIT)
    except (OSError, NotImplementedError, Timeout):
        yield
        return
    try:
        for left in [*folder.glob(".making-*"), *folder.glob(".damaged-*")]:  # a killed process left it
            shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        lock.release()
