"""The same row is the same row: in every format, wherever it stands, whatever stands around it."""

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from disk import FORMATS, read, texts, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from solver.problems import InputSpec, identity, open_table, survey

QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), min_size=1).filter(str.strip)
ROW = st.fixed_dictionaries(
    {
        "problem": st.one_of(st.sampled_from(["same", "1", "是"]), TEXT),
        "level": st.one_of(st.integers(-(2**60), 2**60), st.sampled_from([1, 2])),
        "share": st.floats(allow_nan=False, allow_infinity=False),
        "hint": st.one_of(st.none(), TEXT),
        "other": TEXT,
    }
)
READS = ("problem", "level", "share", "hint")


def ids(path: Path, rows: list[dict[str, Any]], reads: tuple[str, ...] = READS) -> list[bytes]:
    """Row ids of rows written in the format of the path."""
    seen = survey(open_table(InputSpec(str(write(path, rows)), problem="problem")), reads)
    return [seen.row_id(row) for row in range(seen.rows)]


@QUICK
@given(rows=st.lists(ROW, min_size=1, max_size=8))
def test_ids_are_the_same_in_every_format(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    first, *others = [ids(tmp_path / name, rows) for name in FORMATS]
    assert len(set(first)) == len(rows)
    for name, other in zip(FORMATS[1:], others, strict=True):
        assert other == first, name


@QUICK
@given(rows=st.lists(ROW, min_size=1, max_size=12), seed=st.integers(0, 99), name=st.sampled_from(FORMATS))
def test_moving_rows_moves_their_ids(tmp_path: Path, rows: list[dict[str, Any]], seed: int, name: str) -> None:
    before = ids(tmp_path / name, rows)
    order = list(range(len(rows)))
    random.Random(seed).shuffle(order)
    after = ids(tmp_path / name, [rows[i] for i in order])
    assert sorted(after) == sorted(before)
    values = [tuple(row[read] for read in READS) for row in rows]
    count = Counter(map(repr, values))
    alone = [place for place, i in enumerate(order) if count[repr(values[i])] == 1]
    assert [after[place] for place in alone] == [before[order[place]] for place in alone]


@QUICK
@given(rows=st.lists(ROW, min_size=1, max_size=8), more=st.lists(ROW, max_size=4), name=st.sampled_from(FORMATS))
def test_added_rows_and_other_columns_change_no_id(
    tmp_path: Path, rows: list[dict[str, Any]], more: list[dict[str, Any]], name: str
) -> None:
    before = ids(tmp_path / name, rows)
    changed = [row | {"other": "x", "new": 1} for row in rows]
    assert ids(tmp_path / name, [*changed, *(row | {"new": 2} for row in more)])[: len(rows)] == before


@pytest.mark.parametrize("name", ["x.jsonl", "x.csv"])
@pytest.mark.parametrize("late", ["x", 0.5, 10**19, None, ""])
def test_a_late_row_that_changes_a_column_s_type_changes_no_id(tmp_path: Path, name: str, late: object) -> None:
    rows: list[dict[str, Any]] = [{"problem": "p", "level": 1}, {"problem": "p", "level": 2}]
    before = ids(tmp_path / name, rows, ("problem", "level"))
    assert ids(tmp_path / name, [*rows, {"problem": "p", "level": late}], ("problem", "level"))[:2] == before


def test_ids_depend_on_what_is_read_and_on_nothing_else(tmp_path: Path) -> None:
    rows = [{"problem": "p", "hint": "a", "n": 1}, {"problem": "p", "hint": "b", "n": 2}]
    path = write(tmp_path / "x.jsonl", rows)
    both = {row.row_id for row in read(path, ("problem", "hint"))[1]}
    swapped = {row.row_id for row in read(path, ("hint", "problem"))[1]}
    alone = [row.row_id for row in read(path, ("problem",))[1]]
    assert both == swapped
    assert len({*both, *alone}) == 4
    renamed = write(tmp_path / "y.jsonl", [{"task": "p", "hint": "a"}])
    assert read(renamed, ("problem",), problem="task")[1][0].row_id == alone[0]
    assert read(renamed, ("task",), problem="task")[1][0].row_id != alone[0]


def test_keys_that_arrow_pads_with_nulls_count_as_missing(tmp_path: Path) -> None:
    rows = [{"problem": "p", "meta": {"a": 1}}, {"problem": "p", "meta": {"b": [{"c": "x"}, {"d": "y"}]}}]
    assert ids(tmp_path / "x.jsonl", rows, ("meta",)) == ids(tmp_path / "x.parquet", rows, ("meta",))


def test_these_ids_never_change(tmp_path: Path) -> None:
    """Ids stand in every run directory: a change of this test is a loss of everybody's finished work."""
    chat = [{"role": "user", "content": "hi"}]
    rows = [{"problem": cell, "level": 1.5} for cell in ("1+1?", "1+1?", "几何", chat)]
    found = [row.row_id.hex() for row in read(write(tmp_path / "x.jsonl", rows), ("problem", "level"))[1]]
    assert found == [
        "d9bd9d5b40047245c1c4f2edc4c0016b",
        "926ed71efab74a70eba0833d18cc36e8",
        "ad086bafa5b3f3a37cefe7385a2f7858",
        "6bc681814fa3568d56fd3447d281700d",
    ]


def test_equal_rows_are_numbered_over_the_whole_input(tmp_path: Path) -> None:
    cells = ["a", "b", "a", "c", "a", "b"]
    write(tmp_path / "1.jsonl", texts(*cells[:3]))
    write(tmp_path / "2.jsonl", texts(*cells[3:]))
    table, rows = read(tmp_path)
    seen = survey(table, ("problem",))
    assert [seen.occurrence(row) for row in range(6)] == [0, 0, 1, 0, 2, 1]
    assert len({row.row_id for row in rows}) == 6
    assert [row.row_id for row in rows] == [seen.row_id(row) for row in range(6)]
    assert table.notes.count("3 rows repeat an earlier problem: rows 2, 4, 5 (each is asked as its own)") == 1
    once = read(write(tmp_path / "once.csv", texts("c", "b", "a")))[1]
    assert [row.row_id for row in once] == [rows[3].row_id, rows[1].row_id, rows[0].row_id]


def test_ids_that_end_in_zero_bytes_are_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen = survey(open_table(InputSpec(str(write(tmp_path / "x.csv", texts("a", "b"))))), ("problem",))
    seen.row_ids()[1] = b"\x01\x02"
    assert seen.row_id(1) == b"\x01\x02" + bytes(14)
    assert seen.row_ids().dtype == np.dtype("S16")


@QUICK
@given(st.lists(st.integers(0, 6), min_size=1, max_size=40))
def test_occurrences_against_a_plain_count(heads: list[int]) -> None:
    """Ids that share their first eight bytes are told apart by the rest; zero bytes at the end count."""
    keys = [bytes(7) + bytes([head // 4]) + bytes([head % 4]) + bytes(7) for head in heads]
    rows, numbers = identity.occurrences(np.frombuffer(bytearray(b"".join(keys)), dtype="S16"))
    seen: Counter[bytes] = Counter()
    expected = {}
    for row, key in enumerate(keys):
        if seen[key]:
            expected[row] = seen[key]
        seen[key] += 1
    assert dict(zip(rows.tolist(), numbers.tolist(), strict=True)) == expected
    assert sorted(expected) == rows.tolist()


READER = """
import os, sys
from solver.problems import InputSpec, open_table, problems, survey
def grown():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024
warm, big = sys.argv[1:]
table = open_table(InputSpec(warm)); list(problems(table, survey(table, ("problem", "level"))))
start = grown()
table = open_table(InputSpec(big))
rows = sum(1 for _ in problems(table, survey(table, ("problem", "level"))))
print(rows, grown() - start)
"""


@pytest.mark.parametrize(("name", "rows", "bound"), [("x.parquet", 300_000, 150), ("x.jsonl.gz", 100_000, 60)])
def test_a_long_table_is_never_in_memory(tmp_path: Path, name: str, rows: int, bound: float) -> None:
    """150 MB of text in one row group, 50 MB of lines: read whole, they take 490 and 115 MB; read as they should be,
    50 and 5. The bounds are MB of growth of the process."""
    warm = write(tmp_path / f"warm{name}", [{"problem": "p", "level": 1, "solution": "s", "id": "i"}])
    columns = {"problem": "problem {}".format, "level": int, "solution": lambda i: f"{i} " * 70, "id": "id{}".format}
    if name == "x.parquet":
        big = tmp_path / name
        pq.write_table(pa.table({key: list(map(make, range(rows))) for key, make in columns.items()}), big)
    else:
        big = write(tmp_path / name, [{key: make(i) for key, make in columns.items()} for i in range(rows)])
    command = [sys.executable, "-c", READER, str(warm), str(big)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    count, grown = map(float, run.stdout.split())
    assert count == rows
    assert grown < bound
