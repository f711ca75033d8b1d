"""A hub on the loopback and a home of its own for every test: no test sees or changes the caches of who runs it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_hub import FakeHub, repository, serving

from solver.models import fetch

ABACUS = Path(__file__).parents[2] / "jobs" / "abacus"
FOREIGN = "HF_HUB_CACHE MODELSCOPE_CACHE MODELSCOPE_DOMAIN MODELSCOPE_API_TOKEN HF_TOKEN HF_HUB_OFFLINE XDG_CACHE_HOME"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub with one InternLM3-shaped repository, and an environment in which both packages go to it."""
    for name in FOREIGN.split():
        monkeypatch.delenv(name, raising=False)
    for name, folder in (("HOME", "home"), ("SOLVER_HOME", "solver"), ("HF_HOME", "hf"), ("MODELSCOPE_HOME", "ms")):
        monkeypatch.setenv(name, str(tmp_path / folder))
    monkeypatch.setattr(fetch, "PAUSE_SECONDS", 0.0)
    with serving(repository(ABACUS)) as served:
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", served.url)
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        yield served


@pytest.fixture(params=["modelscope", "hf"])
def source(request: pytest.FixtureRequest) -> str:
    """The repository by either hub's name for it."""
    return f"{request.param}:Owner/internlm3-tiny"
