"""The benchmarks can be trusted: their arithmetic, their lengths, the GPU shape, and one small run to the end."""

from __future__ import annotations

import importlib
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer

from solver.models import open_directory
from solver.models.tokenizer import load_tokenizer

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "scripts"

ROOFLINE = {  # context -> thousands of tokens/s at 64, 128 and 256 sequences, as published for an H200
    1024: (13.9, 23.9, 30.6),
    2048: (12.0, 18.7, 22.5),
    4096: (9.3, 13.0, 14.7),
    8192: (6.5, 8.1, 8.7),
    16384: (4.0, 4.6, 4.8),
}


@pytest.fixture(scope="module", autouse=True)
def scripts_importable() -> Iterator[None]:
    sys.path.insert(0, str(SCRIPTS))
    yield
    sys.path.remove(str(SCRIPTS))


@pytest.fixture(scope="module")
def lengths(scripts_importable: None) -> ModuleType:
    return importlib.import_module("bench_lengths")


@pytest.fixture(scope="module")
def shapes(scripts_importable: None) -> ModuleType:
    return importlib.import_module("bench_shapes")


@pytest.fixture(scope="module")
def engine(scripts_importable: None) -> ModuleType:
    return importlib.import_module("bench_engine")


def row(number: int) -> bytes:
    return number.to_bytes(16, "big")


@pytest.mark.parametrize(("context", "published"), ROOFLINE.items())
def test_the_roofline_is_the_published_table(lengths: ModuleType, context: int, published: tuple[float, ...]) -> None:
    for sequences, thousands in zip((64, 128, 256), published, strict=True):
        assert lengths.roofline(sequences, context) / 1000 == pytest.approx(thousands, abs=0.06)


def test_lengths_are_fixed_by_row_sample_and_seed(lengths: ModuleType) -> None:
    drawn = lengths.Lengths(mean=96, sigma=1.0, longest=1536)
    assert [drawn.of(row(3), k) for k in range(4)] == [drawn.of(row(3), k) for k in range(4)]
    assert [drawn.of(row(0), k) for k in range(6)] == [85, 21, 91, 587, 425, 15]  # also on another machine
    other = lengths.Lengths(mean=96, sigma=1.0, longest=1536, seed=1)
    assert [drawn.of(row(n), 0) for n in range(50)] != [other.of(row(n), 0) for n in range(50)]
    assert [drawn.of(row(n), 0) for n in range(50)] != [drawn.of(row(n), 1) for n in range(50)]


def test_lengths_are_lognormal_with_the_mean_asked_for(lengths: ModuleType) -> None:
    drawn = lengths.Lengths(mean=400, sigma=1.0, longest=100_000)
    values = [drawn.of(row(n), k) for n in range(2000) for k in range(16)]
    logs = [math.log(value) for value in values]
    centre = sum(logs) / len(logs)
    assert sum(values) / len(values) == pytest.approx(400, rel=0.03)
    assert centre == pytest.approx(math.log(400) - 0.5, abs=0.03)
    assert math.sqrt(sum((x - centre) ** 2 for x in logs) / len(logs)) == pytest.approx(1.0, abs=0.03)
    assert max(values) > 10 * 400


def test_lengths_stay_inside_their_bounds(lengths: ModuleType) -> None:
    drawn = lengths.Lengths(mean=96, sigma=2.0, longest=300)
    values = [drawn.of(row(n), 0) for n in range(3000)]
    assert min(values) == lengths.SHORTEST
    assert max(values) == 300


def test_the_mean_context_counts_every_generated_token_once(lengths: ModuleType) -> None:
    assert lengths.mean_context([(10, 1)]) == 11
    assert lengths.mean_context([(10, 3), (0, 1)]) == (11 + 12 + 13 + 1) / 4


@pytest.mark.parametrize("context", [1024, 2048, 4096])
def test_gpu_shapes_reach_the_context_they_are_named_after(
    lengths: ModuleType, shapes: ModuleType, context: int
) -> None:
    shape = next(shape for shape in shapes.GPU_SHAPES if shape.context == context)
    drawn = shape.lengths()
    pairs = [(shape.prompt, drawn.of(row(n), k)) for n in range(shape.problems) for k in range(16)]
    assert lengths.mean_context(pairs) == pytest.approx(context, rel=0.05)
    seconds = sum(length for _, length in pairs) / lengths.roofline(256, context)
    assert 40 < seconds < 60  # a run at two thirds of the roofline fits in 90 seconds


def test_ratios_are_of_medians_with_the_range_of_rounds(lengths: ModuleType) -> None:
    found = lengths.ratio([10.0, 12.0, 11.0], [10.0, 10.0, 5.0])
    assert (found.median, found.low, found.high) == (1.1, 1.0, 2.2)
    with pytest.raises(ValueError, match="shorter"):
        lengths.ratio([1.0, 2.0], [1.0])


def test_a_ratio_is_said_with_its_goal(engine: ModuleType, lengths: ModuleType) -> None:
    assert engine.compared("one", lengths.Spread(0.97, 0.93, 1.01), 8).endswith(
        "0.97  (0.93 to 1.01)  goal 0.95: reached"
    )
    assert engine.compared("chunks", lengths.Spread(1.7, 1.6, 1.9), 8).endswith("goal 1.8: MISSED")
    assert "goal" not in engine.compared("one-ids", lengths.Spread(0.9, 0.9, 0.9), 8)


def test_other_tokens_than_planned_are_a_failure(
    engine: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench_engine.py"])
    asked = engine.options()
    good = {"way": "one", "tokens": 10, "planned": 10}
    assert engine.keep(asked, {"cpu": {"one": [good]}}, ["one"]) == 0
    assert engine.keep(asked, {"cpu": {"one": [good | {"tokens": 9}]}}, ["one"]) == 1
    assert engine.keep(asked, {"cpu": {"one": [good | {"stored_tokens": 9}]}}, ["one"]) == 1
    assert engine.keep(asked, {"cpu": {"one": []}}, ["one"]) == 1
    assert "instead of 10" in capsys.readouterr().err


def test_without_a_gpu_the_gpu_part_is_one_line(
    engine: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engine, "has_gpu", lambda: False)
    monkeypatch.setattr(sys, "argv", ["bench_engine.py", "--gpu"])
    assert engine.main() == 0
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 2
    assert printed[0].startswith("machine: ")
    assert "no CUDA GPU" in printed[1]


def test_the_gpu_model_is_internlm3_8b_and_every_id_decodes(shapes: ModuleType, tmp_path: Path) -> None:
    folder = shapes.write_model(tmp_path / "model")
    model = open_directory("shape", folder)
    assert model.context == 32768
    assert {key: model.config[key] for key in ("hidden_size", "num_hidden_layers", "num_key_value_heads")} == {
        "hidden_size": 4096,
        "num_hidden_layers": 48,
        "num_key_value_heads": 2,
    }
    tokenizer = load_tokenizer(model)
    ids = tokenizer.prompt([{"role": "user", "content": "Add 12 and 30."}])
    small = load_tokenizer(open_directory("abacus", shapes.ABACUS))
    assert ids == small.prompt([{"role": "user", "content": "Add 12 and 30."}])
    (text,) = tokenizer.decode([[*range(90_000, 90_010), 128_511]])
    assert text.startswith("w90000 w90001 ")
    assert text.endswith("w128511 ")


def test_the_gpu_model_needs_no_remote_code(shapes: ModuleType, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    folder = shapes.write_model(tmp_path / "model")
    config = transformers.AutoConfig.from_pretrained(str(folder), trust_remote_code=False)
    assert type(config).__name__ == "LlamaConfig"
    assert config.architectures == ["InternLM3ForCausalLM"]
    assert (config.num_hidden_layers, config.vocab_size, config.head_dim) == (48, 128512, 128)


def test_gpu_problems_have_the_prompt_length_asked_for(shapes: ModuleType, tmp_path: Path) -> None:
    path = shapes.write_problems(tmp_path / "in.parquet", 12, 300)
    texts = pq.read_table(path)["problem"].to_pylist()
    tokenizer = Tokenizer.from_file(str(shapes.ABACUS / "tokenizer.json"))
    counts = [len(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts]
    assert all(290 <= count <= 310 for count in counts)
    assert len({text[:12] for text in texts}) == 12


def test_the_memory_benchmark_runs_to_its_end(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPTS / "bench_memory.py"), "--problems", "200", "400"]
    ended = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=tmp_path, env=os.environ | {"TMPDIR": str(tmp_path)}
    )
    assert ended.returncode == 0, ended.stderr
    rows = re.findall(r"^ +(200|400) +([\d,]+) +(\d+) ", ended.stdout, re.MULTILINE)
    assert [(problems, samples) for problems, samples, _ in rows] == [("200", "3,200"), ("400", "6,400")]
    assert "goal under 200: reached" in ended.stdout
    assert list(tmp_path.iterdir()) == []


def script(name: str, tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """One benchmark, tiny, to its end; it must leave nothing behind."""
    command = [sys.executable, str(SCRIPTS / name), *words]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert list(tmp_path.iterdir()) == []
    return ended


def test_the_store_benchmark_runs_to_its_end(tmp_path: Path) -> None:
    words = ("--samples", "64", "--size", "2000", "--rounds", "2", "--seconds", "0.2")
    ended = script("bench_store.py", tmp_path, *words)
    assert ended.returncode in (0, 1), ended.stderr  # so small a round reaches no goal for sure
    assert re.search(r"^store / bare pyarrow: \d+\.\d\d \(.*goal 0\.7: (reached|MISSED)", ended.stdout, re.MULTILINE)
    assert re.search(r"^p99 at the steady admission: [\d.]+ ms; goal under 20", ended.stdout, re.MULTILINE)


def test_the_store_benchmark_writes_texts_that_compress_like_real_ones() -> None:
    store = importlib.import_module("bench_store")
    said = store.texts(40, 20_000)
    assert 19_500 < sum(map(len, said)) / 40 < 20_500 and len(set(said)) == 40
    table = store.converted(store.samples_of(said))
    data = "".join(table["text"].to_pylist()).encode()
    assert 1.9 < len(data) / len(pa.compress(data, codec="zstd", asbytes=True)) < 2.5


@pytest.mark.parametrize(
    "scattered", [pytest.param([], marks=pytest.mark.soak), ["--scattered"]], ids=["at the end", "scattered"]
)
def test_the_resume_benchmark_finds_every_finished_problem_done(tmp_path: Path, scattered: list[str]) -> None:
    ended = script("bench_resume.py", tmp_path, "--problems", "400", "--shards", "3", *scattered)
    assert ended.returncode == 0, ended.stderr
    assert "400 problems x 16, 396 done, 4 with 8 of 16 samples" in ended.stdout
    assert re.search(r"^  resume .* 32 samples asked", ended.stdout, re.MULTILINE)
    assert re.search(r"^  again .* 0 samples asked, 0 row groups read", ended.stdout, re.MULTILINE)
    assert "finished problems asked again: none" in ended.stdout and "TOO MANY" not in ended.stdout


def test_memory_replies_are_as_long_as_said_and_answers_vary(tmp_path: Path) -> None:
    memory = importlib.import_module("bench_memory")
    replies = json.loads(memory.write_replies(tmp_path).read_text("utf-8"))
    assert 450 < sum(map(len, replies)) / len(replies) < 550
    assert len({reply.rpartition("boxed")[2] for reply in replies}) == 15


RESOLVE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import bench_ways
bench_ways.environment()
from solver.engine import arguments
from solver.models import open_directory
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.model_executor.models import ModelRegistry
from vllm.usage.usage_lib import UsageContext
block = {"max_num_seqs": 256, "load_format": "dummy"}
chosen = arguments.complete(block, open_directory("shape", Path(sys.argv[2])), on_cpu=False)
config = AsyncEngineArgs(model=sys.argv[2], **chosen).create_engine_config(UsageContext.LLM_CLASS)
found, _ = ModelRegistry.resolve_model_cls(config.model_config.architectures, config.model_config)
scheduler = config.scheduler_config
print("RESOLVED", found.__name__, config.model_config.max_model_len, config.model_config.dtype, scheduler.max_num_seqs)
"""


@pytest.mark.engine_cpu
def test_vllm_resolves_the_gpu_model_with_our_settings(shapes: ModuleType, tmp_path: Path) -> None:
    pytest.importorskip("vllm")
    folder = shapes.write_model(tmp_path / "model")
    command = [sys.executable, "-c", RESOLVE, str(SCRIPTS), str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert "RESOLVED LlamaForCausalLM 32768 torch.bfloat16 256" in ended.stdout, ended.stderr[-2000:]


def test_the_grouping_benchmark_runs_to_its_end_and_its_mix_is_as_stated(scripts_importable: None) -> None:
    stated = importlib.import_module("grouping_mix")
    mixed = stated.mix(200, 64)
    kinds = [kind for kind, _ in mixed]
    assert {kind: kinds.count(kind) / 200 for kind in stated.SHARES} == stated.SHARES
    assert 8 < stated.distinct([answers for _, answers in mixed]) < 10
    sizes = ["--problems", "8", "--samples", "16", "--pairs", "2", "--greedy", "1", "--hostile", "2"]
    command = [sys.executable, str(SCRIPTS / "bench_grouping.py"), *sizes]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    goals = re.findall(r"goal at (?:least|most) [\d.]+: (reached|MISSED)", ended.stdout)
    assert len(goals) == 7, ended.stderr
    assert ended.returncode == int("MISSED" in goals)
