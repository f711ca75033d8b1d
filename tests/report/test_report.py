"""`solver report`: a file written whole or not at all, within its budget, that allows nothing but its own script."""

import base64
import hashlib
import json
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner
from desk import Desk
from runs import Asked, Said, answers, make_run

from solver.cli import cli
from solver.errors import SolverError, StoreError
from solver.report import svg, write_report
from solver.report.listing import FLAGS
from solver.report.packing import in_script
from solver.report.samples import Shown, shorter
from solver.store import Store, publish

EASY, SPLIT, LOST = answers("1", "1", "1"), answers("1", "2", "3"), answers("2", "2", "1")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run", [EASY, SPLIT, LOST], name="<b>a run</b>", total={"seconds": 7200.0, "gpus": 2})


def wordy(problems: int, characters: int, samples: int = 2) -> list[Asked]:
    """Problems with a class for each sample, whose texts hardly compress."""
    dice = random.Random(0)
    return [
        Asked([Said(str(n), text="".join(dice.choices("abcdefgh ijklmnop", k=characters))) for n in range(samples)])
        for _ in range(problems)
    ]


def test_the_command_writes_a_page_with_the_numbers(run: Path) -> None:
    done = CliRunner().invoke(cli, ["report", str(run), "--price", "2.5"], standalone_mode=False)
    page = (run / "report.html").read_text("utf-8")
    assert done.return_value == 0 and "report.html" in done.output and "3 problems" in done.output
    assert "66.7%" in page and "4.00 on 2 GPUs" in page and "10.00 at the price given" in page
    for heading in ("Accuracy over samples", "Agreement and accuracy", "Lengths of samples", "Difficulty"):
        assert f"<h2>{heading}</h2>" in page
    assert "&lt;b&gt;a run&lt;/b&gt;" in page and "<b>a run" not in page
    assert not list((run / "_solver" / "tmp").iterdir())


def test_a_strategy_that_kept_silent_is_seen_in_the_table(desk: Desk) -> None:
    strategy = {"name": "abstain", "below": 0.9}
    desk.lay([{"problem": f"{n}?", "answer": "1"} for n in range(9)], ["\\boxed{1}", "\\boxed{2}"], strategy=strategy)
    desk.run()
    page = write_report(desk.out).path.read_text("utf-8")
    rows = json.loads(page.split('id="rows">')[1].split("</script>")[0])
    silent = [row for row in rows if row[4] & FLAGS["abstained"]]
    assert silent and all(row[2] is None and not row[4] & (FLAGS["right"] | FLAGS["wrong"]) for row in silent)


def test_the_page_allows_its_own_script_and_style_and_nothing_else(run: Path) -> None:
    page = write_report(run).path.read_text("utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert rules["default-src"] == "'none'" and set(rules) == {
        *("default-src", "script-src", "style-src", "base-uri", "form-action")
    }
    for name, tag in (("script-src", "script"), ("style-src", "style")):
        inside = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert len(inside) == 1
        assert rules[name] == f"'sha256-{base64.b64encode(hashlib.sha256(inside[0].encode()).digest()).decode()}'"
    assert not re.search(r'\s(?:src|href|style|on\w+)="', page), "nothing from elsewhere, nothing inline"


def test_a_size_is_kept_and_what_was_dropped_is_said(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", wordy(150, 2500, 8))
    whole = write_report(run, max_mb=20)
    assert whole.lines()[1:] == [] and whole.cut == 2000 and whole.samples == 1200
    small = write_report(run, max_mb=1, out=tmp_path / "small.html")
    assert small.size == small.path.stat().st_size <= 1e6 < whole.size and 160 <= small.cut < 2000
    assert small.lines()[1] in small.path.read_text("utf-8") and "instead of 2,000" in small.lines()[1]
    tiny = write_report(run, max_mb=0.28, out=tmp_path / "tiny.html")
    assert tiny.size <= 0.28e6 and (tiny.cut, tiny.samples) == (0, 0) and "left out" in "".join(tiny.lines())
    least = write_report(run, max_mb=0.17, out=tmp_path / "least.html")
    assert 0 < least.listed < 150 and f"first {least.listed} of 150" in least.path.read_text("utf-8")


def test_the_first_problems_of_the_input_are_listed_whatever_order_they_ended_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "run", wordy(400, 10))
    in_order = Store.result_batches

    def ended(store: Store, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        return (batch.take(pa.array(range(batch.num_rows))[::-1]) for batch in in_order(store, columns))

    monkeypatch.setattr(Store, "result_batches", ended)
    page = write_report(run, max_mb=0.17).path.read_text("utf-8")
    rows = json.loads(page.split('id="rows">', 1)[1].split("</script>", 1)[0])
    assert [row[0] for row in rows] == [f"p{number}" for number in range(len(rows))] and 0 < len(rows) < 400


def test_a_run_is_never_damaged(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    for name in ("manifest.json", "samples/report.html", "_solver/report.html", "job.yaml"):
        with pytest.raises(StoreError, match="among the run's own files"):
            write_report(run, out=run / name)
    with pytest.raises(StoreError, match="folder"):
        write_report(run, out=run / "samples")
    write_report(run)
    first = (run / "report.html").read_bytes()

    def fail(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(publish.os, "fsync", fail)
    with pytest.raises(SolverError, match="disk is full"):
        write_report(run, price=3)
    assert (run / "report.html").read_bytes() == first
    assert {path: path.read_bytes() for path in before} == before and not list((run / "_solver" / "tmp").iterdir())


def test_runs_without_references_or_without_anything_have_a_report_too(tmp_path: Path) -> None:
    blind = write_report(make_run(tmp_path / "a", [answers("1", "2", reference=None)] * 3)).path.read_text("utf-8")
    assert "No problem has a gradable reference" in blind and "Agreement of the votes" in blind
    assert "Accuracy over" not in blind
    assert write_report(make_run(tmp_path / "b", [])).problems == 0
    with pytest.raises(StoreError):
        write_report(tmp_path)


def test_a_text_is_cut_in_the_middle_and_says_how_much_is_gone() -> None:
    text = "".join(chr(97 + n % 26) for n in range(1000))
    once = shorter((text, 0, ""), 100)
    assert once == (text[:60], 900, text[-40:]) and shorter(("short", 0, ""), 100) == ("short", 0, "")
    assert shorter(once, 50) == (text[:30], 950, text[-20:]) == shorter((text, 0, ""), 50)
    both = Shown("ok", 1, (text, 0, ""), ("the answer", 0, ""), None).within(200)
    assert both.said == ("the answer", 0, "") and len(both.reasoning[0] + both.reasoning[2]) == 190


def test_no_data_can_leave_its_block() -> None:
    value = ["</script><script>alert(1)</script><!--", "]]>", "\u2028", "&lt;", "\ud800"]
    told = in_script(value)
    assert not re.search("[<>&]", told) and told.isascii() and json.loads(told) == value


def test_axes_have_sensible_ticks() -> None:
    assert [label for _, label in svg.doubling("k", 1, 16).ticks] == ["1", "2", "4", "8", "16"]
    assert [label for _, label in svg.percent("p", 0.63, 0.97).ticks] == ["60%", "70%", "80%", "90%", "100%"]
    assert [label for _, label in svg.linear("n", 83).ticks] == ["0", "20", "40", "60", "80", "100"]
    assert svg.decimal("t", 80, 1300).place(80) == 0 and svg.short(12_300) == "12.3k"
