"""The place: what lies where a run is to write, looked at without touching anything.

In: the job's `output.dir`. Out: a `Place`: whether it can be written to, what is there, who holds it, how much room is
left. For `check` and for `run` before a model is loaded; the run itself meets the same directory by its own lock.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from solver.errors import Fault
from solver.job import Job
from solver.store import holder
from solver.store.layout import Layout

TOKEN_BYTES = 2.0  # bytes on disk per output token, compressed, about
WHERE, ELSEWHERE = "output.dir", "Set another output.dir"


@dataclass(frozen=True, slots=True)
class Place:
    """What is at `output.dir`.

    fault: why no run can be there, or None; machine: whether that is the machine's doing and not the job's; is_run:
    whether a run directory is there already; held: who writes to it now, in words; free: bytes, 0 where not known.
    """

    path: Path
    fault: Fault | None = None
    machine: bool = False
    is_run: bool = False
    held: str | None = None
    free: int = 0


def short_of_room(job: Job, rows: int, free: int) -> str | None:
    """A warning where so many problems may need more disk than is free, if all their samples hit their cap."""
    need, gib = rows * job.n * job.sampling.max_tokens * TOKEN_BYTES, 2**30
    if need <= free:
        return None
    return (
        f"the disk has {free / gib:,.1f} GiB free; if all samples hit their cap, about {need / gib:,.1f} GiB are "
        "written. A full disk holds the run up until there is space"
    )


def look_at(path: Path) -> Place:
    """What is at a path, as far as it may be looked at. Never raises for what is there."""
    try:
        return _look(path)
    except OSError as error:
        fault = _fault(f"{path} cannot be looked at: {error.strerror or error}")
        return Place(path, fault, isinstance(error, PermissionError))


def _look(path: Path) -> Place:
    there = next(folder for folder in (path, *path.parents) if os.path.lexists(folder))
    if not there.is_dir():
        what = f"{path} is a file" if there == path else f"{path} cannot be made: {there} is a file"
        return Place(path, _fault(what))
    free = shutil.disk_usage(there).free
    layout = Layout(path)
    is_run = there == path and layout.state.is_dir()
    if there == path and not is_run and any(path.iterdir()):
        return Place(path, _fault(f"{path} is not empty and not a run directory; nothing was touched"), free=free)
    inside = [folder for folder in (layout.state, layout.samples, layout.results) if is_run and folder.is_dir()]
    for folder in (there, *inside):
        if not os.access(folder, os.W_OK | os.X_OK):
            return _unwritable(path, folder, is_run=is_run, free=free)
    return Place(path, is_run=is_run, held=holder(path) if is_run else None, free=free)


def _unwritable(path: Path, folder: Path, *, is_run: bool, free: int) -> Place:
    """A place that can be read at most: by its file system, or by the permissions of this user."""
    verb = "be written to" if folder == path or is_run else f"be made in {folder}"
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        what = f"{path} cannot {verb}: its file system is read-only"
        return Place(path, Fault(WHERE, what, f"Mount it writable or set another {WHERE}"), True, is_run, free=free)
    fault = _fault(f"{path} cannot {verb}: this user has no permission")
    return Place(path, fault, True, is_run, free=free)


def _fault(what: str) -> Fault:
    return Fault(WHERE, what, ELSEWHERE)
