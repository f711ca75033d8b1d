"""What measuring token confidence costs the engine: the same requests with and without, over one engine in one run.

    python scripts/bench_confidence.py                   # the CPU with the demo model
    python scripts/bench_confidence.py --rounds 5 --theirs

Responses have forced, equal lengths. Ways: `plain` (nothing measured), `confidence` (what deepconf asks: 20
log-probabilities a token, one number kept), and with --theirs `objects` (the same from the objects that vLLM makes of
every log-probability). The ways take turns, in an order that turns; the first round of all warms up and is not counted.
Prints tokens/s, CPU seconds of this process, and the ratio to plain with the goal (0.90). Exit code 1 when token
counts differ or confidences are missing.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench_engine import machine
from bench_lengths import ratio
from bench_shapes import ABACUS

from solver.engine import EngineSetting, Watch
from solver.engine.confidence import Confidence, Measured
from solver.engine.vllm import VllmEngine
from solver.models import open_directory
from solver.models.tokenizer import load_tokenizer
from solver.records import Request, Sample, SampleKey, Sampling

GOAL = 0.90
PROBLEM = "Sam has 3 lamps and buys 4 more. Then Sam gives {} away. How many lamps does Sam have now?"


class Endless(VllmEngine):
    """Every response has the length it may have."""

    def _parameters(self, request: Request, watch: Watch | None) -> Any:
        params = super()._parameters(request, watch)
        params.ignore_eos = True
        return params


def main() -> int:
    """Measure; 0 when all counts are as planned."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=256, help="a round")
    parser.add_argument("--tokens", type=int, default=96, help="of every response")
    parser.add_argument("--slots", type=int, default=128, help="max_num_seqs")
    parser.add_argument("--theirs", action="store_true", help="also without our stand-in for vLLM's objects")
    parser.add_argument("--model", type=Path, default=ABACUS)
    asked = parser.parse_args()
    print(f"machine: {machine()}")
    print(f"{asked.requests} requests x {asked.tokens} tokens, {asked.slots} slots, {asked.model.name}", flush=True)
    with tempfile.TemporaryDirectory(prefix="bench-confidence-") as folder:
        return asyncio.run(measure(asked, Path(folder)))


async def measure(asked: argparse.Namespace, folder: Path) -> int:
    """All rounds over one engine."""
    model = open_directory(str(asked.model), asked.model.resolve())
    block = {"kind": "vllm", "max_num_seqs": asked.slots, "dtype": "float32"}
    engine = Endless(EngineSetting(block, replace(model, generation={}), load_tokenizer(model), False, folder / "log"))
    ways = ["plain", "confidence", *(["objects"] if asked.theirs else [])]
    speeds: dict[str, list[float]] = {way: [] for way in ways}
    busy: dict[str, list[float]] = {way: [] for way in ways}
    wrong = 0
    await engine.start()
    try:
        for number in range(-1, asked.rounds):
            for way in ways if number % 2 else ways[::-1]:
                begun, cpu = time.perf_counter(), time.process_time()
                samples = await one_round(engine, way, asked)
                seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
                wrong += sum(not sound(sample, way, asked.tokens) for sample in samples)
                speed = sum(sample.output_tokens for sample in samples) / seconds
                print(f"round {number + 1}  {way:<10} {speed:8,.0f} tokens/s", flush=True)
                if number >= 0:
                    speeds[way].append(speed)
                    busy[way].append(cpu)
    finally:
        await engine.close()
    report(speeds, busy, asked.requests * asked.tokens)
    print(f"samples not as planned: {wrong}")
    return int(wrong > 0)


async def one_round(engine: VllmEngine, way: str, asked: argparse.Namespace) -> Sequence[Sample]:
    """Every request once."""
    watch = None if way == "plain" else Confidence()
    hidden, engine._collectors = engine._collectors, Blind() if way == "objects" else engine._collectors
    tokenizer = engine._setting.tokenizer
    assert tokenizer is not None
    sampling = Sampling(temperature=1.0, top_p=0.8, top_k=40, max_tokens=asked.tokens)
    requests = [
        Request(
            SampleKey(b"r" * 16, way, 0, k),
            "answer",
            (),
            "",
            tokenizer.prompt([{"role": "user", "content": PROBLEM.format(k % 16)}]),
            sampling,
            seed=k,
        )
        for k in range(asked.requests)
    ]
    try:
        return await asyncio.gather(*(engine.generate(request, watch) for request in requests))
    finally:
        engine._collectors = hidden


class Blind(dict[str, Any]):
    """Collectors that the hook, which holds the true dictionary, never finds."""


def sound(sample: Sample, way: str, tokens: int) -> bool:
    """Whether a sample has its length, and its confidences where they were asked for."""
    return sample.output_tokens == tokens and (way == "plain") == (Measured.of(sample.data) is None)


def report(speeds: dict[str, list[float]], busy: dict[str, list[float]], tokens: int) -> None:
    """Tokens/s and CPU time of each way, and its ratio to plain."""
    for way, values in speeds.items():
        cost = sorted(busy[way])[len(values) // 2] / tokens * 1e6
        told = ratio(values, speeds["plain"])
        median = sorted(values)[len(values) // 2]
        print(f"{way:<12} {median:8,.0f} tokens/s   driver CPU {cost:5.1f} us/token   ", end="")
        goal = f"  goal {GOAL}: {'reached' if told.median >= GOAL else 'missed'}" if way == "confidence" else ""
        print(f"/ plain {told.median:.3f} ({told.low:.3f} to {told.high:.3f}){goal}")


if __name__ == "__main__":
    sys.exit(main())
