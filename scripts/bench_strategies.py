"""What strategies save: one engine, one table of problems, every strategy in turn; and what the loop itself costs.

    python scripts/bench_strategies.py                    # abacus on real vLLM, 200 problems of 1 to 4 steps, N = 40
    python scripts/bench_strategies.py --steps 6          # of 1 to 6 steps: most votes are split
    python scripts/bench_strategies.py --overhead         # microseconds a sample without a model, 5,000 live problems

Prints accuracy, samples, output tokens (cancelled ones included) and wall time of each, all measured in this run, and
then what a replay of the recorded samples of `fixed` gives under the same rules over 50 shuffles, paired.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench_engine import machine

from solver import engine
from solver.answers import Grader
from solver.engine import Engine, EngineSetting
from solver.engine.scripted import ScriptedEngine
from solver.job import Job
from solver.problems import problems
from solver.progress import Counters
from solver.prompts import load_template
from solver.records import Problem, Request, Result, Sample, SampleKey, Sampling, Status
from solver.replay import Recorded, replayed, told
from solver.run import read_input, read_job, read_model
from solver.run.drive import Driver, Work
from solver.run.stop import Stop
from solver.schema import short_strategy
from solver.strategies import Strategy, make
from solver.strategies.context import Context
from solver.strategies.setting import Setting

ROOT = Path(__file__).parents[1]
STRATEGIES: Mapping[str, Mapping[str, Any]] = {
    "fixed": short_strategy("fixed"),
    "beta:0.95": short_strategy("beta:0.95"),
    "esc:5": short_strategy("esc:5"),
    "exact": short_strategy("exact"),
    "deepconf": {"name": "deepconf", "warmup": 8, "window": 32, "keep": 0.9},
    "cascade 4": {"name": "cascade", "probe": 4, "within": short_strategy("fixed")},
}


@dataclass(repr=False)  # asyncio spells out what its main task returns
class Kept:
    """A sink in memory."""

    full: bool = False
    samples: list[Sample] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)

    async def add(self, sample: Sample) -> None:
        self.samples.append(sample)

    async def add_result(self, result: Result) -> None:
        self.results.append(result)

    async def flush(self) -> None:
        """Nothing waits here."""

    @property
    def tokens(self) -> int:
        """Output tokens of every sample, cancelled ones included."""
        return sum(sample.output_tokens for sample in self.samples)

    @property
    def right(self) -> float:
        return sum(bool(result.vote.correct) for result in self.results) / len(self.results)

    @property
    def voting(self) -> float:
        """Samples a problem that were drawn to the end and looked at."""
        return sum(result.n_samples for result in self.results) / len(self.results)


async def drive(made: Engine, asked: Sequence[Problem], strategy: Strategy, **setting: Any) -> tuple[Kept, float]:
    """All problems under one strategy; what came of it and the wall time in seconds."""
    kept = Kept()
    async with Grader() as grader:

        def of(driver: Driver) -> Setting:
            return Setting(
                ask=driver.ask,
                abort=driver.abort,
                record=driver.record,
                grader=grader,
                spare=driver.spare,
                context=made.context,
                **setting,
            )

        work = Work(
            engine=made,
            strategy=strategy,
            sink=kept,
            resumes=False,
            stored=lambda _: {},
            decision=lambda result, settled: 0,
            setting=of,
        )
        begun = time.perf_counter()
        await Driver(work, Counters(), Stop()).run(iter(asked))
        return kept, time.perf_counter() - begun


async def measure(job: Job, names: Sequence[str], limit: int, steps: int) -> dict[str, tuple[Kept, float]]:
    """Every strategy on one engine, after a warm-up."""
    table = read_input(job)
    served = read_model(job, download=False)
    assert served is not None
    asked = [one for one in problems(table.table, table.survey) if one.columns["steps"] <= steps][:limit]
    print(f"{len(asked)} problems of 1 to {steps} steps, N = {job.n}")
    print("| strategy | accuracy | samples | output tokens | wall | samples saved | tokens saved | faster |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "engine.log"
        made = engine.open_engine(EngineSetting(job.engine, served.model, served.tokenizer, False, log, print))
        await made.start()
        common = {
            "template": table.template,
            "tokenizer": served.tokenizer,
            "chat": job.prompt.chat,
            "sampling": job.sampling,
        }
        try:
            await drive(made, asked[:20], make(STRATEGIES["fixed"], 4), seed=1, **common)
            found = {}
            for name in names:
                found[name] = await drive(made, asked, make(STRATEGIES[name], job.n), seed=job.seed, **common)
                print(row(name, *found[name], found.get("fixed")), flush=True)
            return found
        finally:
            await made.close()


def row(name: str, kept: Kept, seconds: float, fixed: tuple[Kept, float] | None) -> str:
    """One line of the table."""
    parts = [name, f"{kept.right:.1%}", f"{kept.voting:.1f}", f"{kept.tokens:,}", f"{seconds:.0f} s"]
    if fixed is not None:
        parts += [f"{fixed[0].voting / kept.voting:.2f}x", f"{fixed[0].tokens / kept.tokens:.2f}x"]
        parts += [f"{fixed[1] / seconds:.2f}x"]
    return "| " + " | ".join(parts) + " |"


def strategies(given: argparse.Namespace) -> None:
    """The table on real vLLM, and the replay of what `fixed` recorded."""
    job = read_job(given.job, [f"sampling.n={given.n}"])
    print(f"{job.name}, {machine()}, load {os.getloadavg()[0]:.1f}")
    found = asyncio.run(measure(job, given.only, given.problems, given.steps))
    if "fixed" not in found:
        return
    kept = found["fixed"][0]
    tokens = {sample.key: sample.output_tokens for sample in kept.samples}
    recorded = [Recorded.of_result(result, tokens) for result in kept.results]
    print(f"\nreplay of the samples of `fixed`, {given.shuffles} shuffles:\n")
    votes = {name: block for name, block in STRATEGIES.items() if name != "deepconf"}  # it reads confidences as well
    print("\n".join(told(replayed(recorded, votes, n=given.n, shuffles=given.shuffles))))


def overhead(live: int, n: int) -> None:
    """Processor time of the loop a sample, with so many problems alive at once and an engine without a model.

    `bare` is what the tasks and this engine cost by themselves; `asking` asks and looks at nothing: with the price of
    calls, keys, seeds and the driver. The others extract, group and vote as well.
    """
    asked = [Problem(i.to_bytes(16, "big"), i, str(i), f"Q{i}", {"problem": f"Q{i}"}, "1") for i in range(live)]
    common = {"template": load_template("plain"), "tokenizer": None, "chat": {}, "sampling": Sampling(), "seed": 0}
    print(f"{live:,} live problems, {n} samples each; {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    begun = time.process_time()
    asyncio.run(bare(Idle(live, n), asked, n))
    spent = 1e6 * (time.process_time() - begun) / (live * n)
    print(f"{'bare':10} {live * n:,} samples, {spent:.0f} us each: tasks that ask that engine, and nothing else")
    for name in ("asking", "fixed", "beta:0.95", "cascade 4"):
        made, begun = Idle(live, n), time.process_time()
        strategy = Asking(n) if name == "asking" else make(STRATEGIES[name], n)
        kept, _ = asyncio.run(drive(made, asked, strategy, **common))
        spent = 1e6 * (time.process_time() - begun) / len(kept.samples)
        print(f"{name:10} {len(kept.samples):,} samples, {spent:.0f} us each; {made.most:,} problems alive at once")


async def bare(made: Engine, asked: Sequence[Problem], n: int) -> None:
    """As many tasks over the same engine, without solver."""

    async def solve(problem: Problem) -> None:
        keys = [SampleKey(problem.row_id, "answer", 0, k) for k in range(n)]
        requests = [Request(key, "answer", (), "", None, Sampling(), key.k) for key in keys]
        await asyncio.gather(*[asyncio.create_task(made.generate(one)) for one in requests])

    await asyncio.gather(*map(solve, asked))


class Asking:
    """A strategy that asks, and looks at nothing."""

    parameters: Mapping[str, Any] = {}

    def __init__(self, n: int) -> None:
        self._n = n

    async def solve(self, problem: Problem, ctx: Context) -> Result:
        await ctx.sample(self._n, path="answer")
        return ctx.result((), await ctx.vote(()))


class Idle(ScriptedEngine):
    """Holds every reply back until so many problems are alive; answers at once from then on."""

    def __init__(self, live: int, n: int) -> None:
        super().__init__(lambda request: "", slots=live * n)
        self.most = 0
        self._live, self._rows, self._open = live, set[bytes](), asyncio.Event()

    async def generate(self, request: Request, watch: Any = None) -> Sample:
        if not self._open.is_set():
            self._rows.add(request.key.row_id)
            self.most = len(self._rows)
            if self.most >= self._live:
                self._open.set()
            await self._open.wait()
        await asyncio.sleep(0)
        text = f"\\boxed{{{1 + (request.seed % 10 > 7)}}}"
        return Sample(request.key, request.role, text, Status.OK, "stop", 1, 1, request.seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--job", type=Path, default=ROOT / "jobs" / "heldout.yaml")
    parser.add_argument("--problems", type=int, default=200)
    parser.add_argument("--steps", type=int, default=4, help="of the longest problems, 1 to 6")
    parser.add_argument(
        "--only", nargs="+", default=list(STRATEGIES), choices=STRATEGIES, help="with `fixed` for a replay"
    )
    parser.add_argument("--n", type=int, default=40)
    parser.add_argument("--shuffles", type=int, default=50)
    parser.add_argument("--overhead", action="store_true", help="what the loop costs, without a model")
    parser.add_argument("--live", type=int, default=5000)
    given = parser.parse_args()
    if given.overhead:
        overhead(given.live, 8)
    else:
        strategies(given)


if __name__ == "__main__":
    main()
