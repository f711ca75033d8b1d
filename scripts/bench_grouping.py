r"""Grouping 64 samples a problem against math-verify, the price of a key, and the event loop's lag, in one run.

    python scripts/bench_grouping.py [--problems 400] [--samples 64] [--workers 2]

Prints the ratios to (a) naive pairwise math-verify (parse and verify for every pair of samples; some pairs of each kind
are timed and scaled to all) and (b) greedy math-verify (every distinct string parsed once and verified against one
member of each class). Theirs is CPU time of a warm process, ours is wall time with workers as in a run, so a busy
machine only lowers the ratios. Then microseconds per key by kind, without the cache; then how late a ticking coroutine
wakes while problems that hold hostile strings are graded. Exits 1 where a goal is missed.
"""

import argparse
import asyncio
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "answers"))

from bench_engine import machine
from grouping_mix import EASY, SHARES, distinct, mix, problem, weighted
from hostile import hostile

from solver import vote
from solver.answers import Grader, extract, grader
from solver.answers.reading import read
from solver.records import Candidate
from solver.votes import classes

PAIRWISE, GREEDY, KEY_MICROSECONDS, LAG_MILLISECONDS = 100.0, 4.0, 10.0, 20.0
IN_FLIGHT = 16  # problems graded at a time
TICK = 0.002  # seconds

Mix = Sequence[tuple[str, list[str]]]


def candidates(answers: Sequence[str]) -> list[Candidate]:
    """What a run votes on."""
    return [Candidate((), k, answer) for k, answer in enumerate(answers)]


async def decided(answers: Sequence[str], by: Grader) -> int:
    """One problem through the path of a run: classes, then the vote. The number of classes."""
    return len(vote(await classes(candidates(answers), by, None)).classes)


async def graded(problems: Sequence[Sequence[str]], by: Grader, at_once: int) -> float:
    """Seconds for all problems, that many at a time."""
    waiting = iter(problems)

    async def one_after_the_other() -> None:
        for answers in waiting:
            await asyncio.sleep(0)  # every problem of a run ends in an event of its own
            await decided(answers, by)

    began = time.perf_counter()
    await asyncio.gather(*(one_after_the_other() for _ in range(at_once)))
    return time.perf_counter() - began


def ours(mixed: Mix, workers: int, at_once: int) -> float:
    """Seconds a problem, workers already started."""

    grader._read.cache_clear()  # keys that another measurement left

    async def all_of_them() -> float:
        async with Grader(workers) as by:
            await by.equivalent(r"\sqrt{2}", r"\sqrt{3}")  # the workers start with the first residue
            return await graded([answers for _, answers in mixed], by, at_once)

    return asyncio.run(all_of_them()) / len(mixed)


def parsed(answer: str) -> Any:
    """As users of math-verify call it: LaTeX between dollars."""
    from math_verify import parse

    return parse(answer if answer.startswith("$") else f"${answer}$")


def pairwise(samples: int, pairs: int, seed: int) -> dict[str, float]:
    """Kind -> seconds a problem if every pair of samples is parsed and verified, from `pairs` pairs of each kind."""
    from math_verify import verify

    draw = random.Random(seed)
    seconds = {}
    for kind in SHARES:
        chosen = [draw.sample(problem(kind, samples, draw), 2) for _ in range(2 * pairs)]
        for place, (one, two) in enumerate(chosen):
            if place == pairs:  # the first half only warms the parser's tables
                began = time.process_time()
            verify(parsed(one), parsed(two))
        seconds[kind] = (time.process_time() - began) / pairs * samples * (samples - 1) / 2
    return seconds


def greedy(samples: int, problems: int, seed: int) -> dict[str, float]:
    """Kind -> seconds a problem if distinct strings, most frequent first, are verified against each class's first."""
    from math_verify import verify

    draw = random.Random(seed)
    seconds = {}
    for kind in SHARES:
        chosen = [problem(kind, samples, draw) for _ in range(problems + 2)]
        for place, answers in enumerate(chosen):
            if place == 2:
                began = time.process_time()
            leaders: list[Any] = []
            for text, _ in Counter(answers).most_common():
                found = parsed(text)
                if not any(verify(leader, found) for leader in leaders):
                    leaders.append(found)
        seconds[kind] = (time.process_time() - began) / problems
    return seconds


def key_microseconds(mixed: Mix, rounds: int = 5) -> dict[str, tuple[float, float]]:
    """Kind -> microseconds of a key over the samples, and over the distinct strings, without the cache; the best of
    the rounds, because only a disturbance makes one slower."""
    figures = {}
    for kind in SHARES:
        samples = [answer for asked, answers in mixed if asked == kind for answer in answers]
        figures[kind] = tuple(min(_each(texts) for _ in range(rounds)) for texts in (samples, sorted(set(samples))))
    return figures  # type: ignore[return-value]


def _each(texts: Sequence[str]) -> float:
    began = time.thread_time()
    for text in texts:
        read(text)
    return (time.thread_time() - began) / len(texts) * 1e6


def with_hostile(mixed: Mix, strings: Sequence[str]) -> Iterator[list[str]]:
    """The mix with a hostile string among the samples of every other problem, until each string has come once."""
    for place, text in enumerate(strings):
        for step in range(2):
            answers = list(mixed[(2 * place + step) % len(mixed)][1])
            if step:
                found = extract(rf"So the answer is \boxed{{{text}}}.")
                answers[place % len(answers)] = text if found is None else found.answer
            yield answers


async def lags(problems: Sequence[Sequence[str]], workers: int) -> list[float]:
    """Milliseconds that each tick came late while the problems were graded."""
    late: list[float] = []

    async def ticking() -> None:
        while True:
            due = time.perf_counter() + TICK
            await asyncio.sleep(TICK)
            late.append((time.perf_counter() - due) * 1e3)

    async with Grader(workers) as by:
        await by.equivalent(r"\sqrt{2}", r"\sqrt{3}")
        ticker = asyncio.create_task(ticking())
        await graded(problems, by, IN_FLIGHT)
        ticker.cancel()
    return sorted(late)


def told(name: str, figure: float, goal: float, unit: str, *, least: bool) -> bool:
    """Prints one figure with its goal; whether it is reached."""
    reached = figure >= goal if least else figure <= goal
    asked = f"goal {'at least' if least else 'at most'} {goal:g}: {'reached' if reached else 'MISSED'}"
    print(f"{name}: {figure:,.1f} {unit}  {asked}")
    return reached


def grouping(asked: argparse.Namespace, mixed: Mix) -> list[bool]:
    """The two ratios."""
    texts = [answers for _, answers in mixed]
    print(f"{len(mixed)} problems of {asked.samples} samples, {distinct(texts):.1f} distinct strings a problem")
    run = ours(mixed, asked.workers, IN_FLIGHT)
    alone = ours(mixed, 1, 1)
    naive, lean = pairwise(asked.samples, asked.pairs, 1), greedy(asked.samples, asked.greedy, 2)
    print(f"  ours, {IN_FLIGHT} problems at a time, {asked.workers} workers: {run * 1e3:.2f} ms a problem")
    print(f"  ours, one problem at a time, 1 worker: {alone * 1e3:.2f} ms")
    for name, figures, how in (
        ("pairwise", naive, f"{asked.pairs} pairs of each kind, scaled to all"),
        ("greedy", lean, f"{asked.greedy} problems of each kind, weighted"),
    ):
        kinds = ", ".join(f"{kind} {1e3 * cost:,.0f}" for kind, cost in figures.items())
        print(f"  math-verify {name}: {weighted(figures) * 1e3:,.1f} ms a problem ({how}; {kinds})")
    print(
        f"  with 1 worker, one problem at a time: {weighted(naive) / alone:,.0f} and {weighted(lean) / alone:.1f} times"
    )
    return [
        told("(a) pairwise math-verify over ours", weighted(naive) / run, PAIRWISE, "times", least=True),
        told("(b) greedy math-verify over ours", weighted(lean) / run, GREEDY, "times", least=True),
    ]


def keys(mixed: Mix) -> list[bool]:
    """Microseconds a key; expressions are shown without a goal, because they are not easy."""
    figures = key_microseconds(mixed)
    each = [
        told(
            f"key, {kind} (distinct strings {figures[kind][1]:.1f})",
            figures[kind][0],
            KEY_MICROSECONDS,
            "us",
            least=False,
        )
        for kind in EASY
    ]
    worn = [text for n in range(2, 200) for text in (f"x = {n}", f"{n} cm", f"{n}厘米", f"{n}元", f"{n}%")]
    print(f"key, number with a name, a unit or a percent sign: {min(_each(worn) for _ in range(5)):.1f} us, no goal")
    print(
        f"key, expression: {figures['expression'][0]:.1f} us (distinct strings {figures['expression'][1]:.1f}), no goal"
    )
    return each


def lag(asked: argparse.Namespace, mixed: Mix) -> list[bool]:
    """The loop's lag with hostile strings among the answers."""
    strings = [one.text for one in hostile()][: asked.hostile]
    began = time.perf_counter()
    late = asyncio.run(lags(list(with_hostile(mixed, strings)), asked.workers))
    print(
        f"{len(strings)} hostile strings among {2 * len(strings)} problems: {time.perf_counter() - began:.1f} s,"
        f" {len(late)} ticks"
    )
    print(f"  lag median {late[len(late) // 2]:.2f} ms, longest {late[-1]:.1f} ms")
    return [told("event-loop lag p99", late[int(len(late) * 0.99)], LAG_MILLISECONDS, "ms", least=False)]


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--problems", type=int, default=400)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2, help="as in a run")
    parser.add_argument("--pairs", type=int, default=150, help="pairs of each kind timed for (a)")
    parser.add_argument("--greedy", type=int, default=25, help="problems of each kind timed for (b)")
    parser.add_argument("--hostile", type=int, help="only that many hostile strings")
    return parser.parse_args()


def main() -> int:
    """Measures, prints, and says whether every goal is met."""
    asked = options()
    print(f"machine: {machine()}, load average {os.getloadavg()[0]:.2f}")
    mixed = mix(asked.problems, asked.samples)
    parts: tuple[Callable[[], list[bool]], ...] = (
        lambda: grouping(asked, mixed), lambda: keys(mixed), lambda: lag(asked, mixed),
    )  # fmt: skip
    reached = [one for part in parts for one in part()]
    print(f"load average at the end {os.getloadavg()[0]:.2f}; {sum(reached)} of {len(reached)} goals reached")
    return int(not all(reached))


if __name__ == "__main__":
    sys.exit(main())
