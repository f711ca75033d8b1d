"""The `engine:` block of a job -> vLLM's own arguments.

Every argument of vLLM passes through by its own name; the names are a committed list per supported
version (scripts/list_engine_arguments.py makes it), so that a typo is refused without vLLM. This file
also holds the defaults that vLLM gets wrong for offline sampling, and the list of arguments that only
schedule: everything else belongs to the generation fingerprint.
"""

import json
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any

from solver.errors import Fault, nearest
from solver.models import LocalModel

MAX_NUM_SEQS = 256  # past ~180 sequences an 8B model on an H200 is compute-bound; more only preempt
BATCHED_TOKENS = 8192
CPU_BATCHED_TOKENS = 4096
CPU_CACHE_GIB = 4  # vLLM's own default takes 92% of the machine's memory

HANG_SECONDS = 600.0
OURS = frozenset({"hang_seconds"})
"""Fields of the block that are this project's own, for every engine that may hang: vLLM never sees them."""

OWNED = {
    "model": "model.source",
    "tokenizer": "model.source",
    "revision": "model.revision",
    "tokenizer_revision": "model.revision",
    "trust_remote_code": "model.trust_remote_code",
    "seed": "sampling.seed",
    "skip_tokenizer_init": "nothing: a chat model needs its tokenizer",
    "hf_token": "the environment variable HF_TOKEN",
}
"""Arguments that the job sets elsewhere, and where."""

SCHEDULING = frozenset(
    [
        "max_num_seqs",
        "max_num_batched_tokens",
        "max_num_scheduled_tokens",
        "max_num_active_seqs",
        "max_num_queued_reqs",
        "max_num_queued_tokens",
        "max_num_partial_prefills",
        "max_long_partial_prefills",
        "max_model_len",
        "gpu_memory_utilization",
        "kv_cache_memory_bytes",
        "num_gpu_blocks_override",
        "block_size",
        "cpu_offload_gb",
        "watermark",
        "tensor_parallel_size",
        "pipeline_parallel_size",
        "data_parallel_size",
        "data_parallel_size_local",
        "distributed_executor_backend",
        "enable_chunked_prefill",
        "enable_prefix_caching",
        "prefix_caching_hash_algo",
        "scheduling_policy",
        "async_scheduling",
        "stream_interval",
        "disable_log_stats",
        "enable_log_requests",
        "log_level",
        "max_parallel_loading_workers",
        "use_tqdm_on_load",
        "download_dir",
        "load_format",
        "device_ids",
        "enforce_eager",
        "compilation_config",
        "cudagraph_capture_sizes",
        "max_cudagraph_capture_size",
        "optimization_level",
        "performance_mode",
        "shutdown_timeout",
        "numa_bind",
        "numa_bind_cpus",
        "numa_bind_nodes",
    ]
)
"""Arguments that decide how fast, where and how many at once, not what is sampled. `load_format` is judged
apart: dummy weights are another model."""


@lru_cache(maxsize=1)
def known() -> Mapping[str, frozenset[str]]:
    """Argument names by vLLM version (major.minor), from the committed list."""
    listed = json.loads((files("solver.engine") / "vllm_arguments.json").read_text("utf-8"))
    return {version: frozenset(name for name in names if not name.startswith("_")) for version, names in listed.items()}


PICKLED = ("pt", "npcache", "pickle", "pickled", "bin", "pth")
"""`load_format` of weights that are unpickled, and so may run code: vLLM's two, and what else one may call them."""


def faults(fields: Mapping[str, Any]) -> Sequence[Fault]:
    """Unknown arguments (with the nearest known one) and arguments that the job sets elsewhere."""
    names = frozenset().union(*known().values()) | OURS
    found = [] if (wrong := hang_fault(fields)) is None else [wrong]
    form = fields.get("load_format")
    if isinstance(form, str) and form.lower() in PICKLED:
        what = f"`{form}` loads pickled weights, which can run code"
        found.append(Fault("engine.load_format", what, "Use safetensors"))
    for name in fields:
        if name in OWNED:
            found.append(Fault(f"engine.{name}", "is set by the job elsewhere", f"Set {OWNED[name]}"))
        elif name not in names:
            found.append(Fault(f"engine.{name}", "is not an argument of vLLM", nearest(name, names)))
    for name in ("max_num_seqs", "max_model_len", "max_num_batched_tokens"):
        value = fields.get(name)
        if value is not None and (type(value) is not int or value < 1):
            found.append(Fault(f"engine.{name}", f"must be a whole number from 1, not {value!r}"))
    return found


def hang_fault(fields: Mapping[str, Any]) -> Fault | None:
    """What is wrong with `hang_seconds`, if anything."""
    value = fields.get("hang_seconds", HANG_SECONDS)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        return Fault("engine.hang_seconds", f"must be a number of seconds from 0 (never), not {value!r}")
    return None


def distribution(fields: Mapping[str, Any], model: LocalModel | None) -> dict[str, Any]:
    """What the engine adds to the generation fingerprint, as dotted keys."""
    dtype = fields.get("dtype", "auto")
    if dtype == "auto" and model is not None:
        dtype = model.config.get("dtype") or model.config.get("torch_dtype") or "auto"
    facts = {f"engine.{k}": v for k, v in fields.items() if k not in SCHEDULING | OURS | {"dtype", "quantization"}}
    facts |= {"engine.dtype": dtype, "engine.quantization": fields.get("quantization")}
    if fields.get("load_format") == "dummy":
        facts["engine.load_format"] = "dummy"
    return facts


def complete(fields: Mapping[str, Any], model: LocalModel, *, on_cpu: bool) -> dict[str, Any]:
    """All arguments that are set explicitly: the job's own over this project's defaults.

    On the CPU prompts are prefilled whole, because seeded requests kill that engine as soon as a prompt
    is prefilled in pieces; so a step must hold the longest prompt.
    """
    fields = {name: value for name, value in fields.items() if name not in OURS}
    length = fields.get("max_model_len") or model.context
    chosen: dict[str, Any] = {
        "max_num_seqs": MAX_NUM_SEQS,
        "max_num_batched_tokens": BATCHED_TOKENS,
        "enable_prefix_caching": True,
        "scheduling_policy": "priority",
        "disable_log_stats": True,
    }
    if length:
        chosen["max_model_len"] = length
    if on_cpu:
        batched = max(CPU_BATCHED_TOKENS, length or 0)
        chosen |= {"enforce_eager": True, "enable_chunked_prefill": False, "max_num_batched_tokens": batched}
    return chosen | {name: value for name, value in fields.items() if value is not None or name not in chosen}


def environment(*, on_cpu: bool, cpus: int, memory_gib: float) -> dict[str, str]:
    """Environment variables that vLLM must find before it is imported; what the user set already stays.

    On the CPU one core is left to this process and the engine's own loop: threads that wait for each other
    collapse when they share a core (measured on two: 6,694 tokens/s with one thread, under 2,100 with two).
    """
    wanted = {
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
        "VLLM_NO_USAGE_STATS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if on_cpu:
        cache = max(1, min(CPU_CACHE_GIB, int(memory_gib // 8)))
        wanted |= {"VLLM_CPU_KVCACHE_SPACE": str(cache), "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
        wanted |= {"OMP_NUM_THREADS": str(max(1, cpus - 1))}
    return {name: value for name, value in wanted.items() if name not in os.environ}
