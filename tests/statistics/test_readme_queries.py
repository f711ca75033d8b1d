"""The queries that the README gives for the tables of a run give what they promise."""

import re
from pathlib import Path

import duckdb
import pytest
from runs import Asked as Problem
from runs import Said, answers, make_run

README = (Path(__file__).parents[2] / "README.md").read_text()
QUERIES = re.findall(r"`(?:``sql\n)?(SELECT [^`]+)`", README)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    looked_at_again = [Said("1", marks=("changed", "wrong_to_right")), Said("1", marks=("changed",))]
    asked = [Problem(looked_at_again, columns={"steps": 1}), answers("1", "2", columns={"steps": 2})]
    return make_run(tmp_path_factory.mktemp("queries") / "run", asked)


def ask(run: Path, words: str) -> list[tuple[object, ...]]:
    """What the one query of the README with these words gives over this run."""
    (query,) = [one for one in QUERIES if words in one]
    return duckdb.sql(re.sub(r"'runs/\w+/", f"'{run}/", query)).fetchall()


def test_marks_are_counted(run: Path) -> None:
    assert dict(ask(run, "c.marks")) == {"changed": 2, "wrong_to_right": 1}


def test_accuracy_by_a_column_of_the_input(run: Path) -> None:
    assert ask(run, "pass_1") == [(1, 1, 1.0, 1.0), (2, 1, 0.5, 1.0)]


def test_the_whole_table(run: Path) -> None:
    assert len(ask(run, "SELECT *")) == 2
