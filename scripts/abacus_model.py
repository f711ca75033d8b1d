"""The network of abacus: InternLM3's (Llama's) architecture in plain torch.

Contract: parameter names, shapes and the rotary convention (halves, not pairs) are those of Hugging Face's Llama, so
that a state dict is the checkpoint. `hidden` takes whole right-padded sequences; with a `Cache` it continues
left-padded ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

Rope = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Shape:
    vocab_size: int
    hidden: int = 192
    layers: int = 4
    heads: int = 6
    kv_heads: int = 2
    head_dim: int = 32
    inner: int = 512
    rope_theta: float = 10000.0
    eps: float = 1e-5


@dataclass
class Cache:
    """Keys and values per layer, for sequences that end at the same column; `visible` masks their left padding."""

    visible: Tensor
    positions: Tensor
    kept: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def extend(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        if layer == len(self.kept):
            self.kept.append((key, value))
        else:
            old_key, old_value = self.kept[layer]
            self.kept[layer] = (torch.cat([old_key, key], 2), torch.cat([old_value, value], 2))
        return self.kept[layer]

    def rows(self, index: Tensor) -> Cache:
        return Cache(self.visible[index], self.positions[index], [(k[index], v[index]) for k, v in self.kept])


class Norm(nn.Module):
    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x.float(), self.weight.shape, self.weight, self.eps)


def _linear(into: int, out: int) -> nn.Linear:
    layer = nn.Linear(into, out, bias=False)
    nn.init.normal_(layer.weight, std=into**-0.5)
    return layer


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    left, right = x.chunk(2, -1)
    return x * cos + torch.cat([-right, left], -1) * sin


class Attention(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.q_proj = _linear(shape.hidden, shape.heads * shape.head_dim)
        self.k_proj = _linear(shape.hidden, shape.kv_heads * shape.head_dim)
        self.v_proj = _linear(shape.hidden, shape.kv_heads * shape.head_dim)
        self.o_proj = _linear(shape.heads * shape.head_dim, shape.hidden)
        nn.init.zeros_(self.o_proj.weight)

    def forward(self, x: Tensor, rope: Rope, mask: Tensor | None, cache: Cache | None, layer: int) -> Tensor:
        rows, width, _ = x.shape
        query, key, value = (p(x).view(rows, width, -1, self.shape.head_dim).transpose(1, 2)
                             for p in (self.q_proj, self.k_proj, self.v_proj))  # fmt: skip
        query, key = _rotate(query, *rope).to(value.dtype), _rotate(key, *rope).to(value.dtype)
        if cache is not None:
            key, value = cache.extend(layer, key, value)
        groups = self.shape.heads // self.shape.kv_heads
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=mask is None)
        out: Tensor = self.o_proj(mixed.transpose(1, 2).reshape(rows, width, -1))
        return out


class Mlp(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = _linear(shape.hidden, shape.inner)
        self.up_proj = _linear(shape.hidden, shape.inner)
        self.down_proj = _linear(shape.inner, shape.hidden)
        nn.init.zeros_(self.down_proj.weight)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class Layer(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.self_attn = Attention(shape)
        self.mlp = Mlp(shape)
        self.input_layernorm = Norm(shape.hidden, shape.eps)
        self.post_attention_layernorm = Norm(shape.hidden, shape.eps)

    def forward(self, x: Tensor, rope: Rope, mask: Tensor | None, cache: Cache | None, layer: int) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), rope, mask, cache, layer)
        return x + self.mlp(self.post_attention_layernorm(x))


class Trunk(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocab_size, shape.hidden)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = Norm(shape.hidden, shape.eps)


class Abacus(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.model = Trunk(shape)
        self.lm_head = _linear(shape.hidden, shape.vocab_size)

    def _rope(self, positions: Tensor) -> Rope:
        half = torch.arange(0, self.shape.head_dim, 2, dtype=torch.float32) / self.shape.head_dim
        angles = positions[:, None, :, None].float() * self.shape.rope_theta**-half
        angles = torch.cat([angles, angles], -1)
        return angles.cos(), angles.sin()

    def hidden(self, ids: Tensor, cache: Cache | None = None) -> Tensor:
        """Final hidden states; a cache's `visible` and `positions` already cover these ids."""
        mask = None
        if cache is None:
            positions = torch.arange(ids.shape[1])[None]
        else:
            width, total = ids.shape[1], cache.visible.shape[1]
            causal = torch.ones(width, total, dtype=torch.bool).tril(total - width)
            # A padding query sees itself, so that no softmax runs over nothing.
            own = torch.eye(total, dtype=torch.bool)[total - width :]
            mask = (cache.visible[:, None, :] & causal | own)[:, None]
            positions = cache.positions[:, -width:]
        rope = self._rope(positions)
        x = self.model.embed_tokens(ids)
        for number, layer in enumerate(self.model.layers):
            x = layer(x, rope, mask, cache, number)
        out: Tensor = self.model.norm(x)
        return out
