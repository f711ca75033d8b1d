"""One owner at a time; a dead one is replaced at once, and nobody inherits the right to write."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from solver.errors import LockedError
from solver.store import Store

OWNER = """
import sys, time
from pathlib import Path
from solver.store import Store
store = Store.create_or_open(Path(sys.argv[1]))
{more}
print("owned", flush=True)
time.sleep(60)
"""


@contextmanager
def owner(run: Path, more: str = "") -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", OWNER.format(more=more), str(run)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "owned\n"
            yield process
        finally:
            process.kill()


def test_a_second_owner_is_told_who_the_first_is_and_may_go_on_when_it_is_killed(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with owner(run) as first:
        with pytest.raises(LockedError) as refused:
            Store.create_or_open(run)
        assert re.search(
            rf"held by {re.escape(socket.gethostname())}, pid {first.pid}, since \d{{4}}-\d\d-\d\dT", str(refused.value)
        )
        assert refused.value.exit_code == 75
        Store.read(run)  # a reader needs no lock
        first.kill()
        first.wait()
        with Store.create_or_open(run) as store:
            assert store.epoch == 2


def test_two_stores_in_one_process_are_two_owners(tmp_path: Path) -> None:
    with Store.create_or_open(tmp_path / "run"), pytest.raises(LockedError, match=f"pid {os.getpid()}"):
        Store.create_or_open(tmp_path / "run")
    Store.create_or_open(tmp_path / "run").close()


@pytest.mark.parametrize(
    "child",
    [
        "import subprocess; child = subprocess.Popen(['sleep', '20'], close_fds=False).pid",
        "import os; ends = os.pipe(); child = os.fork(); "
        "child or os.write(ends[1], b'forked') and time.sleep(20) or os._exit(0); os.read(ends[0], 6)",
    ],
    ids=["started", "forked"],
)
def test_children_do_not_keep_the_lock(tmp_path: Path, child: str) -> None:
    told = f"{child}\nPath(sys.argv[1], 'child').write_text(str(child))"
    with owner(tmp_path / "run", told) as first:
        pid = int((tmp_path / "run" / "child").read_text())
        first.kill()
        first.wait()
        begun = time.monotonic()
        try:
            os.kill(pid, 0)  # the child is alive
            Store.create_or_open(tmp_path / "run").close()
            assert time.monotonic() - begun < 5
        finally:
            os.kill(pid, 9)


def test_an_owner_that_has_not_said_who_it_is_still_keeps_others_out(tmp_path: Path) -> None:
    with Store.create_or_open(tmp_path / "run"):
        (tmp_path / "run" / "_solver" / "owner.json").unlink()
        with pytest.raises(LockedError, match="has not yet said who it is"):
            Store.create_or_open(tmp_path / "run")


def test_a_failed_start_gives_the_lock_back(tmp_path: Path) -> None:
    Store.create_or_open(tmp_path / "run").close()
    (tmp_path / "run" / "manifest.json").write_text("[")
    for _ in range(2):
        with pytest.raises(Exception, match="is not JSON"):
            Store.create_or_open(tmp_path / "run")


def owners(run: Path, processes: int, rounds: int) -> list[str]:
    """How many owned the run in each round of `rivals.py`."""
    command = [sys.executable, str(Path(__file__).with_name("rivals.py")), str(run), str(processes), str(rounds)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    told = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=True)
    return told.stdout.split()


def test_of_twenty_that_start_together_exactly_one_owns_the_run(tmp_path: Path) -> None:
    assert owners(tmp_path / "run", 20, 5) == ["1"] * 5


def test_killed_owners_are_followed_at_the_first_try(tmp_path: Path) -> None:
    assert owners(tmp_path / "run", 1, 10) == ["1"] * 10
    with Store.create_or_open(tmp_path / "run") as store:
        assert store.epoch == 11 and not store.notes


@pytest.mark.soak
def test_twenty_processes_by_fifty_starts(tmp_path: Path) -> None:
    assert owners(tmp_path / "run", 20, 50) == ["1"] * 50
    assert owners(tmp_path / "run", 1, 200) == ["1"] * 200
    print("\nlocks: 20 processes x 50 starts: one owner each time; 200 owners killed: 200 followed at the first try")
