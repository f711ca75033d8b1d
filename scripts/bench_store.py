"""Store throughput beside a bare pyarrow write of the same rows, and how late the event loop is meanwhile.

    python scripts/bench_store.py                       # 5 rounds of 5,000 samples of 20 KB, about 2 minutes
    python scripts/bench_store.py --samples 20000       # longer rounds
    python scripts/bench_store.py --rate 2000           # another steady admission

Every round writes the same samples twice, in turning order: through the store's `Writer` (one `add` per sample on an
event loop, flushed by size and by time as in a run, every shard fsynced and its directory too), and as one file with
`pq.ParquetWriter` (zstd level 1, page checksums, the same schema and dictionary columns, one fsync at the end). The
bare write has its rows as an arrow table already; what it takes with their conversion from records is printed as well.
The texts are words and numbers that zstd compresses about 2.2 to 1, as it does real chains of thought. Goal: the store
writes at least 0.7 as fast.

Then a coroutine that wants to wake every 2 ms says how late it was while a flush was under way: at a steady admission
of samples and results, and at saturation. Goal: 99 of 100 times under 20 ms at the steady admission. The same without
a writer shows what the machine itself does. Exit code 1 when a goal is missed.
"""

import argparse
import asyncio
import gc
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench_engine import machine

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

from solver.records import AnswerClass, Candidate, Outcome, Problem, Result, Sample, SampleKey, Status, Vote  # noqa: E402
from solver.store import SAMPLES, Store, Writer  # noqa: E402
from solver.store.tables import samples_batch  # noqa: E402

GOAL_RATIO = 0.7
GOAL_LAG_MS = 20.0
TICK = 0.002
N = 16
WORDS = 8_000
DICTIONARY = ["row_id", "path", "role", "status", "finish_reason", "error"]


def words(seed: int) -> list[str]:
    """A vocabulary of made-up words, most frequent (and shortest) first."""
    drawn = random.Random(seed)
    syllables = [a + b for a in "bcdfghjklmnprstvwz" for b in ("a", "e", "i", "o", "u", "ea", "ou", "an", "er", "in")]
    made: dict[str, None] = {}
    while len(made) < WORDS:
        made["".join(drawn.choices(syllables, k=1 + min(3, len(made) // 300)))] = None
        made[str(drawn.randrange(1 + len(made) // 2))] = None
    return list(made)[:WORDS]


def texts(count: int, size: int, seed: int = 0) -> list[str]:
    """`count` different texts of about `size` characters: words by Zipf's law."""
    drawn = random.Random(seed)
    vocabulary = words(seed)
    weights = [1.0 / (rank + 2) for rank in range(len(vocabulary))]
    pool = drawn.choices(vocabulary, weights, k=200_000)
    length = sum(map(len, pool)) / len(pool) + 1
    # a window of the pool would repeat whole phrases, which zstd finds: every text draws its own words
    return [" ".join(drawn.choices(pool, k=round(size / length))) for _ in range(count)]


def samples_of(said: Sequence[str]) -> list[Sample]:
    """One sample per text, 16 to a problem."""
    made = []
    for number, text in enumerate(said):
        key = SampleKey((number // N).to_bytes(16, "big"), "answer", 2**63 + 1, number % N)
        made.append(Sample(key, "answer", text, Status.OK, "stop", 100, len(text) // 4, number))
    return made


def result_of(samples: Sequence[Sample]) -> Result:
    """A decided problem over these samples."""
    row_id = samples[0].key.row_id
    problem = Problem(row_id, int.from_bytes(row_id, "big"), row_id.hex()[:8], "How many are left?" * 10, {}, "7")
    candidates = tuple(Candidate((one.key,), one.key.k, "7", "boxed", 0, True) for one in samples)
    vote = Vote("7", True, N, N, 1.0, 1.0, False, (AnswerClass("7", N, float(N), ("7", "7.0")),))
    return Result(problem, vote, candidates, N, 0, sum(one.output_tokens for one in samples), Outcome.OK, 1)


async def through_store(run: Path, samples: Sequence[Sample], flush_seconds: float) -> float:
    """Seconds from the first `add` until everything is durable."""
    with Store.create_or_open(run) as store:
        begun = time.perf_counter()
        async with store.writer(flush_seconds=flush_seconds) as writer:
            for sample in samples:
                await writer.add(sample)
        seconds = time.perf_counter() - begun
        assert writer.durable_samples == len(samples)
    return seconds


def converted(samples: Sequence[Sample]) -> pa.Table:
    """The rows as the bare write has them."""
    return pa.Table.from_batches([samples_batch(samples[at : at + 1000]) for at in range(0, len(samples), 1000)])


def bare(path: Path, table: pa.Table) -> float:
    """Seconds of one plain file, durable at the end."""
    begun = time.perf_counter()
    with path.open("wb") as file:
        options = {"compression": "zstd", "compression_level": 1, "write_page_checksum": True}
        with pq.ParquetWriter(file, SAMPLES, use_dictionary=DICTIONARY, **options) as writer:
            writer.write_table(table)
        file.flush()
        os.fsync(file.fileno())
    return time.perf_counter() - begun


@dataclass
class Rounds:
    """Seconds of every round, processor seconds of all rounds, and what the rows weigh."""

    store: list[float]
    bare: list[float]
    convert: list[float]
    raw: int
    stored: int = 0
    store_cpu: float = 0.0
    bare_cpu: float = 0.0

    def say(self, count: int) -> bool:
        """Print rates and ratios; whether the goal was reached."""
        print(f"{'way':<34}{'rows/s':>10}{'MB/s':>8}{'least':>8}{'greatest':>10}   of text,", end="")
        print(f" {self.raw / 1e6:,.0f} MB a round")
        whole = [a + b for a, b in zip(self.bare, self.convert, strict=True)]
        for label, seconds in (
            ("store: Writer", self.store),
            ("bare pyarrow, arrow rows", self.bare),
            ("bare pyarrow, with conversion", whole),
        ):
            rates = sorted(self.raw / 1e6 / one for one in seconds)
            rate = statistics.median(rates)
            print(f"{label:<34}{count * rate / self.raw * 1e6:>10,.0f}{rate:>8.0f}{rates[0]:>8.0f}{rates[-1]:>10.0f}")
        print(f"zstd: {self.raw / self.stored:.2f} to 1 (text bytes / bytes of the shards)")
        ratios = [b / s for b, s in zip(self.bare, self.store, strict=True)]
        with_conversion = statistics.median(w / s for w, s in zip(whole, self.store, strict=True))
        ratio = statistics.median(ratios)
        verdict = "reached" if ratio >= GOAL_RATIO else "MISSED"
        print(f"store / bare pyarrow: {ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f})", end="")
        print(f"; goal {GOAL_RATIO:g}: {verdict}; beside the bare write with conversion {with_conversion:.2f}")
        print(f"the same by processor time, which other work disturbs less: {self.bare_cpu / self.store_cpu:.2f}")
        return ratio >= GOAL_RATIO


def throughput(folder: Path, samples: Sequence[Sample], count: int, flush_seconds: float) -> Rounds:
    """Both ways `count` times over the same rows."""
    rounds = Rounds([], [], [], sum(len(one.text) for one in samples))
    asyncio.run(through_store(folder / "warm-up", samples[: len(samples) // 4], flush_seconds))
    for number in range(count):
        begun = time.perf_counter()
        table = converted(samples)
        rounds.convert.append(time.perf_counter() - begun)
        run, plain = folder / f"run-{number}", folder / f"bare-{number}.parquet"
        for store_now in (number % 2 == 0, number % 2 == 1):
            cpu = time.process_time()
            if store_now:
                rounds.store.append(asyncio.run(through_store(run, samples, flush_seconds)))
                rounds.store_cpu += time.process_time() - cpu
            else:
                rounds.bare.append(bare(plain, table))
                rounds.bare_cpu += time.process_time() - cpu
        rounds.stored = sum(path.stat().st_size for path in (run / "samples").iterdir())
        plain.unlink()
        told = f"store {rounds.store[-1]:.2f} s, bare {rounds.bare[-1]:.2f} s, conversion {rounds.convert[-1]:.2f} s"
        print(f"  round {number + 1}: {told}; load {os.getloadavg()[0]:.1f}", flush=True)
    return rounds


async def ticking(late: list[float], flushing: Callable[[], bool]) -> None:
    """Until cancelled: how late, in seconds, each wish to wake was met while `flushing`."""
    while True:
        wanted = time.perf_counter() + TICK
        before = flushing()
        await asyncio.sleep(TICK)
        if before or flushing():
            late.append(max(0.0, time.perf_counter() - wanted))


async def lag(writer: Writer | None, samples: Sequence[Sample], rate: float | None, seconds: float) -> list[float]:
    """Lags while samples (and a result after each 16) go in at `rate` a second, None: as fast as they are taken."""
    late: list[float] = []
    ticker = asyncio.create_task(ticking(late, lambda: writer is None or writer._flushing is not None))
    begun = time.perf_counter()
    given = 0
    while (passed := time.perf_counter() - begun) < seconds:
        due = given + 64 if rate is None else int(passed * rate)
        while given < due and writer is not None:
            await writer.add(samples[given % len(samples)])
            given += 1
            if given % N == 0:
                at = (given - N) % len(samples)
                await writer.add_result(result_of(samples[at : at + N]))
                await asyncio.sleep(0)  # as an engine lets others run between two problems
        await asyncio.sleep(0.001)
    ticker.cancel()
    await asyncio.gather(ticker, return_exceptions=True)
    return late


async def lags(folder: Path, samples: Sequence[Sample], rate: float, seconds: float) -> float:
    """Print how late the loop is in three states; the 99th percentile at the steady admission, in ms."""
    samples = samples[: len(samples) // N * N]
    gc.collect()
    gc.freeze()  # as a run does after its start: what was made before is not looked at again
    print(f"{'event loop late by, ms':<34}{'p50':>8}{'p99':>8}{'max':>8}{'ticks':>9}{'load':>7}")
    say_lag("no writer", await lag(None, samples, 0.0, min(seconds, 3.0)))
    with Store.create_or_open(folder / "steady") as store:
        async with store.writer(flush_seconds=2.0) as writer:
            steady = say_lag(f"{rate:,.0f} samples/s, while flushing", await lag(writer, samples, rate, seconds))
    with Store.create_or_open(folder / "full") as store:
        async with store.writer(flush_seconds=2.0) as writer:
            say_lag("saturated, while flushing", await lag(writer, samples, None, seconds))
            print(f"  at saturation {writer.durable_samples / seconds:,.0f} samples/s were durable")
    gc.unfreeze()
    verdict = "reached" if steady < GOAL_LAG_MS else "MISSED"
    print(f"p99 at the steady admission: {steady:.1f} ms; goal under {GOAL_LAG_MS:g}: {verdict}")
    return steady


def say_lag(label: str, late: Sequence[float]) -> float:
    """One line; the 99th percentile in ms."""
    ordered = sorted(one * 1000 for one in late) or [0.0]
    p50, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99))
    print(f"{label:<34}{p50:>8.1f}{p99:>8.1f}{ordered[-1]:>8.1f}{len(late):>9,}{os.getloadavg()[0]:>7.1f}", flush=True)
    return p99


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--samples", type=int, default=5_000, help="samples a round")
    parser.add_argument("--size", type=int, default=20_000, help="characters a sample")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--flush-seconds", type=float, default=15.0, help="throughput: as in a job")
    parser.add_argument("--rate", type=float, default=500.0, help="steady admission, samples/s")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each lag is measured")
    parser.add_argument("--dir", type=Path, help="where to write; default: the temporary directory")
    asked = parser.parse_args()
    print(f"machine: {machine()}")
    samples = samples_of(texts(asked.samples, asked.size))
    with tempfile.TemporaryDirectory(prefix="bench-store-", dir=asked.dir) as temporary:
        folder = Path(temporary)
        fast = throughput(folder, samples, asked.rounds, asked.flush_seconds).say(len(samples))
        steady = asyncio.run(lags(folder, samples, asked.rate, asked.seconds))
    return int(not fast or steady >= GOAL_LAG_MS)


if __name__ == "__main__":
    sys.exit(main())
