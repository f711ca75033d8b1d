"""Responses made of several samples: what is exported, shown and measured is the whole response, and nothing else."""

import json
import zlib
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from desk import Desk

import solver
from solver.cli import cli
from solver.export import Asked, export
from solver.report import write_report

SECOND = "So it is \\boxed{4}."


def made(home: Path, strategy: Mapping[str, Any], *said: str) -> Desk:
    """A run whose model says the same at every turn, of two problems."""
    rows = [{"problem": f"{text}?", "answer": "4", "id": text} for text in ("a", "b")]
    desk = Desk(home).lay(rows, list(said), strategy=strategy, sampling={"n": 2})
    desk.run()
    return desk


def rows(desk: Desk, name: str, **how: Any) -> list[dict[str, Any]]:
    out = desk.home / f"{name}-data"
    export(desk.out, Asked(name, out, **how))
    return pq.read_table(out / "train").to_pylist()  # type: ignore[no-any-return]


@pytest.fixture
def doubted(tmp_path: Path) -> Desk:
    return made(tmp_path, {"reflect": {"times": 1}, "cues": {"reflect": " Wait."}}, SECOND)


def test_a_doubt_and_what_followed_it_are_one_text(doubted: Desk) -> None:
    whole = f"{SECOND} Wait.{SECOND}"
    for row in rows(doubted, "sft"):
        assert row["messages"][-1]["content"] == whole
    (_, page) = next(iter(opened(doubted)))
    assert page["parts"][0]["sample"]["said"][0] == whole
    shown = CliRunner().invoke(cli, ["show", str(doubted.out), "a"], standalone_mode=False).output
    assert whole in shown
    told = solver.stats(doubted.out).overthinking
    assert (told.responses, told.solutions, told.redundant) == (4, 2, 1)


def opened(desk: Desk) -> list[tuple[str, Any]]:
    """What each problem of the report opens to."""
    page = write_report(desk.out).path.read_text("utf-8")
    block = page.split('id="block-0">')[1].split("<")[0]
    return [(one["text"], one) for one in json.loads(zlib.decompress(b64decode(block)))]


def test_the_table_has_a_row_for_every_sample_and_counts_every_token_once(doubted: Desk) -> None:
    table, samples = rows(doubted, "table"), doubted.samples()
    assert len(table) == len(samples) == 8
    assert sum(row["output_tokens"] for row in table) == sum(sample.output_tokens for sample in samples)
    assert [row["candidate"] for row in table] == [True, True, False, False] * 2
    assert {row["label_source"] for row in table if not row["candidate"]} == {None}


def test_of_a_revised_answer_only_the_revision_is_training_data(tmp_path: Path) -> None:
    desk = made(tmp_path, {"name": "refine", "rounds": 1}, f"<think>hm</think>{SECOND} Verdict: wrong")
    (row, *_) = rows(desk, "sft")
    assert row["messages"][-1]["content"] == f"<think>\nhm\n</think>\n\n{SECOND} Verdict: wrong"
    assert row["output_tokens"] < desk.results()["a"]["output_tokens"] / 4
