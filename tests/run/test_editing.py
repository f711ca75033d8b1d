"""Editing a job or its input between two runs of one directory: what each edit redoes, what it says, what it refuses.

The model is abacus with its real tokenizer and fingerprint; only the engine behind it is scripted, so that every field
of vLLM's may be edited.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from desk import Desk

from solver import answers, engine, votes
from solver.engine import EngineSetting
from solver.engine.scripted import ScriptedEngine
from solver.errors import FingerprintError
from solver.records import Request, Status

pytest.importorskip("tokenizers")

ABACUS = Path(__file__).parents[2] / "jobs" / "abacus"
ROWS: list[dict[str, Any]] = [
    {"id": f"p{i}", "problem": f"What is {i} and {i}?", "answer": str(2 * i)} for i in range(8)
]
LONG = "step " * 80 + "\\boxed{2}"


@pytest.fixture
def job(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A finished run of eight problems, four samples each; the answer to p1 is long and is cut."""

    def reply(request: Request) -> str:
        asked = request.messages[-1]["content"]
        return LONG if "What is 1 and" in asked else f"So \\boxed{{{(request.seed % 3) * 2}}}"

    def made(setting: EngineSetting) -> ScriptedEngine:
        return ScriptedEngine(reply, slots=8, context=setting.block.get("max_model_len"))

    monkeypatch.setitem(engine.ENGINES, "vllm", made)  # type: ignore[call-overload]
    shutil.copytree(ABACUS, desk.home / "model")
    monkeypatch.setenv("XDG_CACHE_HOME", str(desk.home / "cache"))
    desk.blocks["engine"] = {"kind": "vllm", "max_num_seqs": 8, "max_model_len": 2000}
    desk.lay(ROWS, [], model={"source": "./model"})
    assert desk.run().samples == 32
    return desk


def said(desk: Desk, start: str) -> list[str]:
    return [line for line in desk.said if line.startswith(start)]


def texts(desk: Desk) -> dict[tuple[bytes, int], str]:
    return {(sample.key.row_id, sample.key.k): sample.text for sample in desk.samples()}


def edited(desk: Desk, rows: list[Mapping[str, Any]]) -> int:
    """Samples that a run draws over another table; nothing that was there is touched by it."""
    before = texts(desk)
    desk.table(rows)
    drawn = desk.run().samples
    assert before.items() <= texts(desk).items(), "durable samples stay as they are"
    assert sorted(desk.results()) == sorted(row["id"] for row in rows)
    return drawn


# --- rows


def test_a_changed_row_is_drawn_anew_and_the_old_one_left_out(job: Desk) -> None:
    assert edited(job, [ROWS[0] | {"problem": "What is nothing?"}, *ROWS[1:]]) == 4
    gone = "1 row of the last run is no longer in the input: kept in the samples, left out of the results"
    assert said(job, "1 row") == [gone, "1 row is new in the input"]


def test_an_added_row_is_drawn_and_nothing_else(job: Desk) -> None:
    assert edited(job, [*ROWS[:4], {"id": "new", "problem": "What is new?"}, *ROWS[4:]]) == 4
    assert said(job, "1 row") == ["1 row is new in the input"]


def test_moved_rows_cost_nothing(job: Desk) -> None:
    assert edited(job, ROWS[::-1]) == 0
    assert [job.results()[f"p{i}"]["row"] for i in range(8)] == list(range(8))[::-1]
    assert not said(job, "1 row") and not [line for line in job.said if "was " in line], "and are not worth a word"


def test_removed_rows_are_kept_and_left_out_and_come_back_for_nothing(job: Desk) -> None:
    assert edited(job, ROWS[:5]) == 0
    assert "3 rows of the last run are no longer in the input: kept in the samples, left out of the results" in job.said
    assert len(job.samples()) == 32
    assert edited(job, ROWS) == 0
    assert "3 rows are new in the input" in job.said, "by the results of the last run"


def test_rows_that_an_interrupted_run_had_not_reached_are_not_called_new(job: Desk) -> None:
    (job.out / "manifest.json").unlink()
    assert edited(job, [*ROWS, {"id": "new", "problem": "What is new?"}]) == 4
    assert not said(job, "1 row"), "nobody knows what the last run's input was"


# --- fields that change nothing that is sampled


def test_more_samples_are_drawn_beside_the_old_and_fewer_vote_over_the_first(job: Desk) -> None:
    before = texts(job)
    assert job.run("sampling.n=6").samples == 16
    assert before.items() <= texts(job).items()
    assert said(job, "sampling") == ["sampling.n: was 4, is now 6; only samples that are not there are drawn"]
    assert job.run("sampling.n=2").samples == 0
    assert said(job, "sampling") == ["sampling.n: was 6, is now 2; the first 2 samples vote"]
    assert {row["n_samples"] for row in job.results().values()} == {2} and len(texts(job)) == 48


@pytest.mark.parametrize("module", [votes, answers])
def test_another_vote_or_extraction_decides_anew_and_draws_nothing(
    job: Desk, monkeypatch: pytest.MonkeyPatch, module: Any
) -> None:
    before = {row["decision"] for row in job.results().values()}
    monkeypatch.setattr(module, "VERSION", module.VERSION + 1)
    again = job.run()
    assert (again.samples, again.problems) == (0, 8)
    assert not before & {row["decision"] for row in job.results().values()}


@pytest.mark.parametrize(
    ("field", "old", "new"),
    [
        ("engine.max_num_seqs", "8", "4"),
        ("engine.gpu_memory_utilization", "not set", "0.5"),
        ("engine.tensor_parallel_size", "not set", "2"),
        ("engine.max_num_batched_tokens", "not set", "4096"),
        ("output.flush_seconds", "15.0", "60.0"),
    ],
)
def test_memory_parallel_and_flush_settings_are_said_and_change_nothing(
    job: Desk, field: str, old: str, new: str
) -> None:
    assert job.run(f"{field}={new}").samples == 0
    assert said(job, field) == [f"{field}: was {old}, is now {new}; changes nothing that is sampled"]
    assert job.run(f"{field}={new}").samples == 0 and not said(job, field), "it is said once"


def test_a_moved_model_and_a_renamed_job_are_the_same_run(job: Desk) -> None:
    (job.home / "model").rename(job.home / "elsewhere")
    assert job.run(f"model.source={job.home}/elsewhere", "name=other").samples == 0
    same = "model.source: was `../model`, is now `../elsewhere`; what it stands for is the same"
    assert same in job.said and any(line.startswith("name: was `job`, is now `other`") for line in job.said)


# --- caps


def test_a_raised_cap_redoes_what_was_cut_and_a_lowered_one_takes_nothing_back(job: Desk) -> None:
    before = texts(job)
    cut = [key for key, text in before.items() if text.startswith("step")]
    assert len(cut) == 4 and job.results()["p1"]["n_truncated"] == 4
    assert job.run("sampling.max_tokens=99").samples == 4
    assert said(job, "sampling") == ["sampling.max_tokens: was 50, is now 99; only what was cut is drawn again"]
    assert (job.results()["p1"]["predicted"], job.results()["p1"]["n_truncated"]) == ("2", 0)
    assert {key: text for key, text in texts(job).items() if key not in cut} == {
        key: text for key, text in before.items() if key not in cut
    }
    assert job.run("sampling.max_tokens=20").samples == 0
    assert said(job, "sampling") == ["sampling.max_tokens: was 99, is now 20; changes nothing that is sampled already"]
    assert job.results()["p1"]["predicted"] == "2"


def test_a_raised_context_redoes_what_did_not_fit(job: Desk) -> None:
    long = {"id": "wide", "problem": "What is 3 and 3? " * 60, "answer": "6"}
    job.table([*ROWS, long])
    assert job.run("engine.max_model_len=200").samples == 4
    (row,) = [row for row in job.results().values() if row["id"] == "wide"]
    short = [sample for sample in job.samples() if sample.key.row_id.hex() == row["row_id"]]
    assert row["status"] == "failed" and {sample.status for sample in short} == {Status.TOO_LONG}
    count = short[0].prompt_tokens
    assert count > 200 and {sample.error for sample in short} == {f"the prompt has {count} tokens, the context 200"}
    assert job.run("engine.max_model_len=1999").samples == 4
    raised = "engine.max_model_len: was 200, is now 1999; only what was cut is drawn again"
    assert said(job, "engine.") == [raised] and job.results()["wide"]["status"] == "ok"


# --- what would be another distribution


@pytest.mark.parametrize(
    ("override", "keys"),
    [
        ("sampling.temperature=0.5", ["sampling.temperature"]),
        ("sampling.top_p=0.5", ["sampling.top_p"]),
        ("sampling.top_k=5", ["sampling.top_k"]),
        ("sampling.min_p=0.5", ["sampling.min_p"]),
        ("sampling.repetition_penalty=1.5", ["sampling.repetition_penalty"]),
        ("sampling.presence_penalty=1", ["sampling.presence_penalty"]),
        ("sampling.frequency_penalty=1", ["sampling.frequency_penalty"]),
        ("sampling.stop=[x]", ["sampling.stop", "sampling.stop.0"]),
        ("sampling.stop_token_ids=[7]", ["sampling.stop_token_ids", "sampling.stop_token_ids.0"]),
        ("sampling.seed=1", ["sampling.seed"]),
        ("prompt.template=cot", ["prompt.template"]),
        ("prompt.system=Think.", ["prompt.system"]),
        ("prompt.chat={thinking: true}", ["prompt.chat", "prompt.chat.thinking"]),
        ("engine.dtype=float16", ["engine.dtype"]),
        ("engine.quantization=fp8", ["engine.quantization"]),
        ("engine.kv_cache_dtype=fp8", ["engine.kv_cache_dtype"]),
        ("engine.load_format=dummy", ["engine.load_format"]),
        ("engine={kind: scripted}", ["engine.dtype", "engine.kind", "engine.quantization", "engine.replies",
         "model.chat_template", "model.config", "model.tokenizer", "model.weights"]),
    ],
)  # fmt: skip
def test_another_distribution_is_refused_by_its_keys_and_touches_nothing(
    job: Desk, override: str, keys: list[str]
) -> None:
    before = {path: path.read_bytes() for path in job.out.rglob("*") if path.is_file()}
    with pytest.raises(FingerprintError) as refused:
        job.run(override)
    assert [fault.where for fault in refused.value.faults] == keys
    assert all("was " in fault.what and "is now " in fault.what for fault in refused.value.faults)
    assert refused.value.faults[-1].fix.endswith("solver run job.yaml -o output.dir=NEW_DIRECTORY")
    assert {path: path.read_bytes() for path in job.out.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("file", "key"),
    [
        ("config.json", "model.config"),
        ("generation_config.json", "model.config"),
        ("tokenizer.json", "model.tokenizer"),
        ("model.safetensors", "model.weights"),
    ],
)
def test_another_model_in_the_same_place_is_refused(job: Desk, file: str, key: str) -> None:
    path = job.home / "model" / file
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]) if file.endswith(".safetensors") else data + b" ")
    with pytest.raises(FingerprintError) as refused:
        job.run()
    assert [fault.where for fault in refused.value.faults] == [key]


def test_another_chat_template_is_refused(job: Desk) -> None:
    path = job.home / "model/tokenizer_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"chat_template": config["chat_template"] + " "}))
    with pytest.raises(FingerprintError) as refused:
        job.run()
    assert [fault.where for fault in refused.value.faults] == ["model.chat_template", "model.tokenizer"]


def test_the_refused_job_runs_in_the_new_directory_that_was_named(job: Desk) -> None:
    assert job.run("sampling.temperature=0.5", f"output.dir={job.home}/other").samples == 32
    assert len(job.samples()) == 32 and job.run().samples == 0, "and the old one is as it was"


def test_a_last_job_that_cannot_be_read_is_no_obstacle(job: Desk) -> None:
    for text in ("{", "[1]", "a: &a [*a]", "\0"):
        (job.out / "job.yaml").write_text(text)
        assert job.run().samples == 0
    (job.out / "job.yaml").unlink()
    assert job.run("sampling.n=5").samples == 8 and not said(job, "sampling")
