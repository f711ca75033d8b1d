"""A run that is killed again and again: `crash_driver.py RUN ACKNOWLEDGED KILLS SEED`.

Imports once, then forks one owner after another and kills each with SIGKILL at a random moment; the last one comes to
its end. The owner "generates" samples whose text is new every time, so that a repeated one cannot pass for the first.
What a flush acknowledged goes to the file ACKNOWLEDGED, a line per sample or result.
"""

import asyncio
import os
import random
import signal
import sys
import time
import uuid
from pathlib import Path

from store_rows import DECISION, EXTRA, key, result, row_id, sample

from solver.records import Sample, Status
from solver.store import Store, Writer

PROBLEMS, N = 240, 4


class Owner:
    """One start of the run."""

    def __init__(self, run: Path, acknowledged: Path, steps: int) -> None:
        self._run, self._steps = run, steps
        self._acknowledged = os.open(acknowledged, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._told = 0
        self._lines: list[str] = []

    async def work(self) -> None:
        with Store.create_or_open(self._run) as store:
            os.write(self._steps, b".")
            async with store.writer(extra=EXTRA, flush_seconds=3600) as writer:
                for number in range(PROBLEMS):
                    if not store.done(row_id(number), DECISION):
                        await self._solve(number, store, writer)
                await self._flush(writer)
            store.finish({"name": "crash"}, [(row_id(number), DECISION, number) for number in range(PROBLEMS)])

    async def _solve(self, number: int, store: Store, writer: Writer) -> None:
        held = store.samples_of(row_id(number))
        for k in range(N):
            if key(number, k) not in held:
                fresh = self._generate(number, k)
                await writer.add(fresh)
                self._lines.append(f"sample {number} {k} {fresh.text}")
                if random.random() < 0.1:
                    await self._flush(writer)
        await writer.add_result(result(number, n=N))
        self._lines.append(f"result {number}")

    def _generate(self, number: int, k: int) -> Sample:
        status = Status.CANCELLED if random.random() < 0.05 else Status.OK
        return sample(number, k, f"{status} {uuid.uuid4()}", status=status)

    async def _flush(self, writer: Writer) -> None:
        await writer.flush()
        lines, self._lines = self._lines, []
        os.write(self._acknowledged, "".join(f"{line}\n" for line in lines).encode())
        os.write(self._steps, b".")


def main() -> None:
    run, acknowledged, kills, seed = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    chance = random.Random(seed)
    for attempt in range(kills + 1):
        steps, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            random.seed(f"{seed} {attempt}")
            asyncio.run(Owner(run, acknowledged, tell).work())
            os._exit(0)
        os.close(tell)
        if attempt < kills:
            for _ in range(chance.randrange(4)):  # not before so many steps, however slow the disk is
                os.read(steps, 1)
            time.sleep(chance.uniform(0.001, 0.1))
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        os.close(steps)
        print(os.WTERMSIG(status) if os.WIFSIGNALED(status) else f"exit {os.WEXITSTATUS(status)}", flush=True)


if __name__ == "__main__":
    main()
