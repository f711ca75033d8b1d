"""The main job on the real engine, as a user runs it: run, interrupt, run again, look, vote again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).parents[2]
JOB = """
name: line
input: {{path: {data}, limit: {limit}}}
model: {{source: {model}}}
prompt: {{template: plain}}
sampling: {{n: 4, max_tokens: 256}}
engine: {{kind: vllm, max_num_seqs: 32, dtype: float32}}
output: {{dir: runs/line, flush_seconds: 2}}
"""


def solver(*words: str, cwd: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "solver", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, cwd=cwd, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0
    )


def finish(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=400)
    return process.returncode, out, err


def write_job(home: Path, limit: int) -> None:
    data, model = ROOT / "jobs" / "data" / "demo.parquet", ROOT / "jobs" / "abacus"
    (home / "job.yaml").write_text(JOB.format(data=data, model=model, limit=limit))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that Ctrl-C stopped in the middle (to the whole process group, as a terminal sends it) and then went on."""
    home = tmp_path_factory.mktemp("home")
    write_job(home, limit=150)
    first = solver("run", "job.yaml", cwd=home)
    wait_for(home / "runs" / "line" / "samples", first)
    os.killpg(first.pid, signal.SIGINT)
    (home / "first.json").write_text(json.dumps(finish(first)))
    (home / "durable.json").write_text(json.dumps(keys(home)))
    (home / "second.json").write_text(json.dumps(finish(solver("run", "job.yaml", "--json", cwd=home))))
    return home


def wait_for(folder: Path, process: "subprocess.Popen[str]") -> None:
    for _ in range(3000):
        if list(folder.glob("*.parquet")) or process.poll() is not None:
            return
        time.sleep(0.1)


def keys(home: Path) -> list[list[Any]]:
    table = pq.read_table(home / "runs" / "line" / "samples", columns=["row_id", "path", "call", "k"])
    return [list(row.values()) for row in table.to_pylist()]


def told(home: Path, name: str) -> tuple[int, str, str]:
    code, out, err = json.loads((home / f"{name}.json").read_text())
    return code, out, err


def test_ctrl_c_lets_running_samples_finish_and_prints_the_command_that_goes_on(home: Path) -> None:
    code, _, err = told(home, "first")
    assert code == 130, err
    assert "stopping: no new problems" in err
    assert "To go on: solver run job.yaml" in err
    assert "Traceback" not in err


def test_the_same_command_goes_on_and_repeats_no_durable_sample(home: Path) -> None:
    code, out, err = told(home, "second")
    assert code == 0, err
    assert "resuming" in err
    durable = json.loads((home / "durable.json").read_text())
    assert 0 < len(durable) < 600, "the first run was stopped in the middle"
    assert json.loads(out)["this_run"]["samples"] == 600 - len(durable)
    every = [tuple(key) for key in keys(home)]
    assert len(every) == len(set(every)) == 600


def test_both_tables_say_the_same_story(home: Path) -> None:
    samples = pq.read_table(home / "runs" / "line" / "samples").to_pylist()
    results = pq.read_table(home / "runs" / "line" / "results").to_pylist()
    assert len(results) == 150
    by_key = {(row["row_id"], row["k"]): row for row in samples}
    for row in results:
        for candidate in row["candidates"]:
            sample = by_key[row["row_id"], candidate["k"]]
            if candidate["answer"] is not None:
                assert f"\\boxed{{{candidate['answer']}}}" in sample["text"]
        votes = [c for c in row["candidates"] if c["class_id"] == 0]
        assert len(votes) == row["votes"]
        assert row["correct"] == (row["predicted"] == row["reference"])
        assert row["steps"] in range(1, 7), "columns of the input pass through"


def test_the_engine_writes_to_its_log_and_not_over_the_progress(home: Path) -> None:
    _, _, err = told(home, "second")
    assert "EngineCore" not in err and "INFO" not in err
    logs = list((home / "runs" / "line" / "_solver" / "logs").glob("engine-*.log"))
    assert len(logs) == 2
    assert all("InternLM3ForCausalLM" in log.read_text() for log in logs)


def test_a_revote_needs_no_engine_and_changes_nothing_when_the_rules_are_the_same(home: Path) -> None:
    before = pq.read_table(home / "runs" / "line" / "results", columns=["row_id", "predicted"]).sort_by("row_id")
    code, _, err = finish(solver("revote", "runs/line", cwd=home))
    assert code == 0, err
    after = pq.read_table(home / "runs" / "line" / "results", columns=["row_id", "predicted"]).sort_by("row_id")
    assert before.equals(after)


def test_fewer_samples_are_voted_on_without_an_engine(home: Path) -> None:
    code, out, err = finish(solver("revote", "runs/line", "-o", "sampling.n=1", "--json", cwd=home))
    assert code == 0, err
    stats = json.loads(out)["stats"]
    assert stats["samples"] == 150
    assert stats["majority"]["value"] == pytest.approx(stats["pass_at_1"]["value"])
