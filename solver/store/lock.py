"""One owner per run directory: an flock that the kernel frees when its holder dies, and a record of who holds it.

The lock is the file `_solver/lock`; it carries no text and is never removed. `_solver/owner.json` beside it exists only
for the message that a second owner gets, so a stale one harms nobody. Children do not keep the lock: the descriptor is
not inherited by programs that are started, and filelock closes it in forked children.
"""

import errno
import fcntl
import json
import os
import socket
import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from solver.errors import LockedError, MachineError, SolverError
from solver.store.publish import disk_errors, publish_text, remove

_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


class OwnerLock:
    """The right to write to a run directory, held from construction to `release`.

    Raises LockedError naming host, pid and since when another process holds it, MachineError on a file system that
    has no locks.
    """

    def __init__(self, state: Path, tmp: Path) -> None:
        self.record = {"host": socket.gethostname(), "pid": os.getpid(), "since": now(), "id": uuid.uuid4().hex}
        self._owner = state / "owner.json"
        self._lock = FileLock(state / "lock", thread_local=False)
        with disk_errors("lock", state / "lock"):
            _try_a_lock(tmp)
            try:
                self._lock.acquire(timeout=0)
            except Timeout:
                raise LockedError(_held_by(state.parent, self._owner)) from None
        try:
            publish_text(self._owner, tmp, json.dumps(self.record))
        except BaseException:
            self._lock.release(force=True)
            raise

    def release(self) -> None:
        """Give the directory back; safe to call twice."""
        if self._lock.is_locked:
            with suppress(SolverError):  # a record that stays harms nobody, and whatever failed before is worth telling
                remove(self._owner)
            self._lock.release(force=True)


def _try_a_lock(tmp: Path) -> None:
    """Lock a file of our own first: only that tells a file system without locks from a lock that somebody holds.

    What filelock does without them differs by version, and its ways (a marker file) do not notice a dead owner.
    """
    probe = tmp / uuid.uuid4().hex
    descriptor = os.open(probe, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        raise MachineError(
            f"cannot lock {tmp.parent.parent}: its file system has no locks ({error.strerror}), so that two runs could "
            "write there at once; set an `output.dir` on another file system"
        ) from error
    finally:
        os.close(descriptor)
        probe.unlink(missing_ok=True)


def holder(run: Path) -> str | None:
    """Who owns a run directory at this moment, in words, or None; for whoever only looks. Never raises, never waits.

    The lock is only tried where a record says that somebody has it: trying could keep a starting owner out.
    """
    state = run / "_solver"
    if not (state / "owner.json").is_file():
        return None
    try:
        descriptor = os.open(state / "lock", os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _held_by(run, state / "owner.json")
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return None


def now() -> str:
    """The wall clock, for people: UTC to the second. No decision is ever taken on it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _held_by(run: Path, owner: Path) -> str:
    """The message; the record may be a moment behind the lock, so it is asked for a few times."""
    for _ in range(10):
        try:
            record = json.loads(owner.read_text())
            return (
                f"{run} is in use: held by {record['host']}, pid {record['pid']}, since {record['since']}. "
                "Wait for it, stop it, or set another `output.dir`"
            )
        except (OSError, ValueError, KeyError):
            time.sleep(0.05)
    return f"{run} is in use by a process that has not yet said who it is. Wait for it, or set another `output.dir`"
