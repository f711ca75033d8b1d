"""Many processes that want one run at once: `rivals.py RUN PROCESSES ROUNDS`, or with 1 process: one after another.

Each round all of them start together; whoever owns the run holds it until all the others were refused. Prints for each
round how many owned it. With one process each owner is killed while it owns, and the next one must own at first try.
"""

import multiprocessing
import os
import signal
import sys
from multiprocessing.synchronize import Barrier
from pathlib import Path

from solver.errors import LockedError
from solver.store import Store


def rival(run: Path, rounds: int, together: Barrier, tell: int) -> None:
    for _ in range(rounds):
        together.wait()
        store = None
        try:
            store = Store.create_or_open(run)
        except LockedError as refused:
            assert "is in use" in str(refused)
        os.write(tell, b"o" if store else b"r")
        together.wait()
        if store:
            store.close()


def meet(run: Path, processes: int, rounds: int) -> None:
    context = multiprocessing.get_context("fork")
    together = context.Barrier(processes)
    told, tell = os.pipe()
    rivals = [context.Process(target=rival, args=(run, rounds, together, tell)) for _ in range(processes)]
    for one in rivals:
        one.start()
    for _ in range(rounds):
        answers = b""
        while len(answers) < processes:
            answers += os.read(told, processes - len(answers))
        print(answers.count(b"o"), flush=True)
    for one in rivals:
        one.join()
        assert one.exitcode == 0


def succeed(run: Path, rounds: int) -> None:
    for _ in range(rounds):
        told, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            Store.create_or_open(run)
            os.write(tell, b"o")
            signal.pause()
        os.close(tell)
        print(os.read(told, 1).count(b"o"), flush=True)  # nothing when it was refused: it has ended then
        os.close(told)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    where, count, times = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    if count > 1:
        meet(where, count, times)
    else:
        succeed(where, times)
