"""Memory of the driving process, from 1,000 to 50,000 problems: everything but the model is the real line.

    python scripts/bench_memory.py                       # 1,000 and 50,000 problems x 16 samples, about 5 minutes
    python scripts/bench_memory.py --problems 200 400    # other sizes
    python scripts/bench_memory.py --trace               # where the largest size's memory is, by line (slow)

Each size runs `solver.run.run` with the scripted engine (replies of about 500 characters) in a process of its own, on a
parquet table in a temporary directory. Printed are the peak resident memory of that process alone (VmHWM), samples/s,
and the microseconds that one sample costs beside the model: wall time, and processor time of the driving process. The
goal is a growth of less than 200 MB from the first size to the last; exit code 1 when it is missed.
"""

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
GOAL_MB = 200
SAMPLES = 16
SLOTS = 256
REPLIES = 64
REPLY_CHARACTERS = 500
STEPS = ("First we read what is given.", "So far this holds.", "We multiply both sides.", "Let us check that again.")


def write_input(folder: Path, count: int) -> Path:
    """`count` different problems with references, as parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers = range(count)
    texts = [
        f"A train of {n + 3} cars leaves at noon, and each car carries {n % 90 + 10} crates of {n % 7 + 2} parts. "
        "How many parts does the train carry when two cars stay behind?"
        for n in numbers
    ]
    answers = [str(n % 5) for n in numbers]
    pq.write_table(
        pa.table({"id": [f"p{n}" for n in numbers], "problem": texts, "answer": answers}), folder / "in.parquet"
    )
    return folder / "in.parquet"


def write_replies(folder: Path) -> Path:
    """Replies of about 500 characters that end in one of five answers, in several spellings."""
    drawn = random.Random(0)
    replies = []
    for number in range(REPLIES):
        steps: list[str] = []
        while sum(map(len, steps)) + len(steps) < REPLY_CHARACTERS - 30:
            steps.append(f"{drawn.choice(STEPS)} {drawn.randrange(100)} + {drawn.randrange(100)}")
        answer = (f"{number % 5}", f"{number % 5}.0", f"\\frac{{{2 * (number % 5)}}}{{2}}")[number % 3]
        replies.append(" ".join(steps) + f" The answer is \\boxed{{{answer}}}.")
    (folder / "replies.json").write_text(json.dumps(replies), "utf-8")
    return folder / "replies.json"


def write_job(folder: Path, count: int) -> Path:
    """The job of one size; JSON is YAML."""
    job = {
        "name": "bench-memory",
        "input": {"path": str(write_input(folder, count))},
        "prompt": {"template": "o1-en"},
        "sampling": {"n": SAMPLES},
        "engine": {"kind": "scripted", "replies": str(write_replies(folder)), "slots": SLOTS},
        "output": {"dir": str(folder / "run")},
    }
    (folder / "job.yaml").write_text(json.dumps(job), "utf-8")
    return folder / "job.yaml"


def drive(job_path: Path, result: Path, trace: bool) -> None:
    """In the measured process: run the job and write what it took."""
    from solver.run import read_job, run

    job = read_job(job_path)
    if trace:
        tracemalloc.start()
    begun, cpu = time.perf_counter(), time.process_time()
    summary = run(job, ["bench"], quiet=True)
    told = {
        "problems": summary.stats.problems,
        "samples": summary.samples,
        "seconds": time.perf_counter() - begun,
        "driving": summary.seconds,
        "cpu": time.process_time() - cpu,
        "peak_mb": peak_mb(),
    }
    result.write_text(json.dumps(told), "utf-8")
    if trace:
        _, most = tracemalloc.get_traced_memory()
        print(f"traced: {most / 1e6:.0f} MB at most; still held at the end, by line:")
        for line in tracemalloc.take_snapshot().statistics("lineno")[:12]:
            print(f"  {line}")


def peak_mb() -> float:
    """The most resident memory that this process ever had, without its children, in MB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


def empty_loop_microseconds(samples: int = 20_000) -> float:
    """What asyncio itself takes for one task that yields once and is gathered in sixteens, in microseconds."""

    async def nothing() -> None:
        await asyncio.sleep(0)

    async def group() -> None:
        await asyncio.gather(*(asyncio.create_task(nothing()) for _ in range(SAMPLES)))

    async def everything() -> float:
        begun = time.perf_counter()
        for _ in range(samples // SAMPLES):
            await group()
        return (time.perf_counter() - begun) / samples * 1e6

    return asyncio.run(everything())


def measure(count: int, trace: bool) -> dict[str, Any]:
    """One size in a process of its own. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory(prefix="bench-memory-") as temporary:
        folder = Path(temporary)
        job, result = write_job(folder, count), folder / "result.json"
        command = [sys.executable, __file__, "--drive", str(job), str(result), *(["--trace"] if trace else [])]
        paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}
        subprocess.run(command, env=environment, check=True)
        told: dict[str, Any] = json.loads(result.read_text("utf-8"))
    return told


def report(measured: Sequence[dict[str, Any]]) -> int:
    """The table and the growth; 1 when the goal is missed."""
    print(f"{'problems':>9}{'samples':>10}{'peak MB':>9}{'samples/s':>11}{'us wall':>9}{'us CPU':>8}   per sample")
    for one in measured:
        each = 1e6 / one["samples"]
        print(f"{one['problems']:>9,}{one['samples']:>10,}{one['peak_mb']:>9.0f}", end="")
        print(f"{one['samples'] / one['driving']:>11,.0f}{one['driving'] * each:>9.0f}{one['cpu'] * each:>8.0f}")
    growth = measured[-1]["peak_mb"] - measured[0]["peak_mb"]
    print(f"asyncio alone: {empty_loop_microseconds():.0f} us per sample (a task, a yield, a gather of {SAMPLES})")
    print(f"growth: {growth:.0f} MB; goal under {GOAL_MB}: {'reached' if growth < GOAL_MB else 'MISSED'}")
    return int(growth >= GOAL_MB)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--problems", type=int, nargs="+", default=[1_000, 50_000], help="sizes, smallest first")
    parser.add_argument("--trace", action="store_true", help="follow allocations at the largest size")
    parser.add_argument("--drive", type=Path, nargs=2, metavar=("JOB", "RESULT"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.drive:
        drive(*asked.drive, trace=asked.trace)
        return 0
    return report([measure(n, asked.trace and n == asked.problems[-1]) for n in asked.problems])


if __name__ == "__main__":
    sys.exit(main())
