r"""How long does the report of a large run take to make, how big is it, and how fast does a browser open it?

    .venv/bin/python scripts/bench_report.py [--problems 10000] [--samples 16] [--characters 8000]

Makes a run directory of that size in a temporary folder, through the store's own writer: samples of mathematical prose
with lognormal lengths, up to four classes of answers a problem. Then `solver report` in a process of its own (seconds,
memory at its peak), and headless Chromium, where there is one: seconds from navigation to a table that can be used, to
the first problem opened, to a search answered; three times, the slowest is told. Exit code 1 where a goal is missed
(under 60 s, 30 MB, 2 s).
"""

import asyncio
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "report"))

from chromium import BINARY, Chromium

from solver.records import Candidate, Outcome, Problem, Result, Sample, SampleKey, Status
from solver.store import Store
from solver.votes import classed, vote

POOL = 16_000_000  # characters of prose that samples are cut from
SHARES = (0.6, 0.2, 0.12, 0.08)
MAKE, SIZE, OPEN = 60.0, 30e6, 2.0
REPORT = "import sys; from solver.cli import main; main(['report', sys.argv[1]])"


def prose(dice: np.random.Generator) -> str:
    """Random words of a vocabulary of 4,000, the frequent ones often, with formulas between them."""
    letters = np.array(list("etaoinshrdlucmfwypvbgkqjxz"))
    vocabulary = ["".join(dice.choice(letters[:18], size)) for size in dice.integers(2, 11, 3900)]
    vocabulary += [rf"$x^{n} + {n * 7} = \frac{{{n}}}{{3}}$" for n in range(50)] + [f"{n * 13}." for n in range(50)]
    ranks = np.minimum(dice.zipf(1.2, POOL // 6), 4000) - 1
    order = dice.permutation(4000)
    return " ".join(vocabulary[rank] for rank in order[ranks])[:POOL]


def rows(problems: int, samples: int, characters: int) -> Iterator[tuple[list[Sample], Result]]:
    """The samples and the result of each problem."""
    dice = np.random.default_rng(0)
    pool = prose(dice)
    for row in range(problems):
        id_ = int(dice.integers(2**62)).to_bytes(8, "big") + row.to_bytes(8, "big")
        begin = int(dice.integers(POOL - 400))
        problem = Problem(id_, row, f"bench-{row:06}", pool[begin : begin + 250], {}, "0")
        lengths = np.minimum(dice.lognormal(0, 0.7, samples) * characters / np.exp(0.245), 60_000).astype(int)
        classes = dice.choice(4, samples, p=SHARES).tolist()
        made, candidates = [], []
        for k, (length, number) in enumerate(zip(lengths.tolist(), classes, strict=True)):
            begin = int(dice.integers(POOL - length))
            text = f"{pool[begin : begin + length]} So \\boxed{{{number}}}."
            key = SampleKey(id_, "answer", 7, k)
            made.append(Sample(key, "answer", text, Status.OK, "stop", 60, length // 4, k))
            candidates.append(Candidate((key,), k, str(number), "boxed"))
        seen = {number: place for place, number in enumerate(dict.fromkeys(classes))}
        done = classed(candidates, [seen[number] for number in classes], seen.get(0, -1))
        tokens = sum(sample.output_tokens for sample in made)
        yield made, Result(problem, vote(done), done, samples, 0, tokens, Outcome.OK)


async def write(path: Path, problems: int, samples: int, characters: int) -> None:
    """The run directory."""
    with Store.create_or_open(path) as store:
        async with store.writer() as writer:
            for made, result in rows(problems, samples, characters):
                for sample in made:
                    await writer.add(sample)
                await writer.add_result(result)
        store.finish({"name": "bench", "model": "none"})


def browse(page: Path, folder: Path) -> tuple[float, float, float]:
    """Seconds until the page can be used, until a problem is open, until a search is answered: the slowest of three."""
    worst = np.zeros(3)
    for number in range(3):
        with Chromium(folder / f"chromium-{number}") as browser:
            browser.look()
            marks = [browser.open(page)]
            for code, done in (
                ("document.querySelectorAll('tr.row')[7].click()", "!!document.querySelector('td.opened .answer')"),
                (
                    "{ const box = document.getElementById('search'); box.value = 'bench-000123'; "
                    "box.dispatchEvent(new Event('input')); }",
                    "document.querySelectorAll('tr.row').length === 1",
                ),
            ):
                began = time.monotonic()
                browser.run(code)
                browser.until(done)
                marks.append(time.monotonic() - began)
            assert not browser.complaints, browser.complaints
        worst = np.maximum(worst, marks)
    return float(worst[0]), float(worst[1]), float(worst[2])


@click.command(help=__doc__)
@click.option("--problems", default=10_000, show_default=True)
@click.option("--samples", default=16, show_default=True)
@click.option("--characters", default=8000, show_default=True, help="Mean length of a sample.")
def main(problems: int, samples: int, characters: int) -> None:
    """Make, measure, judge."""
    machine = f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print(f"{machine}, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        began = time.monotonic()
        asyncio.run(write(run, problems, samples, characters))
        print(
            f"a run of {problems:,} x {samples} samples of {characters:,} characters: {time.monotonic() - began:.0f} s"
        )
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", REPORT, str(run)], check=True)
        made = time.monotonic() - began
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3
        size = (run / "report.html").stat().st_size
        print(f"made in {made:.1f} s, {peak:,.0f} MB of memory; {size / 1e6:.1f} MB")
        missed = [f"{what} missed" for what, is_so in (("60 s", made > MAKE), ("30 MB", size > SIZE)) if is_so]
        if BINARY is None:
            print("no Chromium here: not opened")
        else:
            ready, opened, searched = browse(run / "report.html", Path(folder))
            print(f"opens in {ready:.2f} s, a problem in {opened:.2f} s, a search in {searched:.2f} s")
            missed += ["2 s missed"] if ready > OPEN else []
    sys.exit(", ".join(missed) if missed else 0)


if __name__ == "__main__":
    main()
