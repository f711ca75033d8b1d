"""A small InternLM3 as its authors publish it, from a hub or a hub's own cache to its prepared view, and again offline.

The tokenizer is sentencepiece's own, with user-defined pieces and byte fallback; the shards hold no tensors that an
engine could use (tests/engine_cpu/test_prepared_internlm3.py has those).
"""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from desk import Desk
from fake_hub import FakeHub
from small_internlm3 import publish
from test_caches import LAYOUTS, fill, go_away

from solver.errors import MachineError
from solver.models import find, internlm3, manifest
from solver.models.pull import verify
from solver.run import read_job, read_model

pytest.importorskip("sentencepiece", reason="it comes with vLLM")
TINY = "Owner/internlm3-tiny"


@pytest.fixture
def small(hub: FakeHub, tmp_path: Path) -> FakeHub:
    """The hub with the small InternLM3: its code, its slow tokenizer, three shards."""
    published = publish(tmp_path / "published")
    shards = {name: content for name, content in hub.files.items() if name.startswith("model")}
    code = {name: content for name, content in hub.files.items() if name.startswith("modeling")}
    hub.files = {file.name: file.read_bytes() for file in published.iterdir()} | shards | code
    return hub


@pytest.fixture(params=[LAYOUTS[0], LAYOUTS[-1]], ids=["modelscope", "hf"])
def cache(
    request: pytest.FixtureRequest, small: FakeHub, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The directory where a hub's own package left the model that the job on the desk names."""
    name, layout = request.param
    monkeypatch.setenv("HF_HUB_CACHE" if name == "hf" else "MODELSCOPE_CACHE", str(tmp_path / "cache"))
    desk.blocks["engine"] = {"kind": "vllm"}
    desk.lay([{"problem": "1 + 1?"}], {}, model={"source": f"{name}:{TINY}"})
    return fill(small, tmp_path / "cache", layout)


def test_a_whole_cache_is_used_without_a_network_and_a_second_time(
    small: FakeHub, cache: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = read_job(desk.job)
    looked_at = read_model(job, download=False)
    assert looked_at is not None and looked_at.model is not None and internlm3.is_prepared(looked_at.model)
    assert not (cache / "prepared").exists(), "what another package keeps is left as it is"
    shutil.rmtree(looked_at.model.path)
    found = find(job.model.source)
    assert found is not None
    internlm3.prepared(replace(found, pulled=True))
    assert (cache / "prepared").exists(), "as an older version left it"
    go_away(monkeypatch)
    first = read_model(job, download=True)
    second = read_model(job, download=True, say=pytest.fail)
    assert first is not None and second is not None and first.model is not None and second.model is not None
    assert second.model.path == first.model.path and second.facts == first.facts == looked_at.facts
    adopted = first.model.path.parents[1]
    assert adopted.name.endswith("-adopted") and verify(adopted) == [] and not small.asked
    known = manifest.read(adopted)
    assert known is not None and not [name for name in known.files if name.startswith("prepared")]


@pytest.mark.parametrize("name", ["tokenizer.model", "config.json"])
def test_part_of_a_cache_keeps_no_run_from_pulling(
    small: FakeHub, cache: Path, desk: Desk, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cache / name).resolve().write_bytes(small.files[name][:-9])
    job = read_job(desk.job)
    assert (find(job.model.source) is None) == (name == "config.json"), "cut short it names no model"
    assert read_model(job, download=False) is None, "for `check` it is not here yet"
    if name == "config.json":
        with monkeypatch.context() as offline:
            go_away(offline)
            with pytest.raises(MachineError, match=r"is not whole and cannot be used: config.json cannot be read"):
                read_model(job, download=True)
    served = read_model(job, download=True)
    assert served is not None and served.model is not None and internlm3.is_prepared(served.model)
    assert small.downloads == [name] and verify(served.model.path.parents[1]) == []
