"""The README says what is there: every verb, job field, column and template, and none that is not."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from solver import job, prompts
from solver.cli import cli
from solver.models.profiles import PROFILES
from solver.store import RESULTS, SAMPLES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def section(title: str) -> str:
    """The text under a heading, up to the next one."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", README, re.MULTILINE | re.DOTALL)
    assert found, f"no section {title!r}"
    return found[1]


def first_cells(text: str) -> list[str]:
    """The words in backticks in the first cell of every table row."""
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    return [word for cell in rows for word in re.findall(r"`([^`]+)`", cell)]


def test_every_verb_is_told_and_no_other() -> None:
    told = {word.split()[1] for word in first_cells(section("The commands"))}
    assert told == set(cli.commands)


@pytest.mark.parametrize("verb", sorted(cli.commands))
def test_every_option_of_a_verb_is_told(verb: str) -> None:
    line = next(line for line in README.splitlines() if line.startswith(f"| `solver {verb}"))
    for option in cli.commands[verb].params:
        name = option.opts[-1] if option.opts[0].startswith("-") else str(option.name).upper()
        assert name in line, f"{verb} takes {name}"


def test_every_job_field_is_told_and_no_other() -> None:
    blocks = {"input": job.InputBlock, "model": job.ModelBlock, "prompt": job.PromptBlock, "output": job.OutputBlock}
    known = {f"{block}.{one.name}" for block, kind in blocks.items() for one in fields(kind)}
    known |= {f"sampling.{one.name}" for one in fields(job._SamplingBlock)}
    known |= {"name", "strategy.name", "engine.kind", "engine.*"}
    told, block = set(), ""
    for word in first_cells(section("The job file").partition("\n\nA template")[0]):
        block = word.rpartition(".")[0] if "." in word else block
        told.add(word if "." in word or word == "name" else f"{block}.{word}")
    assert told == known


@pytest.mark.parametrize(("title", "schema"), [("samples", SAMPLES), ("results", RESULTS)])
def test_every_column_is_told_and_no_other(title: str, schema: object) -> None:
    table = README.split(f"**{title}**")[1].split("\n\n")[1]
    assert first_cells(table) == list(schema.names)  # type: ignore[attr-defined]


def test_every_profile_is_told_with_its_job_and_no_other() -> None:
    rows = [line.split("|") for line in section("Models and their profiles").splitlines() if line.startswith("| `")]
    assert [re.findall(r"`([^`]+)`", row[1])[0] for row in rows] == list(PROFILES)
    for row in rows:
        profile = PROFILES[row[1].strip(" `")]
        told = row[3].replace(",", "")
        assert all(f"{profile.sampling[key]:g}" in told for key in profile.sampling if key not in ("top_k", "min_p"))
        assert profile.context is None or f"{profile.context:,}" in row[6]
        assert profile.reasoning is None or f"`{profile.reasoning[0]}`" in row[5]
        jobs = re.findall(r"`([^`]+)`", row[2])
        assert jobs and all((ROOT / "jobs" / f"{job}.yaml").is_file() for job in jobs)


def test_every_template_is_told() -> None:
    assert all(f"`{name}`" in section("The job file") for name in prompts.BUILT_IN)


def test_every_room_of_the_tree_is_there() -> None:
    tree = section("How it is built").split("```")[1]
    told = {word.rstrip("/") for word in re.findall(r"^  ([\w/.]+)", tree, re.MULTILINE)}
    there = {path.name for path in (ROOT / "solver").iterdir() if not path.name.startswith(("_", "py.typed"))}
    assert told <= there
    assert {name for name in there - told} <= {"schema.py", "strict_yaml.py", "templates"}


def test_both_outputs_are_shown() -> None:
    assert "<!--" not in README, "a place for real output is still empty"
