"""`solver models` as a user types it, and a job's model from the pull to the first prompt."""

import json
import re
from pathlib import Path

import pytest
from desk import Desk, solver
from fake_hub import FakeHub

from solver import engine
from solver.errors import JobError, MachineError, ModelError
from solver.models import manifest
from solver.run import read_job, read_model
from solver.run.preview import preview

SOURCE = "modelscope:Owner/internlm3-tiny"
SHARD = "model-00002-of-00003.safetensors"
ROWS = [{"id": "a", "problem": "What is 1+1?", "answer": "2"}]


def test_pull_verify_list(desk: Desk, hub: FakeHub) -> None:
    pulled = solver(desk, "models", "pull", SOURCE)
    assert pulled.returncode == 0
    path = Path(pulled.stdout.strip())
    assert (path / manifest.NAME).is_file() and pulled.stdout.count("\n") == 1, "nothing but the directory"
    assert pulled.stderr.splitlines()[-1] == (
        f"{SOURCE}: 12 files, 1.5 MB, verified: 12 downloaded; revision {path.name}"
    )
    whole = solver(desk, "models", "verify", SOURCE)
    assert (whole.returncode, whole.stderr) == (0, "")
    assert whole.stdout == (f"{path}: all 12 files are as they were pulled (compared with the listing of ModelScope)\n")
    listed = solver(desk, "models", "list")
    assert listed.stdout.splitlines()[0] == f"{SOURCE}  1.5 MB  {path}"
    assert "  internlm3-8b                modelscope:Shanghai_AI_Laboratory/internlm3-8b-instruct" in listed.stdout
    content = bytearray((path / SHARD).read_bytes())
    content[7777] ^= 1
    (path / SHARD).write_bytes(content)
    wrong = solver(desk, "models", "verify", str(path))
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith(f"error: {path}: {SHARD} has other bytes (SHA-256 ")
    assert wrong.stderr.endswith(f"). To mend it: solver models pull {SOURCE}\n")
    assert "changed since" in solver(desk, "models", "list").stdout
    mended = solver(desk, "models", "pull", SOURCE, "--json")
    told = json.loads(mended.stdout)
    assert (told["path"], told["files"], told["source"]) == (str(path), 12, SOURCE)
    assert json.loads(solver(desk, "models", "verify", SOURCE, "--json").stdout)["differs"] == []


def test_what_cannot_be_pulled_or_verified_is_told_with_the_way_out(desk: Desk, hub: FakeHub) -> None:
    cases = {
        ("pull", "internlm3-8"): "error: internlm3-8: is no model on a hub. Did you mean `internlm3-8b`?\n",
        (
            "pull",
            "./there",
        ): "error: ./there: is no model on a hub. Give modelscope:OWNER/NAME, hf:OWNER/NAME or a name "
        "from `solver models list`\n",
        ("pull", f"{SOURCE}@v9"): f"error: model.revision: {SOURCE} has no revision `v9`. Known: `master`, `v1.0`\n",
        ("pull", f"{SOURCE}@v9", "--revision", "v8"): "error: model.revision: is `v8`, but model.source asks for `v9`. "
        "Leave one of them out\n",
        ("verify", SOURCE): f"error: {SOURCE}: was not pulled to this machine. Run solver models pull {SOURCE}\n",
        (
            "verify",
            ".",
        ): "error: .: holds no manifest of solver, so nothing is known about its bytes. Only what `solver "
        "models pull` brought can be verified\n",
    }
    for words, said in cases.items():
        told = solver(desk, "models", *words)
        assert (told.returncode, told.stdout, told.stderr) == (2, "", said), words
    assert not hub.downloads
    for verb in ("pull", "verify", "list"):
        told = solver(desk, "models", verb, "--help")
        assert told.returncode == 0 and f"models {verb} [OPTIONS]" in told.stdout


@pytest.fixture
def job(desk: Desk) -> Desk:
    desk.lay(ROWS, {}, model={"source": SOURCE})
    told = json.loads(desk.job.read_text())
    told["engine"] = {"kind": "vllm", "max_model_len": 512}
    desk.job.write_text(json.dumps(told))
    return desk


def test_check_asks_no_hub_before_and_after_a_pull(job: Desk, hub: FakeHub) -> None:
    before = solver(job, "check", "job.yaml")
    assert before.returncode == 0, before.stderr
    assert "not on this machine yet" in before.stdout and not hub.asked
    solver(job, "models", "pull", SOURCE)
    asked = len(hub.asked)
    after = solver(job, "check", "job.yaml")
    assert after.returncode == 0, after.stderr
    assert "token ids" in after.stdout and "one BOS" in after.stdout and len(hub.asked) == asked


def test_a_run_pulls_what_is_not_here_and_then_starts_without_the_hub(job: Desk, hub: FakeHub) -> None:
    said: list[str] = []
    served = read_model(read_job(job.job), download=True, say=said.append)
    assert served is not None and served.model is not None and served.tokenizer is not None
    assert said[0] == f"{SOURCE} was not pulled yet: pulling it, as `solver models pull {SOURCE}` does"
    assert "12 downloaded" in said[1]
    asked = len(hub.asked)
    again = read_model(read_job(job.job), download=True, say=pytest.fail)
    assert again is not None and again.model is not None and again.facts == served.facts and len(hub.asked) == asked


@pytest.mark.parametrize(
    ("override", "what"),
    [
        ("engine.load_format=pt", "`pt` loads pickled weights, which can run code. Use safetensors"),
        (
            "engine.max_model_len=32769",
            "32769 is more than the 32768 tokens that internlm3-plain has positions for. Set at most 32768",
        ),
    ],
)
def test_what_no_download_can_make_right_is_refused_before_one(
    job: Desk, hub: FakeHub, override: str, what: str
) -> None:
    told = json.loads(job.job.read_text())
    job.job.write_text(json.dumps(told | {"model": {"source": "internlm3-8b"}}))
    for ask in (lambda: preview(read_job(job.job, [override])), lambda: job.run(override)):
        with pytest.raises(JobError) as refused:
            ask()
        assert [(fault.what + ". " + fault.fix) for fault in refused.value.faults] == [what]
    assert not hub.asked and preview(read_job(job.job, ["engine.max_model_len=32768"])).profile == "internlm3-plain"


def test_what_only_the_model_s_files_show_is_said_once_they_are_here(
    job: Desk, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_: object) -> None:
        raise MachineError("far enough")

    monkeypatch.setattr(engine, "open_engine", stop)
    for pulls in (True, False):  # the second start finds the model here
        with pytest.raises(MachineError, match="far enough"):
            job.run("model.profile=skywork-o1")
        told = [line for line in job.said if "prompts of skywork-o1 begin with <|begin_of_text|>" in line]
        assert len(told) == 1 and any("12 downloaded" in line for line in job.said) == pulls


def test_neither_check_nor_run_starts_from_an_altered_model(job: Desk, hub: FakeHub) -> None:
    path = Path(solver(job, "models", "pull", SOURCE).stdout.strip())
    (path / SHARD).unlink()
    wrong = f"{path} is not as it was pulled: {SHARD} is missing. To mend it: solver models pull {SOURCE}"
    told = solver(job, "check", "job.yaml")
    assert (told.returncode, told.stdout, told.stderr) == (2, "", f"error: model.source: {wrong}\n")
    with pytest.raises(ModelError, match=re.escape(wrong)):
        job.run()
    assert not job.out.exists()
