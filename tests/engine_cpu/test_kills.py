"""A real engine under a real run: driver or engine killed again and again, at moments that nobody chose."""

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.engine_cpu.test_main_line import ROOT, solver

KILLS, PROBLEMS, N = 20, 200, 16
JOB = """
name: kills
input: {{path: {data}, limit: {limit}}}
model: {{source: {model}}}
prompt: {{template: plain}}
sampling: {{n: {n}, max_tokens: 256}}
engine: {{kind: vllm, max_num_seqs: 4, dtype: float32}}
output: {{dir: run, flush_seconds: 2}}
"""


class Siege:
    """One run, started again whenever its driver was killed; keeps every row that was ever durable."""

    def __init__(self, home: Path, seed: int) -> None:
        data, model = ROOT / "jobs" / "data" / "demo.parquet", ROOT / "jobs" / "abacus"
        (home / "job.yaml").write_text(JOB.format(data=data, model=model, limit=PROBLEMS, n=N))
        self.home, self.chance = home, random.Random(seed)
        self.kills: Counter[str] = Counter()
        self.seen: dict[tuple[Any, ...], str] = {}
        self.process: subprocess.Popen[str] | None = None
        self.said = ""

    def rows(self) -> list[tuple[tuple[Any, ...], str, str]]:
        """Key, text and status of every row that lies in the samples table now, each copy of it."""
        found = []
        for path in sorted((self.home / "run" / "samples").glob("*.parquet")):
            for row in pq.read_table(path).to_pylist():
                found.append(((row["row_id"], row["path"], row["call"], row["k"]), row["text"], row["status"]))
        return found

    def lives(self) -> None:
        """Start the run, or leave it running."""
        if self.process is None:
            self.process = solver("run", "job.yaml", "--json", cwd=self.home)

    def works(self, rows: int) -> bool:
        """Wait until so many more rows are durable; False when the run came to its end first."""
        assert self.process is not None
        goal, end = len(self.rows()) + rows, time.monotonic() + 400
        while (count := len(self.rows())) < goal:
            assert time.monotonic() < end, f"{count} of {goal} rows after 400 s"
            if self.process.poll() is not None:
                return False
            time.sleep(0.3)
        time.sleep(2 * self.chance.random())
        return self.process.poll() is None

    def kill(self) -> None:
        """The driver, and its engines are gone soon, or the engine alone."""
        assert self.process is not None
        self.seen.update({key: text for key, text, _ in self.rows()})
        engines = engines_below(self.process.pid)
        if engines and self.chance.random() < 0.5:
            os.kill(engines[0], signal.SIGKILL)
            self.kills["engine"] += 1
            return
        self.process.kill()
        self.said += self.process.communicate(timeout=60)[1]
        end = time.monotonic() + 30
        while left := [pid for pid in engines if alive(pid)]:
            assert time.monotonic() < end, f"engines {left} outlive their driver"
            time.sleep(0.05)
        self.kills["driver"] += 1
        self.process = None

    def ends(self) -> dict[str, Any]:
        """What the last start says at its end."""
        self.lives()
        assert self.process is not None
        out, err = self.process.communicate(timeout=900)
        self.said += err
        assert self.process.returncode == 0, err
        told: dict[str, Any] = json.loads(out)
        return told


def engines_below(pid: int) -> list[int]:
    """vLLM's engine processes under a driver."""
    listed = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(line.split()[0]) for line in listed.stdout.splitlines() if "EngineCore" in line]


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.soak
def test_twenty_kills_of_driver_or_engine_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    began = time.monotonic()
    siege = Siege(tmp_path, seed=int(os.environ.get("SIEGE_SEED", "3")))
    while sum(siege.kills.values()) < KILLS:
        siege.lives()
        assert siege.works(siege.chance.randrange(1, 60)), "the job is too small for so many kills"
        siege.kill()
        print(f"{time.monotonic() - began:.0f} s: {dict(siege.kills)}, {len(siege.seen)} durable", flush=True)
    told = siege.ends()
    rows = siege.rows()
    final = {key: text for key, text, _ in rows}
    lost = sum(final.get(key) != text for key, text in siege.seen.items())
    repeated = len(rows) - len(final)
    print(
        f"\nkills with vLLM: {siege.kills['driver']} of the driver, {siege.kills['engine']} of the engine, "
        f"{len(rows):,} samples, {len(siege.seen):,} seen durable before the last, {lost} lost, {repeated} repeated, "
        f"{time.monotonic() - began:.0f} s"
    )
    assert (lost, repeated, len(final)) == (0, 0, PROBLEMS * N)
    assert {status for _, _, status in rows} <= {"ok", "truncated"}, "nobody is blamed for what we did"
    assert told["stats"]["problems"] == PROBLEMS and "Traceback" not in siege.said
