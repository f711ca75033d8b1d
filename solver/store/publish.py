"""The one place that puts files into a run directory; every durable byte passes through here.

    write to a unique temporary -> fsync it -> close -> rename to the final name -> fsync the directory

Only then does a file count. What goes wrong before the rename leaves nothing but a temporary, which the next owner
removes. What goes wrong after it leaves an unknown outcome, so nothing is undone: the caller writes its rows again
under another name and readers take the first copy. Nothing is ever appended to, rewritten in place, or deleted to
repair. Measured in notes/reliability.md §2: without the fsync of the file, zero-byte shards after a power cut; without
that of the directory, the last shard vanished 25 times of 25.

Errors: DiskFullError where space or quota is used up, MachineError where the machine refuses in another way (see
`_MACHINE`), NotARunError where no directory can be, StoreError for every other failure. A failed fsync is never tried
again on the same file: what the kernel dropped then would be taken for written.
"""

import errno
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from traceback import clear_frames
from typing import BinaryIO, TypeVar

from solver.errors import DiskFullError, MachineError, NotARunError, StoreError

T = TypeVar("T")

_FULL = {
    errno.ENOSPC: "the disk is full; free space on it",
    errno.EDQUOT: "the quota is used up; free space, or have the quota raised",
}
_RIGHTS = "this user lacks the right; change the permissions, or choose another directory"
_FILES = "too many files are open; raise the limit (`ulimit -n`)"
_MACHINE = {
    errno.EROFS: "the file system is read-only; mount it writable or choose another directory",
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EIO: "the disk fails; look at the system's log, and go on from a copy of the run on a sound disk",
    errno.EFBIG: "files may not grow that big here; raise the limit (`ulimit -f`)",
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES,
}
_NO_PLACE = (errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP)


@contextmanager
def disk_errors(doing: str, path: Path) -> Iterator[None]:
    """Turn an OSError under `doing` (such as "write") at `path` into one of ours that says both, and how to mend it."""
    try:
        yield
    except OSError as error:
        said, code = f"cannot {doing} {path}: {error.strerror or error}", error.errno or 0
        if code in _FULL:
            raise DiskFullError(f"{said}: {_FULL[code]}") from error
        if code in _MACHINE:
            raise MachineError(f"{said}: {_MACHINE[code]}") from error
        raise StoreError(said) from error


@contextmanager
def disk_full() -> Iterator[None]:
    """Turn an OSError of a full disk, whoever met it (a log, a cache), into DiskFullError; the others stay."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        where = f" at {error.filename}" if error.filename else ""
        raise DiskFullError(f"{error.strerror}{where}: {_FULL[error.errno]}") from error


@contextmanager
def place_errors(path: Path) -> Iterator[None]:
    """Turn an OSError that says no directory can be at `path` into NotARunError; the others stay what they are."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_PLACE:
            raise
        raise NotARunError(
            f"there can be no directory at {path}: {error.strerror}. Set another `output.dir`"
        ) from error


def publish(target: Path, tmp: Path, write: Callable[[BinaryIO], T], *, replace: bool = False) -> T:
    """Make `target` durable with what `write` puts into the file it is handed; returns what `write` returns.

    tmp: a directory on the same file system. Unless `replace` is set the name must be new: shards are never replaced,
    only the few files that say something about the whole directory are.
    """
    temporary = tmp / uuid.uuid4().hex
    with disk_errors("write", target):
        try:
            written = _write_durably(temporary, write)
            if not replace and target.exists():
                raise FileExistsError(errno.EEXIST, "the name is taken; shards are never replaced", str(target))
            os.rename(temporary, target)
        except BaseException as error:
            _let_go(error)
            with suppress(OSError):
                os.unlink(temporary)
            raise
        sync_directory(target.parent)
    return written


def _let_go(error: BaseException | None) -> None:
    """Free now what the failed frames hold: an unfinished parquet writer writes its end, to a closed file, as it dies.

    Left to the garbage collector it would do so in the midst of something else.
    """
    while error is not None:
        clear_frames(error.__traceback__)
        error = error.__context__


def _write_durably(path: Path, write: Callable[[BinaryIO], T]) -> T:
    with open(path, "xb") as file:
        written = write(file)
        file.flush()
        os.fsync(file.fileno())
    return written


def publish_text(target: Path, tmp: Path, text: str, *, replace: bool = True) -> None:
    """Publish a small UTF-8 text file; an older one of that name stays whole until the new one is."""
    data = text.encode("utf-8", errors="backslashreplace")
    publish(target, tmp, lambda file: file.write(data), replace=replace)


def claim(path: Path, text: str) -> bool:
    """Create `path` if nobody has it, atomically; False when it exists. Only the name counts, not the text."""
    with disk_errors("create", path):
        try:
            _write_durably(path, lambda file: file.write(text.encode()))
        except FileExistsError:
            return False
        sync_directory(path.parent)
    return True


def move(source: Path, target: Path) -> None:
    """Rename durably; a taken target name gets a number, so nothing set aside earlier is lost."""
    with disk_errors("move", source):
        number, free = 1, target
        while free.exists():
            free = target.with_name(f"{target.name}.{number}")
            number += 1
        os.rename(source, free)
        sync_directory(target.parent)
        sync_directory(source.parent)


def remove(path: Path) -> None:
    """Unlink a file that says nothing any more (a finished swap, an owner's record); absent is fine."""
    with disk_errors("remove", path):
        path.unlink(missing_ok=True)
        sync_directory(path.parent)


def make_directory(path: Path) -> None:
    """Create `path` and its missing parents, each durable in its own parent."""
    with disk_errors("create", path), place_errors(path):
        if path.is_dir():
            return
        make_directory(path.parent)
        path.mkdir(exist_ok=True)
        sync_directory(path.parent)


def empty_directory(path: Path) -> None:
    """Remove the files in `path`: temporaries that a killed owner left behind, never published."""
    with disk_errors("empty", path):
        for leftover in path.iterdir():
            leftover.unlink(missing_ok=True)


def sync_directory(path: Path) -> None:
    """Fsync a directory, so that a name in it survives a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
