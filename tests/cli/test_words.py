"""Commands that are printed can be typed as they stand, wherever the program lies."""

import sys
from pathlib import Path

import pytest

from solver.cli.words import line, words


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`.venv/bin/solver` of the current directory, which is not on the PATH."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    path = Path(".venv", "bin", "solver")
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\n", encoding="utf-8")
    path.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(path), "run", "jobs/demo.yaml"])
    return path


def test_after_make_demo_the_next_commands_name_the_program_that_ran(script: Path) -> None:
    """`solver show runs/demo` was printed, and no shell found it."""
    assert line("show", "runs/demo") == ".venv/bin/solver show runs/demo"
    assert words("run", "a.yaml", ["sampling.n=3"]) == [".venv/bin/solver", "run", "a.yaml", "-o", "sampling.n=3"]


def test_on_the_path_it_goes_by_its_name(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(script.parent.absolute()))
    assert line("show", "runs/demo") == "solver show runs/demo"
    other = Path("elsewhere/solver")
    other.parent.mkdir()
    other.write_text("#!/bin/sh\n", encoding="utf-8")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(other.parent.absolute()))
    assert line("show", "runs/demo") == ".venv/bin/solver show runs/demo", "the shell would find another one"


def test_as_a_module_or_from_python_it_goes_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for started in ("/usr/lib/solver/__main__.py", "-c", "", "script.py"):
        monkeypatch.setattr(sys, "argv", [started])
        assert line("revote", "runs/my run") == "solver revote 'runs/my run'"
