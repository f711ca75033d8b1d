"""Memory that an engine lacks: told from its last words, and how much shared memory several workers want.

In: what vLLM said, what the kernel counted, the engine block. Out: whether memory was short, and what to change.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from solver.errors import MachineError

HALVINGS = 2  # times that a start without memory is tried again with half the sequences
SIGNS = (
    "out of memory",  # torch and CUDA
    "OutOfMemoryError",
    "No available memory",  # none left for the key-value cache
    "Free memory on device",  # less than gpu_memory_utilization asks for
    "larger than the available KV cache",
    "Cannot allocate memory",  # the host
    "DefaultCPUAllocator: can't allocate memory",
    "MemoryError",
)
LOG_TAIL = 20_000  # bytes of an engine's last words that are looked at
KILLED = "': -9"  # vLLM names its dead processes with their exit codes

MIB = 2**20
RING_CHUNKS = 10
RESPONSE_CHUNK_MIB = 24  # of the ring in which each worker answers
BROADCAST_CHUNK_MIB = 16  # of the ring in which they are told what to do, unless VLLM_MQ_MAX_CHUNK_BYTES_MB says other
NCCL_MIB = 32  # one segment of NCCL per worker, where the GPUs do not see each other's memory


def lacking(said: str, kills_before: int | None, kills_now: int | None) -> bool:
    """Whether an engine ended for want of memory.

    said: its last words and exit code; kills: processes that the kernel had ended for want of memory, before and now
    (None: not counted here, and then every engine that was killed counts).
    """
    if any(sign in said for sign in SIGNS):
        return True
    return KILLED in said and (kills_before is None or kills_now is None or kills_now > kills_before)


def last_words(log: Path, start: int) -> str:
    """What was written to an engine's log from byte `start` on, or its last part."""
    try:
        with open(log, "rb") as file:
            file.seek(max(start, size(log) - LOG_TAIL))
            return file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""


def size(log: Path) -> int:
    """Bytes of a log so far."""
    return log.stat().st_size if log.is_file() else 0


def kills() -> int | None:
    """Processes that the kernel has ended for want of memory since it started; None where it does not say."""
    try:
        lines = Path("/proc/vmstat").read_text("utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)


def advice(sequences: int, *, on_cpu: bool) -> str:
    """What to change when halving did not help: three settings."""
    third = "the environment variable VLLM_CPU_KVCACHE_SPACE" if on_cpu else "engine.gpu_memory_utilization"
    return (
        f"vLLM has not enough memory to start, not even for {sequences} sequences at once. "
        f"Lower engine.max_num_seqs or engine.max_model_len, or change {third}"
    )


def shared_need(fields: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> int:
    """Bytes of /dev/shm that the workers of one engine must find free; 0 when there is one worker only.

    The largest of vLLM's rings must fit as a whole: it is mapped at once, though mostly never touched, and vLLM
    refuses to start where it does not (0.32; older ones die of it later). Beside it NCCL's segments.
    """
    workers = _count(fields, "tensor_parallel_size") * _count(fields, "pipeline_parallel_size")
    if workers < 2:
        return 0
    told = environment.get("VLLM_MQ_MAX_CHUNK_BYTES_MB", "")
    chunk = max(RESPONSE_CHUNK_MIB, int(told) if told.isdecimal() else BROADCAST_CHUNK_MIB)
    return (RING_CHUNKS * chunk + NCCL_MIB * workers) * MIB


def check_shared(need: int, free: int | None) -> None:
    """Raises MachineError where shared memory is too small; free: bytes, None where the machine has no /dev/shm."""
    if free is not None and free < need:
        raise MachineError(
            f"/dev/shm has {free // MIB:,} MiB free, but workers that share a model need {need // MIB:,} MiB. "
            f"In a container, start it with --shm-size={-(-need // (1024 * MIB))}g or --ipc=host"
        )


def free_shared(path: str = "/dev/shm") -> int | None:
    """Free bytes of shared memory, or None where there is none of that name."""
    return shutil.disk_usage(path).free if Path(path).is_dir() else None


def _count(fields: Mapping[str, Any], name: str) -> int:
    value = fields.get(name)
    return value if isinstance(value, int) and value > 0 else 1
