"""The power fails while a run writes: every acknowledged row is there afterwards, text by text.

An ext4 on a loop device is shut down without flushing its journal, mounted again, and looked at. Two ablations, without
the fsync of the file and without that of the directory, must lose rows in the same harness.
"""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from disks import Ext4, ext4
from power_driver import samples_of
from store_rows import DECISION, row_id

from solver.errors import SolverError
from solver.store import Store

DRIVER = Path(__file__).with_name("power_driver.py")
PER_CUT = 10_000  # more problems than one owner comes to write


class Lost(NamedTuple):
    """What all cuts together cost."""

    rows: int
    acknowledged: int
    cuts: int


@contextmanager
def owners(left_out: str) -> Iterator["subprocess.Popen[str]"]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, str(DRIVER), left_out], text=True, env=environment, **pipes) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def cut_once(disk: Ext4, process: "subprocess.Popen[str]", run: Path, pipe: Path, first: int) -> list[int]:
    """An owner writes, the power fails at a random moment, the disk comes back; the problems that were acknowledged."""
    assert process.stdin is not None
    process.stdin.write(f"{run}\t{pipe}\t{first}\n")
    process.stdin.flush()
    chance = random.Random(first)
    with open(pipe) as told:
        acknowledged = [int(told.readline()) for _ in range(chance.randrange(1, 8))]
        time.sleep(chance.choice([0, chance.uniform(0, 0.1)]))  # half of them at once, others in the next flush
        disk.cut()
        acknowledged += [int(line) for line in told]  # until the owner is dead
    disk.unmount()
    disk.mount()
    return acknowledged


def missing(run: Path, acknowledged: list[int]) -> int:
    """How many of the acknowledged rows are not there any more: two samples and a result of each problem."""
    try:
        with Store.create_or_open(run) as store:
            gone = 0
            for number in acknowledged:
                held = store.samples_of(row_id(number))
                gone += sum(held.get(one.key) != one for one in samples_of(number))
                gone += not store.done(row_id(number), DECISION)
            return gone
    except SolverError:  # not even the directory is whole
        return 3 * len(acknowledged)


def power_cuts(home: Path, most: int, left_out: str = "none", *, per_run: int = 1, enough: int = 10**9) -> Lost:
    """Cut after cut, until `enough` rows are lost; a run lives through `per_run` of them.

    After each cut all is looked for that this run ever acknowledged.
    """
    pipe, lost, total, cuts = home / "pipe", 0, 0, 0
    os.mkfifo(pipe)
    acknowledged: list[int] = []
    with ext4(home) as disk, owners(left_out) as process:
        while cuts < most and lost < enough:
            run = disk.where / f"run{cuts // per_run}"
            acknowledged = acknowledged if cuts % per_run else []
            acknowledged += cut_once(disk, process, run, pipe, cuts * PER_CUT)
            total += 3 * len(acknowledged)
            lost += missing(run, acknowledged)
            cuts += 1
    return Lost(lost, total, cuts)


@pytest.mark.root
def test_a_power_cut_takes_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    lost = power_cuts(tmp_path, 5, per_run=3)
    assert lost.rows == 0 and lost.acknowledged > 30


@pytest.mark.root
@pytest.mark.parametrize("left_out", ["file", "directory"])
def test_without_either_fsync_rows_are_lost(tmp_path: Path, left_out: str) -> None:
    assert power_cuts(tmp_path, 20, left_out, enough=1).rows > 0


@pytest.mark.soak
@pytest.mark.root
def test_a_hundred_power_cuts(tmp_path: Path) -> None:
    for left_out, cuts in (("none", 100), ("file", 20), ("directory", 20)):
        home = tmp_path / left_out
        home.mkdir()
        rows, acknowledged, _ = power_cuts(home, cuts, left_out, per_run=10 if left_out == "none" else 1)
        assert (rows == 0) == (left_out == "none")
        name = "as it is" if left_out == "none" else f"without the fsync of the {left_out}"
        print(f"\npower cuts, {name}: {rows:,} of {acknowledged:,} acknowledged rows lost in {cuts} cuts")
