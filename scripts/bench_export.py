"""Export of a large run beside reading its shards: seconds, their ratio, and memory; each in a process of its own.

    python scripts/bench_export.py                      # 1,000,000 samples of 2 KB, several minutes, 6 GB of disk
    python scripts/bench_export.py --samples 50000
    python scripts/bench_export.py --extras 20000       # also near-duplicates and decontamination, per 100,000

The run is made by the store's own shard writer: 16 samples a problem, 12 of them right, input order. Reading is what
any converter must do first: every column of every sample, decoded and made Python values (`Store.samples()`); the bare
arrow batches are timed as well. Peak memory is the process's own VmHWM. Exit code 1 when a goal is missed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from hashlib import blake2b
from pathlib import Path

from bench_engine import machine
from bench_store import N, texts

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402

from solver.records import AnswerClass, Candidate, Outcome, Problem, Result, SampleKey, Vote  # noqa: E402
from solver.store import SAMPLES, Store  # noqa: E402
from solver.store.layout import Layout  # noqa: E402
from solver.store.shards import shard_path, write_shard  # noqa: E402
from solver.store.tables import results_batch  # noqa: E402

GOAL_RATIO = 3.0
GOAL_MB = 1000.0
POOL = 4096
SHARD_PROBLEMS = 2000
RIGHT = 12


def make(run: Path, samples: int, size: int) -> None:
    """A finished run of about so many samples."""
    said = pa.array([f"{text} \\boxed{{{number % 2}}}" for number, text in enumerate(texts(POOL, size))])
    drawn = np.random.default_rng(0)
    with Store.create_or_open(run) as store:
        layout = Layout(store.path)
        for seq, start in enumerate(range(0, samples // N, SHARD_PROBLEMS)):
            rows = range(start, min(start + SHARD_PROBLEMS, samples // N))
            table = sample_table(rows, said.take(pa.array(drawn.integers(0, POOL, len(rows) * N))))
            write_shard(
                shard_path(layout.samples, store.epoch or 0, 0, seq), layout.tmp, SAMPLES, table.to_batches(256)
            )
            made = [results_batch([result(row) for row in rows[at : at + 64]]) for at in range(0, len(rows), 64)]
            write_shard(shard_path(layout.results, store.epoch or 0, 0, seq), layout.tmp, made[0].schema, made)
        store.finish({"name": "bench", "model": "none"})


def sample_table(rows: range, said: pa.Array) -> pa.Table:
    """The samples of these problems."""
    count = len(said)
    columns = {
        "row_id": pa.array([name for row in rows for name in [row_id(row).hex()] * N]),
        "path": pa.repeat("answer", count),
        "call": pa.repeat(pa.scalar(7, pa.uint64()), count),
        "k": pa.array(np.tile(np.arange(N, dtype=np.int32), len(rows))),
        "role": pa.repeat("answer", count),
        "text": said,
        "status": pa.repeat("ok", count),
        "finish_reason": pa.repeat("stop", count),
        "prompt_tokens": pa.repeat(pa.scalar(40, pa.int32()), count),
        "output_tokens": pa.repeat(pa.scalar(500, pa.int32()), count),
        "seed": pa.array(np.arange(count)),
    }
    filled = [columns.get(field.name, pa.nulls(count, field.type)) for field in SAMPLES]
    return pa.table(filled, schema=SAMPLES)


def row_id(row: int) -> bytes:
    """As spread as real ones."""
    return blake2b(row.to_bytes(8, "big"), digest_size=16).digest()


def result(row: int) -> Result:
    """A problem with 12 right answers of 16."""
    own = row_id(row)
    problem = Problem(own, row, f"p{row}", f"Number {row}: how many are left? " * 6, {}, "1")
    candidates = tuple(
        Candidate((SampleKey(own, "answer", 7, k),), k, str(int(k < RIGHT)), "boxed", int(k >= RIGHT), k < RIGHT)
        for k in range(N)
    )
    rest = N - RIGHT
    classes = (AnswerClass("1", RIGHT, RIGHT, ("1",)), AnswerClass("0", rest, rest, ("0",)))
    vote = Vote("1", True, RIGHT, N, RIGHT / N, (RIGHT - rest) / N, False, classes)
    return Result(problem, vote, candidates, N, 0, 500 * N, Outcome.OK)


def measured(code: str) -> tuple[float, float, float]:
    """Wall seconds, processor seconds and peak MB of some Python code in a process of its own, start-up apart."""
    whole = f"""
import json, resource, sys, time
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from solver.store import Store
from solver.export import Asked, export
begun, cpu = time.perf_counter(), time.process_time()
{code}
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([time.perf_counter() - begun, time.process_time() - cpu, peak / 1024]))
"""
    told = subprocess.run([sys.executable, "-c", whole], check=True, capture_output=True, text=True)
    wall, cpu, peak = json.loads(told.stdout.splitlines()[-1])
    return wall, cpu, peak


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--size", type=int, default=2_000, help="characters a sample")
    parser.add_argument("--formats", nargs="+", default=["sft"])
    parser.add_argument("--extras", type=int, default=0, metavar="SAMPLES", help="near-duplicates and decontamination")
    parser.add_argument("--dir", type=Path)
    asked = parser.parse_args()
    print(f"machine: {machine()}")
    with tempfile.TemporaryDirectory(prefix="bench-export-", dir=asked.dir) as temporary:
        folder = Path(temporary)
        run = folder / "run"
        begun = time.perf_counter()
        make(run, asked.samples, asked.size)
        print(f"{asked.samples:,} samples of {asked.size:,} characters, made in {time.perf_counter() - begun:.0f} s")
        print(f"{'':<34}{'wall s':>8}{'CPU s':>8}{'peak MB':>9}", flush=True)
        opened = f"store = Store.read(Path({str(run)!r}))\n"
        arrow = said("reading, arrow batches", opened + "for batch in store.sample_batches(): pass")
        read = said("reading, records", opened + "for one in store.samples(): pass")
        good = True
        for number, name in enumerate(asked.formats):
            wall, cpu, peak = said(f"export {name}", exporting(run, folder / f"out-{number}", name))
            good &= wall <= GOAL_RATIO * read[0] and peak < GOAL_MB
            print(f"  {wall / read[0]:.2f} times reading records ({cpu / read[1]:.2f} by CPU), ", end="")
            print(f"{wall / arrow[0]:.2f} times the arrow batches ({cpu / arrow[1]:.2f} by CPU)", flush=True)
        if asked.extras:
            extras(folder, asked.size, asked.extras)
    print(f"goals: {GOAL_RATIO:g} times reading records, under {GOAL_MB:g} MB: {'reached' if good else 'MISSED'}")
    return int(not good)


def said(label: str, code: str) -> tuple[float, float, float]:
    """Measure and print one line."""
    wall, cpu, peak = measured(code)
    print(f"{label:<34}{wall:>8.1f}{cpu:>8.1f}{peak:>9.0f}", flush=True)
    return wall, cpu, peak


def exporting(run: Path, out: Path, name: str, more: str = "") -> str:
    """The code of one export."""
    return f"export(Path({str(run)!r}), Asked({name!r}, Path({str(out)!r}){more}))"


def extras(folder: Path, size: int, samples: int) -> None:
    """What near-duplicates and decontamination add over so many samples, as seconds per 100,000."""
    run, bench = folder / "small", folder / "benchmark.jsonl"
    make(run, samples, size)
    bench.write_text(
        "".join(json.dumps({"problem": f"Question {n} of a benchmark, in {n} words"}) + "\n" for n in range(5000))
    )
    plain = said(f"{samples:,} samples: sft", exporting(run, folder / "plain", "sft"))
    for label, more in (
        ("near-duplicates", ", dedupe=('near',)"),
        ("exact duplicates", ", dedupe=('exact',)"),
        ("near-duplicate problems", ", dedupe=('problems',)"),
        ("decontamination", f", benchmarks=({str(bench)!r},)"),
    ):
        took = said(f"{samples:,} samples: {label}", exporting(run, folder / label.replace(" ", "-"), "sft", more))
        each = (took[1] - plain[1]) * 100_000 / samples
        print(f"  {label}: {each:+.1f} s of processor time per 100,000 samples", flush=True)


if __name__ == "__main__":
    sys.exit(main())
