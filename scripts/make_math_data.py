"""Writes `jobs/data/math.parquet` from `scripts/math_problems.jsonl`.

The problems were written for this project, half in English and half in Chinese; every reference answer is computed
again, independently, by a function under `tests/math_checks`. Each line of the source is one problem:

    id        "math-001", "math-002", ... in the order of the file
    language  "en" or "zh"
    subject   one of SUBJECTS
    level     1 (early AMC 10) to 5 (AIME)
    problem   the text, with LaTeX between dollar signs
    answer    the reference, in the LaTeX one would put in a box
"""

import argparse
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "scripts" / "math_problems.jsonl"
TARGET = ROOT / "jobs" / "data" / "math.parquet"
LANGUAGES = ("en", "zh")
SUBJECTS = ("algebra", "number theory", "combinatorics", "geometry", "probability", "sequences", "calculus")
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("problem", pa.string(), nullable=False),
        pa.field("answer", pa.string(), nullable=False),
        pa.field("language", pa.string(), nullable=False),
        pa.field("subject", pa.string(), nullable=False),
        pa.field("level", pa.int32(), nullable=False),
    ]
)


def read_problems(source: Path = SOURCE) -> list[dict[str, Any]]:
    """The problems of the source file, each with exactly the columns of SCHEMA and values in range."""
    problems = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    for number, problem in enumerate(problems, start=1):
        place = f"{source.name}:{number}"
        if set(problem) != set(SCHEMA.names):
            raise ValueError(f"{place}: has {sorted(problem)}, not {sorted(SCHEMA.names)}")
        if problem["id"] != f"math-{number:03d}":
            raise ValueError(f"{place}: id {problem['id']!r} is out of order")
        if problem["language"] not in LANGUAGES or problem["subject"] not in SUBJECTS:
            raise ValueError(f"{place}: unknown language or subject")
        if problem["level"] not in range(1, 6):
            raise ValueError(f"{place}: level {problem['level']!r} is not one of 1 to 5")
        if not all(problem[name] and problem[name] == problem[name].strip() for name in ("problem", "answer")):
            raise ValueError(f"{place}: empty text or white space at an end")
    return problems


def make_table(source: Path = SOURCE) -> pa.Table:
    """The source file as the table that is written."""
    return pa.Table.from_pylist(read_problems(source), schema=SCHEMA)


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description="Write the mathematics problems as Parquet.")
    parser.add_argument("--target", type=Path, default=TARGET, help="default: jobs/data/math.parquet")
    target: Path = parser.parse_args().target
    table = make_table()
    target.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, target, compression="zstd")
    print(f"{target}: {table.num_rows} problems")


if __name__ == "__main__":
    main()
