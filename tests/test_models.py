"""A model's name -> a directory on this machine, and the hashes of what in it changes what it says."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from solver.errors import ModelError
from solver.models import content, find, resolve
from solver.models.content import model_facts


def make(path: Path, config: dict[str, Any] | None = None, **files: Any) -> Path:
    """A model directory; files by name with `_` for `.`."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps(config or {}))
    for name, value in files.items():
        (path / f"{name}.json").write_text(json.dumps(value))
    return path


@pytest.fixture(autouse=True)
def nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees or changes the caches of who runs it."""
    for name in ("HF_HOME", "HF_HUB_CACHE", "MODELSCOPE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def test_a_path_is_a_model_when_it_holds_a_config(tmp_path: Path) -> None:
    path = make(tmp_path / "m", {"max_position_embeddings": 4096})
    for model in (find(str(path)), resolve(str(path))):
        assert model is not None and model.path == path.resolve() and model.source == str(path)
        assert model.context == 4096


@pytest.mark.parametrize("look", [find, resolve])
def test_a_path_without_one_is_said_and_never_downloaded(tmp_path: Path, look: Callable[[str], Any]) -> None:
    (tmp_path / "empty").mkdir()
    for name in (str(tmp_path / "empty"), str(tmp_path / "missing"), "owner/name"):
        with pytest.raises(ModelError, match=r"no config\.json in") as refused:
            look(name)
        assert "modelscope:OWNER/NAME" in str(refused.value)
    (make(tmp_path / "broken") / "config.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be read"):
        look(str(tmp_path / "broken"))


def test_a_path_that_is_something_else_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "table.parquet").touch()
    cases = {
        "table.parquet": "no config.json in {}: that is a file",
        "missing": "no config.json in {}: there is no such directory",
    }
    for name, what in cases.items():
        with pytest.raises(ModelError) as refused:
            find(str(tmp_path / name))
        assert refused.value.faults[0].what == what.format(tmp_path / name)


def test_which_weights_are_missing(tmp_path: Path) -> None:
    shards = {f"layer.{number}": f"model-{number}.safetensors" for number in range(3)}
    path = make(tmp_path / "m", **{"model.safetensors.index": {"weight_map": shards}})
    model = find(str(path))
    assert model is not None and model.missing == "3 of 3 files, model-0.safetensors first" and not model.complete
    for number in (0, 2):
        (path / f"model-{number}.safetensors").touch()
    assert model.missing == "1 of 3 files, model-1.safetensors first"
    (path / "model-1.safetensors").touch()
    assert model.complete and not model.missing
    bare = find(str(make(tmp_path / "bare")))
    assert bare is not None and bare.missing == "no *.safetensors"
    (tmp_path / "bare/pytorch_model.bin").touch()
    assert not bare.complete, "pickled weights are none"


def test_the_context_is_the_position_table_despite_rope_scaling(tmp_path: Path) -> None:
    scaled = {"max_position_embeddings": 32768, "rope_scaling": {"rope_type": "dynamic", "factor": 6.0}}
    model = find(str(make(tmp_path / "m", scaled)))
    assert model is not None and model.context == 32768
    bare = find(str(make(tmp_path / "b")))
    assert bare is not None and bare.context is None


def test_stop_ids_come_from_both_configs(tmp_path: Path) -> None:
    path = make(tmp_path / "m", {"eos_token_id": 2}, generation_config={"eos_token_id": [128131, 2]})
    model = find(str(path))
    assert model is not None and model.stop_ids == (2, 128131)
    none = find(str(make(tmp_path / "n", {"eos_token_id": None})))
    assert none is not None and none.stop_ids == ()


@pytest.mark.parametrize(
    "place",
    [
        "models/Owner--My.Model-8b/snapshots/v1",
        "models/Owner/My.Model-8b",
        "models/Owner/My___Model-8b",
        "hub/models/Owner/My___Model-8b",
        "hub/Owner/My.Model-8b",
    ],
)
def test_what_modelscope_downloaded_is_found_without_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    assert find("modelscope:Owner/My.Model-8b", "v1") is None
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path))
    assert find("modelscope:Owner/My.Model-8b", "v1") is None
    made = make(tmp_path / place)
    model = find("modelscope:Owner/My.Model-8b", "v1")
    assert model is not None and model.path == made.resolve()
    assert find("modelscope:Owner/Other", "v1") is None


@pytest.mark.parametrize(("variable", "inner"), [("HF_HOME", "hub"), ("HF_HUB_CACHE", "")])
def test_what_hugging_face_downloaded_is_found_without_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, inner: str
) -> None:
    monkeypatch.setenv(variable, str(tmp_path))
    cache = tmp_path / inner / "models--Owner--Model"
    assert find("hf:Owner/Model", "main") is None
    made = make(cache / "snapshots" / "abc123")
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("abc123\n")
    for revision in ("main", "master", "abc123"):
        model = find("hf:Owner/Model", revision)
        assert model is not None and model.path == made.resolve()
    assert find("hf:Owner/Model", "v2") is None


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = make(tmp_path / "model", {"hidden_size": 8}, generation_config={}, tokenizer={"v": 1}, tokenizer_config={})
    (path / "a.safetensors").write_bytes(b"a" * 100)
    (path / "b.safetensors").write_bytes(b"b" * 100)
    return path


def test_each_part_of_a_model_has_its_own_hash(model: Path) -> None:
    before = model_facts(model)
    assert set(before) == {"model.weights", "model.config", "model.tokenizer"}
    changes = {
        "b.safetensors": "model.weights",
        "config.json": "model.config",
        "generation_config.json": "model.config",
        "tokenizer.json": "model.tokenizer",
        "tokenizer_config.json": "model.tokenizer",
    }
    for name, part in changes.items():
        kept = (model / name).read_bytes()
        (model / name).write_bytes(kept + b" ")
        assert {key for key, value in model_facts(model).items() if value != before[key]} == {part}, name
        (model / name).write_bytes(kept)
        assert model_facts(model) == before, name
    (model / "README.md").write_text("says nothing")
    assert model_facts(model) == before
    (model / "inner").mkdir()
    for name in ("code.py", "inner/more.py"):
        trusted = model_facts(model, trusted=True)
        (model / name).write_text("pass")
        changed = model_facts(model, trusted=True)
        assert changed["model.code"] != trusted["model.code"] and trusted.items() - changed.items() == {
            ("model.code", trusted["model.code"])
        }, "code that runs is a part of the model"
    assert model_facts(model) == before, "code that does not run is none"


def test_weights_that_trade_places_are_other_weights(model: Path) -> None:
    before = model_facts(model)
    (model / "a.safetensors").rename(model / "c")
    (model / "b.safetensors").rename(model / "a.safetensors")
    (model / "c").rename(model / "b.safetensors")
    assert model_facts(model)["model.weights"] != before["model.weights"]


def test_a_model_without_weights_is_said_so(model: Path) -> None:
    for file in model.glob("*.safetensors"):
        file.unlink()
    assert model_facts(model)["model.weights"] == "none"


def test_weights_are_read_once_until_they_change(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    real = content._hash
    monkeypatch.setattr(content, "_hash", lambda file: read.append(file.name) or real(file))
    first = model_facts(model)
    assert sorted(read) == ["a.safetensors", "b.safetensors"]
    assert model_facts(model) == first and len(read) == 2, "a second start reads no weights"
    stat = (model / "a.safetensors").stat()
    (model / "a.safetensors").write_bytes(b"A" * 100)
    os.utime(model / "a.safetensors", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert model_facts(model)["model.weights"] != first["model.weights"] and read[2:] == ["a.safetensors"]


def test_weights_that_are_too_many_to_read_now_are_left_out_until_they_are_known(model: Path) -> None:
    small = model_facts(model, at_most=150)
    assert set(small) == {"model.config", "model.tokenizer"}
    whole = model_facts(model, at_most=200)
    assert model_facts(model, at_most=0) == whole == model_facts(model), "once hashed they are known"


@pytest.mark.parametrize("memory", ["not json", "[]", "null", '{"x": 1}'])
def test_a_damaged_memory_only_costs_the_hashing(model: Path, tmp_path: Path, memory: str) -> None:
    first = model_facts(model)
    found = list((tmp_path / "home").rglob("weights.json"))
    assert len(found) == 1, "kept under the user's cache directory"
    found[0].write_text(memory)
    assert model_facts(model) == first


def test_a_cache_that_cannot_be_written_is_fine(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert model_facts(model) == model_facts(model)
