"""How long a large run takes to go on, and how much memory: a million problems x 16 samples, most of them done.

    python scripts/bench_resume.py                              # 1,000,000 problems, 99% done: some 5 minutes
    python scripts/bench_resume.py --problems 100000 1000000    # how it grows
    python scripts/bench_resume.py --done 0.1 --problems 20000  # most is still to do
    python scripts/bench_resume.py --scattered                  # what is not done lies between what is
    python scripts/bench_resume.py --problems 54000 --shards 8640   # a day of small shards

A run directory is made (bench_rows.py): the problems that are done have 16 samples and a result with the job's own
decision, the others 8 samples and none. Then, each in a process of its own: `resume`, the same job by
`solver.run.run` with the scripted engine, to its end; `again`, once more, when nothing is left; `show` and `show ID`.
Seconds count from the start of the process, imports and reading the input included. Printed with each are its processor
time and peak resident memory (VmHWM), the samples asked for, how many row groups with texts were read and how many hold
a sample of an unfinished problem, and the seconds of each stage, processor time
in brackets. `first` is the first admission.

Exit code 1 when a finished problem was asked again or its texts were read without need, or when a resume of 99% done
took more than 60 s or 2 GB.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any
from unittest.mock import patch

from bench_engine import machine
from bench_memory import peak_mb

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

GOAL_SECONDS, GOAL_MB = 60.0, 2000.0
STAGES = {  # what is timed in the measured process, in its order: label -> (module, attribute)
    "input": ("solver.run.examine", "read_table"),
    "open": ("solver.store.directory", "Ledger"),
    "owed": ("solver.run.owner", "owed"),
    "drive": ("solver.run.owner", "Owner._drive"),
    "settle": ("solver.store.directory", "Store.finish"),
    "count": ("solver.run.finish", "summarize"),
}


class Watched:
    """Notes, in the measured process, when each stage ran and what was read."""

    def __init__(self, born: float) -> None:
        self.told: dict[str, Any] = {"groups": 0, "stages": {}}
        self._born = born

    def now(self) -> float:
        """Seconds since this process was started; the monotonic clock is one for all processes of a machine."""
        return time.monotonic() - self._born

    def timed(self, label: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, a coroutine or not, its seconds noted: on the clock, and of this process's processor time."""

        @contextmanager
        def noted() -> Iterator[None]:
            begun, busy = time.monotonic(), time.process_time()
            yield
            self.told["stages"][label] = (time.monotonic() - begun, time.process_time() - busy)

        def call(*arguments: Any, **named: Any) -> Any:
            with noted():
                return function(*arguments, **named)

        async def awaited(*arguments: Any, **named: Any) -> Any:
            with noted():
                return await function(*arguments, **named)

        return awaited if iscoroutinefunction(function) else call

    def counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Reading a row group with its texts."""

        def call(*arguments: Any, **named: Any) -> Any:
            self.told["groups"] += 1
            return function(*arguments, **named)

        return call

    def first(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The moment of the first admission."""

        async def call(*arguments: Any, **named: Any) -> Any:
            self.told.setdefault("first", self.now())
            await function(*arguments, **named)

        return call


def resume(job: Path, born: float) -> dict[str, Any]:
    """In the measured process: run the job to its end."""
    import importlib

    import pyarrow.parquet as pq

    from solver.run import read_job, run
    from solver.run.drive import Driver

    watched = Watched(born)
    with ExitStack() as patches:
        for label, (module, name) in STAGES.items():
            owner: Any = importlib.import_module(module)
            *path, last = name.split(".")
            for part in path:
                owner = getattr(owner, part)
            patches.enter_context(patch.object(owner, last, watched.timed(label, getattr(owner, last))))
        groups = watched.counted(pq.ParquetFile.read_row_group)
        patches.enter_context(patch.object(pq.ParquetFile, "read_row_group", groups))
        patches.enter_context(patch.object(Driver, "_admit", watched.first(Driver._admit)))
        summary = run(read_job(job), ["bench"], quiet=True)
    return watched.told | {"seconds": watched.now(), "samples": summary.samples, "problems": summary.stats.problems}


def show(run: Path, words: list[str], born: float) -> dict[str, Any]:
    """In the measured process: `solver show`."""
    from solver.cli import cli

    code = cli.main(["show", str(run), *words], standalone_mode=False)
    return {"seconds": time.monotonic() - born, "code": code}


def child(what: str, *words: str) -> dict[str, Any]:
    """One measurement in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="bench-resume-") as temporary:
        result = Path(temporary) / "result.json"
        paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}
        command = [sys.executable, __file__, "--child", what, str(result), repr(time.monotonic()), *words]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        told: dict[str, Any] = json.loads(result.read_text("utf-8"))
    return told


def in_child(what: str, result: Path, born: float, words: list[str]) -> None:
    """Measure and write what was found."""
    told = resume(Path(words[0]), born) if what == "resume" else show(Path(words[0]), words[1:], born)
    result.write_text(json.dumps(told | {"peak_mb": peak_mb(), "cpu": time.process_time()}), "utf-8")


def measured(asked: argparse.Namespace, count: int, folder: Path) -> bool:
    """One size: build, resume, again, show; whether what must hold does."""
    from bench_rows import HALF, N, Size, build

    size = Size(count, asked.done, asked.shards or max(1, min(1000, count // 100)), asked.scattered)
    begun = time.monotonic()
    job, unfinished = build(folder, size)
    missing = len(unfinished)
    stored = sum(path.stat().st_size for path in (folder / "run").rglob("*.parquet"))
    print(f"{count:,} problems x {N}, {count - missing:,} done, {missing:,} with {HALF} of {N} samples", end="")
    print(f"{' between them' if asked.scattered else ' at the end'}; {size.shards:,} shards of each table,", end="")
    print(f" {stored / 1e6:,.0f} MB, made in {time.monotonic() - begun:.0f} s", flush=True)
    needed = groups_of(folder / "run", unfinished)
    one = child("resume", str(job))
    say("resume", one, f"{one['samples']:,} samples asked, {one['groups']:,} row groups read")
    again = child("resume", str(job))
    say("again", again, f"{again['samples']:,} samples asked, {again['groups']:,} row groups read")
    say("show", child("show", str(folder / "run")), "")
    say("show ID", child("show", str(folder / "run"), f"p{count // 2}"), "")
    right = (one["samples"], again["samples"], one["problems"]) == (missing * (N - HALF), 0, count)
    frugal = one["groups"] <= needed and again["groups"] == 0
    print(f"finished problems asked again: {'none' if right else 'SOME'}; ", end="")
    print(f"row groups with texts: {one['groups']:,} read, {needed:,} hold what an unfinished problem needs", end="")
    print("" if frugal else ": TOO MANY")
    quick = asked.done < 0.99 or (one["seconds"] < GOAL_SECONDS and one["peak_mb"] < GOAL_MB)
    if asked.done >= 0.99:
        print(f"goal under {GOAL_SECONDS:.0f} s and {GOAL_MB:,.0f} MB: {'reached' if quick else 'MISSED'}", flush=True)
    return right and frugal and quick


def groups_of(run: Path, unfinished: Sequence[str]) -> int:
    """How many row groups hold a sample of one of these row ids."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    wanted, needed = pa.array(unfinished, pa.string()), 0
    for path in sorted((run / "samples").iterdir()):
        with pq.ParquetFile(path) as file:
            parts = (file.read_row_group(group, columns=["row_id"]) for group in range(file.num_row_groups))
            needed += sum(bool(pc.any(pc.is_in(part["row_id"], wanted)).as_py()) for part in parts)
    return needed


def say(label: str, one: dict[str, Any], more: str) -> None:
    """One line of a measurement, and one of its stages."""
    first = f", first {one['first']:.1f} s" if "first" in one else ""
    print(f"  {label:<8}{one['seconds']:7.1f} s ({one['cpu']:.1f} s CPU){first}, peak {one['peak_mb']:,.0f} MB", end="")
    print(f"{', ' if more else ''}{more}; load {os.getloadavg()[0]:.1f}", flush=True)
    if one.get("stages"):
        print(
            " " * 10 + ", ".join(f"{stage} {on:.1f} s ({busy:.1f})" for stage, (on, busy) in one["stages"].items()),
            flush=True,
        )


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--problems", type=int, nargs="+", default=[1_000_000], help="sizes")
    parser.add_argument("--done", type=float, default=0.99, help="share of the problems that is done")
    parser.add_argument("--shards", type=int, help="shards of each table; default: 1,000, fewer for small sizes")
    parser.add_argument("--scattered", action="store_true", help="unfinished problems between finished ones")
    parser.add_argument("--dir", type=Path, help="where to work; default: the temporary directory")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        what, result, born, *words = asked.child
        in_child(what, Path(result), float(born), words)
        return 0
    print(f"machine: {machine()}")
    good = []
    for count in asked.problems:
        with tempfile.TemporaryDirectory(prefix="bench-resume-", dir=asked.dir) as temporary:
            good.append(measured(asked, count, Path(temporary)))
    return int(not all(good))


if __name__ == "__main__":
    sys.exit(main())
