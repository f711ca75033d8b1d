"""The engine block of a job: vLLM's own names, checked without vLLM, and what of it decides the samples."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from solver.engine import arguments, distribution, hang_seconds, validate
from solver.engine.arguments import SCHEDULING, complete, environment, faults, known
from solver.models import LocalModel

ROOT = Path(__file__).parents[1]
MODEL = LocalModel("here", Path("/nowhere"), {"max_position_embeddings": 2048, "torch_dtype": "bfloat16"}, {})


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("max_num_seq", "max_num_seqs"),
        ("gpu_memory_utilisation", "gpu_memory_utilization"),
        ("tensor_parallel", "tensor_parallel_size"),
        ("max_model_length", "max_model_len"),
    ],
)
def test_a_typo_is_refused_with_the_name_that_was_meant(typo: str, meant: str) -> None:
    (fault,) = validate({"kind": "vllm", typo: 2})
    assert fault.where == f"engine.{typo}" and f"`{meant}`" in fault.fix
    assert not validate({"kind": "vllm", meant: 1})


def test_every_fault_is_found_not_only_the_first() -> None:
    found = faults({"max_num_seq": 1, "model": "x", "seed": 3, "max_model_len": "8k", "dtype": "bfloat16"})
    assert {f.where for f in found} == {f"engine.{k}" for k in ("max_num_seq", "model", "seed", "max_model_len")}


@pytest.mark.parametrize("name", sorted(arguments.OWNED))
def test_what_the_job_says_elsewhere_is_refused_with_the_place(name: str) -> None:
    (fault,) = faults({name: "x"})
    assert "set by the job elsewhere" in fault.what and fault.fix
    assert name in frozenset().union(*known().values()), "an argument of vLLM, or the list is stale"


@pytest.mark.parametrize("value", [0, -1, "256", 2.0, True, [1]])
@pytest.mark.parametrize("name", ["max_num_seqs", "max_model_len", "max_num_batched_tokens"])
def test_counts_must_be_counts(name: str, value: Any) -> None:
    (fault,) = faults({name: value})
    assert fault.where == f"engine.{name}" and repr(value) in fault.what


def test_an_unknown_engine_names_the_known_ones() -> None:
    (fault,) = validate({"kind": "vlm"})
    assert fault.where == "engine.kind" and "`vllm`" in fault.fix


def test_private_fields_of_vllm_are_no_arguments() -> None:
    assert faults({"_api_process_count": 2})


def test_scheduling_is_outside_the_fingerprint_and_everything_else_inside() -> None:
    how_many = {name: 1 for name in SCHEDULING}
    assert distribution({"kind": "vllm", **how_many}, MODEL) == distribution({"kind": "vllm"}, MODEL)
    for name in sorted(frozenset().union(*known().values()) - SCHEDULING - set(arguments.OWNED)):
        told = distribution({"kind": "vllm", name: "other"}, MODEL)
        assert told.get(f"engine.{name}") == "other", f"{name} may change what is sampled"


def test_when_an_engine_counts_as_silent_is_ours_to_decide_and_changes_no_sample() -> None:
    assert distribution({"kind": "vllm", "hang_seconds": 5}, MODEL) == distribution({"kind": "vllm"}, MODEL)
    assert "hang_seconds" not in complete({"hang_seconds": 5}, MODEL, on_cpu=False), "vLLM never sees it"
    assert (hang_seconds({}), hang_seconds({"hang_seconds": 0})) == (600.0, 0.0)


def test_quality_is_not_mistaken_for_scheduling() -> None:
    decides = {
        "dtype",
        "quantization",
        "kv_cache_dtype",
        "hf_overrides",
        "rope_scaling",
        "enable_lora",
        "speculative_config",
    }
    decides |= {"generation_config", "logits_processors", "override_generation_config", "tokenizer_mode"}
    assert not decides & SCHEDULING


def test_dummy_weights_are_another_model() -> None:
    assert distribution({"kind": "vllm", "load_format": "dummy"}, MODEL)["engine.load_format"] == "dummy"
    assert "engine.load_format" not in distribution({"kind": "vllm", "load_format": "safetensors"}, MODEL)


def test_auto_dtype_is_the_models_own() -> None:
    auto = distribution({"kind": "vllm"}, MODEL)
    assert auto["engine.dtype"] == "bfloat16" and auto == distribution({"kind": "vllm", "dtype": "bfloat16"}, MODEL)
    assert distribution({"kind": "vllm", "dtype": "float16"}, MODEL) != auto


def test_the_committed_list_is_that_of_the_installed_vllm() -> None:
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vLLM is not installed here")
    spec = importlib.util.spec_from_file_location("lister", ROOT / "scripts" / "list_engine_arguments.py")
    assert spec and spec.loader
    lister = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lister)
    version, source = lister.from_installed()
    assert version in known(), "run scripts/list_engine_arguments.py"
    fields = {name for name in lister.fields(source) if not name.startswith("_")}
    assert fields == known()[version] and len(fields) > 100


def test_scheduling_fields_are_real_in_some_supported_version() -> None:
    unknown = SCHEDULING - frozenset().union(*known().values())
    assert not unknown, "names that no supported vLLM has guard nothing"


def test_defaults_that_vllm_gets_wrong_are_set_and_the_job_wins() -> None:
    chosen = complete({}, MODEL, on_cpu=False)
    assert (chosen["max_num_seqs"], chosen["max_model_len"], chosen["enable_prefix_caching"]) == (256, 2048, True)
    assert chosen["max_num_batched_tokens"] == 8192 and chosen["scheduling_policy"] == "priority"
    own = complete({"max_num_seqs": 7, "max_model_len": 99, "scheduling_policy": "fcfs"}, MODEL, on_cpu=False)
    assert (own["max_num_seqs"], own["max_model_len"], own["scheduling_policy"]) == (7, 99, "fcfs")
    assert set(complete({"dtype": "half"}, MODEL, on_cpu=True)) - {"dtype"} <= frozenset().union(*known().values())


def test_on_the_cpu_a_step_holds_the_longest_prompt() -> None:
    short = complete({}, MODEL, on_cpu=True)
    assert short["enforce_eager"] is True and short["enable_chunked_prefill"] is False
    assert short["max_num_batched_tokens"] >= 2048
    assert complete({"max_model_len": 32768}, MODEL, on_cpu=True)["max_num_batched_tokens"] >= 32768


def test_on_the_cpu_memory_is_bounded_and_the_users_word_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VLLM_CPU_KVCACHE_SPACE", "OMP_NUM_THREADS", "VLLM_CPU_OMP_THREADS_BIND"):
        monkeypatch.delenv(name, raising=False)
    for memory, gib in ((4.0, 1), (16.0, 2), (31.9, 3), (1024.0, 4)):
        assert environment(on_cpu=True, cpus=2, memory_gib=memory)["VLLM_CPU_KVCACHE_SPACE"] == str(gib)
    assert environment(on_cpu=True, cpus=8, memory_gib=16)["OMP_NUM_THREADS"] == "7", "a core is left to the driver"
    assert environment(on_cpu=True, cpus=1, memory_gib=16)["OMP_NUM_THREADS"] == "1"
    assert "VLLM_CPU_KVCACHE_SPACE" not in environment(on_cpu=False, cpus=2, memory_gib=16)
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "40")
    assert "VLLM_CPU_KVCACHE_SPACE" not in environment(on_cpu=True, cpus=2, memory_gib=16)


def test_vllm_reports_nothing_to_anyone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VLLM_NO_USAGE_STATS", raising=False)
    assert environment(on_cpu=False, cpus=2, memory_gib=16)["VLLM_NO_USAGE_STATS"] == "1"
