"""Leaving when told to, whatever the run is waiting for: an engine that hangs, answers that take long to grade."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from desk import Desk, environment

from solver.store import Store

ROWS = [{"id": f"p{i}", "problem": f"What is {i}?", "answer": f"\\sqrt{{{i + 2}}}"} for i in range(40)]
SLOW = "It is \\boxed{{\\int_0^{{3}} \\frac{{\\sin(x^3+e^x)}}{{x^5+{0}}} dx}}"


def told_to_go(desk: Desk, *, once: Path, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
    """`solver run`, and a signal a second after that directory holds something."""
    command = [sys.executable, "-m", "solver", "run", "job.yaml"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=desk.home, env=environment(), text=True, **pipes) as process:
        try:
            end = time.monotonic() + 60
            while process.poll() is None and time.monotonic() < end and not any(once.glob("*")):
                time.sleep(0.05)
            time.sleep(1.0)
            process.send_signal(number)
            _, err = process.communicate(timeout=30)
        finally:
            process.kill()
    return process.returncode, err


def test_a_termination_does_not_wait_for_an_engine_that_hangs(desk: Desk) -> None:
    replies = {row["problem"]: ["It is \\boxed{1}"] for row in ROWS}
    desk.lay(ROWS, replies, engine={"seconds": 3600, "slots": 4}, output={"flush_seconds": 2})
    code, err = told_to_go(desk, once=desk.out / "_solver" / "epochs")
    assert code == 143 and "To go on: solver run job.yaml" in err and "Traceback" not in err


def test_a_termination_does_not_wait_for_answers_that_are_being_graded(desk: Desk) -> None:
    """Each of these answers costs a worker its full time."""
    replies = {row["problem"]: [SLOW.format(100 + 7 * i + j) for j in range(4)] for i, row in enumerate(ROWS)}
    desk.lay(ROWS, replies, engine={"seconds": 0.01, "slots": 64}, output={"flush_seconds": 2})
    code, err = told_to_go(desk, once=desk.out / "samples")
    assert code == 143 and "To go on" in err and "Traceback" not in err
    assert len(list(Store.read(desk.out).samples())) == 160, "what was finished is kept"


@pytest.mark.parametrize("wait", [0.2, 1.0])
def test_a_termination_before_anything_has_begun_leaves_at_once(desk: Desk, wait: float) -> None:
    desk.lay(ROWS, ["It is \\boxed{1}"], engine={"seconds": 3600, "slots": 4})
    command = [sys.executable, "-m", "solver", "run", "job.yaml"]
    with subprocess.Popen(command, cwd=desk.home, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        time.sleep(wait)
        process.terminate()
        _, err = process.communicate(timeout=30)
    assert process.returncode in (143, -signal.SIGTERM) and "Traceback" not in err
