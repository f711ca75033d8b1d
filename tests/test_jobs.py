"""The jobs that come with the project: each is sound as it lies, and each profile has one."""

import json
from pathlib import Path

import pytest

from solver.models.profiles import PROFILES
from solver.run import read_job
from solver.run.preview import preview

pytest.importorskip("tokenizers")

JOBS = sorted((Path(__file__).parents[1] / "jobs").glob("*.yaml"))


@pytest.fixture(autouse=True)
def no_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was ever downloaded, and no run begun, on this machine."""
    for name in ("HF_HOME", "HF_HUB_CACHE", "MODELSCOPE_CACHE", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_a_job_checks_clean_without_weights(path: Path, tmp_path: Path) -> None:
    found = preview(read_job(path, [f"output.dir={tmp_path}/out"]))
    assert found.rows and found.messages and not found.too_long
    json.dumps(found.json())
    assert found.job.name == path.stem, "its run has its name"
    text = path.read_text("utf-8")
    assert text.startswith("# ") and f"solver run jobs/{path.name}" in text, "says what it is and how to run it"
    assert max(map(len, text.splitlines())) <= 120
    if path.stem in PROFILES:
        assert found.profile == path.stem


def test_every_profile_has_a_job() -> None:
    assert {path.stem for path in JOBS} | {"internlm3"} >= set(PROFILES), "InternLM3's is math"
    assert preview_profile("math") == preview_profile("distill") == preview_profile("label") == "internlm3"


def preview_profile(name: str) -> str | None:
    return preview(read_job(Path(__file__).parents[1] / "jobs" / f"{name}.yaml")).profile


def test_labels_are_made_without_references() -> None:
    path = Path(__file__).parents[1] / "jobs" / "label.yaml"
    assert preview(read_job(path)).referenced == 0


def test_only_the_model_that_ships_its_own_code_asks_for_trust() -> None:
    assert [path.stem for path in JOBS if read_job(path).model.trust_remote_code] == ["intern-s1-mini"]
