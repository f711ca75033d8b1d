"""One file of a hub -> that file here, whole and verified. Resumes where a connection broke or a process died.

What has arrived lies in a partial file that any later pull goes on from. A file counts once its size and hash are those
of the hub's listing; one that arrives with other bytes is fetched once more, from nothing.
"""

import errno
import os
import re
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from solver.errors import DiskFullError, Fault, MachineError, ModelError
from solver.models.hubs import Hub, RemoteFile
from solver.models.manifest import Digests, digests

PIECE = 64 * 2**10  # bytes; what a broken connection loses at most
ATTEMPTS = 5  # that bring no new byte, one after the other
PAUSE_SECONDS = 1.0  # before the second attempt, doubled for each further one
PASSING = (408, 425, 429)
_FROM = re.compile(r"bytes (\d+)-")


class StoppedError(Exception):
    """Another file failed, or the user interrupted; what has arrived stays."""


@dataclass(frozen=True, slots=True)
class Fetcher:
    """How files come from one hub. seen: told how many bytes arrived (negative: do not count); stop: ends it all."""

    hub: Hub
    seen: Callable[[int], None]
    stop: threading.Event

    def fetch(self, file: RemoteFile, partial: Path) -> Digests:
        """Bring `partial` to the whole file, and say its hashes.

        Raises ModelError where the hub does not have what it lists, MachineError (DiskFullError) otherwise.
        """
        why = ""
        for _ in range(2):
            self.seen(_size(partial))
            self._complete(file, partial)
            found = digests(partial)
            why = differs(file, found)
            if not why:
                return found
            self._drop(partial)
        fix = "The repository may just have changed, or something between here and the hub alters files: try again"
        raise MachineError(f"{file.path} arrived twice with {why}. {fix}")

    def _complete(self, file: RemoteFile, partial: Path) -> None:
        """Append to the partial file until it has its size."""
        idle = 0
        while (had := _size(partial)) != file.size or not partial.exists():
            if had > file.size:
                self._drop(partial)
                had = 0
            try:
                self._stream(file, partial, had)
                why: object = "the connection ended early"
            except (StoppedError, MachineError, ModelError):
                raise
            except Exception as error:  # of requests, urllib3 or the hub's package, with or without a status
                why = _passing(file, error)
                if _status(error) == 416:  # the hub has fewer bytes than were asked to be left out
                    self._drop(partial)
            idle = 0 if _size(partial) > had else idle + 1
            if idle >= ATTEMPTS:
                raise MachineError(f"{file.path} could not be downloaded: {why}. What has arrived is kept: try again")
            if idle and self.stop.wait(PAUSE_SECONDS * 2 ** (idle - 1)):
                raise StoppedError

    def _stream(self, file: RemoteFile, partial: Path, start: int) -> None:
        with closing(self.hub.open(file, start)) as response:
            begins = _begins(response, start)
            if begins != start:
                self._drop(partial)
            handle = _opened(partial)
            try:
                at = begins
                for piece in response.iter_content(PIECE):
                    if self.stop.is_set():
                        raise StoppedError
                    at += len(piece)
                    _append(handle, piece, partial)
                    self.seen(len(piece))
                    if at > file.size:  # no hash will fit
                        return
                _durable(handle, partial)
            finally:
                os.close(handle)

    def _drop(self, partial: Path) -> None:
        self.seen(-_size(partial))
        partial.unlink(missing_ok=True)


def differs(file: RemoteFile, found: Digests) -> str:
    """In words, how a file is not what its hub lists; "" where it is."""
    if found.size != file.size:
        return f"{found.size:,} bytes, not the {file.size:,} that the hub lists"
    if file.sha256 and found.sha256 != file.sha256:
        return "other bytes than the hub lists (SHA-256)"
    if file.blob and found.blob and found.blob != file.blob:
        return "other bytes than the hub lists (git's hash)"
    return ""


def disk_trouble(error: OSError, where: Path) -> MachineError:
    """What a failed write means to the user."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(
            f"no space left for {where}. Make room and run the same command again: it goes on from here"
        )
    why = error.strerror or str(error)
    return MachineError(f"{where} cannot be written: {why}. Set SOLVER_HOME to a directory that can be written to")


def _passing(file: RemoteFile, error: Exception) -> str:
    """An error that another attempt may not meet, in words. Raises what no attempt will mend."""
    status = _status(error)
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    if status == 404:
        fault = Fault("model.source", f"the hub lists {file.path} but does not have it", "Ask its owner to mend it")
        raise ModelError([fault]) from error
    if status is not None and 400 <= status < 500 and status not in (*PASSING, 416):
        fix = "Check the hub's access token and whether its terms were accepted"
        raise MachineError(f"{file.path} could not be downloaded: {text}. {fix}") from error
    return text


def _status(error: Exception) -> int | None:
    """The HTTP status that an error carries, if any."""
    answer: Any = getattr(error, "status_code", None) or getattr(getattr(error, "response", None), "status_code", None)
    return answer if isinstance(answer, int) else None


def _begins(response: Any, start: int) -> int:
    """The byte that a response begins at: a server may ignore the range that was asked for."""
    if response.status_code != 206:
        return 0
    told = _FROM.match(response.headers.get("Content-Range", ""))
    if told is None or int(told[1]) != start:
        raise OSError(f"asked for bytes from {start}, got {response.headers.get('Content-Range', 'others')}")
    return start


def _size(partial: Path) -> int:
    return partial.stat().st_size if partial.is_file() else 0


def _opened(partial: Path) -> int:
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        return os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        raise disk_trouble(error, partial) from error


def _append(handle: int, piece: bytes, partial: Path) -> None:
    left = memoryview(piece)
    try:
        while left:
            left = left[os.write(handle, left) :]
    except OSError as error:
        raise disk_trouble(error, partial) from error


def _durable(handle: int, partial: Path) -> None:
    """A file that the manifest vouches for must outlive a power cut."""
    try:
        os.fsync(handle)
    except OSError as error:
        raise disk_trouble(error, partial) from error
