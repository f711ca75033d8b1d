"""Seconds that each hostile string costs: extraction, equality with "1" and with itself.

    python scripts/bench_answers.py [--workers 2] [--slowest 10]

Reads tests/answers/suite/hostile.jsonl. Goals: 3 s a string, 60 s for the whole file on 2 cores; exits 1 where one is
missed. Strings are asked one after the other for the first figure, and all at once for the second.
"""

import argparse
import asyncio
import sys
import time
from pathlib import Path

from solver.answers import Grader, extract

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "answers"))

from hostile import Hostile, hostile

EACH, ALL = 3.0, 60.0  # seconds


async def each(strings: list[Hostile], workers: int) -> list[float]:
    """Seconds of every string, one after the other."""
    seconds = []
    async with Grader(workers) as grader:
        await grader.equivalent(r"\sqrt{2}", r"\sqrt{3}")  # the workers start with the first residue
        for one in strings:
            began = time.perf_counter()
            extract(one.text)
            extract(rf"\boxed{{{one.text}}}")
            await grader.equivalent(one.text, "1")
            await grader.equivalent(one.text, one.text)
            seconds.append(time.perf_counter() - began)
    return seconds


async def together(strings: list[Hostile], workers: int) -> float:
    """Seconds of the whole file at once, as the samples of a run would come, starting the workers included."""
    began = time.perf_counter()
    async with Grader(workers) as grader:
        await grader.classify([one.text for one in strings])
    return time.perf_counter() - began


def main() -> int:
    """Measures, prints, and says whether both goals are met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--slowest", type=int, default=10, help="how many of the slowest to list")
    asked = parser.parse_args()
    strings = hostile()
    seconds = asyncio.run(each(strings, asked.workers))
    whole = asyncio.run(together(strings, asked.workers))
    for cost, one in sorted(zip(seconds, strings, strict=True), reverse=True)[: asked.slowest]:
        print(f"  {cost:6.2f} s  [{one.category}]  {one.text[:60]!r}")
    over = sum(cost > EACH for cost in seconds)
    print(f"{len(strings)} strings singly: {sum(seconds):.1f} s, slowest {max(seconds):.2f} s, {over} above {EACH:g} s")
    print(f"all at once on {asked.workers} workers: {whole:.1f} s (goal {ALL:g} s)")
    return int(over > 0 or whole > ALL)


if __name__ == "__main__":  # the grader starts worker processes, which import this file
    sys.exit(main())
