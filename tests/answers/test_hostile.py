"""Strings that hang, kill or trick a grader cost it a bounded time, execute nothing and join nobody's class."""

import asyncio
from collections import defaultdict
from pathlib import Path

import pytest
from hostile import Hostile, hostile

from solver.answers import Grader, extract

PROBES = ("1", r"\sqrt{2}", "苹果")  # answers that are graded among the hostile ones, and stay what they are


@pytest.fixture(scope="module")
def marker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile") / "ran"


@pytest.fixture(scope="module")
def strings(marker: Path) -> list[Hostile]:
    return hostile(str(marker))


@pytest.fixture(scope="module")
def grades(strings: list[Hostile]) -> tuple[list[int | None], list[bool]]:
    """Classes of all strings and the probes, and what two fresh pairs say after them."""

    async def grade() -> tuple[list[int | None], list[bool]]:
        async with Grader(workers=2) as grader:
            classes = await grader.classify([*(one.text for one in strings), *PROBES])
            return classes, [
                await grader.equivalent(r"\sqrt{8} + 1", r"1 + 2\sqrt{2}"),
                await grader.equivalent(r"\sqrt{8} + 1", r"1 + 2\sqrt{3}"),
            ]

    return asyncio.run(grade())


def test_the_file_has_every_kind_of_hostility(strings: list[Hostile]) -> None:
    assert len(strings) >= 110
    assert len({(one.category, one.text) for one in strings}) == len(strings)
    assert len({one.category for one in strings}) >= 8


def test_extraction_reads_every_string_wherever_it_stands(strings: list[Hostile]) -> None:
    for one in strings:
        for text in (one.text, rf"\boxed{{{one.text}}}", f"The answer is {one.text}", f"<think>{one.text}</think>42"):
            for found in (extract(text), extract(text, truncated=True)):
                assert found is None or found.answer.strip()


def test_no_hostile_string_joins_the_class_of_another(
    strings: list[Hostile], grades: tuple[list[int | None], list[bool]]
) -> None:
    values = [*((one.value or f"alone {place}") for place, one in enumerate(strings)), *PROBES]
    members = defaultdict(set)
    for number, value in zip(grades[0], values, strict=True):
        if number is not None:
            members[number].add(value)
    texts = {f"alone {place}": one.text[:60] for place, one in enumerate(strings)}
    merged = [[texts.get(value, value) for value in group] for group in members.values() if len(group) > 1]
    assert merged == []


def test_the_grader_works_on_after_all_of_them(grades: tuple[list[int | None], list[bool]]) -> None:
    classes, after = grades
    assert None not in classes[-len(PROBES) :]
    assert after == [True, False]


@pytest.mark.usefixtures("grades")
def test_nothing_was_executed(strings: list[Hostile], marker: Path) -> None:
    assert sum(str(marker) in one.text for one in strings) >= 10
    assert not marker.exists()
