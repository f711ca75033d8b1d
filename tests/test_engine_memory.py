"""An engine that lacks memory: told from what it said, started again with half the sequences, and what is to change."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from desk import Desk

from solver.engine import EngineSetting, check_machine, child, memory, validate
from solver.engine.memory import MIB, SIGNS, check_shared, lacking, shared_need
from solver.engine.vllm import VllmEngine
from solver.errors import EngineError, MachineError
from solver.models import LocalModel
from solver.run import read_job, run
from solver.run.preview import preview

MODEL = LocalModel("here", Path("/nowhere"), {"max_position_embeddings": 2048}, {})


class Starts:
    """Stands for AsyncLLM: fails as often as told, and notes with how many sequences each start was tried."""

    def __init__(self, engine: VllmEngine, *failures: Exception | Callable[[], None]) -> None:
        self._engine, self._failures, self.tried, self.ended = engine, list(failures), list[int](), 0

    def __call__(self) -> Any:
        self.tried.append(self._engine.slots)
        failure = self._failures.pop(0) if self._failures else None
        if isinstance(failure, Exception):
            raise failure
        if failure is not None:
            failure()
        scheduler = SimpleNamespace(max_num_seqs=self._engine.slots)
        config = SimpleNamespace(model_config=SimpleNamespace(max_model_len=2048), scheduler_config=scheduler)
        return SimpleNamespace(vllm_config=config, shutdown=self._shutdown)

    def _shutdown(self) -> None:
        self.ended += 1


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def engine(tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[VllmEngine]:
    monkeypatch.setattr("solver.engine.vllm.child.quiet", lambda log, watch: _as_it_is())
    block = {"kind": "vllm", "max_num_seqs": 64}
    made = VllmEngine(EngineSetting(block, MODEL, object(), False, tmp_path / "log", said.append))  # type: ignore[arg-type]
    yield made
    asyncio.run(made.close())


def _as_it_is() -> Any:
    from contextlib import nullcontext

    return nullcontext()


def starts(engine: VllmEngine, *failures: Exception | Callable[[], None]) -> Starts:
    made = engine._load = Starts(engine, *failures)  # type: ignore[method-assign]
    return made


GPU = RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")


def test_a_start_without_memory_is_tried_with_half_the_sequences_twice(engine: VllmEngine, said: list[str]) -> None:
    tried = starts(engine, GPU, GPU)
    asyncio.run(engine.start())
    assert tried.tried == [64, 32, 16] and engine.slots == 16, "the driver feeds what fits"
    assert said == [f"vLLM had not enough memory to start: trying with max_num_seqs {half}" for half in (32, 16)]


@pytest.mark.parametrize(
    ("on_cpu", "third"), [(False, "engine.gpu_memory_utilization"), (True, "VLLM_CPU_KVCACHE_SPACE")]
)
def test_then_the_settings_to_change_are_named(
    engine: VllmEngine, on_cpu: bool, third: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("solver.engine.vllm.on_cpu", lambda: on_cpu)
    tried = starts(engine, GPU, GPU, GPU, GPU)
    with pytest.raises(MachineError) as told:
        asyncio.run(engine.start())
    assert tried.tried == [64, 32, 16] and told.value.exit_code == 4
    assert all(name in str(told.value) for name in ("engine.max_num_seqs", "engine.max_model_len", third, "Its log: "))


def test_other_failures_are_not_tried_again(engine: VllmEngine, said: list[str]) -> None:
    tried = starts(engine, ValueError("no such architecture\nand more"))
    with pytest.raises(EngineError, match=r"vLLM could not start: no such architecture\. Its log"):
        asyncio.run(engine.start())
    assert tried.tried == [64] and not said


def test_what_only_the_log_says_counts_and_what_an_earlier_start_said_does_not(
    engine: VllmEngine, said: list[str]
) -> None:
    log = engine._setting.log
    log.write_text("torch.OutOfMemoryError in another life\n")
    tried = starts(engine, RuntimeError("Engine core initialization failed. See root cause above."))
    with pytest.raises(EngineError, match="could not start"):
        asyncio.run(engine.start())
    assert tried.tried == [64]

    class Failing(RuntimeError):
        def __str__(self) -> str:
            log.write_text(log.read_text() + "ValueError: No available memory for the cache blocks.\n")
            return "Engine core initialization failed. See root cause above."

    tried = starts(engine, Failing())
    asyncio.run(engine.start())
    assert tried.tried == [64, 32]


def test_an_engine_that_ran_out_of_memory_starts_again_with_half(engine: VllmEngine, said: list[str]) -> None:
    tried = starts(engine)
    asyncio.run(engine.start())
    asyncio.run(engine.restart())
    assert tried.tried == [64, 64] and tried.ended == 1, "dead for another reason: as before"
    engine._setting.log.write_text("torch.OutOfMemoryError: CUDA out of memory\n")
    asyncio.run(engine.restart())
    assert tried.tried == [64, 64, 32] and engine.slots == 32
    assert said == ["vLLM ran out of memory: trying with max_num_seqs 32"]
    asyncio.run(engine.restart())
    assert engine.slots == 32, "the old words are not held against the new engine"


def test_a_child_that_the_kernel_ended_lacked_memory() -> None:
    killed, left = "Failed core proc(s): {'EngineCore': -9}", "Failed core proc(s): {'EngineCore': 1}"
    assert lacking(killed, 3, 4) and lacking(killed, None, 4), "killed, and nobody can say by whom"
    assert not lacking(killed, 3, 3), "killed by somebody else"
    assert not lacking(left, 3, 4), "another process was killed"
    assert child.exit_codes([SimpleNamespace(name="EngineCore", exitcode=-9)]) in killed
    assert all(lacking(f"...{sign}...", 0, 0) for sign in SIGNS)
    assert memory.kills() is None or memory.kills() >= 0  # type: ignore[operator]


def test_workers_that_share_a_model_need_shared_memory() -> None:
    assert shared_need({}) == shared_need({"tensor_parallel_size": 1}) == 0
    assert shared_need({"tensor_parallel_size": 2}, {}) == (240 + 64) * MIB
    assert shared_need({"tensor_parallel_size": 4, "pipeline_parallel_size": 2}, {}) == (240 + 256) * MIB
    assert shared_need({"tensor_parallel_size": 2}, {"VLLM_MQ_MAX_CHUNK_BYTES_MB": "64"}) == (640 + 64) * MIB
    check_shared(shared_need({"tensor_parallel_size": 2}, {}), 304 * MIB)
    check_shared(0, 0)
    check_shared(304 * MIB, None)


def test_too_little_shared_memory_is_told_with_need_have_and_remedy() -> None:
    with pytest.raises(MachineError) as told:
        check_shared(shared_need({"tensor_parallel_size": 8}, {}), 64 * MIB)
    assert str(told.value) == (
        "/dev/shm has 64 MiB free, but workers that share a model need 496 MiB. "
        "In a container, start it with --shm-size=1g or --ipc=host"
    )
    assert told.value.exit_code == 4


def test_run_and_check_find_it_before_anything_is_loaded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_shared", lambda: 64 * MIB)
    monkeypatch.setattr("solver.engine.find_spec", lambda name: object())
    monkeypatch.delenv("VLLM_MQ_MAX_CHUNK_BYTES_MB", raising=False)
    check_machine({"kind": "scripted", "tensor_parallel_size": 4})
    with pytest.raises(MachineError, match="--shm-size=1g"):
        check_machine({"kind": "vllm", "tensor_parallel_size": 4})
    abacus = str(Path(__file__).parents[1] / "jobs" / "abacus")
    desk.blocks["engine"] = {"kind": "vllm", "tensor_parallel_size": 4}
    desk.lay([{"problem": "What is 1?", "answer": "1"}], ["1"], model={"source": abacus})
    with pytest.raises(MachineError, match="--shm-size=1g"):
        run(read_job(desk.job), ["solver", "run", "job.yaml"], quiet=True)
    with pytest.raises(MachineError, match="--shm-size=1g"):
        preview(read_job(desk.job))
    assert not desk.out.exists(), "nothing is written for a run that cannot start"


@pytest.mark.parametrize("kind", ["vllm", "scripted"])
def test_hang_seconds_is_a_number_from_nought(kind: str) -> None:
    for good in (0, 600, 0.5):
        assert not validate({"kind": kind, "hang_seconds": good})
    for bad in (-1, "600", True, None, float("inf"), float("nan")):
        (fault,) = validate({"kind": kind, "hang_seconds": bad})
        assert fault.where == "engine.hang_seconds" and "number of seconds" in fault.what
