"""Both tables can be opened by other programs while a run is writing them: shards appear whole, by a rename."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pytest
from desk import Desk
from reaper import Ending, Reaper

ROWS = [{"id": f"p{i}", "problem": f"What is {i}?", "answer": "1", "tags": ["a"]} for i in range(2000)]


def with_datasets(run: Path, table: str) -> int:
    datasets = pytest.importorskip("datasets")
    cache = run.parent / f"cache-{time.monotonic_ns()}"
    loaded = datasets.load_dataset(
        "parquet", data_files=f"{run / table}/*.parquet", split="train", cache_dir=str(cache)
    )
    return int(loaded.num_rows)


READERS: dict[str, Callable[[Path, str], Any]] = {
    "pandas": lambda run, table: len(pd.read_parquet(run / table)),
    "polars": lambda run, table: pl.read_parquet(str(run / table / "*.parquet")).height,
    "duckdb": lambda run, table: duckdb.sql(f"select count(text_or_problem) from (select {COLUMN[table]} as "
                                            f"text_or_problem from '{run / table}/*.parquet')").fetchall()[0][0],
    "datasets": with_datasets,
}  # fmt: skip
COLUMN = {"samples": "text", "results": "problem"}


@contextmanager
def under_way(desk: Desk) -> Iterator[None]:
    """A run that has written some shards of both tables and writes one after the other, until it is killed."""
    endings: list[Ending] = []
    with Reaper() as reaper:
        thread = threading.Thread(target=lambda: endings.append(reaper.life("run", desk)))
        thread.start()
        try:
            while not all(len(list((desk.out / name).glob("*.parquet"))) > 3 for name in COLUMN):
                assert thread.is_alive()
                time.sleep(0.05)
            yield
        finally:
            os.kill(json.loads((desk.out / "_solver" / "owner.json").read_text())["pid"], signal.SIGKILL)
            thread.join()
    assert endings[0].killed, "the run came to its end while it was read: nothing was tested"


def test_other_programs_read_both_tables_while_a_run_writes_them(desk: Desk) -> None:
    desk.lay(ROWS, [""], sampling={"n": 2, "max_tokens": 50}, engine={"slots": 4, "seconds": 0.02})
    seen: dict[tuple[str, str], int] = {}
    with under_way(desk):
        for turn in range(2):
            for program, read in READERS.items():
                for table in COLUMN if program != "datasets" or not turn else ():
                    rows = read(desk.out, table)
                    assert rows >= max(1, seen.get((program, table), 0))
                    seen[program, table] = rows
    assert len(seen) == 8 and max(seen.values()) < 4000
