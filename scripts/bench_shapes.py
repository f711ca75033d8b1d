"""What the engine benchmark runs on: job files, and on a GPU a model of InternLM3-8B's shape without weights.

The shape is the published configuration (48 layers, hidden 4096, 2 key-value heads, vocabulary 128512) as the
`model_type: llama` variant, which needs no remote code. Its tokenizer is the demo model's, filled up with made words
to the whole vocabulary, so that every id that random weights can produce decodes to text.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench_lengths import Lengths

ROOT = Path(__file__).resolve().parents[1]
ABACUS = ROOT / "jobs" / "abacus"
COPIED = ("tokenizer_config.json", "special_tokens_map.json", "generation_config.json")
TEXT = "each of the seven boats carries some crates and one of them turns back before noon"

INTERNLM3_8B: Mapping[str, Any] = {
    "architectures": ["InternLM3ForCausalLM"],
    "model_type": "llama",
    "attention_bias": False,
    "bias": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "head_dim": 128,
    "hidden_act": "silu",
    "hidden_size": 4096,
    "intermediate_size": 10240,
    "max_position_embeddings": 32768,
    "mlp_bias": False,
    "num_attention_heads": 32,
    "num_hidden_layers": 48,
    "num_key_value_heads": 2,
    "pad_token_id": 2,
    "qkv_bias": False,
    "rms_norm_eps": 1e-05,
    "rope_scaling": {"factor": 6.0, "rope_type": "dynamic", "type": "dynamic"},
    "rope_theta": 50000000,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "use_cache": True,
    "vocab_size": 128512,
}


@dataclass(frozen=True, slots=True)
class Shape:
    """One measurement on a GPU: mean context wanted, prompt length (tokens, about), problems of 16 samples.

    Problems are chosen so that a run at two thirds of the roofline takes 70 to 80 seconds at 256 sequences.
    """

    context: int
    prompt: int
    problems: int

    def lengths(self) -> Lengths:
        """Lengths that give the mean context; the tail is shorter than on the CPU, so that the batch stays full."""
        return Lengths.for_context(self.context, self.prompt, sigma=0.5, longest=16384)


GPU_SHAPES = (Shape(1024, 256, 72), Shape(2048, 1024, 40), Shape(4096, 3328, 40))


def write_model(folder: Path) -> Path:
    """A model directory of InternLM3-8B's shape, for `load_format: dummy`."""
    folder.mkdir(parents=True)
    for name in COPIED:
        shutil.copyfile(ABACUS / name, folder / name)
    (folder / "config.json").write_text(json.dumps(INTERNLM3_8B, indent=2), "utf-8")
    tokenizer = json.loads((ABACUS / "tokenizer.json").read_text("utf-8"))
    vocabulary = tokenizer["model"]["vocab"]
    for number in range(len(vocabulary), INTERNLM3_8B["vocab_size"]):
        vocabulary[f"w{number} "] = number
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False), "utf-8")
    return folder


def write_problems(path: Path, count: int, tokens: int) -> Path:
    """A table of made problems of about `tokens` tokens each; no two begin alike, so no two share a prefix."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(ABACUS / "tokenizer.json"))
    texts, some = [], TEXT.split()
    for number in range(count):
        words = [f"Problem {number}:"] + [some[(number + place) % len(some)] for place in range(tokens)]
        encoded = tokenizer.encode(" ".join(words), add_special_tokens=False)
        end = encoded.offsets[min(tokens, len(encoded.ids)) - 1][1]
        texts.append(" ".join(words)[:end])
    pq.write_table(pa.table({"problem": texts}), path)
    return path


def write_job(folder: Path, model: Path, problems: Path, limit: int, sampling: Mapping[str, Any], **engine: Any) -> str:
    """A job file in `folder` whose run directory is `folder`/run; JSON is YAML."""
    job = {
        "name": "bench",
        "input": {"path": str(problems), "limit": limit},
        "model": {"source": str(model)},
        "prompt": {"template": "plain"},
        "sampling": dict(sampling),
        "engine": {"kind": "vllm", **engine},
        "output": {"dir": str(folder / "run")},
    }
    path = folder / "job.yaml"
    path.write_text(json.dumps(job, indent=1), "utf-8")
    return str(path)
