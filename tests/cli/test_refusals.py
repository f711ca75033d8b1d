"""Whatever is wrong is said by `check` and by `run` alike, all at once, before anything is loaded or written: a story
for each row of the table of bad input.

The stories run in this process; that the command itself behaves so is told in test_cli.py. What a full disk, a small
machine and signals do is told in tests/run, tests/store and test_signals.py.
"""

import gzip
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from desk import Desk

from solver.cli import main
from solver.run import place
from solver.store import Store

ROWS = [{"id": f"p{i}", "problem": f"What is {i}?", "answer": str(i)} for i in range(40)]
REPLIES = ["It is \\boxed{1}"]
ABACUS = Path(__file__).parents[2] / "jobs" / "abacus"

Lay = Callable[[Desk], Sequence[str] | None]
"""Spoils a desk; gives overrides."""


class Told(NamedTuple):
    """What a command said, and its exit code; paths of the desk are written `.`."""

    code: int
    out: str
    err: list[str]


@pytest.fixture
def tell(desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """Calls the command from the desk's folder."""
    monkeypatch.chdir(desk.home)

    def told(*words: str) -> Told:
        with pytest.raises(SystemExit) as ended:
            main(words)
        said = capsys.readouterr()
        where = f"{desk.home}/"
        return Told(
            int(str(ended.value.code)), said.out.replace(where, "./"), said.err.replace(where, "./").splitlines()
        )

    return told


def lay(desk: Desk, **blocks: Mapping[str, Any]) -> None:
    desk.lay(ROWS, REPLIES, **blocks)


def parquet(path: Path, **columns: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def another_column(desk: Desk) -> None:
    desk.lay([{"question": "q", "gold": "1"}], REPLIES, input={"columns": {"problem": "problem"}})


def too_many_blanks(desk: Desk) -> None:
    desk.lay([*ROWS[:4], {"problem": " "}, {"problem": None}], REPLIES)


def equal_ids(desk: Desk) -> None:
    desk.lay([row | {"id": f"id{number // 2}"} for number, row in enumerate(ROWS[:12])], REPLIES)


def latin_1(desk: Desk) -> None:
    lay(desk)
    (desk.home / "problems.jsonl").write_bytes(b'{"problem": "fine"}\n{"problem": "caf\xe9"}\n')


def a_number_for_a_problem(desk: Desk) -> list[str]:
    lay(desk)
    parquet(desk.home / "p.parquet", problem=[1, 2])
    return ["input.path=p.parquet"]


def half_a_chat(desk: Desk) -> None:
    desk.lay([{"problem": [{"role": "user"}]}, *ROWS[:3]], REPLIES)


def nothing_there(desk: Desk) -> list[str]:
    lay(desk)
    return ["input.path=none/*.parquet"]


def an_empty_file(desk: Desk) -> None:
    desk.lay([], REPLIES)


def corrupt_parquet(desk: Desk) -> list[str]:
    lay(desk)
    parquet(desk.home / "set/a.parquet", problem=["p"])
    (desk.home / "set/b.parquet").write_bytes(b"PAR1 and no more")
    return ["input.path=set"]


def two_schemas(desk: Desk) -> list[str]:
    lay(desk)
    parquet(desk.home / "set/a.parquet", problem=["p"], level=[1])
    parquet(desk.home / "set/b.parquet", problem=["p"], level=["1"])
    return ["input.path=set"]


def two_splits(desk: Desk) -> list[str]:
    lay(desk)
    for split in ("train", "test"):
        parquet(desk.home / f"set/{split}-00000-of-00001.parquet", problem=["p"])
    return ["input.path=set"]


def a_typo(desk: Desk) -> None:
    lay(desk, sampling={"temprature": 0.5})


def loose_yaml(desk: Desk) -> None:
    lay(desk)
    desk.job.write_text(
        'input: {path: problems.jsonl}\nsampling: {n: "8", max_tokens: 1e7}\nname: a\nname: b\nmodel: yes\n'
    )


def an_unset_variable(desk: Desk) -> None:
    lay(desk, prompt={"system": "${NOT_SET_ANYWHERE}"})


def a_table_for_a_model(desk: Desk) -> list[str]:
    lay(desk)
    return [r"engine={kind: vllm}", "model.source=problems.jsonl"]


def a_model_by_a_bare_name(desk: Desk) -> list[str]:
    lay(desk)
    return [r"engine={kind: vllm}", "model.source=internlm/internlm3-8b-instruct"]


def a_model_without_its_weights(desk: Desk) -> list[str]:
    lay(desk)
    shutil.copytree(ABACUS, desk.home / "model", ignore=shutil.ignore_patterns("*.safetensors"))
    return [r"engine={kind: vllm, max_model_len: 999999}", "model.source=model"]


def replies_that_are_none(desk: Desk) -> None:
    desk.lay(ROWS, {"a": []})


def a_file_in_the_way(desk: Desk) -> list[str]:
    lay(desk)
    return ["output.dir=problems.jsonl/deeper"]


def somebody_s_own_folder(desk: Desk) -> list[str]:
    lay(desk)
    (desk.home / "mine").mkdir()
    (desk.home / "mine/thesis.tex").touch()
    return ["output.dir=mine"]


def another_job_s_output(desk: Desk) -> list[str]:
    lay(desk)
    desk.run()
    return ["sampling.temperature=0.5", "prompt.template=cot"]


def everything_at_once(desk: Desk) -> list[str]:
    desk.lay([{"problem": "p", "id": "a"}, {"problem": "q", "id": "a"}], [], input={"columns": {"answer": "gold"}})
    return ["sampling.n=0", "prompt.template=cott", "output.dir=job.yaml"]


CASES: dict[Lay, list[str]] = {
    another_column: [
        "input.columns.problem: no column `problem`; found `question`, `gold`. Set input.columns.problem: question"
    ],
    too_many_blanks: [
        "input: 2 of 6 problems in column `problem` cannot be asked (5% may): 2 blank problems: rows 4, 5. "
        "Is it the right column? If so, take these rows out, or set input.on_bad_row: keep"
    ],
    equal_ids: [
        "input.columns.id: 6 ids of column `id` stand more than once: `id0` in rows 0, 1; `id1` in rows 2, 3; `id2` in "
        "rows 4, 5; `id3` in rows 6, 7; `id4` in rows 8, 9. "
        "Make them unique, set input.columns.id to a column that is, or to null: ids are made then"
    ],
    latin_1: [
        "./problems.jsonl, line 2: byte 0xe9 at offset 36 of the file is not UTF-8. "
        "Convert the file: iconv -f ENCODING -t UTF-8"
    ],
    a_number_for_a_problem: [
        "input.columns.problem: column `problem` is int64, but a problem is text or a list of chat messages with "
        "`role` and `content`. Set input.columns.problem to the right column"
    ],
    half_a_chat: [
        "input: 1 of 4 problems in column `problem` cannot be asked (5% may): 1 malformed problem: row 0 (chat message "
        "0: content is NoneType, not text). Is it the right column? If so, take these rows out, or set "
        "input.on_bad_row: keep"
    ],
    nothing_there: ["input.path: 0 rows matched `./none/*.parquet`: no file matches the pattern"],
    an_empty_file: ["input.path: 0 rows matched `./problems.jsonl`: the file is empty"],
    corrupt_parquet: [
        "./set/b.parquet: not a readable parquet file: Parquet magic bytes not found in footer. Either the file is "
        "corrupted or this is not a parquet file.. Write or download it again"
    ],
    two_schemas: [
        "./set/b.parquet: column `level` is string, in the files before it int64. "
        "Write all files with one schema, or set input.path to those that share one"
    ],
    two_splits: ["input.split: `./set` holds several splits: `test` (1 file), `train` (1 file). Set input.split: test"],
    a_typo: ["job.yaml:1:{column}: sampling.temprature: unknown key. Did you mean `temperature`?"],
    loose_yaml: [
        "job.yaml:2:12: sampling.n: must be a whole number, not the text `8`. Write 8",
        "job.yaml:2:20: sampling.max_tokens: must be a whole number, not the number `10000000.0`. Write 10000000",
        "job.yaml:4:1: name: the key is given twice, first in line 3. Keep one",
        "job.yaml:5:1: model: must be a block of keys, not the text `yes`",
    ],
    an_unset_variable: [
        "job.yaml:1:{column}: prompt.system: the environment variable `NOT_SET_ANYWHERE` is not set. "
        "Or escape it: $${NOT_SET_ANYWHERE}"
    ],
    a_table_for_a_model: [
        "model.source: no config.json in ./problems.jsonl: that is a file. "
        "Give a directory that holds config.json, or modelscope:OWNER/NAME"
    ],
    a_model_by_a_bare_name: [
        "model.source: no config.json in ./internlm/internlm3-8b-instruct: there is no such directory. "
        "Give a directory that holds config.json, or modelscope:OWNER/NAME"
    ],
    a_model_without_its_weights: [
        "model.source: ./model lacks weights: no *.safetensors. "
        "Copy the directory again, whole; pickled weights (*.bin, *.pt) are never loaded",
        "engine.max_model_len: 999999 is more than the {context} positions of ./model. Set at most {context}",
    ],
    replies_that_are_none: [
        "engine.replies: ./replies.json holds no replies. "
        "Write a list of texts, or an object from a problem's text to such a list"
    ],
    a_file_in_the_way: [
        "output.dir: ./problems.jsonl/deeper cannot be made: ./problems.jsonl is a file. Set another output.dir"
    ],
    somebody_s_own_folder: [
        "output.dir: ./mine is not empty and not a run directory; nothing was touched. Set another output.dir"
    ],
    another_job_s_output: [
        'prompt.template: was "{plain}", is now "{cot}"',
        "sampling.temperature: was 1.0, is now 0.5. ./out keeps its samples, all of one kind. To draw the new kind: "
        "solver run job.yaml -o sampling.temperature=0.5 -o prompt.template=cot -o output.dir=NEW_DIRECTORY",
    ],
    everything_at_once: [
        "-o sampling.n=0: must be at least 1, not the number `0`",
        "prompt.template: no built-in template `cott`. Did you mean `cot`?",
        "input.columns.answer: no column `gold`; found `problem`, `id`. "
        "Set input.columns.answer to the right column, or leave it out",
        "input.columns.id: 1 id of column `id` stands more than once: `a` in rows 0, 1. "
        "Make them unique, set input.columns.id to a column that is, or to null: ids are made then",
        "engine.replies: ./replies.json holds no replies. "
        "Write a list of texts, or an object from a problem's text to such a list",
        "output.dir: ./job.yaml is a file. Set another output.dir",
    ],
}


def known(desk: Desk, line: str) -> str:
    """A golden line with what differs by machine or length of the job file filled in."""
    job = desk.job.read_text()
    from solver.prompts import load_template
    from solver.run.open import _digest

    filled = {
        "column": next((job.index(f'"{key}"') + 1 for key in ("temprature", "system") if f'"{key}"' in job), 0),
        "context": json.loads((ABACUS / "config.json").read_text())["max_position_embeddings"],
        "plain": _digest(load_template("plain").source),
        "cot": _digest(load_template("cot").source),
    }
    for key, value in filled.items():
        line = line.replace("{" + key + "}", str(value))
    return f"error: {line}"


@pytest.mark.parametrize("spoil", CASES, ids=lambda spoil: spoil.__name__)
def test_what_is_wrong_is_said_by_check_and_by_run_alike(desk: Desk, tell: Callable[..., Told], spoil: Lay) -> None:
    overrides = [word for text in spoil(desk) or () for word in ("-o", text)]
    before = sorted(path for path in desk.home.rglob("*"))
    golden = [known(desk, line) for line in CASES[spoil]]
    for verb in ("check", "run"):
        told = tell(verb, "job.yaml", *overrides)
        assert told.err == golden
        assert (told.code, told.out) == (2, "")
    assert sorted(path for path in desk.home.rglob("*")) == before, "nothing is made for a run that cannot begin"


def noted(told: Told, words: str) -> bool:
    return any(words in line for line in [*told.err, *told.out.splitlines()])


def test_slips_are_counted_and_the_rest_is_run(desk: Desk, tell: Callable[..., Told]) -> None:
    desk.lay([*ROWS, {"id": "x", "problem": "  "}, ROWS[3] | {"id": "y"}, ROWS[3] | {"id": "z"}], REPLIES)
    for verb, code in (("check", 0), ("run", 3)):
        told = tell(verb, "job.yaml")
        assert told.code == code
        assert noted(told, "1 blank problem: row 40 (written as failed rows)")
        assert noted(told, "2 rows repeat an earlier problem: rows 41, 42 (each is asked as its own)")
    assert len(desk.results()) == 43


def test_more_than_slips_are_run_when_the_job_says_so(desk: Desk, tell: Callable[..., Told]) -> None:
    too_many_blanks(desk)
    for verb, code in (("check", 0), ("run", 3)):
        told = tell(verb, "job.yaml", "-o", "input.on_bad_row=keep")
        assert told.code == code and noted(told, "2 blank problems: rows 4, 5 (written as failed rows)")
    assert sorted(row["status"] for row in desk.results().values()) == ["failed"] * 2 + ["ok"] * 4


def test_bad_files_of_a_set_may_be_left_out(desk: Desk, tell: Callable[..., Told]) -> None:
    path = corrupt_parquet(desk)
    for verb in ("check", "run"):
        told = tell(verb, "job.yaml", "-o", *path, "-o", "input.on_bad_file=skip")
        assert told.code == 0 and noted(told, "1 file is left out, as input.on_bad_file says: ./set/b.parquet: not a")
    assert len(desk.results()) == 1


def test_an_id_column_may_be_left_unused(desk: Desk, tell: Callable[..., Told]) -> None:
    equal_ids(desk)
    assert tell("run", "job.yaml", "-o", "input.columns.id=null").code == 0
    assert len(desk.results()) == 12


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz", "x.csv", "x.parquet", "set/test-00000-of-00001.parquet"])
def test_every_layout_is_taken_as_it_is(desk: Desk, tell: Callable[..., Told], name: str) -> None:
    lay(desk)
    path = desk.home / name
    if name.endswith("parquet"):
        parquet(path, problem=["p"], answer=["1"])
    elif name.endswith("csv"):
        path.write_text("problem,answer\np,007\n")
    else:
        opener = gzip.open if name.endswith("gz") else open
        with opener(path, "wt") as file:
            file.write('{"problem": "p", "answer": 1}\n')
    folder = name.split("/", maxsplit=1)[0]
    assert tell("check", "job.yaml", "-o", f"input.path={folder}").code == 0


def test_prompts_beyond_the_context_are_listed_with_their_tokens(desk: Desk, tell: Callable[..., Told]) -> None:
    pytest.importorskip("tokenizers")
    desk.lay([{"id": "short", "problem": "1+1"}, {"id": "long", "problem": "What is 12? " * 50}], REPLIES)
    model = ["-o", f"model.source={ABACUS}", "-o", "engine={kind: vllm, max_model_len: 64}"]
    told = tell("check", "job.yaml", *model)
    assert told.code == 0
    line = next(line for line in told.out.splitlines() if line.startswith("prompts "))
    assert "the context holds 64 tokens; 1 too long, written as `too_long`: long (" in line
    assert int(line.rpartition("(")[2].rstrip(")")) > 64


def test_a_run_in_progress_is_said_with_its_owner(desk: Desk, tell: Callable[..., Told]) -> None:
    lay(desk)
    desk.run()
    with Store.create_or_open(desk.out):
        for verb in ("check", "run"):
            told = tell(verb, "job.yaml")
            assert told.code == 75 and noted(told, f"pid {os.getpid()}, since ")
    (desk.out / "_solver/owner.json").write_text(json.dumps({"host": "h", "pid": 1, "since": "long ago"}))
    assert tell("check", "job.yaml").code == 0, "the record of a dead owner says nothing"


def test_check_tells_how_much_is_done_and_writes_nothing(desk: Desk, tell: Callable[..., Told]) -> None:
    lay(desk, input={"limit": 30})
    desk.run()
    before = {path: path.read_bytes() for path in desk.out.rglob("*") if path.is_file()}
    told = tell("check", "job.yaml", "-o", "input.limit=40", "-o", "engine.slots=4")
    assert noted(told, "goes on: 30 of 40 problems are done") and noted(told, "10 rows are new in the input")
    assert noted(told, "engine.slots: was 8, is now 4; changes nothing that is sampled")
    assert noted(told, "at most    2,000 more output tokens"), "10 problems, 4 samples, 50 tokens"
    found = json.loads(tell("check", "job.yaml", "--json").out)
    assert (found["done"], found["held"], found["uncompared"]) == (30, None, [])
    assert {path: path.read_bytes() for path in desk.out.rglob("*") if path.is_file()} == before


def test_a_disk_with_too_little_room_is_a_warning(
    desk: Desk, tell: Callable[..., Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(desk)
    monkeypatch.setattr(place.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 2000))
    for verb in ("check", "run"):
        told = tell(verb, "job.yaml")
        assert told.code == 0
        assert noted(told, "the disk has 0.0 GiB free; if all samples hit their cap, about 0.0 GiB are written")


@pytest.mark.parametrize("there", [False, True])
def test_a_place_that_cannot_be_written_to(
    desk: Desk, tell: Callable[..., Told], monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    lay(desk)
    if there:
        desk.run()
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode == os.R_OK and real(path, mode))
    verb = "be written to" if there else f"be made in {desk.home}"
    for command in ("check", "run"):
        told = tell(command, "job.yaml")
        assert told.err == [
            f"error: output.dir: ./out cannot {verb}: this user has no permission. Set another output.dir"
        ]
        assert told.code == 4
    read_only = os.statvfs_result((*os.statvfs(desk.home)[:8], os.ST_RDONLY, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: read_only)
    for command in ("check", "run"):
        told = tell(command, "job.yaml")
        fix = "Mount it writable or set another output.dir"
        assert told.err == [f"error: output.dir: ./out cannot {verb}: its file system is read-only. {fix}"]
        assert told.code == 4, "not the job's fault"


def test_code_from_a_model_s_directory_is_never_run_in_silence(desk: Desk, tell: Callable[..., Told]) -> None:
    lay(desk)
    model = ["-o", f"model.source={ABACUS}", "-o", "engine={kind: vllm}"]
    trusted = tell("check", "job.yaml", *model, "-o", "model.trust_remote_code=true")
    assert noted(trusted, "trust_remote_code is on: code")
    assert trusted.err[0].startswith("model.trust_remote_code is on: code"), "to standard error too, before it runs"
    assert not noted(tell("check", "job.yaml", *model), "trust_remote_code")
    told = tell("check", "job.yaml", *model, "-o", "engine.load_format=pt")
    what = "-o engine.load_format=pt: `pt` loads pickled weights, which can run code. Use safetensors"
    assert told.err == [f"error: {what}"]


def test_weights_that_were_never_hashed_are_not_read_by_a_check(
    desk: Desk, tell: Callable[..., Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(desk)
    desk.run()
    (desk.out / "_solver/fingerprint.json").write_text('{"model.weights": "other"}')
    monkeypatch.setenv("XDG_CACHE_HOME", str(desk.home / "cache"))
    examine = sys.modules["solver.run.examine"]
    monkeypatch.setattr(examine, "SMALL", 1000)
    told = tell("check", "job.yaml", "-o", f"model.source={ABACUS}", "-o", "engine={kind: vllm}")
    assert told.code == 2 and not noted(told, "model.weights:") and not (desk.home / "cache").exists()
    monkeypatch.setattr(examine, "SMALL", 2**30)
    assert noted(
        tell("check", "job.yaml", "-o", f"model.source={ABACUS}", "-o", "engine={kind: vllm}"), "model.weights:"
    )
