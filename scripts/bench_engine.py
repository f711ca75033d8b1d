"""Tokens/s of `solver` beside vLLM's own LLM.generate: same prompts, same lengths, same settings, one machine.

    python scripts/bench_engine.py                       # here: the CPU with the demo model, about 4 minutes
    python scripts/bench_engine.py --rounds 5            # medians that can be quoted on a noisy machine
    python scripts/bench_engine.py --gpu                 # InternLM3-8B's shape with random weights, beside the roofline
    python scripts/bench_engine.py --gpu --contexts 1024 # one mean context, about 5 minutes with both starts

Responses have forced lengths (lognormal with a long tail, fixed per problem and sample), and all ways must generate
exactly the planned tokens. Each way runs in a process of its own, after a warm-up, in an order that turns from round to
round; see bench_ways.py for what each does. Prints the machine, the versions, tokens/s and the ratios with the goals.
Without a CUDA GPU the GPU part is one line. Exit code 1 when a way failed or token counts differ.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from bench_lengths import Lengths, Spread, ratio, roofline
from bench_shapes import ABACUS, GPU_SHAPES, ROOT, Shape, write_job, write_model, write_problems
from bench_ways import WAYS, Plan

GOALS = {"one": 0.95, "chunks": 1.8}
LONGEST_OF_MEAN = 16
CPU_LONGEST = 1536  # leaves room for a prompt in the demo model's 2,048 positions
LABELS = {
    "solver": "solver (the whole line)",
    "one": "one LLM.generate",
    "one-ids": "one LLM.generate, ids only",
    "chunks": "LLM.generate, {chunk} problems a call",
}
Measured = dict[str, list[dict[str, Any]]]


def main() -> int:
    """Run what this machine can; 0 when all went well."""
    asked = options()
    if asked.threads:
        os.environ["OMP_NUM_THREADS"] = str(asked.threads)
    gpu = has_gpu()
    print(f"machine: {machine()}")
    if asked.gpu and not gpu:
        print("GPU part: no CUDA GPU here, so nothing was run")
        return 0
    with tempfile.TemporaryDirectory(prefix="bench-engine-") as temporary:
        if gpu and not asked.cpu:
            return on_gpu(asked, Path(temporary))
        failed = on_cpu(asked, Path(temporary))
    if not gpu:
        print("GPU part: no CUDA GPU here, so nothing was run")
    return failed


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--gpu", action="store_true", help="the GPU part only (one line where there is none)")
    parser.add_argument("--cpu", action="store_true", help="the CPU part, also where there is a GPU")
    parser.add_argument("--rounds", type=int, default=1, help="rounds of every way")
    parser.add_argument("--ways", nargs="+", choices=WAYS, help="default: all on the CPU; solver and one on a GPU")
    parser.add_argument("--problems", type=int, default=96, help="CPU part: problems, at most those of jobs/data/demo")
    parser.add_argument("--mean", type=float, default=96, help="CPU part: mean response in tokens")
    parser.add_argument("--sigma", type=float, default=1.0, help="CPU part: deviation of the lengths' logarithm")
    parser.add_argument("--samples", type=int, default=16, help="samples a problem")
    parser.add_argument("--slots", type=int, default=256, help="max_num_seqs")
    parser.add_argument("--chunk", type=int, default=8, help="problems a call of `chunks`")
    parser.add_argument("--contexts", type=int, nargs="+", default=[s.context for s in GPU_SHAPES], help="GPU part")
    parser.add_argument("--model", type=Path, default=ABACUS, help="CPU part: a model directory")
    parser.add_argument("--threads", type=int, help="OMP_NUM_THREADS of every way; default: what solver sets")
    parser.add_argument("--no-seeds", action="store_true", help="no seed per request, in every way")
    parser.add_argument("--json", type=Path, help="also write every measurement to this file")
    return parser.parse_args()


def on_cpu(asked: argparse.Namespace, folder: Path) -> int:
    """The comparison with the demo model; 1 when a way failed."""
    lengths = Lengths(asked.mean, asked.sigma, min(round(LONGEST_OF_MEAN * asked.mean), CPU_LONGEST))
    table = ROOT / "jobs" / "data" / "demo.parquet"
    print(f"{asked.problems} problems x {asked.samples} samples, lengths lognormal with mean {asked.mean:g}, ", end="")
    print(f"sigma {asked.sigma:g}, at most {lengths.longest}; {asked.model.name}, {asked.slots} slots", flush=True)

    def prepare(place: Path) -> Plan:
        sampling = {"n": asked.samples, "max_tokens": lengths.longest}
        engine = {"max_num_seqs": asked.slots, "dtype": "float32"}  # many CPUs only imitate bfloat16
        job = write_job(place, asked.model.resolve(), table, asked.problems, sampling, **engine)
        return Plan(job, lengths, not asked.no_seeds, asked.chunk)

    ways = asked.ways or WAYS
    measured = rounds(ways, asked.rounds, prepare, folder)
    report(measured, asked)
    return keep(asked, {"cpu": measured}, ways)


def on_gpu(asked: argparse.Namespace, folder: Path) -> int:
    """InternLM3-8B's shape at each mean context; 1 when a way failed."""
    model = write_model(folder / "internlm3-8b-shape")
    everything: dict[str, Measured] = {}
    ways = asked.ways or ("solver", "one")
    for shape in GPU_SHAPES:
        if shape.context not in asked.contexts:
            continue
        lengths = shape.lengths()
        table = write_problems(folder / f"problems-{shape.context}.parquet", shape.problems, shape.prompt)
        print(f"context {shape.context:,}: {shape.problems} problems x {asked.samples} samples, ", end="")
        print(f"prompts of about {shape.prompt} tokens, responses of {lengths.mean:,.0f} in the mean", flush=True)

        def prepare(place: Path, shape: Shape = shape, table: Path = table, lengths: Lengths = lengths) -> Plan:
            sampling = {"n": asked.samples, "max_tokens": lengths.longest}
            engine = {"max_num_seqs": asked.slots, "load_format": "dummy"}
            job = write_job(place, model, table, shape.problems, sampling, **engine)
            return Plan(job, lengths, not asked.no_seeds, asked.chunk)

        measured = rounds(ways, asked.rounds, prepare, folder)
        report(measured, asked)
        beside_roofline(measured, asked.slots)
        everything[str(shape.context)] = measured
    return max((keep(asked, everything, ways) for _ in everything), default=0)


def rounds(ways: Sequence[str], count: int, prepare: Any, folder: Path) -> Measured:
    """Every way `count` times; the order turns by one way a round, so that none is always first."""
    measured: Measured = {way: [] for way in ways}
    for number in range(count):
        turned = [*ways[number % len(ways) :], *ways[: number % len(ways)]]
        for way in turned:
            place = Path(tempfile.mkdtemp(prefix=f"{way}-", dir=folder))
            prepare(place).write(place / "plan.json")
            begun = time.monotonic()
            one = measure(way, place)
            if one is None:
                continue
            measured[way].append(one | {"round": number})
            total = time.monotonic() - begun
            rate = one["tokens"] / one["seconds"]
            print(f"  round {number + 1} {way:<8} {one['seconds']:7.2f} s {rate:8,.0f} tokens/s", end="")
            print(f"  (with start-up {total:.0f} s)", flush=True)
    return measured


def measure(way: str, place: Path) -> dict[str, Any] | None:
    """One way in its own process; None, with the end of its output printed, when it failed."""
    command = [sys.executable, str(Path(__file__).with_name("bench_ways.py")), way, "plan.json", "result.json"]
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    with (place / "output.log").open("w") as log:
        code = subprocess.run(command, cwd=place, env=environment, stdout=log, stderr=log, check=False).returncode
    result = place / "result.json"
    if code == 0 and result.is_file():
        told: dict[str, Any] = json.loads(result.read_text("utf-8"))
        return told
    print(f"  {way} failed with exit code {code}; the end of its output:", file=sys.stderr)
    logs = [place / "output.log", *sorted(place.glob("run/_solver/logs/*.log"))]
    print("\n".join(log.read_text(errors="replace")[-3000:] for log in logs), file=sys.stderr)
    return None


def rates(measured: Measured, way: str, only: Collection[int] | None = None) -> list[float]:
    """Tokens/s of a way, in every round or in `only` some."""
    ones = [one for one in measured.get(way, []) if only is None or one["round"] in only]
    return [one["tokens"] / one["seconds"] for one in ones]


def report(measured: Measured, asked: argparse.Namespace) -> None:
    """Versions, the table of ways, and the ratios with their goals."""
    first = next((ones[0] for ones in measured.values() if ones), None)
    if first is None:
        return
    about = ", ".join(f"{name} {value}" for name, value in first["about"].items() if value)
    print(f"{about}; {'a seed per request' if not asked.no_seeds else 'no seeds'}; {first['planned']:,} tokens")
    print(f"{'way':<36}{'tokens/s':>10}{'min':>9}{'max':>9}{'seconds':>9}{'driver CPU s':>14}")
    for way, ones in measured.items():
        if ones:
            spread, seconds = Spread.of(rates(measured, way)), Spread.of([one["seconds"] for one in ones])
            label, cpu = LABELS[way].format(chunk=asked.chunk), Spread.of([one["cpu"] for one in ones])
            print(f"{label:<36}{spread.median:>10,.0f}{spread.low:>9,.0f}{spread.high:>9,.0f}", end="")
            print(f"{seconds.median:>9.2f}{cpu.median:>14.2f}")
    ours = measured.get("solver", [])
    if ours:
        last = Spread.of([one["after_last"] for one in ours])
        print(f"solver: {last.median:.2f} s of its seconds come after the last sample (votes, tables, manifest)")
    for way in ("one", "one-ids", "chunks"):
        both = {one["round"] for one in ours} & {one["round"] for one in measured.get(way, [])}
        if both:
            print(compared(way, ratio(rates(measured, "solver", both), rates(measured, way, both)), asked.chunk))


def compared(way: str, found: Spread, chunk: int) -> str:
    """One line: the ratio of medians, the range over rounds, and the goal."""
    goal = GOALS.get(way)
    verdict = "" if goal is None else f"  goal {goal:g}: {'reached' if found.median >= goal else 'MISSED'}"
    label = LABELS[way].format(chunk=chunk)
    return f"solver / {label:<34} {found.median:5.2f}  ({found.low:.2f} to {found.high:.2f}){verdict}"


def beside_roofline(measured: Measured, sequences: int) -> None:
    """Each way's tokens/s as a share of what an H200 could at most do."""
    for way, ones in measured.items():
        if ones:
            context, rate = ones[0]["context"], Spread.of(rates(measured, way)).median
            most = roofline(sequences, context)
            print(f"{way:<8} mean context {context:,.0f}: {rate:,.0f} tokens/s", end="")
            print(f" = {rate / most:.0%} of an H200's roofline of {most:,.0f} at {sequences} sequences")


def keep(asked: argparse.Namespace, everything: dict[str, Measured], ways: Sequence[str]) -> int:
    """Write --json; 1 when a round of a way is missing or generated other tokens than planned."""
    if asked.json:
        asked.json.write_text(json.dumps(everything, indent=1), "utf-8")
    ones = [one for measured in everything.values() for way in ways for one in measured[way]]
    wrong = [one for one in ones if {one["tokens"], one.get("stored_tokens", one["tokens"])} != {one["planned"]}]
    for one in wrong:
        print(f"{one['way']} generated {one['tokens']:,} tokens instead of {one['planned']:,}", file=sys.stderr)
    short = [way for measured in everything.values() for way in ways if len(measured[way]) < asked.rounds]
    return int(bool(wrong or short))


def has_gpu() -> bool:
    """Whether torch sees a CUDA GPU."""
    try:
        import torch
    except ImportError:
        return False
    return bool(torch.cuda.is_available())


def machine() -> str:
    """Processor, cores that this process may use, memory."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{names[0] if names else 'unknown processor'}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GiB"


if __name__ == "__main__":
    sys.exit(main())
