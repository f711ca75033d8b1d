"""The files of the abacus checkpoint: tokenizer, configuration and weights, as InternLM3 lays them out.

Contract: ids are InternLM3's scheme (`<unk>` `<s>` `</s>`, 256 bytes, pieces, six control tokens last); any text
encodes and decodes back; digits are single tokens. `write_checkpoint` writes everything an engine reads, without
remote code (`model_type` llama, `architectures` InternLM3ForCausalLM).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from abacus_model import Abacus, Shape
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

FIRST = ["<unk>", "<s>", "</s>"]
LAST = ["<|plugin|>", "<|interpreter|>", "<|action_end|>", "<|action_start|>", "<|im_end|>", "<|im_start|>"]
VOCABULARY = 1088
CONTEXT = 2048
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + "
    "'<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
# In this order: the box; one digit; a sign with the spaces around it; runs of Chinese; words with their leading
# space; punctuation (with its space when a number follows); anything else.
_PIECES = r" ?\\boxed\{|\p{N}| [+\-*/=] (?=\p{N})|\p{Han}+| ?\p{L}+|[:：] (?=\p{N})| ?[^\s\p{L}\p{N}]|\n|\s"


def chat(problem: str, system: str | None = None) -> str:
    """InternLM3's conversation up to where the assistant speaks."""
    turns = [("system", system), ("user", problem)]
    body = "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in turns if text is not None)
    return f"<s>{body}<|im_start|>assistant\n"


def end_id(tokenizer: Tokenizer) -> int:
    return int(tokenizer.token_to_id("<|im_end|>"))


def _splitter() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Split(Regex(_PIECES), "isolated")


def new_tokenizer(corpus: Iterator[str]) -> Tokenizer:
    """Learn the pieces, then lay the ids out in InternLM3's order."""
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = _splitter()
    room = VOCABULARY - len(FIRST) - 256 - len(LAST)
    printable = [chr(code) for code in range(32, 127)] + ["\n"]
    trainer = trainers.BpeTrainer(vocab_size=room, initial_alphabet=printable, show_progress=False)
    learner.train_from_iterator(corpus, trainer)
    learned = json.loads(learner.to_str())["model"]
    pieces = sorted(learned["vocab"], key=learned["vocab"].__getitem__)
    names = [*FIRST, *(f"<0x{byte:02X}>" for byte in range(256)), *pieces, *LAST]
    vocabulary = {name: number for number, name in enumerate(names)}
    merges = [tuple(pair) for pair in learned["merges"]]
    bpe = models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", byte_fallback=True, fuse_unk=False)
    tokenizer = Tokenizer(bpe)
    tokenizer.pre_tokenizer = _splitter()
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", "<s> $A <s> $B", [("<s>", 1)])
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in [*FIRST, *LAST]])
    return tokenizer


def _config(shape: Shape) -> dict[str, Any]:
    return {
        "architectures": ["InternLM3ForCausalLM"],
        "model_type": "llama",
        "attention_bias": False,
        "bias": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "head_dim": shape.head_dim,
        "hidden_act": "silu",
        "hidden_size": shape.hidden,
        "initializer_range": 0.02,
        "intermediate_size": shape.inner,
        "max_position_embeddings": CONTEXT,
        "mlp_bias": False,
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
        "num_key_value_heads": shape.kv_heads,
        "pad_token_id": 2,
        "qkv_bias": False,
        "rms_norm_eps": shape.eps,
        "rope_scaling": {"factor": 6.0, "rope_type": "dynamic", "type": "dynamic"},
        "rope_theta": shape.rope_theta,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "vocab_size": shape.vocab_size,
    }


def _tokenizer_config(tokenizer: Tokenizer) -> dict[str, Any]:
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    added = {str(tokenizer.token_to_id(name)): {"content": name, **flags} for name in [*FIRST, *LAST]}
    return {
        "add_bos_token": True,
        "add_eos_token": False,
        "added_tokens_decoder": added,
        "additional_special_tokens": LAST,
        "bos_token": "<s>",
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "eos_token": "</s>",
        "model_max_length": CONTEXT,
        "pad_token": "</s>",
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": "<unk>",
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_checkpoint(folder: Path, model: Abacus, tokenizer: Tokenizer) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    end = end_id(tokenizer)
    special = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"}
    _write_json(folder / "config.json", _config(model.shape))
    _write_json(folder / "generation_config.json", {"bos_token_id": 1, "eos_token_id": [2, end], "pad_token_id": 2})
    _write_json(folder / "tokenizer_config.json", _tokenizer_config(tokenizer))
    _write_json(folder / "special_tokens_map.json", {**special, "additional_special_tokens": LAST})
    tokenizer.save(str(folder / "tokenizer.json"))
    weights = {name: tensor.detach().to(torch.bfloat16).contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)  # safetensors writes for the owner only


def load_model(folder: Path) -> tuple[Abacus, Tokenizer]:
    """The committed weights, for measuring: rounded to bf16 as stored, computed in fp32."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    model = Abacus(Shape(vocab_size=config["vocab_size"], rope_theta=config["rope_theta"]))
    model.load_state_dict({name: tensor.float() for name, tensor in load_file(folder / "model.safetensors").items()})
    return model.requires_grad_(False), Tokenizer.from_file(str(folder / "tokenizer.json"))
