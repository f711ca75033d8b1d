"""Ctrl-C, termination and a kill in the middle of a run, and the command that goes on from there."""

import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from desk import Desk, environment, solver

from solver.store import Store

ROWS = [{"id": f"p{i}", "problem": f"What is {i}?", "answer": str(i)} for i in range(100)]
REPLIES = {row["problem"]: [f"It is \\boxed{{{row['answer']}}}"] for row in ROWS}
SYSTEM = "prompt.system=Think of 'one' thing"
RUN = ["solver", "run", "job.yaml", "-o", SYSTEM]
FAST = ["-o", "engine.seconds=0", "-o", "engine.slots=64"]


@pytest.fixture
def slow(desk: Desk) -> Desk:
    """100 problems x 2 samples, 4 at a time, 0.2 s each: 10 s of work, durable every 2 s."""
    engine = {"seconds": 0.2, "slots": 4}
    return desk.lay(ROWS, REPLIES, engine=engine, sampling={"n": 2}, output={"flush_seconds": 2})


@pytest.fixture
def running(slow: Desk) -> Iterator["subprocess.Popen[str]"]:
    """`solver run` in the middle of its work: samples are durable, and more are in flight."""
    command = [sys.executable, "-m", *RUN]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=slow.home, env=environment(), text=True, **pipes) as process:
        end = time.monotonic() + 60
        while not list((slow.out / "samples").glob("*.parquet")):
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.02)
        yield process
        process.kill()


def resume_command(err: str) -> list[str]:
    return shlex.split(err.splitlines()[-1].split("To go on: ")[1])


def goes_on(desk: Desk, words: list[str]) -> None:
    """The command completes the run, asks only for what was not durable, and says that it resumes."""
    assert words == RUN
    durable = {(s.key, s.text, s.seed) for s in Store.read(desk.out).samples()}
    assert durable
    told = solver(desk, *words[1:], *FAST, "--json")
    assert told.returncode == 0, told.stderr
    assert "resuming out" in told.stderr
    after = {(s.key, s.text, s.seed) for s in Store.read(desk.out).samples()}
    assert durable <= after and len({key for key, *_ in after}) == len(after) == 200
    assert json.loads(told.stdout)["this_run"]["samples"] == 200 - len(durable)
    assert len(desk.results()) == 100


def test_one_interrupt_lets_running_samples_finish(slow: Desk, running: "subprocess.Popen[str]") -> None:
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130 and out == "" and "Traceback" not in err
    assert "Ctrl-C again" in err
    kept = list(Store.read(slow.out).samples())
    begun = {sample.key.row_id for sample in kept}
    assert len(kept) == 2 * len(begun) < 200, "what had begun was finished and is durable, the rest not begun"
    assert f"{len(kept)} samples and {len(begun)} results of this run are durable" in err
    goes_on(slow, resume_command(err))


def test_a_second_interrupt_stops_at_once(slow: Desk, running: "subprocess.Popen[str]") -> None:
    running.send_signal(signal.SIGINT)
    running.send_signal(signal.SIGINT)
    time.sleep(0.01)
    running.send_signal(signal.SIGINT)  # two signals that are pending together arrive as one
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130 and "stopping now" in err and "Traceback" not in err
    goes_on(slow, resume_command(err))


def test_a_termination_stops_at_once(slow: Desk, running: "subprocess.Popen[str]") -> None:
    running.terminate()
    _, err = running.communicate(timeout=60)
    assert running.returncode == 143 and "Traceback" not in err
    goes_on(slow, resume_command(err))


def test_a_kill_loses_only_what_was_not_durable(slow: Desk, running: "subprocess.Popen[str]") -> None:
    running.kill()
    running.communicate(timeout=60)
    assert solver(slow, "show", "out").returncode == 0, "a killed run can be looked at"
    goes_on(slow, RUN)
