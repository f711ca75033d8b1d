"""Real vLLM on the CPU with the project's own model. Starting an engine takes half a minute, so tests share them."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import pytest

from solver.engine import EngineSetting
from solver.models import open_directory
from solver.models.tokenizer import load_tokenizer

ABACUS = Path(__file__).parents[2] / "jobs" / "abacus"
T = TypeVar("T")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs vLLM; the CPU stack of `make test` has it."""
    here = [item for item in items if Path(item.path).is_relative_to(Path(__file__).parent)]
    for item in here:
        item.add_marker(pytest.mark.engine_cpu)
        if find_spec("vllm") is None:
            item.add_marker(pytest.mark.skip(reason="vLLM is not installed (make test installs it)"))


class Loop:
    """An event loop in a thread that outlives single tests, because an engine belongs to the loop it started in."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def do(self, work: Coroutine[Any, Any, T], seconds: float = 240) -> T:
        """The result of a coroutine run in that loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(seconds)


@pytest.fixture(scope="session")
def loop() -> Iterator[Loop]:
    running = Loop()
    yield running
    running.loop.call_soon_threadsafe(running.loop.stop)


@pytest.fixture(scope="session")
def setting(tmp_path_factory: pytest.TempPathFactory) -> EngineSetting:
    model = open_directory(str(ABACUS), ABACUS)
    log = tmp_path_factory.mktemp("engine") / "engine.log"
    return EngineSetting(
        {"kind": "vllm", "max_num_seqs": 16, "dtype": "float32"}, model, load_tokenizer(model), False, log
    )
