"""Kills a run at one system call after another: `kill_driver.py HOME all|changing STRIDE`.

A child is traced (ptrace, by ctypes: no other program is needed) and gets SIGKILL as it enters its n-th system call,
for every n that is asked for: `changing` counts only calls that change what a disk holds, `all` counts every one.
Between two of them the disk does not change, so all changing calls together are every state that a kill can leave.

After each kill the run is looked at as a reader would, then opened and finished. Prints a line of JSON: how many
calls there were, how many kills, how the tables looked. Imports once and forks, so that a kill costs milliseconds.
"""

import asyncio
import ctypes
import json
import os
import platform
import shutil
import signal
import struct
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path

import pyarrow.dataset as ds
from store_rows import DECISION, EXTRA, problems, result, row_id, sample, write

from solver.store import Store

TRACEME, SYSCALL, SETOPTIONS, SYSCALL_INFO = 0, 24, 0x4200, 0x420E
SYSGOOD, FORK, VFORK, CLONE, EXITKILL = 1, 2, 4, 8, 0x100000
WALL = 0x40000000
CHANGING = {
    # write pwrite64 writev pwritev ftruncate fallocate fsync fdatasync rename mkdir rmdir link unlink symlink
    # mkdirat unlinkat renameat linkat symlinkat renameat2
    "x86_64": {1, 18, 20, 296, 77, 285, 74, 75, 82, 83, 84, 86, 87, 88, 258, 263, 264, 265, 266, 316},
    "aarch64": {64, 68, 66, 70, 46, 47, 82, 83, 34, 35, 38, 37, 36, 276},
}
OPENAT = {"x86_64": 257, "aarch64": 56}
TO_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT
REFUSED = 77  # the exit code where no process may be traced
NEW = 12345
CURRENT = [(row_id(1), DECISION, 9), *((row_id(i), NEW, i) for i in range(2, 6))]
OLD = {"id0": DECISION, "id1": DECISION, "id2": NEW, "id3": NEW}
FINISHED = [("id1", DECISION, 9), *((f"id{i}", NEW, i) for i in range(2, 6))]

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request: int, pid: int, address: int = 0, data: int = 0) -> int:
    """The system call; raises OSError."""
    told = int(libc.ptrace(request, pid, address, data))
    if told < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return told


def changing(number: int, arguments: tuple[int, ...]) -> bool:
    """Whether this system call may change what a disk holds."""
    machine = platform.machine()
    return number in CHANGING[machine] or (number == OPENAT[machine] and bool(arguments[2] & TO_WRITE))


def killed_at(work: Callable[[], None], nth: int | None, counts: Callable[[int, tuple[int, ...]], bool]) -> int:
    """Forks, does `work` in the child, kills it as it enters its nth system call that counts (None: never).

    Returns how many such calls it entered. counts: told a call's number and its six arguments.
    """
    pid = os.fork()
    if pid == 0:
        try:
            ptrace(TRACEME, 0)
            os.kill(os.getpid(), signal.SIGSTOP)
            work()
            os._exit(0)
        finally:
            traceback.print_exc()
            os._exit(1)
    os.waitpid(pid, 0)
    ptrace(SETOPTIONS, pid, 0, SYSGOOD | FORK | VFORK | CLONE | EXITKILL)
    info = ctypes.create_string_buffer(128)
    entered, stopped, deliver = 0, pid, 0
    while True:
        with suppress(ProcessLookupError):  # killed meanwhile
            ptrace(SYSCALL, stopped, 0, deliver)
        stopped, status = os.waitpid(-1, WALL)
        deliver = 0
        if os.WIFEXITED(status) or os.WIFSIGNALED(status):
            if stopped == pid:
                ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status)
                assert ended in ((0,) if nth is None else (0, signal.SIGKILL)), f"the child ended with {ended}"
                return entered
            continue
        reason = os.WSTOPSIG(status)
        if reason == signal.SIGTRAP | 0x80:
            ptrace(SYSCALL_INFO, stopped, 128, ctypes.addressof(info))
            number, *arguments = struct.unpack_from("7Q", info.raw, 24)
            if info.raw[0] == 1 and counts(number, tuple(arguments)):  # 1: it is about to enter the call
                entered += 1
                if entered == nth:
                    os.kill(pid, signal.SIGKILL)
        elif status >> 16 == 0 and reason not in (signal.SIGSTOP, signal.SIGTRAP):
            deliver = reason


class Scene:
    """A finished run whose rule changed for two problems, that lost one and got two more; what is owed is written."""

    def __init__(self, home: Path) -> None:
        self._first, self.run, self._told = home / "first", home / "run", home / "told"
        problems(self._first, range(4))
        with Store.create_or_open(self._first) as store:
            store.finish({"name": "old"}, [(row_id(i), DECISION, i) for i in range(4)])
        write(self._first, [], [result(2, decision=NEW), result(3, decision=NEW)])

    def set(self) -> None:
        """As before the first kill."""
        shutil.rmtree(self.run, ignore_errors=True)
        shutil.copytree(self._first, self.run)
        self._told.write_text("")

    def play(self) -> None:
        """Open, two flushes, finish, close; what is acknowledged goes to a file of its own."""
        told = os.open(self._told, os.O_WRONLY | os.O_APPEND)

        async def solve(store: Store) -> None:
            async with store.writer(extra=EXTRA, in_flight=lambda: "[]", flush_seconds=3600) as writer:
                for number in (4, 5):
                    held = store.samples_of(row_id(number))
                    for k in range(2):
                        if sample(number, k).key not in held:
                            await writer.add(sample(number, k))
                    if not store.done(row_id(number), NEW):
                        await writer.add_result(result(number, decision=NEW))
                    await writer.flush()
                    os.write(told, f"{number}\n".encode())

        with Store.create_or_open(self.run) as store:
            asyncio.run(solve(store))
            store.finish({"name": "new", "model": "m"}, CURRENT)
            os.write(told, b"finished\n")
        os.close(told)

    def look(self) -> str:
        """What a reader finds after a kill: `old` or `new`, never a mixture, and nothing acknowledged is missing."""
        acknowledged = self._told.read_text().split()
        store = Store.read(self.run)
        keys = {(one.key.row_id, one.key.k) for one in store.samples()}
        table = {row["id"]: row["decision"] for row in store.results()}
        for number in (*range(4), *(int(word) for word in acknowledged if word.isdigit())):
            assert {(row_id(number), 0), (row_id(number), 1)} <= keys, f"samples of {number} are lost"
            assert f"id{number}" in table or number == 0, f"the result of {number} is lost"
        for name in ("samples", "results"):
            ds.dataset(str(self.run / name)).to_table()
        new = {row[0]: row[1] for row in FINISHED}
        assert table in ({**OLD, **{i: NEW for i in ("id4", "id5") if i in table}}, new), table
        assert not acknowledged[2:] or store.finished, "a finish that came back has not happened"
        return "new" if table == new else "old"

    def mend(self) -> None:
        """The next start brings it to its end, from whatever was left."""
        self.play()
        rows = ds.dataset(str(self.run / "results")).to_table().to_pylist()
        assert sorted((row["id"], row["decision"], row["row"]) for row in rows) == FINISHED
        keys = ds.dataset(str(self.run / "samples")).to_table(columns=["row_id", "k"]).to_pylist()
        assert Counter((row["row_id"], row["k"]) for row in keys) == Counter(
            (row_id(number).hex(), k) for number in range(6) for k in range(2)
        ), "a sample is lost, or was made twice"
        assert Store.read(self.run).finished and (self.run / "README.md").is_file()
        state = self.run / "_solver"
        assert not list((state / "tmp").iterdir()) and not list((state / "bad" / "samples").iterdir())


def main() -> None:
    """Counts, then kills at every point."""
    home, which, stride = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    counts = changing if which == "changing" else lambda *_: True
    scene = Scene(home)
    scene.set()
    try:
        killed_at(lambda: None, None, counts)
    except OSError as error:
        print(f"ptrace: {error}", file=sys.stderr)
        sys.exit(REFUSED)
    calls = killed_at(scene.play, None, counts)
    assert scene.look() == "new"
    seen: Counter[str] = Counter()
    for nth in count(1, stride):
        scene.set()
        entered = killed_at(scene.play, nth, counts)
        seen[scene.look()] += 1
        scene.mend()
        if entered < nth:  # it came to its end before that point
            break
    print(json.dumps({"calls": calls, "kills": seen.total(), **seen}))


if __name__ == "__main__":
    main()
