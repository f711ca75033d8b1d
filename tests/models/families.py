"""Small models of every family that has a profile: a directory each, with its chat template and control tokens."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from solver.models import LocalModel, open_directory

TEMPLATES = Path(__file__).parent / "templates"
CHATML = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
LLAMA = ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
DEEPSEEK = ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>")


@dataclass(frozen=True)
class Family:
    """One profile's model. roles: by prompt, the roles that the prompt's tokens name, the assistant's cue among them;
    end: what the prompt ends with."""

    source: str
    template: str
    tokens: tuple[str, ...]
    bos: str | None
    plain_roles: tuple[str, ...]
    deep_roles: tuple[str, ...]
    end: str


ASKED, TOLD = ("user", "assistant"), ("system", "user", "assistant")
FAMILIES = {
    "internlm3": Family(
        "modelscope:Shanghai_AI_Laboratory/internlm3-8b-instruct", "internlm3", ("<unk>", "<s>", "</s>", *CHATML[1:]),
        "<s>", ASKED, TOLD, "<|im_start|>assistant\n",
    ),
    "internlm3-plain": Family(
        "hf:internlm/internlm3-8b-instruct", "internlm3", ("<unk>", "<s>", "</s>", *CHATML[1:]),
        "<s>", ASKED, TOLD, "<|im_start|>assistant\n",
    ),
    "qwen3": Family("modelscope:Qwen/Qwen3-8B", "qwen3", CHATML, None, ASKED, TOLD, "<|im_start|>assistant\n"),
    "qwen3-plain": Family(
        "modelscope:Qwen/Qwen3-30B-A3B-FP8", "qwen3", CHATML, None, ASKED, TOLD, "<think>\n\n</think>\n\n"
    ),
    "deepseek-r1-distill": Family(
        "hf:deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "deepseek-r1-distill", DEEPSEEK, DEEPSEEK[0], ASKED, ASKED,
        "<｜Assistant｜><think>\n",
    ),
    "qwq": Family("modelscope:Qwen/QwQ-32B-AWQ", "qwq", CHATML, None, ASKED, TOLD, "assistant\n<think>\n"),
    "skywork-o1": Family(
        "hf:Skywork/Skywork-o1-Open-Llama-3.1-8B", "llama-3.1", LLAMA, LLAMA[0], TOLD, TOLD,
        "assistant<|end_header_id|>\n\n",
    ),
    "intern-s1-mini": Family(
        "modelscope:Shanghai_AI_Laboratory/Intern-S1-mini", "intern-s1-mini", CHATML, None, TOLD, TOLD,
        "<|im_start|>assistant\n",
    ),
    "open-o1": Family(
        "hf:O1-OPEN/OpenO1-LLama-8B-v0.1", "llama-3.1", LLAMA, LLAMA[0], ASKED, TOLD, "assistant<|end_header_id|>\n\n"
    ),
    "marco-o1": Family("modelscope:AIDC-AI/Marco-o1", "marco-o1", CHATML, None, TOLD, TOLD, "<|im_start|>assistant\n"),
}  # fmt: skip


def made(family: Family, path: Path, config: dict[str, Any] | None = None, **generation: Any) -> LocalModel:
    """A model directory of this family: byte-level tokens, its control tokens, its chat template; no weights."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in family.tokens])
    if family.bos:
        pair = (family.bos, tokenizer.token_to_id(family.bos))
        tokenizer.post_processor = processors.TemplateProcessing(f"{family.bos} $A", f"{family.bos} $A $B", [pair])
    path.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(path / "tokenizer.json"))
    template = (TEMPLATES / f"{family.template}.jinja").read_text("utf-8")
    settings = {"chat_template": template} | ({"bos_token": family.bos} if family.bos else {})
    settings |= {"eos_token": family.tokens[-1]}
    files = {"tokenizer_config": settings, "config": config or {}, "generation_config": generation}
    for name, content in files.items():
        (path / f"{name}.json").write_text(json.dumps(content), "utf-8")
    return open_directory(family.source, path)
