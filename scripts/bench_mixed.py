"""A mixed load beside plain self-consistency: tokens/s at equal response lengths, one machine, one run.

    python scripts/bench_mixed.py                        # the CPU with the demo model, about 3 minutes a round
    python scripts/bench_mixed.py --rounds 3

The mix is equal shares of self-consistency, beta, refine, think and cascade over one engine, by row id, through the
whole line (store, answers, votes, tables). Every response of either way ends at a forced length drawn from one
lognormal distribution, capped by what its call allows. Cues are a few words: what is measured is whether the engine
stays as busy, not how long prompts are. Each way runs in a process of its own, the order turns from round to round, the
start of the engine and a warm-up are not timed. Goal: 0.90 of plain. Exit code 1 when it is missed in the median.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench_engine import machine
from bench_lengths import WARM_UP, WARM_UP_TOKENS, Lengths, Spread, ratio
from bench_shapes import ABACUS, ROOT, write_job
from bench_ways import ForcedEngine, Plan, by_solver, environment

from solver import strategies
from solver.engine import Watch
from solver.records import Problem, Request, Result
from solver.run import read_job
from solver.strategies.context import Context

GOAL = 0.90
SHORT = {"critique": "Check it.", "revise": "Solve it again.", "final_answer": " \\boxed{{ '{' }}", "wait": " So "}
SHARES: tuple[Mapping[str, Any], ...] = (
    {"name": "self-consistency"},
    {"name": "self-consistency", "stop": {"rule": "beta", "threshold": 0.95}},
    {"name": "refine", "rounds": 1, "cues": {key: SHORT[key] for key in ("critique", "revise")}},
    {"think": {"max": 64, "waits": 1, "answer": 24}, "cues": {key: SHORT[key] for key in ("final_answer", "wait")}},
    {"name": "cascade", "probe": 4, "within": {"name": "self-consistency"}},
)
"""Blocks of the mix, one for each fifth of the rows."""


class Mixed:
    """Each row by the strategy of its fifth. For this benchmark only: a run has one strategy."""

    def __init__(self, block: Mapping[str, Any], n: int) -> None:
        self._shares = [strategies.make(share, n) for share in SHARES]
        self.parameters: Mapping[str, Any] = {"name": "mixed", "n": n}

    @classmethod
    def faults(cls, block: Mapping[str, Any]) -> list[Any]:
        """Nothing can be said."""
        return []

    async def solve(self, problem: Problem, ctx: Context) -> Result:
        """As the row's own strategy does."""
        return await self._shares[problem.row % len(self._shares)].solve(problem, ctx)


def parameters(self: ForcedEngine, request: Request, watch: Watch | None) -> Any:
    """Forced lengths for every path, within the cap of the call; a response of a stop string ends there too."""
    key = request.key
    place = b"" if key.path == "answer" else key.path.encode()
    length = WARM_UP_TOKENS if key.path == WARM_UP else self._plan.lengths.of(key.row_id + place, key.k)
    params = super(ForcedEngine, self)._parameters(request, watch)
    params.max_tokens = min(length, request.sampling.max_tokens)
    params.ignore_eos = True
    return params


def one_way(plan: Plan, result: Path) -> None:
    """One way in this process."""
    environment()
    strategies.STRATEGIES["mixed"] = Mixed
    ForcedEngine._parameters = parameters  # type: ignore[method-assign]
    measured = by_solver(plan, read_job(plan.job))
    result.write_text(json.dumps(measured), "utf-8")


def main() -> int:
    """Both ways, round by round; 1 when the goal is missed or a way failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--problems", type=int, default=100)
    parser.add_argument("--samples", type=int, default=16, help="a problem, at most")
    parser.add_argument("--mean", type=float, default=64, help="tokens of a response")
    parser.add_argument("--slots", type=int, default=128, help="max_num_seqs")
    parser.add_argument("--way", nargs=2, metavar=("PLAN", "RESULT"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.way:
        one_way(Plan.read(Path(asked.way[0])), Path(asked.way[1]))
        return 0
    print(f"machine: {machine()}")
    print(f"{asked.problems} problems x up to {asked.samples} samples, mean {asked.mean:g} tokens", flush=True)
    measured: dict[str, list[dict[str, Any]]] = {"plain": [], "mixed": []}
    with tempfile.TemporaryDirectory(prefix="bench-mixed-") as folder:
        for number in range(asked.rounds):
            for way in list(measured)[:: 1 if number % 2 else -1]:
                told = start(way, asked, Path(folder) / f"{way}-{number}")
                if told is None:
                    return 1
                measured[way].append(told)
                speed = told["tokens"] / told["seconds"]
                print(f"round {number + 1}  {way:<6} {told['samples']:6,} samples  {speed:7,.0f} tokens/s", flush=True)
    return report(measured)


def start(way: str, asked: argparse.Namespace, folder: Path) -> dict[str, Any] | None:
    """Run one way in a process of its own; None when it failed."""
    folder.mkdir()
    table = ROOT / "jobs" / "data" / "demo.parquet"
    longest = round(8 * asked.mean)
    sampling = {"n": asked.samples, "max_tokens": longest}
    engine = {"max_num_seqs": asked.slots, "dtype": "float32"}
    job = write_job(folder, ABACUS.resolve(), table, asked.problems, sampling, **engine)
    if way == "mixed":
        told = json.loads(Path(job).read_text("utf-8")) | {"strategy": {"name": "mixed"}}
        Path(job).write_text(json.dumps(told), "utf-8")
    plan, result = folder / "plan.json", folder / "result.json"
    Plan(job, Lengths(asked.mean, 0.7, longest), True, 8).write(plan)
    command = [sys.executable, __file__, "--way", str(plan), str(result)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode or not result.exists():
        print(f"{way} failed:\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}")
        return None
    found: dict[str, Any] = json.loads(result.read_text("utf-8"))
    return found


def report(measured: Mapping[str, list[dict[str, Any]]]) -> int:
    """Medians, and the ratio with its goal."""
    speeds = {way: [told["tokens"] / told["seconds"] for told in rounds] for way, rounds in measured.items()}
    for way, values in speeds.items():
        spread = Spread.of(values)
        print(f"{way:<6} {spread.median:8,.0f} tokens/s ({spread.low:,.0f} to {spread.high:,.0f})")
    told = ratio(speeds["mixed"], speeds["plain"])
    reached = told.median >= GOAL
    goal = f"goal {GOAL}: {'reached' if reached else 'missed'}"
    print(f"mixed / plain {told.median:.3f} ({told.low:.3f} to {told.high:.3f})  {goal}")
    return int(not reached)


if __name__ == "__main__":
    sys.exit(main())
