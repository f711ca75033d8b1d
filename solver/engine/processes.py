"""Processes by their number and birth: who is below whom, their certain end, and the watcher that outlives its parent.

Run as a program, this is the watcher: each line on its standard input names the engines that live now, and when the
input ends, because the process that held its other end ended in whatever way, those of the last line are killed.
It must start in a moment and weigh little, so only the lightest modules are imported.
"""

import os
import signal
import sys
from collections.abc import Iterable

Process = tuple[int, int]
"""Process id, and when it began: the number alone is given to another process later."""


def stat(pid: int) -> tuple[int, int]:
    """Parent of a process and when it began, in ticks since boot; zeros when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            words = file.read().rpartition(b")")[2].split()
        return int(words[1]), int(words[19])
    except (OSError, ValueError, IndexError):
        return 0, 0


def below(pid: int) -> list[int]:
    """All descendants of a process, deepest first."""
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            parents.setdefault(stat(int(name))[0], []).append(int(name))
    found, queue = list[int](), [pid]
    while queue:
        children = parents.get(queue.pop(), [])
        found += children
        queue += children
    return found[::-1]


def kill(processes: Iterable[Process]) -> None:
    """End processes for good, also those that hang or are stopped; ones that are gone are no matter."""
    for pid, began in processes:
        if began and stat(pid)[1] == began:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue


def line(processes: Iterable[Process]) -> bytes:
    """What the watcher is told: one line, `pid:began` for each."""
    return " ".join(f"{pid}:{began}" for pid, began in processes).encode() + b"\n"


def _watch() -> None:
    """The watcher. No signal that ends its parent ends it as well."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")
    last = b""
    for told in sys.stdin.buffer:
        last = told
    known = [(int(pid), int(began)) for pid, _, began in (word.partition(b":") for word in last.split())]
    late = [(pid, stat(pid)[1]) for core, began in known if stat(core)[1] == began for pid in below(core)]
    kill([*known, *late])


if __name__ == "__main__":
    _watch()
