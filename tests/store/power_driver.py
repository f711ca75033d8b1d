"""Owners that write until the power fails: `power_driver.py none|file|directory`.

Each line on standard input, `RUN PIPE FIRST`, forks an owner that opens RUN and writes problem FIRST, FIRST + 1, ...,
a flush each; after a flush it writes the number to PIPE. It dies of the first error, as it does when the disk is gone.
The argument names an fsync to leave out: with it the promise must break, or the test that uses this proves nothing.
"""

import asyncio
import os
import random
import signal
import stat
import sys
from itertools import count
from pathlib import Path

from store_rows import EXTRA, result, row_id, sample

from solver.records import Sample
from solver.store import Store


def samples_of(number: int) -> list[Sample]:
    """What an owner writes for a problem; anybody can say so again."""
    chance = random.Random(number)
    return [sample(number, k, chance.randbytes(chance.choice([50, 500, 10_000])).hex()) for k in range(2)]


def leave_out(which: str) -> None:
    """From now on this process does not fsync regular files, or directories."""
    real = os.fsync
    left_out = {"file": stat.S_ISREG, "directory": stat.S_ISDIR}[which]

    def fsync(descriptor: int) -> None:
        if not left_out(os.fstat(descriptor).st_mode):
            real(descriptor)

    os.fsync = fsync


async def write(store: Store, pipe: int, first: int) -> None:
    """Flush after flush, each told when it is acknowledged."""
    writer = store.writer(extra=EXTRA, flush_seconds=3600, waits=lambda: False)
    for number in count(first):
        held = store.samples_of(row_id(number))
        for one in samples_of(number):
            if one.key not in held:
                await writer.add(one)
        await writer.add_result(result(number))
        await writer.flush()
        os.write(pipe, f"{number}\n".encode())
        await asyncio.sleep(random.uniform(0, 0.1))  # the engine works on; what is not on disk now, stays so a while


def own(run: Path, pipe: Path, first: int) -> None:
    """One owner, to its end."""
    told = os.open(pipe, os.O_WRONLY)
    try:
        with Store.create_or_open(run) as store:
            asyncio.run(write(store, told, first))
    finally:
        os._exit(1)


def main() -> None:
    """One owner after another, as the lines come."""
    if sys.argv[1] != "none":
        leave_out(sys.argv[1])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead are buried by the system
    print("ready", flush=True)
    for line in sys.stdin:
        run, pipe, first = line.split("\t")
        if os.fork() == 0:
            own(Path(run), Path(pipe), int(first))


if __name__ == "__main__":
    main()
