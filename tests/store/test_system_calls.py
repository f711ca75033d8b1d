"""A kill at any system call of a flush and of a finish: nothing acknowledged is lost, the next start brings it home."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DRIVER = Path(__file__).with_name("kill_driver.py")
REFUSED = 77


def kills(home: Path, which: str, stride: int) -> dict[str, Any]:
    if platform.machine() not in ("x86_64", "aarch64"):
        pytest.skip(f"the numbers of the system calls of {platform.machine()} are not known here")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, str(DRIVER), str(home), which, str(stride)]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=3600, check=False)
    if told.returncode == REFUSED:
        pytest.skip(f"a process may not be traced here: {told.stderr.strip()}")
    assert told.returncode == 0, told.stderr
    seen: dict[str, Any] = json.loads(told.stdout)
    return seen


def test_a_kill_between_changes_of_the_disk_loses_nothing(tmp_path: Path) -> None:
    seen = kills(tmp_path, "changing", stride=4)
    assert seen["calls"] > 60 and seen["kills"] > 15 and min(seen["old"], seen["new"]) > 2, seen


@pytest.mark.soak
@pytest.mark.parametrize("which", ["changing", "all"])
def test_a_kill_at_every_system_call_loses_nothing(tmp_path: Path, which: str) -> None:
    seen = kills(tmp_path, which, stride=1)
    assert seen["kills"] >= seen["calls"] > 60
    print(f"\nkill at every system call ({which}): {seen['kills']:,} kills over {seen['calls']:,} calls, 0 lost")
