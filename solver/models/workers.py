"""Several files at a time, and what is said meanwhile: a live line on a terminal, a plain line every 30 s elsewhere.

Threads are daemons: after Ctrl-C no connection that hangs holds anybody up. What they had is in partial files.
"""

import queue
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from solver.progress import LIVE_SECONDS, PLAIN_SECONDS, duration

WORKERS = 4
Given = TypeVar("Given")
Made = TypeVar("Made")


def in_parallel(
    work: Callable[[Given], Made],
    items: Sequence[Given],
    stop: threading.Event,
    show: Callable[[], None],
    stopped: type[Exception],
) -> list[Made]:
    """The results of `work`, in order. show: called again and again meanwhile; stopped: what work raises after `stop`.

    Raises the first error of any item, after setting `stop` and waiting for the others.
    """
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(len(items)):
        todo.put(number)
    made: dict[int, Made] = {}
    errors: list[BaseException] = []

    def run() -> None:
        with suppress(queue.Empty):
            while not stop.is_set():
                number = todo.get_nowait()
                try:
                    made[number] = work(items[number])
                except BaseException as error:  # told to the caller below
                    errors.append(error)
                    stop.set()

    threads = [threading.Thread(target=run, daemon=True) for _ in range(min(WORKERS, len(items)))]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(LIVE_SECONDS / 5)
                show()
    except BaseException:
        stop.set()
        raise
    told = [error for error in errors if not isinstance(error, stopped)] or errors
    if told:
        raise told[0]
    return [made[number] for number in range(len(items))]


class Meter:
    """Bytes that arrived, of how many. `say` is told plain lines; `live` writes one line over and over instead."""

    def __init__(self, say: Callable[[str], None], *, live: bool = False, verb: str = "downloaded") -> None:
        self._say, self._verb = say, verb
        self._live = live and sys.stderr.isatty()
        self._lock = threading.Lock()
        self._done = self._moved = 0
        self._started = self._shown = time.monotonic()
        self._open = False
        self.total = 0

    def add(self, count: int) -> None:
        """Count bytes that moved; negative ones were in vain."""
        with self._lock:
            self._done += count
            self._moved += max(count, 0)

    def have(self, count: int) -> None:
        """Count bytes that were here already."""
        with self._lock:
            self._done += count

    def say(self, text: str) -> None:
        """A note, on a line of its own."""
        if self._open:
            with suppress(OSError):
                sys.stderr.write("\r\x1b[2K")
                sys.stderr.flush()
            self._open = False
        self._say(text)

    def show(self) -> None:
        """Say where things stand, if it is time."""
        now = time.monotonic()
        if now - self._shown < (LIVE_SECONDS if self._live else PLAIN_SECONDS):
            return
        self._shown = now
        if not self._live:
            self._say(self.line())
            return
        with suppress(OSError):  # a terminal that went away is no reason to stop
            sys.stderr.write(f"\r\x1b[2K{self.line()}")
            sys.stderr.flush()
        self._open = True

    def line(self) -> str:
        """Bytes, speed and what is left, in one line."""
        seconds = max(time.monotonic() - self._started, 1e-9)
        rate = self._moved / seconds
        left = f" · {duration((self.total - self._done) / rate)} left" if rate > 0 and self._done < self.total else ""
        return f"{readable(self._done)} of {readable(self.total)} {self._verb} · {rate / 1e6:,.1f} MB/s{left}"


def readable(count: int) -> str:
    """Bytes for human eyes."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= unit:
            return f"{count / unit:,.1f} {name}"
    return f"{count} bytes"
