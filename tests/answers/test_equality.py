"""Equality is an equivalence a labeller would sign: symmetric, reflexive, the same in any order."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from solver.answers import Grader
from solver.answers.residue import fingerprint

SUITE = Path(__file__).with_name("suite")
ROWS = [json.loads(row) for part in sorted(SUITE.glob("pairs*.jsonl")) for row in part.read_text("utf-8").splitlines()]
ANSWERS = sorted({answer for row in ROWS for answer in (row["a"], row["b"])})
STRANGE = st.text(alphabet=r"xyzabn0123456789+-*/^_{}()[]\,.:;=<>!|%$°'\" √πé中万点年月日①②比或和①", max_size=24)


@pytest.fixture(scope="module")
def desk() -> Iterator["Desk"]:
    with asyncio.Runner() as runner:
        found = Desk(runner)
        yield found
        runner.run(found.grader.close())


class Desk:
    """One grader for all the examples of a property."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self.grader, self._runner = Grader(), runner

    def equal(self, one: str, other: str) -> bool:
        return self._runner.run(self.grader.equivalent(one, other))

    def classes(self, answers: Sequence[str | None]) -> list[int | None]:
        return self._runner.run(self.grader.classify(answers))


def test_the_suite_is_graded_as_its_labels_say(desk: Desk) -> None:
    """At least 99 in 100 pairs as labelled, and no wrong merge at all."""
    said = [(row, desk.equal(row["a"], row["b"])) for row in ROWS]
    assert [(row["a"], row["b"]) for row, equal in said if equal and not row["equal"]] == []
    assert sum(equal == row["equal"] for row, equal in said) >= 0.99 * len(ROWS)


@given(one=st.sampled_from(ANSWERS), other=st.sampled_from(ANSWERS))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_equality_is_the_same_both_ways_round(desk: Desk, one: str, other: str) -> None:
    assert desk.equal(one, other) == desk.equal(other, one)


@given(text=st.one_of(st.text(max_size=30), STRANGE))
@settings(max_examples=60, deadline=None)
def test_every_string_is_equal_to_itself_and_crashes_nothing(desk: Desk, text: str) -> None:
    assert desk.equal(text, text)
    assert len(desk.classes([text, None, text])) == 3


@given(bag=st.lists(st.one_of(st.sampled_from(ANSWERS), STRANGE), min_size=2, max_size=9), seed=st.randoms())
@settings(max_examples=40, deadline=None)
def test_classes_are_the_same_in_any_order(desk: Desk, bag: list[str], seed: object) -> None:
    order = list(range(len(bag)))
    seed.shuffle(order)  # type: ignore[attr-defined]
    straight, mixed = desk.classes(bag), desk.classes([bag[place] for place in order])
    for one in range(len(bag)):
        for two in range(len(bag)):
            here = straight[order[one]] is not None and straight[order[one]] == straight[order[two]]
            assert here == (mixed[one] is not None and mixed[one] == mixed[two])


@given(answer=st.sampled_from(ANSWERS), dress=st.sampled_from(("${}$", "{}.", " {} ", r"\({}\)", "**{}**", "$${}$$")))
@settings(max_examples=60, deadline=None)
def test_formatting_changes_nothing(desk: Desk, answer: str, dress: str) -> None:
    plain, dressed = desk.classes([answer, answer]), desk.classes([answer, dress.format(answer)])
    own_dress = any(mark in answer for mark in ("$", "*", r"\(", r"\[", r"\text", "。", "…", "."))
    assert own_dress or plain == dressed


@pytest.mark.parametrize(
    ("bag", "classes"),
    [
        (["2024-03-05", "2024年3月5日", "March 5, 2024", "2016"], [0, 0, 0, 1]),
        (["3:30 PM", "15:30", "下午3点半", "3:30 am"], [0, 0, 0, 1]),
        (["10:15", "2:3"], [0, 0]),
        (["10:15", "10点15分"], [0, 0]),
        (["1101_2", r"1101_{(2)}", r"1101_{\text{two}}", "0b1101", "13", "1101_8"], [0, 0, 0, 0, 0, 1]),
        (["3:4", "6:8", "3比4", "3 to 4", "4:3"], [0, 0, 0, 0, 1]),
        (["y=2x+1", "2x-y+1=0", "4x-2y=-2", "y=2x-1"], [0, 0, 0, 1]),
        (["y=2x+1", "2x+1"], [0, 0]),
        (["y=2x+1", "2x+1", "z=2x+1"], [0, 1, 2]),
        (["2x>6", "x>3", r"(3,\infty)", r"\{x|x>3\}", r"x\ge 3"], [0, 0, 0, 0, 1]),
        (["|x|<3", "-3<x<3", "x^2<9", "x>-3 and x<3"], [0, 0, 0, 0]),
        ([r"[1,2]\cup[2,3]", "[1,3]", r"[1,2)\cup(2,3]", r"[1,3]\cap\mathbb{R}"], [0, 0, 1, 0]),
        ([r"x\ne 1", r"(-\infty,1)\cup(1,\infty)", r"\mathbb{R}"], [0, 0, 1]),
        ([r"\begin{cases}1,&x>0\\2,&x\le0\end{cases}", r"\begin{cases}2,&0\ge x\\1,&x>0\end{cases}"], [0, 0]),
        ([r"\begin{vmatrix}1&2\\3&4\end{vmatrix}", "-2"], [0, 0]),
        (["C(5,2)", r"\binom52", "C_5^2", "5C2", "10"], [0, 0, 0, 0, 0]),
        (["C(5,2)", "(5,2)"], [0, 0]),
        (["(x,y)=(1,2)", "(1,2)", "(2,1)"], [0, 0, 1]),
        (["(x,y)=(1,2)", "x=1, y=2"], [0, 0]),
        (["20棵树", "20棵", "20"], [0, 0, 0]),
        (["20棵树", "20棵", "20棵草"], [0, 1, 2]),
        (["£20", "20 pounds", "20 lb"], [0, 1, 2]),
        (["①②", "②①", "12", "①③"], [0, 0, 1, 2]),
        (["1, 1, 2", "1, 2, 2", "2, 1, 1"], [0, 1, 0]),
        (["三角形", "triangle", "3"], [0, 0, 1]),
        ([r"\sqrt{x^2}", "|x|", "x"], [0, 0, 1]),
        ([r"\frac{n!}{k!(n-k)!}", r"\binom{n}{k}", "C_n^k"], [0, 0, 0]),
        (["0.3333333333", "1/3", "0.3333333334", "0.333333333"], [0, 0, 1, 2]),
        (["100!+1", "100!", r"e^{\pi\sqrt{163}}", "262537412640768744"], [0, 1, 2, 3]),
        ([r"2^{2024}+\sqrt2", r"2^{2024}+\sqrt3"], [0, 1]),
        (["5 R 2", "5余2", "5……2", "5"], [0, 0, 0, 1]),
        (["两个半小时", "2.5 hours", "2小时30分", "2小时30分钟"], [0, 0, 1, 1]),
    ],
)
def test_answers_of_every_kind_fall_into_their_classes(desk: Desk, bag: list[str], classes: list[int]) -> None:
    found = desk.classes(bag)
    numbers: dict[int | None, int] = {}
    assert [numbers.setdefault(one, len(numbers)) for one in found] == classes


@pytest.mark.parametrize(
    "text",
    [
        "9^{9^{9}}",
        "(10^9)!",
        r"\sum_{k=1}^{10^9} k",
        r"\sum_{k=1}^{999}\sum_{j=1}^{999} kj",
        "(" * 60 + "1" + ")" * 60,
        r"\binom{10^9}{10^8}",
        "n!^{n!}",
        "2 3",
        "12'x",
        "1e5x",
        "apples+1",
    ],
)
def test_what_is_too_large_or_misread_has_no_value(text: str) -> None:
    assert fingerprint(text) is None


def test_a_plain_script_is_not_run_again_by_the_workers(tmp_path: Path) -> None:
    script = tmp_path / "plain.py"
    script.write_text(
        "import solver\nprint('once')\n"
        r"print(solver.equivalent(r'\sqrt{8}', r'2\sqrt{2}'), solver.vote(['1/2', r'\sqrt{4}', '0.5', None]).predicted)"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.split() == ["once", "True", "1/2"]
