"""Every export opens with `datasets` as it lies, in the shape that its trainer reads."""

import contextlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from runs import Asked as Problem
from runs import Said, answers, make_run

from solver.export import FORMATS, SHAPES, Asked, export

CASES: list[tuple[str, dict[str, Any]]] = [
    *(("sft", {"shape": shape}) for shape in SHAPES),
    ("sft", {"reasoning": "field"}),
    *((name, {"trainer": trainer}) for name in ("dpo", "simpo", "kto") for trainer in ("trl", "llamafactory")),
    *((name, {}) for name in FORMATS if name not in ("sft", "dpo", "simpo", "kto")),
]
OPENR1 = (
    "problem solution answer problem_type question_type source uuid is_reasoning_complete generations "
    "correctness_math_verify correctness_llama finish_reasons correctness_count messages"
)
OPENMATH = (
    "problem generated_solution expected_answer problem_type problem_source generation_model inference_mode "
    "pass_rate_72b_tir used_in_kaggle"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    turned = Said("1", text="<think>\\boxed{2}, no: \\boxed{1}</think>It is \\boxed{1}")
    path = tmp_path_factory.mktemp("loading") / "run"
    return make_run(path, [Problem([turned, Said("2"), Said("1")]), answers("1", "2")], name="a: name")


def loaded(path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The split `train` by `datasets`, without a hub."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import load_dataset

    return load_dataset(str(path), split="train", cache_dir=str(path.parent / "cache"))


def opened_from(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a trainer opens what a stanza names, in the folder where it stands."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import load_dataset

    with contextlib.chdir(folder):
        assert len(load_dataset(name, split="train", cache_dir=str(folder.parent / "cache"))) > 0


@pytest.mark.parametrize("files", ["parquet", "jsonl"])
@pytest.mark.parametrize(("name", "how"), CASES, ids=str)
def test_datasets_loads_every_export(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, name: str, how: dict[str, Any], files: str
) -> None:
    done = export(run, Asked(name, tmp_path / "o", files=files, **how))
    data = loaded(tmp_path / "o", monkeypatch)
    assert len(data) == done.rows["train"] > 0
    row = data[0]
    _SHAPES[name](row, how)
    assert "label_source" in row


def _conversation(messages: Any, roles: tuple[str, ...]) -> None:
    assert tuple(message["role"] for message in messages) == roles
    assert all(isinstance(message["content"], str) and message["content"] for message in messages)


def _sft(row: dict[str, Any], how: dict[str, Any]) -> None:
    match how.get("shape", "messages"):
        case "messages":
            _conversation(row["messages"], ("user", "assistant"))
            reasoned = how.get("reasoning") == "field"
            assert ("<think>" in row["messages"][1]["content"]) is not reasoned
        case "sharegpt":
            assert [turn["from"] for turn in row["conversations"]] == ["human", "gpt"]
        case "alpaca":
            assert row["instruction"] and row["output"] and row["input"] == ""
        case _:
            _conversation(row["prompt"], ("user",))
            _conversation(row["completion"], ("assistant",))


def _pairs(row: dict[str, Any], how: dict[str, Any]) -> None:
    if how["trainer"] == "trl":
        for column, roles in (("prompt", ("user",)), ("chosen", ("assistant",)), ("rejected", ("assistant",))):
            _conversation(row[column], roles)
    else:
        _conversation(row["conversations"], ("user",))
        _conversation([row["chosen"], row["rejected"]], ("assistant", "assistant"))


def _kto(row: dict[str, Any], how: dict[str, Any]) -> None:
    if how["trainer"] == "trl":
        _conversation([*row["prompt"], *row["completion"]], ("user", "assistant"))
        assert row["label"] is True
    else:
        _conversation(row["messages"], ("user", "assistant"))
        assert row["kto_tag"] is True


def _openr1(row: dict[str, Any], how: dict[str, Any]) -> None:
    assert list(row)[: len(OPENR1.split())] == OPENR1.split()
    assert len(row["generations"]) == len(row["correctness_math_verify"]) == 3


_SHAPES = {
    "sft": _sft,
    "dpo": _pairs,
    "simpo": _pairs,
    "kto": _kto,
    "trajectory": lambda row, how: _conversation(row["messages"], ("user", "assistant")),
    "openr1": _openr1,
    "openmathreasoning": lambda row, how: _same(list(row)[: len(OPENMATH.split())], OPENMATH.split()),
    "table": lambda row, how: _same(row["text"][:7], "<think>"),
    "labels": lambda row, how: _same(row["label"], "labelled"),
}


def _same(one: object, other: object) -> None:
    assert one == other


def test_stanzas_name_columns_that_are_there(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, (name, how) in enumerate(CASES[:11]):
        out = tmp_path / str(number)
        export(run, Asked(name, out, **how))
        if (out / "axolotl.yaml").exists():
            (one,) = yaml.safe_load((out / "axolotl.yaml").read_text())["datasets"]
            assert list(out.glob(one.get("data_files", ["train/*.parquet"])[0]))
            assert ("ds_type" in one) is ("data_files" in one), "its preference datasets know no ds_type"
            if "split" in one:
                opened_from(out, one["path"], monkeypatch)
        if (out / "trl.yaml").exists():
            opened_from(out, yaml.safe_load((out / "trl.yaml").read_text())["dataset_name"], monkeypatch)
        assert (out / "axolotl.yaml").exists() or (out / "dataset_info.json").exists() or (out / "trl.yaml").exists()


def test_labels_and_tables_also_come_as_csv(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("labels", "table"):
        done = export(run, Asked(name, tmp_path / name, files="csv"))
        assert len(loaded(tmp_path / name, monkeypatch)) == done.rows["train"]
