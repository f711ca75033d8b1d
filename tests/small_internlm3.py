"""A small InternLM3 as its authors publish the large one: code, slow tokenizer, renamed pieces, dynamic rope, shards.

The vocabulary is made as the published one evidently was: sentencepiece's BPE trainer, then every piece that merging
gave is declared user-defined, and unused and chat pieces follow at the end.
"""

import io
import json
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LAYERS, HIDDEN, HEADS, HEAD_DIM, INNER, CONTEXT = 2, 64, 2, 32, 128, 1024
CHAT = ("<|plugin|>", "<|interpreter|>", "<|action_end|>", "<|action_start|>", "<|im_end|>", "<|im_start|>")
RENAMED = ("<planning>", "</planning>")
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
RAN = "SMALL_INTERNLM3_RAN"
"""Environment variable: a file that is made when the model's own code runs."""
NOTE = f"""
import os
if os.environ.get({RAN!r}):
    open(os.environ[{RAN!r}], "w").close()
"""
CONFIGURATION = (
    NOTE
    + """
from transformers import PretrainedConfig

class InternLM3Config(PretrainedConfig):
    model_type = "internlm3"
"""
)
TOKENIZATION = (
    NOTE
    + """
import sentencepiece
from transformers import PreTrainedTokenizer

class InternLM3Tokenizer(PreTrainedTokenizer):
    vocab_files_names = {"vocab_file": "tokenizer.model"}

    def __init__(self, vocab_file, **kwargs):
        self.sp = sentencepiece.SentencePieceProcessor(model_file=vocab_file)
        super().__init__(**kwargs)

    @property
    def vocab_size(self):
        return len(self.sp)

    def get_vocab(self):
        return {self.sp.id_to_piece(i): i for i in range(len(self.sp))} | self.added_tokens_encoder

    def _tokenize(self, text, **kwargs):
        return self.sp.encode(text, out_type=str)

    def _convert_token_to_id(self, token):
        return self.sp.piece_to_id(token)

    def _convert_id_to_token(self, index):
        return self.sp.id_to_piece(index)

    def convert_tokens_to_string(self, tokens):
        return self.sp.decode(tokens)

    def build_inputs_with_special_tokens(self, ids, pair=None):
        return [self.bos_token_id, *ids]
"""
)


@cache
def vocabulary(size: int = 1500, **settings: Any) -> bytes:
    """A `tokenizer.model`; settings go to the trainer. Needs sentencepiece."""
    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2

    corpus = [line for file in sorted(ROOT.glob("solver/templates/*.jinja")) for line in file.read_text().splitlines()]
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus * 3),
        model_writer=written,
        minloglevel=2,
        **{
            "model_type": "bpe",
            "vocab_size": size,
            "byte_fallback": True,
            "character_coverage": 1.0,
            "normalization_rule_name": "identity",
            "add_dummy_prefix": False,
            "remove_extra_whitespaces": False,
            "allow_whitespace_only_pieces": True,
            "user_defined_symbols": ["▁▁", "▁▁▁▁", "assistant", "><"],
            **settings,
        },
    )
    model = sentencepiece_model_pb2.ModelProto.FromString(written.getvalue())
    kinds = model.SentencePiece.Type
    for piece in model.pieces:
        if piece.type == kinds.NORMAL:
            piece.type = kinds.USER_DEFINED
    for text in ("[UNUSED_TOKEN_1]", "[UNUSED_TOKEN_2]", *CHAT):
        model.pieces.add(piece=text, score=0, type=kinds.USER_DEFINED)
    return model.SerializeToString()


def publish(path: Path, *, weights: bool = False) -> Path:
    """The repository in `path`; with random weights on demand, which needs torch."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "tokenizer.model").write_bytes(vocabulary())
    (path / "configuration_internlm3.py").write_text(CONFIGURATION)
    (path / "tokenization_internlm3.py").write_text(TOKENIZATION)
    count = 1500 + len(RENAMED) + len(CHAT)
    files = {
        "config.json": _config(count),
        "generation_config.json": {"bos_token_id": 1, "eos_token_id": [2, count - 2], "pad_token_id": 2},
        "tokenizer_config.json": _tokenizer_config(count),
        "special_tokens_map.json": {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"},
    }
    for name, content in files.items():
        (path / name).write_text(json.dumps(content))
    if weights:
        _shards(path, count)
    return path


def _padded(count: int) -> int:
    return -(-count // 64) * 64


def _config(count: int) -> dict[str, Any]:
    return {
        "architectures": ["InternLM3ForCausalLM"],
        "auto_map": {"AutoConfig": "configuration_internlm3.InternLM3Config"},
        "bias": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "head_dim": HEAD_DIM,
        "hidden_act": "silu",
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "max_position_embeddings": CONTEXT,
        "model_type": "internlm3",
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "num_key_value_heads": 1,
        "pad_token_id": 2,
        "qkv_bias": True,
        "rms_norm_eps": 1e-05,
        "rope_scaling": {"factor": 6.0, "rope_type": "dynamic"},
        "rope_theta": 50000000,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        "vocab_size": _padded(count),
    }


def _tokenizer_config(count: int) -> dict[str, Any]:
    named = dict(enumerate(("<unk>", "<s>", "</s>"))) | dict(enumerate((*RENAMED, *CHAT), count - 8))
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    return {
        "add_bos_token": True,
        "add_eos_token": False,
        "added_tokens_decoder": {str(number): {"content": text, **flags} for number, text in named.items()},
        "additional_special_tokens": [*CHAT, *RENAMED],
        "auto_map": {"AutoTokenizer": ["tokenization_internlm3.InternLM3Tokenizer", None]},
        "bos_token": "<s>",
        "chat_template": TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "eos_token": "</s>",
        "model_max_length": 1000000000000000019884624838656,
        "pad_token": "</s>",
        "tokenizer_class": "InternLM3Tokenizer",
        "unk_token": "<unk>",
    }


def _shards(path: Path, count: int) -> None:
    """Random weights by Llama's names: a shard for the embeddings, one a layer, one for the head."""
    import torch
    from safetensors.torch import save_file

    random = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return (torch.randn(shape, generator=random) * 0.05).to(torch.bfloat16)

    def ones() -> torch.Tensor:
        return torch.ones(HIDDEN, dtype=torch.bfloat16)

    padded, heads = _padded(count), HEADS * HEAD_DIM
    shards = [{"model.embed_tokens.weight": draw(padded, HIDDEN)}]
    for number in range(LAYERS):
        shapes = {"q_proj": heads, "k_proj": HEAD_DIM, "v_proj": HEAD_DIM}
        layer = {f"self_attn.{name}.weight": draw(rows, HIDDEN) for name, rows in shapes.items()}
        layer |= {f"self_attn.{name}.bias": draw(rows) for name, rows in shapes.items()}
        layer |= {"self_attn.o_proj.weight": draw(HIDDEN, heads), "mlp.down_proj.weight": draw(HIDDEN, INNER)}
        layer |= {f"mlp.{name}_proj.weight": draw(INNER, HIDDEN) for name in ("gate", "up")}
        layer |= {f"{name}_layernorm.weight": ones() for name in ("input", "post_attention")}
        shards.append({f"model.layers.{number}.{name}": tensor for name, tensor in layer.items()})
    shards.append({"model.norm.weight": ones(), "lm_head.weight": draw(padded, HIDDEN)})
    index = {}
    for number, tensors in enumerate(shards, 1):
        name = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        save_file(tensors, path / name, metadata={"format": "pt"})
        index |= dict.fromkeys(tensors, name)
    (path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
