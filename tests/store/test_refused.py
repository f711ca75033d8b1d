"""A place where nothing can be written is told at once, before an engine is loaded: what, where, how to mend it."""

import errno
import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from desk import Desk, environment
from disks import call, tmpfs

from solver import engine
from solver.errors import LockedError, MachineError, SolverError
from solver.store import Store

ROWS = [{"id": "p0", "problem": "What is 0?", "answer": "0"}]
REPLIES = ["It is \\boxed{0}"]


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    def loaded(_: object) -> None:
        raise AssertionError("an engine was loaded for a run that cannot write")

    monkeypatch.setattr(engine, "open_engine", loaded)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting read-only needs root")
@pytest.mark.parametrize("begun", [False, True])
def test_a_read_only_file_system_is_told_before_an_engine_is_loaded(
    desk: Desk, tmp_path: Path, no_engine: None, begun: bool
) -> None:
    with tmpfs(tmp_path / "disk", 2**20) as disk:
        desk.lay(ROWS, REPLIES, output={"dir": str(disk / "run")})
        if begun:
            Store.create_or_open(disk / "run").close()
        try:
            call("mount", "-o", "remount,ro", disk)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"not even root may mount here: {error.stderr.strip()}")
        with pytest.raises(MachineError) as refused:
            desk.run()
        told = str(refused.value)
        assert str(disk / "run") in told and "file system is read-only" in told and "ount it writable or set" in told
        assert refused.value.exit_code == 4
        with pytest.raises(MachineError, match="the file system is read-only; mount it writable or choose another"):
            Store.create_or_open(disk / "run")  # by those who do not look first
        call("mount", "-o", "remount,rw", disk)
        assert not begun or Store.read(disk / "run").summary is None  # readable, and nothing happened


def powerless(desk: Desk, *words: str) -> "subprocess.CompletedProcess[str]":
    """`solver`, by a user who has no more rights than the permissions give."""
    command = [sys.executable, "-m", "solver", *words]
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root may write everywhere, and there is no setpriv to take that away")
        command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *command]
    where = {"cwd": desk.home, "env": environment()}
    return subprocess.run(command, **where, capture_output=True, text=True, timeout=120, check=False)


def test_missing_rights_and_impossible_places_end_in_one_line(desk: Desk) -> None:
    closed = desk.home / "closed"
    Store.create_or_open(closed / "run").close()
    for mode, place, code, what in (
        (0o500, "closed/new", 4, "this user has no permission"),
        (0, "closed/run", 4, "this user has no permission"),
        (0o700, "job.yaml/run", 2, "is a file"),
    ):
        closed.chmod(mode)
        desk.lay(ROWS, REPLIES, output={"dir": place})
        try:
            told = powerless(desk, "run", "job.yaml", "--quiet")
        finally:
            closed.chmod(0o700)
        assert told.returncode == code and told.stdout == "", (place, told.stderr)
        assert len(told.stderr.splitlines()) == 1 and told.stderr.startswith("error: ") and what in told.stderr
        assert str(desk.home / place.split("/")[0]) in told.stderr and "Set another output.dir" in told.stderr


def test_who_may_only_read_a_run_may_compact_it_elsewhere(desk: Desk) -> None:
    desk.lay(ROWS, REPLIES).run()
    (desk.out / "_solver/lock").chmod(0o444)
    desk.out.chmod(0o555)
    try:
        told = powerless(desk, "compact", "out", "new")
    finally:
        desk.out.chmod(0o755)
    assert (told.returncode, told.stderr) == (0, "") and told.stdout.startswith("new: 4 samples and 1 results")


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Who is let in without a lock may destroy the other's run; who is told "in use" waits for nobody."""

    def none_here(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", none_here)
        with pytest.raises(MachineError, match=r"has no locks \(.*set an `output.dir` on another file system") as told:
            Store.create_or_open(tmp_path / "run")
        assert str(tmp_path / "run") in str(told.value) and told.value.exit_code == 4
    assert not list((tmp_path / "run" / "_solver" / "tmp").iterdir())
    with Store.create_or_open(tmp_path / "run") as store:
        assert store.epoch == 1
        with pytest.raises(LockedError):
            Store.create_or_open(tmp_path / "run")


def test_a_lock_that_fails_otherwise_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.EINTR, os.strerror(errno.EINTR))

    monkeypatch.setattr(fcntl, "flock", fails)
    with pytest.raises(SolverError, match=r"cannot lock .*_solver/lock: Interrupted"):
        Store.create_or_open(tmp_path / "run")
