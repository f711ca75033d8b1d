"""InternLM3 as published, from a hub to the real engine: its own code is never run; unprepared, it would have to be.

One engine start. The model is small, its weights are random; the hub is on the loopback and then gone.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from solver.models import LocalModel, find
from solver.models.internlm3 import prepared
from solver.models.tokenizer import load_tokenizer
from tests.engine_cpu.test_main_line import finish, solver
from tests.models.fake_hub import NAME, FakeHub, serving
from tests.small_internlm3 import RAN, publish

SOURCE = f"modelscope:{NAME}"
ASKED = ("1 + 1 = ?", "一加一等于几？🙂")
JOB = f"""
name: small
input: {{path: problems.jsonl}}
model: {{source: {SOURCE}}}
prompt: {{template: plain}}
sampling: {{n: 2, max_tokens: 24, stop: ["never said by chance"]}}
engine: {{kind: vllm, max_num_seqs: 4, dtype: float32}}
output: {{dir: out}}
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeHub]:
    """A hub with the published files and weights in several shards; models are kept in a home of this test's own."""
    published = publish(tmp_path_factory.mktemp("published"), weights=True)
    home = tmp_path_factory.mktemp("home")
    files = {file.name: file.read_bytes() for file in published.iterdir()}
    with serving(files) as served, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODELSCOPE_ENDPOINT", served.url)
        for name in ("SOLVER_HOME", "MODELSCOPE_CACHE", "XDG_CACHE_HOME"):
            patch.setenv(name, str(home / name))
        yield served


@pytest.fixture(scope="module")
def home(hub: FakeHub, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table and a job that names the model on the hub."""
    home = tmp_path_factory.mktemp("internlm3")
    (home / "problems.jsonl").write_text("".join(json.dumps({"problem": text}) + "\n" for text in ASKED))
    (home / "job.yaml").write_text(JOB)
    return home


@pytest.fixture
def ran(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is there once the model's own code ran."""
    monkeypatch.setenv(RAN, str(home / "ran"))
    return home / "ran"


def pulled() -> LocalModel:
    model = find(SOURCE)
    assert model is not None and model.pulled
    return model


def test_a_run_pulls_generates_through_the_prepared_view_and_runs_none_of_the_model_s_code(
    home: Path, ran: Path, hub: FakeHub
) -> None:
    code, _, err = finish(solver("run", "job.yaml", cwd=home))
    assert code == 0, err
    assert f"{SOURCE} was not pulled yet: pulling it" in err and sorted(hub.downloads) == sorted(hub.files)
    rows = pq.read_table(home / "out" / "samples").to_pylist()
    assert len(rows) == 4 and {row["status"] for row in rows} <= {"truncated", "ok"}
    assert all(row["output_tokens"] > 0 for row in rows) and any(row["text"] for row in rows)
    view = prepared(pulled())
    tokenizer = load_tokenizer(view)
    lengths = [len(tokenizer.prompt([{"role": "user", "content": text}])) for text in ASKED]
    assert sorted({row["prompt_tokens"] for row in rows}) == sorted(set(lengths))
    log = next((home / "out" / "_solver" / "logs").glob("engine-*.log")).read_text()
    assert str(view.path) in log and "trust_remote_code=False" in log and "max_seq_len=1024" in log
    assert not ran.exists(), "no code of the model's ran, here or in the engine"


def test_a_second_start_asks_no_hub_and_the_view_is_no_change_of_the_model(
    home: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list(hub.asked)
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", "http://127.0.0.1:9")
    for words in (("run", "job.yaml"), ("models", "verify", SOURCE)):
        code, out, err = finish(solver(*words, cwd=home))
        assert code == 0, (words, err)
    assert f"all {len(hub.files)} files are as they were pulled" in out and hub.asked == asked
    assert prepared(pulled()).path.is_relative_to(pulled().path)


def test_vllm_and_transformers_refuse_the_stock_files_without_their_code(
    home: Path, ran: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoConfig, AutoTokenizer
    from vllm.config import ModelConfig

    stock, view = str(pulled().path), str(prepared(pulled()).path)
    for refuses in (AutoConfig.from_pretrained, AutoTokenizer.from_pretrained):
        with pytest.raises(ValueError, match=r"trust_remote_code|custom code"):
            refuses(stock, trust_remote_code=False)
        refuses(view, trust_remote_code=False)
    with pytest.raises(ValueError, match="trust_remote_code"):
        ModelConfig(model=stock, trust_remote_code=False)
    loaded = ModelConfig(model=view, trust_remote_code=False, max_model_len=1024)
    assert loaded.architectures == ["InternLM3ForCausalLM"] and loaded.max_model_len == 1024
    assert not ran.exists()


def test_the_model_s_own_code_reads_as_the_prepared_tokenizer_does_when_it_is_trusted(
    home: Path, ran: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import dynamic_module_utils

    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(home / "modules"))
    model = pulled()
    slow, fast = load_tokenizer(model, trust_remote_code=True), load_tokenizer(prepared(model))
    assert ran.exists() and type(slow.codec) is not type(fast.codec)
    for content in (*ASKED, " \n\tx_{1}^2  <planning>"):
        turns = [{"role": "user", "content": content}]
        assert slow.codec.encode(slow.render(turns), plain=False) == fast.codec.encode(fast.render(turns), plain=False)
    assert (slow.bos, slow.specials) == (fast.bos, fast.specials)
    assert os.environ[RAN] == str(ran)
