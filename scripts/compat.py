"""Every export loaded by the trainers' own code, each trainer in an environment of its own: `make compat`.

    python scripts/compat.py                     # TRL, LLaMA-Factory, axolotl; makes build/compat/NAME (some GB)
    python scripts/compat.py trl                 # one of them
    python scripts/compat.py --fail-missing      # exit code 1 also where a trainer could not be installed

A small run is made by the store, exported in every format and shape, and then, inside each environment: TRL trains one
step of a tiny random model on the CPU with the trainer of the format; LLaMA-Factory's `get_dataset` aligns and
tokenizes by the `dataset_info.json` beside the data, and no row may go; axolotl loads by `axolotl.yaml`. Weights are
never fetched. Needs a package index; prints what was loaded, what was not, and why.
"""

import argparse
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TORCH = "torch==2.13.0"
PACKAGES = {
    "trl": [TORCH, "trl"],
    "llamafactory": [TORCH, "llamafactory"],
    "axolotl": [TORCH, "pillow"],
}
# Installed alone, and then at the versions that it declares only what its data loaders import: all of it takes most of
# an hour and needs kernels for a GPU.
BARE = {
    "axolotl": """transformers datasets trl accelerate peft huggingface_hub tokenizers pydantic pyyaml addict fire
    colorama einops numba python-dotenv typer art fastcore zstandard typing-extensions packaging axolotl-contribs-lgpl
    axolotl-contribs-mit kernels posthog"""
}
PINS = """
import importlib.metadata, re, sys
for one in importlib.metadata.requires(sys.argv[1]):
    if ";" not in one and re.match(r"[\\w.-]+", one)[0].lower() in sys.argv[2:]:
        print(one)
"""
# Built for CUDA on the package index, so broken beside the CPU torch; only images and sound need them.
REMOVED = {"llamafactory": ["torchvision", "torchaudio"], "axolotl": ["torchvision", "torchaudio"]}
CASES: dict[str, tuple[str, dict[str, str]]] = {
    "sft-messages": ("sft", {}),
    "sft-sharegpt": ("sft", {"shape": "sharegpt"}),
    "sft-alpaca": ("sft", {"shape": "alpaca"}),
    "sft-prompt-completion": ("sft", {"shape": "prompt-completion"}),
    "trajectory": ("trajectory", {}),
    **{
        f"{name}-{trainer}": (name, {"trainer": trainer})
        for name in ("dpo", "simpo", "kto")
        for trainer in ("trl", "llamafactory")
    },
    "dpo-shortest-longest": ("dpo", {"pairs": "shortest-longest"}),
}
CHAT = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("trainers", nargs="*", help=f"of {', '.join(PACKAGES)}; all by default")
    parser.add_argument("--envs", type=Path, default=ROOT / "build" / "compat", help="where environments are made")
    parser.add_argument("--limit", type=int, default=900, help="seconds that installing one trainer may take")
    parser.add_argument("--fail-missing", action="store_true")
    parser.add_argument("--inside", nargs=2, metavar=("TRAINER", "DIR"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.inside:
        return inside(asked.inside[0], Path(asked.inside[1]))
    with tempfile.TemporaryDirectory(prefix="compat-") as temporary:
        data = Path(temporary)
        make_exports(data)
        codes = [run(name, asked.envs / name, data, asked.limit) for name in asked.trainers or PACKAGES]
    missing = codes.count(None)
    return int(any(codes) or (missing > 0 and asked.fail_missing))


def make_exports(data: Path) -> None:
    """A small run and every export of it."""
    sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]
    from bench_export import make

    from solver.export import Asked, export

    make(data / "run", 320, 200)
    for case, (name, how) in CASES.items():
        done = export(data / "run", Asked(name, data / case, **how))  # type: ignore[arg-type]
        print(f"exported {case}: {done.rows['train']} rows", flush=True)


def install(python: Path, name: str, limit: int) -> str | None:
    """Install a trainer; why it could not be, or None."""
    pip, end = [str(python), "-m", "pip", "install", "-q"], time.monotonic() + limit
    try:
        called([*pip, *PACKAGES[name]], end)
        if name in BARE:
            called([*pip, "--no-deps", name], end)
            pins = called([str(python), "-c", PINS, name, *BARE[name].split()], end)
            called([*pip, *pins.splitlines()], end)
    except subprocess.TimeoutExpired:
        return f"not installed within {limit} s"
    except subprocess.CalledProcessError as error:  # in pip's words
        why = next((line for line in reversed(error.stderr.splitlines()) if "ERROR" in line.upper()), "pip failed")
        return f"cannot be installed here: {why.strip()}"
    return None


def called(order: list[str], end: float) -> str:
    """What a command says, which must be over at `end`."""
    left = max(1.0, end - time.monotonic())
    return subprocess.run(order, timeout=left, capture_output=True, text=True, check=True).stdout


def run(name: str, env: Path, data: Path, limit: int) -> int | None:
    """Install a trainer where it is not, and check every export in its environment. None: it could not be installed."""
    python = env / "bin" / "python"
    print(f"\n== {name}", flush=True)
    if not python.exists():
        env.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", str(env)], check=True)
    if why := install(python, name, limit):
        print(f"{name}: {why}: not checked")
        return None
    if name in REMOVED:
        subprocess.run([str(python), "-m", "pip", "uninstall", "-q", "-y", *REMOVED[name]], check=False)
    calm = {"TQDM_DISABLE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1", "PYTHONWARNINGS": "ignore"}
    calm |= {"TRANSFORMERS_VERBOSITY": "error", "LLAMAFACTORY_VERBOSITY": "ERROR", "DISABLE_VERSION_CHECK": "1"}
    quiet = calm | {
        "HF_HUB_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "WANDB_DISABLED": "true",
        "HF_HOME": str(data / name),
    }
    quiet |= {"DO_NOT_TRACK": "1", "AXOLOTL_DO_NOT_TRACK": "1", "AXOLOTL_LOG_LEVEL": "ERROR", "LOG_LEVEL": "ERROR"}
    order = [str(python), str(Path(__file__).resolve()), "--inside", name, str(data)]
    return subprocess.run(order, env={**os.environ, **quiet}, cwd=data, check=False).returncode


def inside(name: str, data: Path) -> int:
    """In the environment of a trainer: check what it should read."""
    print(f"{name} {importlib.metadata.version(name)}")
    failed = 0
    for case, check in CHECKS[name](data):
        try:
            print(f"  {case:<24} {check()}", flush=True)
        except Exception as error:  # whatever a trainer raises is what this is for
            failed += 1
            frame = traceback.extract_tb(error.__traceback__)[-1]
            said = str(error).splitlines()[:1]
            print(f"  {case:<24} FAILED: {type(error).__name__}: {said} ({frame.filename}:{frame.lineno})")
    return failed


Checks = Iterator[tuple[str, Callable[[], str]]]


def tokenizer(folder: Path) -> Any:
    """A byte-level tokenizer with a chat template, made here."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {
        letter: number for number, letter in enumerate(["<pad>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet())])
    }
    bytes_ = Tokenizer(models.BPE(vocab=words, merges=[]))
    bytes_.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(tokenizer_object=bytes_, eos_token="</s>", pad_token="<pad>")
    made.chat_template = CHAT
    made.save_pretrained(str(folder))
    return made


def trl(data: Path) -> Checks:
    """One step of each trainer, on what the stanza names."""
    import yaml
    from datasets import load_dataset
    from transformers import LlamaConfig, LlamaForCausalLM
    from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer
    from trl.experimental.cpo import CPOConfig, CPOTrainer

    try:
        from trl.experimental.kto import KTOConfig, KTOTrainer
    except ImportError:
        from trl import KTOConfig, KTOTrainer
    words = tokenizer(data / "tiny")
    tiny = LlamaConfig(
        vocab_size=len(words), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2
    )
    LlamaForCausalLM(tiny).save_pretrained(data / "tiny")  # by path: some trainers load a second one as reference

    def step(case: str, trainer: Any, config: Any, **more: Any) -> str:
        os.chdir(data / case)
        told = yaml.safe_load((data / case / "trl.yaml").read_text())
        rows = load_dataset(told["dataset_name"], split=told["dataset_train_split"])
        common = {"output_dir": str(data / "out"), "max_steps": 1, "report_to": [], "use_cpu": True, "bf16": False}
        common |= {"save_strategy": "no", "disable_tqdm": True}
        settings = config(per_device_train_batch_size=4, **common, **more)
        made = trainer(model=str(data / "tiny"), args=settings, train_dataset=rows, processing_class=words)
        made.train()
        assert len(made.train_dataset) == len(rows), f"{len(rows)} rows became {len(made.train_dataset)}"
        return f"{len(rows)} rows, one step of {trainer.__name__}"

    for case in ("sft-messages", "sft-prompt-completion", "trajectory"):
        yield case, lambda case=case: step(case, SFTTrainer, SFTConfig)  # type: ignore[misc]
    yield "dpo-trl", lambda: step("dpo-trl", DPOTrainer, DPOConfig)
    yield "simpo-trl", lambda: step("simpo-trl", CPOTrainer, CPOConfig, loss_type="simpo", cpo_alpha=0.0)
    yield "kto-trl", lambda: step("kto-trl", KTOTrainer, KTOConfig)
    yield "dpo-shortest-longest", lambda: step("dpo-shortest-longest", DPOTrainer, DPOConfig)


def llamafactory(data: Path) -> Checks:
    """`get_dataset`, as training calls it."""
    sys.modules["torchaudio"] = ModuleType("torchaudio")  # imported whatever the data is; see REMOVED
    sys.modules["torchaudio"].__spec__ = ModuleSpec("torchaudio", None)
    from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
    from llamafactory.hparams import get_train_args
    from llamafactory.model import load_tokenizer

    words = data / "tokenizer"
    tokenizer(words)
    (words / "config.json").write_text(json.dumps({"model_type": "llama", "architectures": ["LlamaForCausalLM"]}))

    def load(case: str, stage: str) -> str:
        model, given, training, _, _ = get_train_args(
            {
                "model_name_or_path": str(words),
                "stage": stage,
                "do_train": True,
                "finetuning_type": "full",
                "dataset": "solver",
                "dataset_dir": str(data / case),
                "template": "qwen",
                "cutoff_len": 4096,
                "output_dir": str(data / "out"),
                "overwrite_output_dir": True,
                "preprocessing_num_workers": 1,
                "report_to": "none",
            }
        )
        loaded = load_tokenizer(model)
        template = get_template_and_fix_tokenizer(loaded["tokenizer"], given)
        rows = get_dataset(template, model, given, training, stage, **loaded)["train_dataset"]
        from datasets import load_dataset

        there = len(load_dataset("parquet", data_dir=str(data / case / "train"), split="train"))
        assert len(rows) == there, f"{there} rows became {len(rows)}"
        return f"{len(rows)} rows, stage {stage}, columns {', '.join(rows.column_names[:4])}"

    for case in ("sft-messages", "sft-sharegpt", "sft-alpaca", "trajectory"):
        yield case, lambda case=case: load(case, "sft")  # type: ignore[misc]
    for case in ("dpo-llamafactory", "simpo-llamafactory"):
        yield case, lambda case=case: load(case, "rm")  # type: ignore[misc]
    yield "kto-llamafactory", lambda: load("kto-llamafactory", "kto")


def axolotl(data: Path) -> Checks:
    """`load_datasets` and `load_preference_datasets`, as `axolotl preprocess` calls them, in the export's directory."""
    import yaml
    from axolotl.cli.args import PreprocessCliArgs
    from axolotl.cli.config import load_cfg
    from axolotl.common.datasets import load_datasets, load_preference_datasets
    from datasets import load_dataset

    words = data / "tokenizer"
    tokenizer(words)
    (words / "config.json").write_text(json.dumps({"model_type": "llama", "architectures": ["LlamaForCausalLM"]}))

    def load(case: str) -> str:
        os.chdir(data / case)
        given = yaml.safe_load((data / case / "axolotl.yaml").read_text())
        own = {"base_model": str(words), "sequence_len": 4096, "micro_batch_size": 1, "num_epochs": 1}
        own |= {"gradient_accumulation_steps": 1, "learning_rate": 1e-5, "optimizer": "adamw_torch"}
        own |= {"chat_template": "tokenizer_default", "output_dir": str(data / "out"), "val_set_size": 0}
        own |= {"dataset_prepared_path": str(data / f"prepared-{case}"), "bf16": False, "dataset_num_proc": 1}
        config = data / f"{case}.yaml"
        config.write_text(yaml.safe_dump(given | own))
        cfg = load_cfg(str(config))
        read = load_preference_datasets if cfg.rl else load_datasets
        rows = read(cfg=cfg, cli_args=PreprocessCliArgs()).train_dataset
        there = len(load_dataset("parquet", data_dir=str(data / case / "train"), split="train"))
        assert len(rows) == there, f"{there} rows became {len(rows)}"
        return f"{len(rows)} rows, columns {', '.join(rows.column_names[:4])}"

    for case in ("sft-messages", "sft-sharegpt", "sft-alpaca", "trajectory", "dpo-trl", "simpo-trl"):
        yield case, lambda case=case: load(case)  # type: ignore[misc]


CHECKS: dict[str, Callable[[Path], Checks]] = {"trl": trl, "llamafactory": llamafactory, "axolotl": axolotl}

if __name__ == "__main__":
    sys.exit(main())
