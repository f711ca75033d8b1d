"""A start that is broken off: heard while foreign code waits, and no child outlives it."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from desk import environment

START = """
import multiprocessing, os, select, signal, sys, time
from pathlib import Path
from solver.engine import child
from solver.run.stop import breaking_off

def deaf(told):
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    Path(told).write_text(str(os.getpid()))
    print("words of the child", flush=True)
    time.sleep(120)

if __name__ == "__main__":
    log, told = Path(sys.argv[1]), sys.argv[2]
    context = multiprocessing.get_context("spawn")
    with breaking_off(), child.quiet(log):
        core = context.Process(target=deaf, args=(told,), name="EngineCore", daemon=False)
        core.start()
        select.poll().poll(60_000)  # as vLLM waits: one long call
        Path(told).write_text("nobody heard")
"""


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_an_engine_starts_is_heard_and_the_child_is_ended(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """Ctrl-C was heard when vLLM's wait was over, up to ten seconds later, and a loading child listened to nobody."""
    script, log, told = tmp_path / "start.py", tmp_path / "log", tmp_path / "told"
    script.write_text(START)
    with subprocess.Popen([sys.executable, script, log, told], env=environment()) as process:
        end = time.monotonic() + 60
        while not (told.exists() and told.read_text()):
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.05)
        process.send_signal(number)
        process.wait(timeout=50)
    assert process.returncode == code
    pid = told.read_text()
    assert pid.isdecimal() and gone(int(pid)), "the wait was broken off, and the child with it"
    assert "words of the child" in log.read_text()


def test_only_the_process_that_was_meant_is_killed() -> None:
    """A process id is given to somebody else once its process is gone."""
    from solver.engine.child import _stat, kill

    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        born = _stat(process.pid)[1]
        kill([(process.pid, born - 1), (2**22 + 1, 5)])
        assert process.poll() is None and born > 0
        kill([(process.pid, born)])
        assert process.wait(timeout=30) == -signal.SIGKILL
