"""Writes rows to disk in every format that the input room reads, and reads them back as problems."""

import csv
import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from solver.problems import InputSpec, Table, open_table, problems, survey
from solver.records import Problem

FORMATS = ("x.parquet", "x.jsonl", "x.jsonl.gz", "x.json", "x.csv", "x.csv.gz")

Rows = Sequence[Mapping[str, Any]]


def write(path: Path, rows: Rows) -> Path:
    """A table in the format that the file's name promises."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path)
        return path
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf-8", newline="") as file:
        if ".csv" in path.name:
            lines = csv.DictWriter(file, list(rows[0]))
            lines.writeheader()
            lines.writerows(rows)
        else:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return path


def texts(*problems: str) -> list[dict[str, str]]:
    """Rows with nothing but a problem."""
    return [{"problem": problem} for problem in problems]


def read(path: Path | str, reads: Iterable[str] = ("problem",), **spec: Any) -> tuple[Table, list[Problem]]:
    """Open, survey and stream."""
    table = open_table(InputSpec(str(path), **spec))
    return table, list(problems(table, survey(table, tuple(reads))))
