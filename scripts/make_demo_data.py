"""Write the demo's problems (`jobs/data/demo.parquet`) and the held-out ones (`jobs/data/heldout.parquet`).

Contract: deterministic; columns id, problem, answer (a string), language ("en", "zh"), steps (int32); 1 to 6 steps in
equal shares as far as possible, languages alternating. Before writing, it checks itself: no tuple of numbers occurs
twice in the two files, none belongs to the training split, and every tuple is of its own file's split.
Takes a second. Needs pyarrow.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from abacus_problems import LANGUAGES, MAX_STEPS, Problem, draw, numbers_of, split_of

ROOT = Path(__file__).resolve().parent.parent
SIZES = {"demo": 200, "heldout": 500}
SEEDS = {"demo": 71, "heldout": 72}


def problems_of(split: str) -> list[Problem]:
    rng = random.Random(SEEDS[split])
    seen: set[tuple[int, ...]] = set()
    problems: list[Problem] = []
    while len(problems) < SIZES[split]:
        place = len(problems)
        language = LANGUAGES[place % len(LANGUAGES)]
        problem = draw(rng, split, place // len(LANGUAGES) % MAX_STEPS + 1, language)
        if numbers_of(problem.text) not in seen:
            seen.add(numbers_of(problem.text))
            problems.append(problem)
    return problems


def check(files: dict[str, list[Problem]]) -> None:
    for split, problems in files.items():
        if any(split_of(problem.text) != split for problem in problems):
            raise SystemExit(f"{split}: a problem of another split")
    tuples = [numbers_of(problem.text) for problems in files.values() for problem in problems]
    if len(set(tuples)) != len(tuples):
        raise SystemExit("a tuple of numbers occurs twice")


def table_of(split: str, problems: list[Problem]) -> pa.Table:
    return pa.table(
        {
            "id": pa.array([f"{split}-{number:04d}" for number in range(len(problems))]),
            "problem": pa.array([problem.text for problem in problems]),
            "answer": pa.array([str(problem.answer) for problem in problems]),
            "language": pa.array([problem.language for problem in problems]),
            "steps": pa.array([problem.steps for problem in problems], pa.int32()),
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "jobs" / "data")
    options = parser.parse_args()
    files = {split: problems_of(split) for split in SIZES}
    check(files)
    options.out.mkdir(parents=True, exist_ok=True)
    for split, problems in files.items():
        path = options.out / f"{split}.parquet"
        pq.write_table(table_of(split, problems), path, compression="zstd")
        print(f"{path}: {len(problems)} problems, {path.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
