"""A desk: a folder with a table of problems, scripted replies and a job file, as a user would lay them out."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from solver.records import Sample
from solver.run import read_job, revote, run
from solver.run.finish import Summary
from solver.store import Store

Row = Mapping[str, Any]


class Desk:
    """Runs one job in one folder; `said` keeps what the last run told its user."""

    def __init__(self, home: Path) -> None:
        self.home, self.job, self.out = home, home / "job.yaml", home / "out"
        self.said: list[str] = []
        self.blocks: dict[str, dict[str, Any]] = {
            "input": {"path": "problems.jsonl"},
            "prompt": {"template": "plain"},
            "sampling": {"n": 4, "max_tokens": 50},
            "engine": {"kind": "scripted", "replies": str(home / "replies.json"), "slots": 8},
            "output": {"dir": "out"},
        }

    def lay(self, rows: Sequence[Row], replies: Any, **blocks: Mapping[str, Any]) -> "Desk":
        """Write the table, the replies and the job file; blocks add to the job's own."""
        self.table(rows)
        (self.home / "replies.json").write_text(json.dumps(replies), "utf-8")
        job = {name: self.blocks.get(name, {}) | dict(blocks.get(name, {})) for name in {*self.blocks, *blocks}}
        self.job.write_text(json.dumps(job), "utf-8")  # JSON is YAML
        return self

    def table(self, rows: Sequence[Row]) -> None:
        """Write the table of problems anew."""
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (self.home / "problems.jsonl").write_text(text, "utf-8")

    def run(self, *overrides: str, verify: bool = False) -> Summary:
        """`solver run job.yaml -o ...`, in this process."""
        self.said = []
        words = ["solver", "run", "job.yaml"]
        return run(read_job(self.job, overrides), words, say=self.said.append, quiet=True, verify=verify)

    def revote(self, *overrides: str) -> Summary:
        """`solver revote out -o ...`, in this process."""
        self.said = []
        return revote(self.out, overrides, say=self.said.append)

    def results(self) -> dict[str, dict[str, Any]]:
        """The results table by the user's id."""
        rows = list(Store.read(self.out).results())
        found = {row["id"]: row for row in rows}
        assert len(found) == len(rows), "a problem has two results"
        return found

    def samples(self) -> list[Sample]:
        """The samples table, one copy of each key."""
        return list(Store.read(self.out).samples())


def environment() -> dict[str, str]:
    """What a child process of a test needs to be the `solver` of this checkout, without colours."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "NO_COLOR": "1", "COLUMNS": "120"}


def solver(desk: Desk, *words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """One call of the command, from the desk's folder, to its end."""
    command = [sys.executable, "-m", "solver", *words]
    where = {"cwd": desk.home, "env": environment() | variables}
    return subprocess.run(command, **where, capture_output=True, text=True, timeout=120, check=False)
