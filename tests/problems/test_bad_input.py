"""Whatever is wrong with the input is said before a run, all of it, in words that mend it."""

import gzip
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from disk import read, texts, write

from solver.errors import Fault, InputError
from solver.problems import InputSpec, files, open_table, problems, survey


def refusal(path: Path | str, reads: tuple[str, ...] = ("problem",), **spec: str) -> list[str]:
    """What is said about an input that is refused; its folder is written `.`."""
    with pytest.raises(InputError) as refused:
        read(path, reads, **spec)
    assert refused.value.exit_code == 2
    folder = Path(path) if Path(path).is_dir() else Path(path).parent
    return [str(fault).replace(str(folder), ".") for fault in refused.value.faults]


def lines(path: Path, *rows: bytes) -> Path:
    path.write_bytes(b"".join(row + b"\n" for row in rows))
    return path


def row(**values: object) -> bytes:
    return json.dumps(values).encode()


def test_a_missing_column_names_those_that_are_there(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", [{"question": "q", "answer": "1"}])
    assert refusal(path, problem="problem") == [
        "input.columns.problem: no column `problem`; found `question`, `answer`. Set input.columns.problem: question"
    ]
    assert refusal(path, problem="qestion", answer="solution", id="key") == [
        "input.columns.problem: no column `qestion`; found `question`, `answer`. Set input.columns.problem: question",
        "input.columns.answer: no column `solution`; found `question`, `answer`. Set input.columns.answer: answer",
        "input.columns.id: no column `key`; found `question`, `answer`. "
        "Set input.columns.id to the right column, or leave it out",
    ]


def test_no_common_name_at_all(tmp_path: Path) -> None:
    assert refusal(write(tmp_path / "x.parquet", [{"answer": "1", "level": 2, "task": "t"}])) == [
        "input.columns.problem: no column is named `problem`, `question` or `prompt`; "
        "found `answer`, `level`, `task`. Set input.columns.problem: task"
    ]
    assert refusal(lines(tmp_path / "x.jsonl", b"{}")) == [
        "input.columns.problem: no column is named `problem`, `question` or `prompt`; "
        "found nothing. Set input.columns.problem to the right column"
    ]


def test_a_name_that_only_the_template_knows(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", [{"problem": "p", "hint": "h"}])
    assert refusal(path, ("problem", "hnit")) == [
        "prompt.template: the template reads `hnit`, which is no column; found `problem`, `hint`. Did you mean `hint`?"
    ]


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pa.array([1]), "int64"),
        (pa.array([[1]]), "list<element: int64>"),
        (pa.array([["a"]]), "list<element: string>"),
        (pa.array([{"text": "a"}]), "struct<text: string>"),
        (pa.array([[{"from": "human", "value": "a"}]]), "list<element: struct<from: string, value: string>>"),
        (pa.array([b"a"]), "binary"),
    ],
)
def test_a_problem_of_the_wrong_type(tmp_path: Path, column: pa.Array, kind: str) -> None:
    pq.write_table(pa.table({"problem": column}), tmp_path / "x.parquet")
    wants = "but a problem is text or a list of chat messages with `role` and `content`"
    (said,) = refusal(tmp_path / "x.parquet", problem="problem")
    assert said.replace("item:", "element:") == (
        f"input.columns.problem: column `problem` is {kind}, {wants}. Name another column"
    )


def test_an_answer_and_an_id_of_the_wrong_type(tmp_path: Path) -> None:
    rows = [{"problem": "p", "answer": ["1"], "id": 0.5}]
    assert refusal(write(tmp_path / "x.jsonl", rows), answer="answer", id="id") == [
        "input.columns.answer: column `answer` is list<item: string>, but an answer is text or a number. "
        "Name another column",
        "input.columns.id: column `id` is double, but an id is text or a whole number. Name another column",
    ]


def test_nothing_there(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "header.csv").write_text("problem,answer\n")
    pq.write_table(pa.table({"problem": pa.array([], pa.string())}), tmp_path / "none.parquet")
    assert refusal(tmp_path / "x.jsonl") == ["input.path: 0 rows matched `./x.jsonl`: no such file or folder"]
    assert refusal(tmp_path / "*.json") == ["input.path: 0 rows matched `./*.json`: no file matches the pattern"]
    for name in ("empty.jsonl", "header.csv", "none.parquet"):
        assert refusal(tmp_path / name) == [f"input.path: 0 rows matched `./{name}`: the file is empty"]
    (tmp_path / "other").mkdir()
    readable = "Readable: `.parquet`, `.jsonl`, `.json` (one object a line), `.csv`, and `.gz` of the text ones"
    assert refusal(tmp_path / "other") == [f"input.path: 0 rows matched `.`: the folder holds nothing. {readable}"]
    (tmp_path / "other/x.arrow").touch()
    assert refusal(tmp_path / "other") == [f"input.path: 0 rows matched `.`: the folder holds only .arrow. {readable}"]
    assert refusal(tmp_path / "other/x.arrow") == [
        f"input.path: `./x.arrow` is of no format that can be read. {readable}"
    ]


def test_files_of_several_formats(tmp_path: Path) -> None:
    write(tmp_path / "b.parquet", texts("p"))
    write(tmp_path / "a.csv", texts("p"))
    assert refusal(tmp_path) == [
        "input.path: files of several formats: 1 csv (`./a.csv`), 1 parquet (`./b.parquet`). "
        "Set input.path to a glob that matches one format"
    ]


def test_a_split_that_is_not_there(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", texts("p"))
    write(tmp_path / "other.csv", texts("p"))
    assert refusal(tmp_path) == [
        "input.split: `.` holds several splits: `train` (1 file), and 1 file of no split. Set input.split: train"
    ]
    assert refusal(tmp_path, split="trian") == ["input.split: no split `trian` in `.`. Did you mean `train`?"]
    assert refusal(tmp_path / "other.csv", split="test") == [
        "input.split: no split `test` in `./other.csv`. No file names a split: leave input.split out"
    ]


def test_corrupt_parquet_names_each_file(tmp_path: Path) -> None:
    good = write(tmp_path / "a.parquet", texts("p"))
    (tmp_path / "b.parquet").write_bytes(good.read_bytes()[:-9])
    (tmp_path / "c.parquet").write_bytes(b"")
    first, second = refusal(tmp_path)
    assert first.startswith("./b.parquet: not a readable parquet file: ")
    assert second.startswith("./c.parquet: not a readable parquet file: ")
    assert second.endswith(". Write or download it again")


def test_a_damaged_page_is_found_by_the_survey(tmp_path: Path) -> None:
    table = pa.table({"problem": [f"p{i}" for i in range(9)], "other": [f"{i}" * 99 for i in range(9)]})
    pq.write_table(table, tmp_path / "x.parquet", compression="zstd", use_dictionary=False)
    raw = bytearray((tmp_path / "x.parquet").read_bytes())
    start = pq.read_metadata(tmp_path / "x.parquet").row_group(0).column(1).data_page_offset
    raw[start : start + 60] = b"\x17" * 60
    (tmp_path / "x.parquet").write_bytes(raw)
    open_table(InputSpec(str(tmp_path / "x.parquet")))
    (said,) = refusal(tmp_path / "x.parquet")
    assert said.startswith("./x.parquet: not a readable parquet file: ")


def test_shards_of_different_schemas_name_file_and_column(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", [{"problem": "p", "level": 1, "x": 1}])
    write(tmp_path / "b.parquet", [{"problem": "p", "level": "1", "y": 1}])
    fix = "Write all files with one schema, or set input.path to those that share one"
    assert refusal(tmp_path) == [
        f"./b.parquet: column `level` is string, in the files before it int64. {fix}",
        f"./b.parquet: lacks column `x`, which the files before it have. {fix}",
        f"./b.parquet: has column `y`, which the files before it lack. {fix}",
    ]


def test_csv_headers_that_differ(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("problem,x\np,1\n")
    (tmp_path / "b.csv").write_text("y,problem\n1,p\n")
    fix = "Write all files with one schema, or set input.path to those that share one"
    assert refusal(tmp_path) == [
        f"./b.csv: lacks column `x`, which the files before it have. {fix}",
        f"./b.csv: has column `y`, which the files before it lack. {fix}",
    ]


def test_a_column_that_stands_twice(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("problem,a,a\np,1,2\n")
    assert refusal(tmp_path / "x.csv") == ["./x.csv, line 1: column `a` stands twice in the header. Rename one of them"]
    twice = pa.table([pa.array(["p"]), pa.array([1]), pa.array([2])], names=["problem", "a", "a"])
    pq.write_table(twice, tmp_path / "x.parquet")
    assert refusal(tmp_path / "x.parquet") == ["./x.parquet: column `a` stands twice. Rename one of them"]


def test_lines_that_are_not_json_rows_are_all_named(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "x.jsonl", row(problem="p"), b'{"problem": ', b"", b"[1]", b"null",
        b"[" * 100_000, b'{"problem": "\\uD83D"}', b'{"n": ' + b"9" * 5000 + b"}",
    )  # fmt: skip
    said = refusal(path)
    assert said[:3] == [
        "./x.jsonl, line 2: not valid JSON: Expecting value at column 12",
        './x.jsonl, line 4: not a JSON object. A row is {"problem": "...", ...}',
        './x.jsonl, line 5: not a JSON object. A row is {"problem": "...", ...}',
    ]
    assert said[3].startswith("./x.jsonl, line 6: not readable JSON: maximum recursion depth exceeded")
    assert said[4] == "./x.jsonl, line 7: a string holds half of a surrogate pair (\\ud800 to \\udfff alone)"
    assert said[5].startswith("./x.jsonl, line 8: not readable JSON: Exceeds the limit")
    assert len(said) == 6


def test_a_whole_surrogate_pair_is_a_character(tmp_path: Path) -> None:
    path = lines(tmp_path / "x.jsonl", b'{"problem": "\\uD83D\\ude00"}')
    assert read(path)[1][0].text == "😀"


@pytest.mark.parametrize("document", [b'[\n{"problem": "p"}\n]', b'[{"problem": "p"}]', b'{\n "problem": "p"\n}'])
def test_one_json_document_is_not_json_lines(tmp_path: Path, document: bytes) -> None:
    (tmp_path / "x.json").write_bytes(document)
    assert refusal(tmp_path / "x.json")[0] == (
        "./x.json, line 1: not JSON lines: the file is one JSON document. "
        "Write one object a line: jq -c '.[]' x.json > x.jsonl"
    )


def test_a_file_of_nothing_but_faults_is_given_up(tmp_path: Path) -> None:
    lines(tmp_path / "a.jsonl", row(problem="p"), *[b"nonsense"] * 1000)
    lines(tmp_path / "b.jsonl", *[b"nonsense"] * 1000)
    said = refusal(tmp_path)
    assert len(said) == 42
    assert said[20] == "./a.jsonl: gave up after 20 faults in this file"
    for name in "cde":
        lines(tmp_path / f"{name}.jsonl", *[b"nonsense"] * 1000)
    said = refusal(tmp_path)
    assert (len(said), said[-1]) == (51, "input: and 55 more faults")


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz", "x.csv"])
def test_bytes_that_are_not_utf8_name_line_and_offset(tmp_path: Path, name: str) -> None:
    raw = b"problem\n\xe9t\xe9\n" if "csv" in name else b'{"problem": "ok"}\n{"problem": "\xe9t\xe9"}\n'
    (tmp_path / name).write_bytes(gzip.compress(raw) if "gz" in name else raw)
    place = raw.index(b"\xe9")
    assert refusal(tmp_path / name) == [
        f"./{name}, line 2: byte 0xe9 at offset {place} of the file is not UTF-8. "
        "Convert the file: iconv -f ENCODING -t UTF-8"
    ]


@pytest.mark.parametrize("column", ["problem", "other"])
def test_bytes_that_are_not_utf8_in_parquet_name_row_column_and_offset(tmp_path: Path, column: str) -> None:
    rows = [f"row {i}".encode() for i in range(2000)]
    bad = [*rows[:1500], b"caf\xe9", *rows[1501:]]
    buffers = {name: pa.array(bad if name == column else rows).buffers() for name in ("problem", "other")}
    forged = {name: pa.Array.from_buffers(pa.string(), 2000, cells) for name, cells in buffers.items()}
    pq.write_table(pa.table(forged), tmp_path / "x.parquet")
    assert refusal(tmp_path / "x.parquet") == [
        f"./x.parquet, row 1500, column `{column}`: byte 0xe9 at offset 3 of the text is not UTF-8. "
        "Decode the column with its true encoding and write the file again"
    ]


def test_csv_records_that_do_not_fit(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text('problem,a\np,1\n"two\nlines",1,2\nq\nr,1\n')
    fix = "Is a comma not quoted?"
    assert refusal(tmp_path / "x.csv") == [
        f"./x.csv, line 4: 3 cells, but the header has 2. {fix}",
        f"./x.csv, line 5: 1 cells, but the header has 2. {fix}",
    ]
    (tmp_path / "x.csv").write_text('problem\np\n"never closed\nq\n')
    assert refusal(tmp_path / "x.csv") == [
        "./x.csv, line 4: not valid csv: unexpected end of data. Is a quote left open before it?"
    ]


def test_broken_gzip(tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(row(problem=f"p{i}") + b"\n" for i in range(999)))
    (tmp_path / "x.jsonl.gz").write_bytes(whole[:-20])
    (tmp_path / "y.jsonl.gz").write_bytes(row(problem="p"))
    (tmp_path / "z.jsonl.gz").write_bytes(whole[:60] + b"\x00" * 60 + whole[120:])
    said = refusal(tmp_path)
    assert [fault.split(": ")[:2] for fault in said] == [[f"./{name}.jsonl.gz", "cannot be read"] for name in "xyz"]


def test_an_unreadable_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "x.jsonl", texts("p"))

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", denied)
    assert refusal(path)[0] == "./x.jsonl: cannot be read: [Errno 13] Permission denied: './x.jsonl'"
    monkeypatch.setattr(Path, "is_file", denied)
    assert refusal(path) == ["input.path: `./x.jsonl` cannot be looked at: Permission denied"]


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz", "x.csv", "x.parquet"])
def test_one_giant_row_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(files, "ROW_CAP", 2**20)
    path = write(tmp_path / name, texts(*["x" * (2**20 - 99)] * 3))
    assert len(read(path)[1]) == 3
    path = write(tmp_path / name, texts("x", "y" * 2**20 + "z"))
    what = {
        "x.csv": ", line 3: the line is longer than 1 MiB. Is this one row a line?",
        "x.parquet": ", row 1: the row is larger than 1 MiB",
    }.get(name, ", line 2: the line is longer than 1 MiB. Is this one row a line?")
    assert refusal(path)[0] == f"./{name}{what}"


def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "ROW_CAP", 2**20)
    (tmp_path / "x.jsonl.gz").write_bytes(gzip.compress(b"[" * 2**26, 1))
    tracemalloc.start()
    assert refusal(tmp_path / "x.jsonl.gz")[0].startswith("./x.jsonl.gz, line 1: the line is longer than 1 MiB")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**24


def test_a_quote_left_open_does_not_swallow_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "ROW_CAP", 2**20)
    (tmp_path / "x.csv").write_text('problem\n"' + ("x" * 999 + "\n") * 3000)
    assert (
        refusal(tmp_path / "x.csv")
        == [
            "./x.csv, line 1050: not valid csv: a cell is longer than 1 MiB. Is a quote left open before it?",
            "input.path: 0 rows matched `./x.csv`: the file is empty",
        ][:1]
    )


def test_repeated_ids_stop_and_five_are_listed(tmp_path: Path) -> None:
    rows = [{"problem": f"p{i}", "id": f"id{i // 2}" if i < 14 else f"own{i}"} for i in range(40)]
    rows += [{"problem": f"more{i}", "id": "id6"} for i in range(9)]
    assert refusal(write(tmp_path / "x.parquet", rows)) == [
        "input.columns.id: 7 ids of column `id` stand more than once: `id0` in rows 0, 1; `id1` in rows 2, 3; "
        "`id2` in rows 4, 5; `id3` in rows 6, 7; `id4` in rows 8, 9. "
        "Make them unique, set input.columns.id to a column that is, or to null: ids are made then"
    ]


def test_more_blank_problems_than_a_slip_explains(tmp_path: Path) -> None:
    rows = texts(*["" if i % 2 else f"p{i}" for i in range(100)])
    rows.append({"problem": [{"role": "user"}]})  # type: ignore[dict-item]
    assert refusal(write(tmp_path / "x.jsonl", rows)) == [
        "input: 51 of 101 problems in column `problem` cannot be asked (5% may): "
        "50 blank problems: rows 1, 3, 5, 7, 9, ...; "
        "1 malformed problem: row 100 (chat message 0: content is NoneType, not text). "
        "Is it the right column? If so, take these rows out, or set input.on_bad_row: keep"
    ]


def test_five_percent_of_blank_problems_are_still_a_slip(tmp_path: Path) -> None:
    assert len(read(write(tmp_path / "x.jsonl", texts("", *map(str, range(19)))))[1]) == 20
    assert len(refusal(write(tmp_path / "x.jsonl", texts("", *map(str, range(18)))))) == 1


def test_all_faults_come_at_once(tmp_path: Path) -> None:
    path = lines(tmp_path / "x.jsonl", row(task="p"), b"{", b"\xff")
    starts = (
        "./x.jsonl, line 2: not valid",
        "./x.jsonl, line 3: byte 0xff",
        "./x.jsonl, line 3: not valid",
        "input.col",
    )
    said = refusal(path, answer="gold")
    assert [fault.startswith(start) for fault, start in zip(said, starts, strict=False)] == [True] * 4
    assert [fault.split(": ")[0] for fault in said[3:]] == ["input.columns.problem", "input.columns.answer"]
    rows = [{"problem": "", "id": "a"}, {"problem": "p", "id": "a"}]
    said = refusal(write(tmp_path / "y.csv", rows), ("problem", "hint"))
    assert [fault.split(": ")[0] for fault in said] == ["prompt.template", "input.columns.id", "input"]


def _rewrite(path: Path) -> None:
    path.write_text(path.read_text().replace("p7", "changed"))


def _append(path: Path) -> None:
    path.write_text(path.read_text() + '{"problem": "new"}\n')


def _cut(path: Path) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:8]))


def _damage(path: Path) -> None:
    path.write_text(path.read_text() + "nonsense\n")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (_rewrite, "changed while it was being read: row 7 is not what it was"),
        (_append, "changed while it was being read: row 9 is not what it was"),
        (_cut, "changed while it was being read: row 8 is not what it was"),
        (_damage, "line 10: not valid JSON"),
    ],
)
def test_a_file_that_changes_under_the_run(tmp_path: Path, change: Callable[[Path], None], what: str) -> None:
    path = write(tmp_path / "x.jsonl", texts(*(f"p{i}" for i in range(9))))
    table = open_table(InputSpec(str(path)))
    seen = survey(table, ("problem",))
    change(path)
    with pytest.raises(InputError) as refused:
        list(problems(table, seen))
    assert what in str(refused.value)


def _three_files(folder: Path, name: str) -> tuple[Path, Path]:
    """A set of three files of which two cannot be read to their end."""
    for number in range(3):
        write(folder / f"{number}{name}", texts(*(f"{number} and {i}" for i in range(99))))
    second, third = folder / f"1{name}", folder / f"2{name}"
    second.write_bytes(second.read_bytes()[:-20])
    third.write_bytes(b"\xff" + third.read_bytes()[1:-1])
    return second, third


@pytest.mark.parametrize("name", ["x.parquet", "x.jsonl.gz", "x.jsonl", "x.csv"])
def test_files_that_cannot_be_read_are_left_out_when_the_job_says_so(tmp_path: Path, name: str) -> None:
    second, third = _three_files(tmp_path, name)
    if name == "x.csv":
        second.write_text('problem\n"never closed\n')
    assert refusal(tmp_path)
    table, rows = read(tmp_path, skip_bad=True)
    assert [row.text for row in rows] == [f"0 and {i}" for i in range(99)]
    (note,) = (note for note in table.notes if "left out" in note)
    assert note.startswith(f"2 files are left out, as input.on_bad_file says: {second}")
    assert f"; {third}" in note


def test_damage_that_only_reading_finds_leaves_the_whole_file_out(tmp_path: Path) -> None:
    for number in range(2):
        rows = {"problem": [f"{number} and {i}" for i in range(9)], "other": [f"{i}" * 99 for i in range(9)]}
        pq.write_table(pa.table(rows), tmp_path / f"{number}.parquet", compression="zstd", use_dictionary=False)
    raw = bytearray((tmp_path / "0.parquet").read_bytes())
    start = pq.read_metadata(tmp_path / "0.parquet").row_group(0).column(1).data_page_offset
    raw[start : start + 60] = b"\x17" * 60
    (tmp_path / "0.parquet").write_bytes(raw)
    assert refusal(tmp_path)
    table, rows = read(tmp_path, skip_bad=True)
    assert [row.text for row in rows] == [f"1 and {i}" for i in range(9)]
    assert [row.row for row in rows] == list(range(9))
    assert sum("1 file is left out" in note for note in table.notes) == 1


def test_a_set_of_nothing_but_bad_files_is_refused_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"no")
    (tmp_path / "b.parquet").write_bytes(b"")
    with pytest.raises(InputError) as refused:
        read(tmp_path, skip_bad=True)
    assert [fault.where.rpartition("/")[2] for fault in refused.value.faults] == ["a.parquet", "b.parquet"]


def test_an_id_column_can_be_left_unused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", [{"problem": f"p{i}", "id": "same", "answer": "1"} for i in range(3)])
    assert "null: ids are made then" in refusal(path)[0]
    rows = read(path, without=frozenset({"id"}))[1]
    assert len({row.id for row in rows}) == 3 and [row.columns["id"] for row in rows] == ["same"] * 3
    assert read(path, without=frozenset({"id", "answer"}))[1][0].reference is None


def test_faults_of_columns_and_of_rows_come_together(tmp_path: Path) -> None:
    from solver.problems.surveying import count
    from solver.problems.tables import look

    path = write(tmp_path / "x.jsonl", [{"problem": "p", "id": "a"}, {"problem": "q", "id": "a"}])
    found: list[Fault] = []
    table = look(InputSpec(str(path), answer="gold"), found)
    assert table is not None and count(table, ("problem", "hint"), found) is None
    assert [fault.where for fault in found] == ["input.columns.answer", "prompt.template", "input.columns.id"]
