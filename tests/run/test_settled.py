"""What a job leaves open: filled in by its model's profile, the model's own files, or a default; and said by which."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from desk import Desk

from solver import engine, models
from solver.answers import extract
from solver.engine import EngineSetting
from solver.engine.scripted import Reply, ScriptedEngine
from solver.errors import FingerprintError
from solver.job import Job, load_job
from solver.models import LocalModel
from solver.models.profiles import PROFILES, Profile
from solver.records import Request
from solver.run import read_job
from solver.run.preview import preview
from solver.run.settled import Settled, settle

pytest.importorskip("tokenizers")

ABACUS = Path(__file__).parents[2] / "jobs" / "abacus"
ROWS = [{"id": f"p{i}", "problem": f"What is {i} and {i}?", "answer": str(2 * i)} for i in range(3)]
FULL = Profile(
    names="full-model",
    templates=("cot", "o1-en"),
    chat={"thinking": True},
    reasoning=("<a>", "</a>"),
    sampling={
        "temperature": 0.2, "top_p": 0.3, "top_k": 5, "min_p": 0.1, "repetition_penalty": 1.2, "presence_penalty": 0.5,
        "frequency_penalty": 0.6, "max_tokens": 777, "stop": ("profile",), "logprobs": 1,
    },
    system="The profile's.",
    system_role="user",
    stop_ids=(7, 9),
    context=1024,
)  # fmt: skip
STATED = {"temperature": 0.4, "top_p": 0.5, "top_k": 11, "min_p": 0.2, "repetition_penalty": 1.4}
DEFAULTS: Mapping[str, Any] = {
    "model.reasoning": None,
    "prompt.template": "o1-zh",
    "prompt.system": None,
    "prompt.system_role": "system",
    "sampling.temperature": 1.0,
    "sampling.top_p": 0.8,
    "sampling.top_k": 40,
    "sampling.min_p": 0.0,
    "sampling.repetition_penalty": 1.0,
    "sampling.presence_penalty": 0.0,
    "sampling.frequency_penalty": 0.0,
    "sampling.max_tokens": 8192,
    "sampling.stop": (),
    "sampling.stop_token_ids": (),
    "sampling.logprobs": None,
    "engine.max_model_len": None,
}
BY_PROFILE: Mapping[str, Any] = {f"sampling.{key}": value for key, value in FULL.sampling.items()} | {
    "model.reasoning": ("<a>", "</a>"),
    "prompt.template": "cot",
    "prompt.system": "The profile's.",
    "prompt.system_role": "user",
    "sampling.stop_token_ids": (7, 9),
    "engine.max_model_len": 1024,
}
BY_JOB: Mapping[str, tuple[str, Any]] = {
    "model.reasoning": ("[]", ()),
    "prompt.template": ("plain", "plain"),
    "prompt.system": ("null", None),
    "prompt.system_role": ("system", "system"),
    "sampling.temperature": ("1", 1),
    "sampling.top_p": ("0.8", 0.8),
    "sampling.top_k": ("40", 40),
    "sampling.min_p": ("0", 0),
    "sampling.repetition_penalty": ("1", 1),
    "sampling.presence_penalty": ("0", 0),
    "sampling.frequency_penalty": ("0", 0),
    "sampling.max_tokens": ("8192", 8192),
    "sampling.stop": ("[]", ()),
    "sampling.stop_token_ids": ("[]", ()),
    "sampling.logprobs": ("null", None),
    "engine.max_model_len": ("2048", 2048),
}
"""What a job may write: the default itself, so that only its being written makes the difference."""


def at(job: Job, key: str) -> Any:
    block, name = key.split(".")
    if block == "engine":
        return job.engine.get(name)
    return getattr(job.sampling if block == "sampling" else getattr(job, block), name)


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("solver.models.profiles.PROFILES", {**PROFILES, "full": FULL})
    monkeypatch.setattr("solver.run.settled.PROFILES", {**PROFILES, "full": FULL})


@pytest.fixture
def model(tmp_path: Path) -> LocalModel:
    return LocalModel("hf:a/b", tmp_path, {"max_position_embeddings": 4096, "eos_token_id": 2}, STATED)


def job(tmp_path: Path, name: str, *overrides: str) -> Job:
    (tmp_path / "job.yaml").write_text(f"input: {{path: x}}\nmodel: {{source: 'hf:a/{name}'}}\n")
    return load_job(tmp_path / "job.yaml", overrides)


@pytest.mark.parametrize("key", DEFAULTS)
def test_the_job_then_the_profile_then_the_model_then_the_default(
    tmp_path: Path, full: None, model: LocalModel, key: str
) -> None:
    written, value = BY_JOB[key]
    every = [
        (job(tmp_path, "full-model", f"{key}={written}"), model, value, "job"),
        (job(tmp_path, "full-model"), model, BY_PROFILE[key], "profile full"),
        (job(tmp_path, "other", f"{key}={written}"), model, value, "job"),
        (job(tmp_path, "full-model", "model.profile=none"), replace(model, generation={}), DEFAULTS[key], "default"),
        (job(tmp_path, "other"), None, DEFAULTS[key], "default"),
    ]
    name = key.partition(".")[2]
    if name in STATED:
        every.append((job(tmp_path, "other"), model, STATED[name], "generation_config.json"))
    for number, (given, here, wanted, origin) in enumerate(every):
        found = settle(given, here)
        where = "config.json" if key.startswith("engine") and origin == "default" and here else origin
        assert (at(found.job, key), found.origins[key]) == (wanted, where), number


def test_each_argument_of_the_chat_template_is_settled_by_itself(tmp_path: Path, full: None) -> None:
    found = settle(job(tmp_path, "full-model", "prompt.chat.own=1"), None)
    assert found.job.prompt.chat == {"own": 1, "thinking": True}
    assert found.origins["prompt.chat.own"] == "job" and found.origins["prompt.chat.thinking"] == "profile full"
    assert settle(job(tmp_path, "full-model", "prompt.chat.thinking=false"), None).job.prompt.chat == {
        "thinking": False
    }


def test_stop_ids_and_context_of_a_profile_keep_within_the_model(tmp_path: Path, full: None, model: LocalModel) -> None:
    small = replace(
        model, config={"max_position_embeddings": 512, "vocab_size": 9}, generation={"eos_token_id": [1, 7]}
    )
    found = settle(job(tmp_path, "full-model"), small)
    assert found.job.sampling.stop_token_ids == (), "7 the model ends with anyway, 9 is beyond its vocabulary"
    assert found.job.engine["max_model_len"] == 512 and found.origins["engine.max_model_len"] == "config.json"
    told = {key: (value, origin) for key, value, origin in found.values(small)}
    assert told["stop ids of the model"] == ((1, 7), "generation_config.json")


@pytest.mark.parametrize(
    "stated",
    [{"temperature": "hot"}, {"top_p": 0}, {"top_p": True}, {"top_k": -1}, {"min_p": None}, {"temperature": 3}],
)
def test_what_a_generation_config_cannot_mean_is_not_believed(tmp_path: Path, stated: dict[str, Any]) -> None:
    found = settle(job(tmp_path, "other"), LocalModel("hf:a/b", tmp_path, {}, stated))
    assert at(found.job, f"sampling.{next(iter(stated))}") == DEFAULTS[f"sampling.{next(iter(stated))}"]


def test_an_engine_without_a_model_has_the_defaults(tmp_path: Path) -> None:
    scripted = "engine={kind: scripted, replies: x}"
    found = settle(job(tmp_path, "internlm3-8b-instruct", scripted), None)
    assert found.job == job(tmp_path, "internlm3-8b-instruct", scripted) and not found.open
    named = settle(job(tmp_path, "x", scripted, "model.profile=qwq"), None)
    assert named.job.sampling.temperature == 0.6 and named.job.engine == {"kind": "scripted", "replies": "x"}


def test_before_the_model_is_here_it_is_said_what_its_files_may_change(tmp_path: Path, model: LocalModel) -> None:
    known, unknown = settle(job(tmp_path, "Qwen3-8B"), None), settle(job(tmp_path, "other", "sampling.top_p=0.5"), None)
    assert known.open == {"sampling.repetition_penalty", "sampling.stop_token_ids"}
    assert {"sampling.temperature", "prompt.template", "prompt.chat", "model.reasoning"} < unknown.open
    assert not unknown.open & {"sampling.top_p", "sampling.n", "sampling.seed"}
    assert settle(job(tmp_path, "other"), model).open == frozenset()


# --- in a run


@pytest.fixture
def served(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """abacus under another name, its generation config at will; the engine behind it scripted."""

    def reply(request: Request) -> str | Reply:
        return f"So \\boxed{{{(request.seed % 3) * 2}}}"

    def started(setting: EngineSetting) -> ScriptedEngine:
        return ScriptedEngine(reply, slots=8, context=setting.block.get("max_model_len"))

    monkeypatch.setitem(engine.ENGINES, "vllm", started)  # type: ignore[call-overload]
    monkeypatch.setenv("XDG_CACHE_HOME", str(desk.home / "cache"))
    model = desk.home / "Qwen3-0.6B"
    model.mkdir()
    for file in ABACUS.iterdir():
        (model / file.name).symlink_to(file)
    state(desk, temperature=0.9, repetition_penalty=1.05)
    desk.blocks["engine"] = {"kind": "vllm", "max_num_seqs": 8}
    del desk.blocks["prompt"]
    return desk.lay(ROWS, [], model={"source": "./Qwen3-0.6B"})


def state(desk: Desk, **generation: Any) -> None:
    file = desk.home / "Qwen3-0.6B" / "generation_config.json"
    file.unlink()
    file.write_text(json.dumps({"eos_token_id": [2, 1086], **generation}))


def test_a_run_is_settled_and_its_job_runs_again_with_the_same_meaning(served: Desk) -> None:
    served.run()
    left = load_job(served.out / "job.yaml")
    assert left.model.profile == "qwen3" and left.prompt.chat == {"enable_thinking": True}
    assert (left.sampling.temperature, left.sampling.repetition_penalty, left.sampling.max_tokens) == (0.6, 1.05, 50)
    assert left.prompt.template == "cot" and left.model.reasoning == ("<think>", "</think>")
    again = settle(read_job(served.out / "job.yaml"), models.find(left.model.source))
    assert replace(again.job, source_path=left.source_path) == left
    fingerprint = json.loads((served.out / "_solver" / "fingerprint.json").read_text())
    assert fingerprint["sampling.temperature"] == 0.6 and fingerprint["prompt.chat.enable_thinking"] is True
    assert served.run().samples == 0 and not [line for line in served.said if "was " in line]


def test_another_profile_is_refused_with_each_key_that_differs(served: Desk) -> None:
    served.run()
    for override in ("model.profile=none", "prompt.chat.enable_thinking=false"):
        with pytest.raises(FingerprintError) as refused:
            served.run(override)
        told = {fault.where: fault.what for fault in refused.value.faults}
        assert told["sampling.temperature"] == f"was 0.6, is now {0.9 if 'none' in override else 0.7}"
        assert told["sampling.top_p"] == "was 0.95, is now 0.8"
        assert any(key.startswith("prompt.chat") for key in told)
        assert ("prompt.template" in told) == ("none" in override)
    same = ["model.profile=none", "prompt.template=cot", "prompt.chat.enable_thinking=true", "sampling.top_p=0.95"]
    same += ["sampling.temperature=0.6", "sampling.top_k=20", "model.reasoning=[<think>, </think>]"]
    assert served.run(*same).samples == 0, "the same values by other ways are the same run"


def test_tags_that_change_decide_anew_from_the_same_samples(served: Desk) -> None:
    served.run()
    before = {row["decision"] for row in served.results().values()}
    assert served.run("model.reasoning=[<Thought>, </Thought>]").samples == 0
    assert any("model.reasoning" in line and "decided anew" in line for line in served.said)
    changed = {row["decision"] for row in served.results().values()}
    assert not before & changed
    assert served.revote("model.reasoning=[<think>, </think>]").samples == 0
    assert {row["decision"] for row in served.results().values()} == before


def test_check_says_where_every_value_came_from(served: Desk) -> None:
    told = preview(read_job(served.job, ["sampling.min_p=0.01"])).json()
    assert told["profile"] == "qwen3"
    values = told["values"]
    assert values["sampling.temperature"] == {"value": 0.6, "from": "profile qwen3", "may_change": False}
    assert values["sampling.repetition_penalty"]["from"] == "generation_config.json"
    assert values["sampling.min_p"]["from"] == "job" and values["sampling.stop"]["from"] == "default"
    assert values["stop ids of the model"]["value"] == (2, 1086)
    assert set(DEFAULTS) < set(values) and "prompt.chat.enable_thinking" in values
    assert told["token_ids"][0] == 1 and "Think step by step" in told["rendered"]
    lines = "\n".join(preview(read_job(served.job)).lines())
    assert "sampling.temperature" in lines and "profile qwen3" in lines and "token ids" in lines


def test_a_tokenizer_that_lacks_the_profile_s_bos_is_told_of(served: Desk) -> None:
    wrong, right = (preview(read_job(served.job, [f"model.profile={name}"])) for name in ("skywork-o1", "internlm3"))
    assert [note for note in wrong.notes if "begin with <|begin_of_text|>; this tokenizer puts the id 1 first" in note]
    assert not [note for note in right.notes if "begin with" in note]


def test_a_model_that_was_taken_away_does_not_make_the_run_another(
    served: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What only the model's files say cannot be compared until they are here again."""
    place = served.home / "hub" / "models--a--other" / "snapshots" / "v1"
    place.parent.mkdir(parents=True)
    (served.home / "Qwen3-0.6B").rename(place)
    monkeypatch.setenv("HF_HUB_CACHE", str(served.home / "hub"))
    source = ("model.source=hf:a/other", "model.revision=v1")
    served.run(*source)
    assert load_job(served.out / "job.yaml").sampling.temperature == 0.9
    place.rename(served.home / "away")
    monkeypatch.setenv("SOLVER_HOME", str(served.home / "nothing"))  # where the run took it over
    found = preview(read_job(served.job, source))
    assert found.done == 3 and not found.changed and "sampling.temperature" in found.uncompared
    monkeypatch.setattr(models, "resolve", lambda *_, **__: models.open_directory("hf:a/other", served.home / "away"))
    assert served.run(*source).samples == 0, "and once it is brought here, it is the same run"


def test_a_cut_response_that_never_closed_its_thoughts_has_no_answer() -> None:
    cut = "I think it is \\boxed{3}, but let me see"
    tags = ("<think>", "</think>")
    assert extract(cut, truncated=True, reasoning=tags) is not None, "of a model that may not think at all"
    assert extract(cut, truncated=True, reasoning=tags, thinks=True) is None
    assert extract(cut, reasoning=tags, thinks=True) is not None, "it ended by itself"
    closed = extract(f"{cut}</think>So \\boxed{{4}} and so", truncated=True, reasoning=tags, thinks=True)
    assert closed is not None and closed.answer == "4", "the opening tag was in the prompt"


def test_settled_is_empty_for_a_job_that_was_not_looked_at(tmp_path: Path) -> None:
    assert [*Settled(job(tmp_path, "x")).values()] == []
