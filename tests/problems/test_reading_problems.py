"""A user points at a table, whatever it looks like, and gets its problems."""

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from disk import FORMATS, read, texts, write

from solver.errors import InputError
from solver.problems import InputSpec, open_table, problems, survey

GSM8K = Path(__file__).parents[2].parent / "shared" / "data" / "gsm8k"
ROWS = [
    {"id": "a1", "problem": "What is 2, plus 2?", "answer": "so #### 4", "level": 3, "share": 0.5, "源": "数"},
    {"id": "a2", "problem": '第二题："3×4"\nis?', "answer": "\\boxed{12}", "level": 7, "share": 1.25, "源": "学"},
]
CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Add."},
    {"role": "assistant", "content": "What?"},
    {"role": "user", "content": "1 and 2"},
]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_problems(tmp_path: Path, name: str) -> None:
    table, (first, second) = read(write(tmp_path / name, ROWS), ("problem", "level"))
    assert (first.row, first.id, first.text) == (0, "a1", "What is 2, plus 2?")
    assert first.values == {"problem": "What is 2, plus 2?", "level": 3}
    assert (first.reference, second.reference) == ("4", "12")
    assert second.text == '第二题："3×4"\nis?'
    assert second.columns == {"answer": "\\boxed{12}", "level": 7, "share": 1.25, "源": "学"}
    assert table.schema_other == pa.schema(
        {"answer": pa.string(), "level": pa.int64(), "share": pa.float64(), "源": pa.string()}
    )
    assert first.fault is second.fault is None
    assert len(first.row_id) == 16


@pytest.mark.skipif(not GSM8K.exists(), reason="the shared data is not here")
def test_gsm8k_as_it_comes() -> None:
    table, rows = read(GSM8K / "test.jsonl")
    assert table.notes == [
        "problem = column `question` (found by its name)",
        "answer = column `answer` (found by its name)",
    ]
    golds = [json.loads(line)["answer"] for line in (GSM8K / "test.jsonl").read_text().splitlines()]
    assert len(rows) == len({row.row_id for row in rows}) == 1319
    assert [row.reference for row in rows] == [gold.split("####")[1].strip() for gold in golds]
    assert [row.columns for row in rows] == [{"answer": gold} for gold in golds]
    assert rows[0].text.startswith("Janet’s ducks lay 16 eggs")
    assert not any(row.fault for row in rows)


def test_columns_are_found_by_name_and_it_is_said(tmp_path: Path) -> None:
    rows = [{"Prompt": "p", "QUESTION": "q", "gold": "1", "final_answer": "2", "UUID": "u", "problems": "x"}]
    table, (problem,) = read(write(tmp_path / "x.jsonl", rows))
    assert (table.problem, table.answer, table.id) == ("QUESTION", "final_answer", "UUID")
    assert (problem.text, problem.reference, problem.id) == ("q", "2", "u")
    assert table.notes == [
        "problem = column `QUESTION` (found by its name; `Prompt` is there too, not used for it)",
        "answer = column `final_answer` (found by its name; `gold` is there too, not used for it)",
        "id = column `UUID` (found by its name)",
    ]
    assert list(problem.columns) == ["Prompt", "gold", "final_answer", "problems"]


def test_columns_that_the_job_names_are_used_and_nothing_is_said(tmp_path: Path) -> None:
    rows = [{"problem": "no", "task": "yes", "key": 17, "sol": 8.0}]
    table, (problem,) = read(write(tmp_path / "x.parquet", rows), problem="task", answer="sol", id="key")
    assert (problem.text, problem.id, problem.reference) == ("yes", "17", "8")
    assert problem.columns == {"problem": "no", "sol": 8.0}
    assert problem.values == {"problem": "yes"}
    assert table.notes == []


def test_a_common_name_of_the_wrong_type_is_passed_over(tmp_path: Path) -> None:
    rows = [{"problem": 5, "question": "q", "answer": ["1", "2"], "id": 0.5}]
    table, (problem,) = read(write(tmp_path / "x.parquet", rows))
    assert (problem.text, problem.reference, problem.id) == ("q", None, problem.row_id.hex()[:16])
    assert "column `id` is double, but an id is text or a whole number: not used for it" in table.notes
    assert problem.columns == {"problem": 5, "answer": ["1", "2"], "id": 0.5}


def test_a_folder_is_read_in_order_of_names_and_hidden_files_are_not(tmp_path: Path) -> None:
    write(tmp_path / "data/b.jsonl", texts("2"))
    write(tmp_path / "data/a.jsonl.gz", texts("1"))
    write(tmp_path / "data/sub/c.jsonl", texts("3"))
    write(tmp_path / "data/.cache/hidden.jsonl", texts("no"))
    write(tmp_path / "data/_solver/own.csv", texts("no"))
    write(tmp_path / "data/dataset_info.json", texts("no"))
    (tmp_path / "data/README.md").write_text("no")
    table, rows = read(tmp_path / "data")
    assert [(row.row, row.text) for row in rows] == [(0, "1"), (1, "2"), (2, "3")]
    assert "3 files of 2 folders are read as one table: `.`, `sub`" in table.notes


def test_a_glob_reads_what_it_matches_through_folders(tmp_path: Path) -> None:
    write(tmp_path / "deep/er/b.csv", texts("two"))
    write(tmp_path / "a.csv", texts("one"))
    write(tmp_path / "a.jsonl", texts("no"))
    _, rows = read(tmp_path / "**" / "*.csv")
    assert [row.text for row in rows] == ["one", "two"]


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("data/train-00000-of-00002.parquet", "data/test-00000-of-00001.parquet"),
        ("train/part0.jsonl", "test/part0.jsonl"),
        ("train.csv", "test.csv"),
        ("my_train_set.jsonl", "my-test.jsonl"),
        ("training/a.csv", "eval/a.csv"),
        ("data/train-00000-of-00001.jsonl.gz", "test/data.jsonl.gz"),
    ],
)
def test_splits_of_a_folder_are_asked_for_and_then_read(tmp_path: Path, train: str, test: str) -> None:
    write(tmp_path / "set" / train, texts("a"))
    write(tmp_path / "set" / test, texts("b"))
    with pytest.raises(InputError) as refused:
        open_table(InputSpec(str(tmp_path / "set")))
    assert str(refused.value) == (
        f"input.split: `{tmp_path}/set` holds several splits: `test` (1 file), `train` (1 file). Set input.split: test"
    )
    for split, text in (("test", "b"), ("train", "a")):
        assert [row.text for row in read(tmp_path / "set", split=split)[1]] == [text]


def test_a_split_may_have_any_name(tmp_path: Path) -> None:
    write(tmp_path / "data/algebra-00000-of-00001.parquet", texts("a"))
    write(tmp_path / "data/amc.2024-00000-of-00001.parquet", texts("b"))
    with pytest.raises(InputError, match=r"several splits: `algebra` \(1 file\), `amc.2024` \(1 file\)"):
        open_table(InputSpec(str(tmp_path)))
    assert [row.text for row in read(tmp_path, split="amc.2024")[1]] == ["b"]


def test_a_glob_may_cross_splits_and_it_is_said(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", texts("a"))
    write(tmp_path / "dev.csv", texts("b"))
    table, rows = read(tmp_path / "*.csv")
    assert [row.text for row in rows] == ["b", "a"]
    assert "files of several splits are read as one table: `train` (1 file), `validation` (1 file)" in sorted(
        table.notes
    )
    assert [row.text for row in read(tmp_path / "*.csv", split="val")[1]] == ["b"]


@pytest.mark.parametrize("name", ["x.parquet", "x.jsonl"])
def test_chat_messages_are_problems(tmp_path: Path, name: str) -> None:
    extra = [message | {"name": None} for message in CHAT]
    _, (problem,) = read(write(tmp_path / name, [{"prompt": extra}]))
    assert problem.values == {"problem": CHAT}
    assert problem.text == "1 and 2"
    assert problem.fault is None


def test_a_json_string_of_messages_stays_text(tmp_path: Path) -> None:
    _, (problem,) = read(write(tmp_path / "x.jsonl", texts(json.dumps(CHAT))))
    assert problem.text == problem.values["problem"] == json.dumps(CHAT)


@pytest.mark.parametrize(
    ("cell", "fault"),
    [
        ([{"role": "robot", "content": "x"}], "chat message 0: role 'robot' is none of system, developer, user, "),
        ([CHAT[0], {"role": "user", "content": None}], "chat message 1: content is NoneType, not text"),
        ([{"role": "user", "content": ["x"]}], "chat message 0: content is list, not text"),
        ([{"content": "x"}], "chat message 0: role None is none of"),
        (["x"], "chat message 0: is str, not an object with `role` and `content`"),
        ([CHAT[0]], "the chat has no user message"),
        ([{"role": "user", "content": " \n"}], "blank problem"),
        ([], "blank problem"),
        (None, "blank problem"),
        ("\u3000\n", "blank problem"),
        (7, "a problem is text or a list of chat messages, not int"),
        ({"role": "user", "content": "x"}, "a problem is text or a list of chat messages, not dict"),
    ],
)
def test_a_few_rows_that_cannot_be_asked_are_failed_rows(tmp_path: Path, cell: object, fault: str) -> None:
    rows = [{"problem": f"good {i}"} for i in range(20)]
    table, problems = read(write(tmp_path / "x.jsonl", [*rows, {"problem": cell}]))
    assert [problem.fault for problem in problems[:-1]] == [None] * 20
    assert problems[-1].fault is not None
    assert problems[-1].fault.startswith(fault)
    sort = "1 blank problem: row 20" if fault == "blank problem" else "1 malformed problem: row 20 ("
    assert any(note.startswith(sort) and note.endswith(" (written as failed rows)") for note in table.notes)


def test_blank_rows_are_counted_and_the_first_five_named(tmp_path: Path) -> None:
    rows = texts(*("" if i % 25 == 3 else f"p{i}" for i in range(200)))
    table, problems = read(write(tmp_path / "x.csv", rows + texts("last")))
    assert "8 blank problems: rows 3, 28, 53, 78, 103, ... (written as failed rows)" in table.notes
    assert sum(problem.fault == "blank problem" for problem in problems) == 8
    assert "7 rows repeat an earlier problem: rows 28, 53, 78, 103, 128, ... (each is asked as its own)" in table.notes
    assert len({problem.row_id for problem in problems}) == 201


def test_limit_cuts_rows_before_anything_is_looked_at(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", texts(*(f"p{i}" for i in range(3000))))
    with path.open("a") as file:
        file.write("this is not JSON\n")
    table, rows = read(path, limit=2500)
    assert [row.row for row in rows] == list(range(2500))
    assert len(read(path, limit=1024)[1]) == 1024
    assert table.notes == ["problem = column `problem` (found by its name)"]


def test_limit_over_several_files(tmp_path: Path) -> None:
    for name in "abc":
        write(tmp_path / f"{name}.parquet", texts(f"{name}0", f"{name}1"))
    assert [row.text for row in read(tmp_path, limit=3)[1]] == ["a0", "a1", "b0"]
    assert [row.text for row in read(tmp_path, limit=99)[1]] == ["a0", "a1", "b0", "b1", "c0", "c1"]


def test_only_wanted_rows_are_made(tmp_path: Path) -> None:
    for name in ("x.parquet", "x.jsonl"):
        table = open_table(InputSpec(str(write(tmp_path / name, texts(*map(str, range(3000)))))))
        seen = survey(table, ("problem",))
        wanted = np.zeros(3000, dtype=bool)
        wanted[[0, 7, 2999]] = True
        assert [(p.row, p.text, p.row_id) for p in problems(table, seen, wanted)] == [
            (row, str(row), seen.row_id(row)) for row in (0, 7, 2999)
        ]


def test_csv_types_are_taken_only_where_no_spelling_changes(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(
        "task,whole,real,zip,price,mixed,late,big,flag,gap,none\n"
        "12,1,0.5,007,1.50,1,1,9999999999999999999,true,3,\n"
        "34,-12,1e-05,123,2.00,1.5,x,1,false,,\n"
    )
    table, (first, second) = read(tmp_path / "x.csv", problem="task", id="zip")
    assert (first.text, first.id) == ("12", "007")
    assert first.columns == {
        "whole": 1, "real": 0.5, "price": "1.50", "mixed": "1", "late": "1",
        "big": "9999999999999999999", "flag": "true", "gap": 3, "none": None,
    }  # fmt: skip
    assert second.columns["gap"] is None
    assert {field.name: str(field.type) for field in table.schema_other if field.type != pa.string()} == {
        "whole": "int64", "real": "double", "gap": "int64",
    }  # fmt: skip


def test_a_nameless_csv_column_and_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"\xef\xbb\xbfproblem,\r\nwhat?,0\r\n\r\nwhy?,1\r\n")
    _, rows = read(tmp_path / "x.csv")
    assert [(row.text, row.columns) for row in rows] == [("what?", {"Unnamed: 1": 0}), ("why?", {"Unnamed: 1": 1})]


def test_json_types_keep_every_value(tmp_path: Path) -> None:
    rows = [
        {"problem": "p", "answer": 7, "real": 1, "huge": 2**70, "deep": {"a": [1], "b": "x"}, "late": None, "e": {}},
        {"problem": "q", "answer": "1/2", "real": 0.5, "huge": 1, "deep": {"a": []}, "late": [True], "exact": 2**60},
        {"problem": "r", "answer": [3], "real": None, "deep": None, "exact": 0.5},
    ]
    table, problems = read(write(tmp_path / "x.jsonl", rows))
    assert {field.name: str(field.type) for field in table.schema_other} == {
        "answer": "string",
        "real": "double",
        "huge": "string",
        "deep": "struct<a: list<item: int64>, b: string>",
        "late": "list<item: bool>",
        "e": "string",
        "exact": "string",
    }
    assert [problem.columns["answer"] for problem in problems] == ["7", "1/2", "[3]"]
    assert [problem.columns["huge"] for problem in problems] == [str(2**70), "1", None]
    assert [problem.columns["exact"] for problem in problems] == [None, str(2**60), "0.5"]
    assert [problem.reference for problem in problems[:2]] == ["7", "1/2"]
    assert "column `answer` holds values of several kinds: kept as text" in table.notes
    passed = pa.Table.from_pylist([dict(problem.columns) for problem in problems], schema=table.schema_other)
    assert passed.column("deep").to_pylist() == [{"a": [1], "b": "x"}, {"a": [], "b": None}, None]


def test_an_object_with_ever_new_keys_is_kept_as_text(tmp_path: Path) -> None:
    rows = [{"problem": f"p{i}", "map": {f"key{i}": i}} for i in range(300)]
    table, problems = read(write(tmp_path / "x.jsonl", rows))
    assert table.schema_other.field("map").type == pa.string()
    assert problems[9].columns["map"] == '{"key9": 9}'


def test_parquet_columns_pass_through_unchanged(tmp_path: Path) -> None:
    columns = {
        "problem": pa.array(["p", "q"], pa.large_string()),
        "level": pa.array(["hard", None]).dictionary_encode(),
        "nano": pa.array([1, None], pa.timestamp("ns")),
        "far": pa.array([10**13, None], pa.timestamp("s")),
        "when": pa.array([datetime(2026, 1, 2), None], pa.timestamp("us")),
        "meta": pa.array([{"x": 1, "y": ["a"]}, None]),
        "pairs": pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int32())),
        "blob": pa.array([b"\xff\x00", b""], pa.large_binary()),
        "small": pa.array([1, None], pa.int8()),
        "nothing": pa.nulls(2),
    }
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    table, rows = read(tmp_path / "x.parquet", ("problem", "nano", "meta", "when", "blob"))
    passed = pa.Table.from_pylist([dict(row.columns) for row in rows], schema=table.schema_other)
    for name in table.schema_other.names:
        before = pa.table(columns).column(name)
        assert passed.column(name).equals(before.cast(passed.schema.field(name).type)), name
    assert passed.schema.field("small").type == pa.int8()
    assert passed.column("nano").cast(pa.int64()).to_pylist() == [1, None]


def test_numbers_as_answers(tmp_path: Path) -> None:
    golds = pa.array([7.0, float("nan"), None, 0.25, -3.0])
    pq.write_table(pa.table({"problem": list("abcde"), "answer": golds}), tmp_path / "x.parquet")
    assert [row.reference for row in read(tmp_path / "x.parquet")[1]] == ["7", None, None, "0.25", "-3"]


def test_ids_are_kept_or_made(tmp_path: Path) -> None:
    rows = [{"problem": "p", "id": "007"}, {"problem": "q", "id": ""}, {"problem": "r", "id": " "}]
    for name in ("x.csv", "x.jsonl", "x.parquet"):
        table, (kept, *made) = read(write(tmp_path / name, rows))
        assert kept.id == "007"
        assert [row.id for row in made] == [row.row_id.hex()[:16] for row in made]
        assert "2 rows have no id in column `id`: one is made" in table.notes


def test_shards_may_differ_in_encodings_and_in_nulls(tmp_path: Path) -> None:
    shards = [
        {"problem": pa.array(["a"]), "x": pa.nulls(1)},
        {"x": pa.array(["1"]), "problem": pa.array(["b"], pa.large_string())},
        {"problem": pa.array(["c"]).dictionary_encode(), "x": pa.array(["2"], pa.string_view())},
    ]
    for i, shard in enumerate(shards):
        pq.write_table(pa.table(shard), tmp_path / f"train-{i:05}-of-00003.parquet")
    table, rows = read(tmp_path)
    assert [(row.text, row.columns["x"]) for row in rows] == [("a", None), ("b", "1"), ("c", "2")]
    assert table.schema_other == pa.schema({"x": pa.string()})
