"""The promise: a sample counted durable is never lost and never generated again, however often the run is killed."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow.dataset as ds
from store_rows import DECISION, row_id

from solver.store import Store

PROBLEMS, N, KILLS = 240, 4, 12


def test_a_dozen_kills_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    run, acknowledged = tmp_path / "run", tmp_path / "acknowledged"
    driver = [sys.executable, str(Path(__file__).with_name("crash_driver.py")), str(run), str(acknowledged)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    told = subprocess.run(
        [*driver, str(KILLS), "7"], env=environment, check=True, capture_output=True, text=True, timeout=120
    )
    endings = told.stdout.split("\n")[:-1]
    assert endings[-1] == "exit 0" and set(endings) <= {"9", "exit 0"}, told.stderr
    starts = {path.name[:9] for path in (run / "samples").iterdir()}
    assert endings.count("9") > 3 and len(starts) > 3, "too few owners were killed at work: nothing was tested"

    lines = [line.split() for line in acknowledged.read_text().splitlines()]
    finished = {(int(line[1]), int(line[2])): line[4] for line in lines if line[0] == "sample" and line[3] == "ok"}
    repeated = Counter((line[1], line[2]) for line in lines if line[0] == "sample" and line[3] == "ok")
    assert max(repeated.values()) == 1, "a durable finished sample was generated again"

    store = Store.read(run)
    numbers = {row_id(number): number for number in range(PROBLEMS)}
    texts = {(numbers[row.key.row_id], row.key.k): row.text for row in store.samples()}
    assert all(texts[place].endswith(nonce) for place, nonce in finished.items()), "an acknowledged sample was lost"
    shards = ds.dataset(str(run / "samples")).to_table(columns=["row_id", "k", "status"]).to_pylist()
    copies = Counter((row["row_id"], row["k"]) for row in shards if row["status"] == "ok")
    assert max(copies.values()) == 1, "a finished sample is there twice"

    results = ds.dataset(str(run / "results")).to_table(columns=["row_id", "decision"]).to_pylist()
    assert Counter(row["row_id"] for row in results) == Counter(row_id(number).hex() for number in range(PROBLEMS))
    assert {row["decision"] for row in results} == {DECISION} and store.finished
    assert not list((run / "_solver" / "bad" / "samples").iterdir())
