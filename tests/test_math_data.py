"""The mathematics problems: their form, and every reference answer against an independent computation."""

import importlib.util
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import mpmath
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).resolve().parent.parent
TESTS = Path(__file__).resolve().parent
sys.path.insert(0, str(TESTS))  # whatever pytest's import mode is, `math_checks` is found beside this file

import math_checks  # noqa: E402
from math_checks.answer_forms import Choice, read_answer, read_options, same  # noqa: E402
from math_checks.registry import CHECKS  # noqa: E402


def load_script() -> ModuleType:
    """`scripts/make_math_data.py`, which is in no package."""
    spec = importlib.util.spec_from_file_location("make_math_data", ROOT / "scripts" / "make_math_data.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPT = load_script()
PROBLEMS: list[dict[str, Any]] = SCRIPT.read_problems()


def test_counts() -> None:
    """Enough problems, both languages, every subject."""
    assert len(PROBLEMS) >= 120
    languages = Counter(problem["language"] for problem in PROBLEMS)
    assert set(languages) == {"en", "zh"}
    assert min(languages.values()) >= 0.45 * len(PROBLEMS)
    assert {problem["subject"] for problem in PROBLEMS} == set(SCRIPT.SUBJECTS)


def test_ids_and_texts_are_unique() -> None:
    """No id and no text appears twice."""
    for column in ("id", "problem"):
        assert len({problem[column] for problem in PROBLEMS}) == len(PROBLEMS)


def test_language_is_that_of_the_text() -> None:
    """Chinese characters are in the Chinese problems and in no English one."""
    for problem in PROBLEMS:
        chinese = any("\u4e00" <= character <= "\u9fff" for character in problem["problem"])
        assert chinese == (problem["language"] == "zh"), problem["id"]


def test_latex_is_balanced() -> None:
    """Dollar signs come in pairs, and braces close inside each formula."""
    for problem in PROBLEMS:
        parts = problem["problem"].split("$")
        assert len(parts) % 2 == 1, problem["id"]
        for formula in [*parts[1::2], problem["answer"]]:
            bare = formula.replace(r"\{", "").replace(r"\}", "")
            assert formula.strip() == formula != "", problem["id"]
            assert bare.count("{") == bare.count("}"), problem["id"]
            assert formula.count(r"\left") == formula.count(r"\right"), problem["id"]


def test_no_trailing_white_space() -> None:
    """Neither in a value nor in a line of the source, and the source ends with one line break."""
    for problem in PROBLEMS:
        for value in problem.values():
            assert not isinstance(value, str) or all(line == line.rstrip() for line in value.split("\n")), problem["id"]
    text = SCRIPT.SOURCE.read_text(encoding="utf-8")
    assert all(line == line.rstrip() for line in text.split("\n"))
    assert text.endswith("}\n") and not text.endswith("\n\n")


def test_parquet_is_what_the_script_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file in `jobs/data` has the columns and rows of the source, as the script writes them today."""
    fresh = tmp_path / "math.parquet"
    monkeypatch.setattr(sys, "argv", ["make_math_data.py", "--target", str(fresh)])
    SCRIPT.main()
    kept = pq.read_table(SCRIPT.TARGET)
    assert kept.column_names == ["id", "problem", "answer", "language", "subject", "level"]
    assert kept.schema.equals(SCRIPT.SCHEMA)
    assert kept.equals(pq.read_table(fresh))
    assert kept.to_pylist() == [{name: problem[name] for name in kept.column_names} for problem in PROBLEMS]


def test_every_problem_has_a_check() -> None:
    """One check for each problem, and none without a problem."""
    assert math_checks.__doc__
    assert set(CHECKS) == {problem["id"] for problem in PROBLEMS}


@pytest.mark.parametrize("problem", PROBLEMS, ids=[problem["id"] for problem in PROBLEMS])
def test_reference_is_true(problem: dict[str, Any]) -> None:
    """The computed answer equals the reference; of a multiple choice, exactly one option has the computed value."""
    with mpmath.workdps(40):
        value = CHECKS[problem["id"]]()
        reference = read_answer(problem["answer"])
        if isinstance(value, Choice):
            right = [letter for letter, option in read_options(problem["problem"]).items() if same(option, value.value)]
            assert right == [reference]
        else:
            assert same(reference, value), f"computed {value}, reference {problem['answer']}"


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ("29", 30),
        (r"\frac{7}{12}", mpmath.mpf(7) / 12 + mpmath.mpf(10) ** -10),
        ("(3,5,7)", (3, 7, 5)),
        ("(3,5)", frozenset({3, 5})),
        (r"\{5,3\}", frozenset({3, 5})),
        ("3", (3,)),
        ("B", 2),
    ],
)
def test_comparison_can_fail(reference: str, value: object) -> None:
    """Wrong numbers, order, brackets and shapes are told apart."""
    assert not same(read_answer(reference), value)


@pytest.mark.parametrize("text", ["", "x", "3 ", r"\frac{1}", "(1,2", "1,2", r"\dfrac{1}{2}", r"2\pi\infinity"])
def test_unreadable_references_are_refused(text: str) -> None:
    """What the grammar does not know raises."""
    with pytest.raises(ValueError, match=r"cannot read|expected|left over|no value"):
        read_answer(text)
