"""A start that is broken off: heard while foreign code waits, and no child outlives it."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from desk import environment

from solver.engine import child, processes

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
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        born = processes.stat(process.pid)[1]
        processes.kill([(process.pid, born - 1), (2**22 + 1, 5)])
        assert process.poll() is None and born > 0
        processes.kill([(process.pid, born)])
        assert process.wait(timeout=30) == -signal.SIGKILL


ORPHAN = """
import multiprocessing, os, sys, time
from pathlib import Path
from solver.engine import child

def loads(told):
    Path(told).write_text(str(os.getpid()))
    time.sleep(120)

if __name__ == "__main__":
    log, told, when = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    watcher = child.Watcher()
    watcher.open()
    with child.quiet(log, lambda: watcher.tell(child.engine_processes())):
        method = "fork" if when == "forked" else "spawn"
        core = multiprocessing.get_context(method).Process(target=loads, args=(told,), name="EngineCore")
        core.start()
        while when == "starting" or not Path(told).exists():
            time.sleep(0.05)
    watcher.tell(child.engine_processes())
    Path(told + ".watched").write_text(str(watcher._process and watcher._process.pid))
    time.sleep(120)
"""


def waits(condition: Callable[[], object], why: str) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, why
        time.sleep(0.05)


@pytest.mark.parametrize("when", ["starting", "running", "forked"])
def test_no_engine_outlives_a_driver_that_was_killed(tmp_path: Path, when: str) -> None:
    """It kept the GPU, and the next start found it taken. A forked engine even kept the watcher from noticing."""
    script, told, watched = tmp_path / "orphan.py", tmp_path / "told", tmp_path / "told.watched"
    script.write_text(ORPHAN)
    with subprocess.Popen([sys.executable, script, tmp_path / "log", told, when], env=environment()) as process:
        try:
            waits(lambda: told.exists() and told.read_text() and (when == "starting" or watched.exists()), "no engine")
            if when == "starting":
                time.sleep(4 * child.HEAR_SECONDS)  # the watcher hears of it while the engine loads
        finally:
            process.kill()
    pid = int(told.read_text())
    waits(lambda: gone(pid), "the engine lives on")
    if when != "starting":
        waits(lambda: gone(int(watched.read_text())), "the watcher lives on")


def test_the_watcher_hears_no_signal_and_ends_with_the_engine() -> None:
    watcher = child.Watcher()
    watcher.open()
    watched = watcher._process
    assert watched is not None
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
        watcher.tell([(other.pid, processes.stat(other.pid)[1])])
        waits(lambda: ignores(watched.pid, signal.SIGTERM), "it is not there")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            watched.send_signal(number)
        watcher.open()
        assert watcher._process is watched, "one is enough"
        watcher.close()
        assert watched.returncode == 0 and other.poll() is None, "an orderly end kills nobody"
        other.kill()
    watcher.close()


def ignores(pid: int, number: int) -> bool:
    """Whether a process ignores a signal."""
    words = Path(f"/proc/{pid}/status").read_text().split()
    return bool(int(words[words.index("SigIgn:") + 1], 16) >> (number - 1) & 1)
