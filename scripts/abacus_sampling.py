"""Sample answers from abacus and measure them: pass@1 and majority of N, by number of steps.

Contract: batched sampling with a key-value cache, at temperature 1, seeded; no engine is needed.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

import torch
from abacus_checkpoint import chat, end_id
from abacus_model import Abacus, Cache
from abacus_problems import MAX_STEPS, Problem
from tokenizers import Tokenizer
from torch import Tensor

MAX_NEW = 320
BATCH = 20  # problems side by side
_BOXED = re.compile(r"\\boxed\{(\d+)\}")


@dataclass(frozen=True)
class Sampling:
    name: str
    top_p: float = 1.0
    top_k: int = 0


SAMPLINGS = (Sampling("T=1, top_p 1"), Sampling("T=1, top_p 0.8, top_k 40", 0.8, 40))


def _choose(logits: Tensor, sampling: Sampling, dice: torch.Generator) -> Tensor:
    if not sampling.top_k:
        return torch.multinomial(logits.softmax(-1), 1, generator=dice)
    scores, ids = logits.topk(sampling.top_k)
    chances = scores.softmax(-1)
    chances = chances.masked_fill(chances.cumsum(-1) - chances >= sampling.top_p, 0.0)
    return ids.gather(1, torch.multinomial(chances, 1, generator=dice))


def _prefill(model: Abacus, prompts: list[list[int]], samples: int) -> tuple[Tensor, Cache]:
    width = max(map(len, prompts))
    ids = torch.tensor([[2] * (width - len(p)) + p for p in prompts])
    pads = torch.tensor([width - len(p) for p in prompts])[:, None]
    columns = torch.arange(width)[None]
    cache = Cache(columns >= pads, (columns - pads).clamp(min=0))
    logits = model.lm_head(model.hidden(ids, cache)[:, -1])
    copies = torch.arange(len(prompts)).repeat_interleave(samples)
    return logits[copies], cache.rows(copies)


@torch.inference_mode()
def sample(
    model: Abacus, prompts: list[list[int]], samples: int, *, sampling: Sampling, end: int, dice: torch.Generator
) -> list[list[int]]:
    """`samples` replies for each prompt, in order; a reply that was cut off lacks the end token."""
    logits, cache = _prefill(model, prompts, samples)
    alive = torch.arange(len(prompts) * samples)
    replies: list[list[int]] = [[] for _ in alive]
    for turn in range(MAX_NEW):
        chosen = _choose(logits.float(), sampling, dice)
        for row, token in zip(alive.tolist(), chosen[:, 0].tolist(), strict=True):
            if not replies[row] or replies[row][-1] != end:
                replies[row].append(token)
        if turn % 8 == 7:  # dropping finished rows copies the cache: not at every turn
            going = torch.tensor([replies[row][-1] != end for row in alive.tolist()])
            alive, chosen, cache = alive[going], chosen[going], cache.rows(going)
            if not len(alive):
                break
        cache.visible = torch.cat([cache.visible, torch.ones_like(chosen, dtype=torch.bool)], 1)
        cache.positions = torch.cat([cache.positions, cache.positions[:, -1:] + 1], 1)
        logits = model.lm_head(model.hidden(chosen, cache)[:, -1])
    return replies


def _answer(text: str) -> int | None:
    found = _BOXED.findall(text)
    return int(found[-1]) if found else None


def evaluate(
    model: Abacus, tokenizer: Tokenizer, problems: list[Problem], samples: int, *, sampling: Sampling, seed: int
) -> str:
    """A table by number of steps."""
    dice = torch.Generator().manual_seed(seed)
    end = end_id(tokenizer)
    scores: list[tuple[int, float, bool]] = []
    lengths: list[int] = []
    prompts = [tokenizer.encode(chat(p.text), add_special_tokens=False).ids for p in problems]
    order = sorted(range(len(problems)), key=lambda i: (problems[i].steps, len(prompts[i])))
    for begin in range(0, len(order), BATCH):
        chosen = order[begin : begin + BATCH]
        replies = sample(model, [prompts[i] for i in chosen], samples, sampling=sampling, end=end, dice=dice)
        lengths += map(len, replies)
        answers = [_answer(text) for text in tokenizer.decode_batch(replies)]
        for place, i in enumerate(chosen):
            own = answers[place * samples : (place + 1) * samples]
            votes = Counter(a for a in own if a is not None).most_common(1)
            right = problems[i].answer
            scores.append((problems[i].steps, own.count(right) / samples, bool(votes) and votes[0][0] == right))
    return _table(sampling, scores, lengths)


def _table(sampling: Sampling, scores: list[tuple[int, float, bool]], lengths: list[int]) -> str:
    lines = [f"{sampling.name}: steps, problems, pass@1, majority"]
    for steps in [*range(1, MAX_STEPS + 1), None]:
        rows = [s for s in scores if steps in (None, s[0])]
        if rows:
            single, vote = (sum(float(row[i]) for row in rows) / len(rows) for i in (1, 2))
            lines.append(f"  {steps or 'all':>3} {len(rows):4d}  {single:.3f}  {vote:.3f}")
    cut = sum(length >= MAX_NEW for length in lengths)
    lines.append(f"  {sum(lengths) / len(lengths):.1f} tokens a reply, longest {max(lengths)}, cut off {cut}")
    return "\n".join(lines)
