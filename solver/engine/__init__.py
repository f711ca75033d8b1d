"""Request -> Sample: what generates tokens.

Strategies never see this room; the driver (run/drive.py) hands it requests through `ctx`. An engine answers each
request with exactly one Sample and never raises for the fault of a single request: that becomes a
sample with a status. It raises EngineDeadError when it can serve nobody any more.

`ENGINES` maps the job's `engine.kind` to a class; `validate` finds every fault of the block without
importing an engine.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from solver.engine import arguments, memory, scripted
from solver.engine.confidence import Confidence
from solver.errors import Fault, nearest
from solver.models import LocalModel
from solver.models.tokenizer import Tokenizer
from solver.records import Request, Sample, SampleKey

Watch = Callable[[str], bool] | Confidence
"""A rule that may end a sample in mid-stream (status `stopped`): a function, called with the response so far (True
ends it), or a `Confidence`, which reads the log-probabilities of its tokens and leaves its numbers in `Sample.data`."""


class Engine(Protocol):
    """What the driver needs of an engine.

    slots: sequences it works on at once, which `restart` may lower; context: tokens of prompt and response together,
    None where it has no limit; tokens: those produced so far, by which silence is told from work.
    """

    slots: int
    context: int | None

    @property
    def tokens(self) -> int:
        """Tokens produced since the engine was made, finished or not; asked for every few seconds."""
        ...

    async def start(self) -> None:
        """Load the model. Raises EngineError or MachineError."""
        ...

    async def generate(self, request: Request, watch: Watch | None = None) -> Sample:
        """One sample for one request; cancelling the call ends it without one. Raises EngineDeadError."""
        ...

    async def abort(self, key: SampleKey) -> None:
        """End one unfinished request; its `generate` returns a sample with status `cancelled` and its tokens so far."""
        ...

    async def restart(self) -> None:
        """A fresh engine in place of a dead one. Raises EngineError or MachineError."""
        ...

    async def close(self) -> None:
        """Free what it holds; never raises."""
        ...


@dataclass(frozen=True, slots=True)
class EngineSetting:
    """Where an engine runs: its block of the job, the model and tokenizer (None for engines without), a log file.

    say: a note to the user.
    """

    block: Mapping[str, Any]
    model: LocalModel | None
    tokenizer: Tokenizer | None
    trust_remote_code: bool
    log: Path
    say: Callable[[str], None] = lambda _: None


def _vllm(setting: EngineSetting) -> Engine:
    from solver.engine.vllm import VllmEngine

    return VllmEngine(setting)


def _scripted(setting: EngineSetting) -> Engine:
    return scripted.from_block(setting.block)


ENGINES: Mapping[str, Callable[[EngineSetting], Engine]] = {"vllm": _vllm, "scripted": _scripted}
NEEDS_MODEL = frozenset({"vllm"})


def open_engine(setting: EngineSetting) -> Engine:
    """The engine named by `engine.kind`, not started yet."""
    return ENGINES[setting.block.get("kind", "vllm")](setting)


def validate(block: Mapping[str, Any]) -> Sequence[Fault]:
    """Every fault of an `engine:` block, by the committed list of vLLM's arguments."""
    kind = block.get("kind", "vllm")
    if kind not in ENGINES:
        return [Fault("engine.kind", f"unknown engine `{kind}`", nearest(str(kind), ENGINES))]
    fields = {key: value for key, value in block.items() if key != "kind"}
    return arguments.faults(fields) if kind == "vllm" else scripted.faults(fields)


def hang_seconds(block: Mapping[str, Any]) -> float:
    """Seconds without a token after which a working engine counts as dead (`engine.hang_seconds`); 0: never."""
    return float(block.get("hang_seconds", arguments.HANG_SECONDS))


def check_machine(block: Mapping[str, Any]) -> None:
    """What the machine must have before weights are loaded. Raises MachineError: /dev/shm too small for the workers.

    Only where vLLM is installed: elsewhere a job is merely looked at.
    """
    if block.get("kind", "vllm") == "vllm" and find_spec("vllm") is not None:
        memory.check_shared(memory.shared_need(block), memory.free_shared())


def gpus(block: Mapping[str, Any]) -> int:
    """GPUs that an engine of this block works on: the product of its parallel sizes; 0 where there is none."""
    from solver.engine.vllm import on_cpu

    if block.get("kind", "vllm") != "vllm" or on_cpu():
        return 0
    return math.prod(int(block.get(f"{kind}_parallel_size", 1)) for kind in ("tensor", "pipeline", "data"))


def distribution(block: Mapping[str, Any], model: LocalModel | None) -> dict[str, Any]:
    """The engine's part of the generation fingerprint: every field that may change what is sampled."""
    kind = block.get("kind", "vllm")
    facts: dict[str, Any] = {"engine.kind": kind}
    if kind == "vllm":
        return facts | arguments.distribution({k: v for k, v in block.items() if k != "kind"}, model)
    replies = block.get("replies")
    return facts | {"engine.replies": scripted.content(replies) if replies else None}
