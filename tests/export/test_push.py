"""Uploads: private unless asked, the token from the environment and nowhere else. The hubs are stood in for."""

from pathlib import Path
from typing import Any

import pytest
from runs import answers, make_run

from solver.cli import main
from solver.errors import ExportError
from solver.export import Asked, Target, export, push

TOKEN = "hf_" + "s3cret" * 5


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return export(make_run(tmp_path / "run", [answers("1")]), Asked("sft", tmp_path / "data")).directory


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What the hubs' packages were asked."""
    import huggingface_hub
    from modelscope.hub import api

    calls: list[tuple[Any, ...]] = []

    class Hub:
        def __init__(self, token: str) -> None:
            calls.append(("token", token))

        def create_repo(self, name: str, **how: Any) -> str:
            if "fail" in name:
                raise OSError(f"401 for {TOKEN}")
            calls.append(("create", name, how))
            return f"https://hub.example/{name}"

        def upload_folder(self, **how: Any) -> None:
            calls.append(
                ("upload", how["repo_id"], how["repo_type"], sorted(p.name for p in Path(how["folder_path"]).iterdir()))
            )

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    monkeypatch.setattr(api, "HubApi", Hub)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("MODELSCOPE_API_TOKEN", "ms-" + TOKEN)
    return calls


def test_an_export_goes_up_whole_and_private(
    data: Path, sent: list[tuple[Any, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["push", str(data), "hf:me/maths"])
    assert ended.value.code == 0
    told = capsys.readouterr()
    assert TOKEN not in told.out + told.err and "(private)" in told.out
    assert sent[0] == ("token", TOKEN)
    assert sent[1] == ("create", "me/maths", {"repo_type": "dataset", "private": True, "exist_ok": True})
    assert sent[2][:3] == ("upload", "me/maths", "dataset")
    assert {"README.md", "train", "dataset_info.json"} <= set(sent[2][3])


def test_modelscope_and_public(data: Path, sent: list[tuple[Any, ...]]) -> None:
    push(data, Target.read("modelscope:me/maths"), public=True)
    assert sent[1][2]["visibility"] == "public" and sent[2][0] == "upload"
    assert sent[1][2]["license"] == "other", "nobody has given the data a license, least of all modelscope"
    push(data, Target.read("modelscope:me/maths"))
    assert sent[4][2]["visibility"] == "private"


def test_what_a_hub_says_comes_without_the_token(
    data: Path, sent: list[tuple[Any, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["push", str(data), "hf:me/fail"])
    told = capsys.readouterr().err
    assert ended.value.code == 1 and "401" in told and TOKEN not in told and "Traceback" not in told


def test_both_faults_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(ExportError) as told:
        push(tmp_path, Target.read("hf:me/maths"))
    assert [fault.where for fault in told.value.faults] == ["DIR", "environment"]
    for wrong in ("me/maths", "hf:maths", "s3:me/maths", "hf:a/b/c"):
        with pytest.raises(ExportError, match="names no dataset"):
            Target.read(wrong)
