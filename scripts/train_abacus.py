"""Train abacus, the project's own demo model: a small InternLM3 that solves arithmetic word problems aloud.

Contract: `python scripts/train_abacus.py` builds the tokenizer, trains on problems of the "train" split only (see
`abacus_problems.py`), writes the checkpoint to `jobs/abacus/` and prints its accuracy on the problems of
`jobs/data/heldout.parquet`. With its defaults it repeats the training of the committed checkpoint on the same kind of
machine and torch: fixed seeds, two threads, deterministic kernels, no clock in any decision.

Training has two phases: 3,000 steps of short workings at a high rate, then 1,500 steps at a lower rate on workings
that write out more of each sum and product. Both end in a running average of the weights, with no decay of the rate,
so a longer run passes through the very same states and any snapshot can be had again by its number of steps.

Takes: 2 CPU cores (bf16 matrix instructions help about threefold) and 2 GB of memory; about 30 minutes where
nothing else runs (11,000 tokens/s), 51 when it was made on a busy machine; measuring 500 problems takes 6 more.
`OMP_WAIT_POLICY=passive` helps where other programs want the cores too.
Needs: Python 3.11, torch 2.13, tokenizers, safetensors, numpy, pyarrow. `--evaluate DIR` only measures a checkpoint.
"""

from __future__ import annotations

import argparse
import copy
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from abacus_checkpoint import chat, end_id, load_model, new_tokenizer, write_checkpoint
from abacus_model import Abacus, Shape
from abacus_problems import Problem, draw
from abacus_sampling import SAMPLINGS, evaluate
from make_demo_data import problems_of
from tokenizers import Tokenizer
from torch.nn import functional

ROOT = Path(__file__).resolve().parent.parent
SEED = 20261120
BATCH = 32
POOL = 32  # batches drawn at once and sorted by length, so that little is padded
MUON_RATE, ADAM_RATE, WARM_UP = 4e-3, 3e-3, 100
SYSTEM_SHARE = 0.15
SYSTEMS = {
    "en": [
        "You are a helpful assistant.",
        "Solve the problem step by step.",
        "You are a helpful mathematician. Reason step by step and put the final answer in \\boxed{}.",
        "Please reason step by step, and put your final answer within \\boxed{}.",
    ],
    "zh": [
        "你是一个有用的助手。",
        "请一步一步解题。",
        "你是一位数学家。请逐步推理，并把最终答案写在\\boxed{}中。",
        "请逐步思考，把最后的答案放在\\boxed{}里。",
    ],
}  # fmt: skip


def example(tokenizer: Tokenizer, rng: random.Random, problem: Problem) -> tuple[list[int], int]:
    """Token ids of one conversation, and how many of them come before the part that is learned."""
    system = rng.choice(SYSTEMS[rng.choice(["en", "zh", problem.language])]) if rng.random() < SYSTEM_SHARE else None
    prompt = tokenizer.encode(chat(problem.text, system), add_special_tokens=False).ids
    reply = tokenizer.encode(problem.solution, add_special_tokens=False).ids
    return [*prompt, *reply, end_id(tokenizer)], len(prompt)


@dataclass(frozen=True)
class Phase:
    """A stretch of training at one rate; short workings first, then the longer, surer ones."""

    seed: int
    detailed: bool
    pace: float  # of the two rates above
    memory: float  # of the running average of the weights


PHASES = (Phase(SEED, detailed=False, pace=1.0, memory=0.995), Phase(SEED + 2, detailed=True, pace=0.4, memory=0.99))


def batches(tokenizer: Tokenizer, phase: Phase) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Endless (ids, targets); a target of -100 is not learned."""
    rng = random.Random(phase.seed)
    while True:
        pool = [example(tokenizer, rng, draw(rng, "train", detailed=phase.detailed)) for _ in range(BATCH * POOL)]
        pool.sort(key=lambda pair: len(pair[0]))
        groups = [pool[i : i + BATCH] for i in range(0, len(pool), BATCH)]
        rng.shuffle(groups)
        yield from map(_padded, groups)


def _padded(group: list[tuple[list[int], int]]) -> tuple[torch.Tensor, torch.Tensor]:
    width = _rounded(max(len(ids) for ids, _ in group), 16)
    inputs = torch.full((len(group), width), 2)
    targets = torch.full((len(group), width), -100)
    for row, (ids, start) in enumerate(group):
        inputs[row, : len(ids)] = torch.tensor(ids)
        targets[row, start - 1 : len(ids) - 1] = torch.tensor(ids[start:])
    return inputs, targets


def _rounded(size: int, to: int) -> int:
    """Few different shapes: the kernel library keeps code and memory for every shape that it has met."""
    return -(-size // to) * to


def loss_of(model: Abacus, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = model.hidden(inputs)
        learned = (targets != -100).flatten().nonzero()[:, 0]
        # Padded with rows that count for nothing.
        rows = functional.pad(learned, (0, _rounded(len(learned), 256) - len(learned)))
        logits = model.lm_head(hidden.flatten(0, 1)[rows])
    return functional.cross_entropy(logits[: len(learned)].float(), targets.flatten()[learned])


def optimizers_of(model: Abacus, pace: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, Adam for embeddings, head and norms."""
    matrices = [p for n, p in model.named_parameters() if ".layers." in n and p.ndim == 2]
    others = [p for n, p in model.named_parameters() if not (".layers." in n and p.ndim == 2)]
    return [
        torch.optim.Muon(matrices, lr=pace * MUON_RATE, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=pace * ADAM_RATE, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def rounded(model: Abacus) -> Abacus:
    """The weights exactly as a checkpoint holds them, so that a phase can start from a checkpoint as well."""
    for weights in model.parameters():
        weights.data = weights.data.to(torch.bfloat16).float()
    return model


def train(start: Abacus, tokenizer: Tokenizer, phase: Phase, steps: int) -> Iterator[Abacus]:
    """The averaged weights after each step; a longer run passes through the very same states."""
    model, average = copy.deepcopy(start).requires_grad_(True), copy.deepcopy(start).requires_grad_(False)
    stream = batches(tokenizer, phase)
    optimizers = optimizers_of(model, phase.pace)
    rates = [optimizer.param_groups[0]["lr"] for optimizer in optimizers]
    began, seen, recent = time.monotonic(), 0, 0.0
    for step in range(1, steps + 1):
        inputs, targets = next(stream)
        for optimizer, rate in zip(optimizers, rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * min(1.0, step / WARM_UP)
        loss = loss_of(model, inputs, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        decay = min(phase.memory, step / (step + 9))
        for mean, now in zip(average.parameters(), model.parameters(), strict=True):
            mean.lerp_(now.detach(), 1 - decay)
        seen, recent = seen + inputs.numel(), recent + loss.item()
        if step % 50 == 0:
            spent = time.monotonic() - began
            print(f"step {step} loss {recent / 50:.4f} {spent / 60:.1f} min {seen / spent:.0f} tokens/s", flush=True)
            recent = 0.0
        yield average


def corpus() -> Iterator[str]:
    """What the tokenizer learns its pieces from."""
    rng = random.Random(SEED - 1)
    for _ in range(20_000):
        problem = draw(rng, "train", detailed=False)
        yield problem.text
        yield problem.solution
    for _ in range(500):
        for systems in SYSTEMS.values():
            yield from systems
        yield from ("system", "user", "assistant") * 40


def report(model: Abacus, tokenizer: Tokenizer, count: int, samples: int) -> None:
    problems = problems_of("heldout")[:count]
    for sampling in SAMPLINGS:
        print(evaluate(model, tokenizer, problems, samples, sampling=sampling, seed=SEED), flush=True)


def train_all(options: argparse.Namespace) -> None:
    """Both phases, or only the second one from a checkpoint of the first; then the checkpoint."""
    if options.resume:
        model, tokenizer = load_model(options.resume)
    else:
        tokenizer = new_tokenizer(corpus())
        torch.manual_seed(SEED)
        model = Abacus(Shape(vocab_size=-(-tokenizer.get_vocab_size() // 64) * 64))
    for number, (phase, steps) in enumerate(zip(PHASES, (options.steps, options.finish), strict=True), 1):
        if options.resume and number == 1:
            continue
        for step, average in enumerate(train(model, tokenizer, phase, steps), 1):
            if options.snapshots is not None and step % options.every == 0:
                write_checkpoint(options.snapshots / f"phase-{number}-step-{step:05d}", average, tokenizer)
        model = rounded(average)
    write_checkpoint(options.out, model, tokenizer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3000, help="of the first phase")
    parser.add_argument("--finish", type=int, default=1500, help="steps of the second phase")
    parser.add_argument("--resume", type=Path, metavar="DIR", help="start the second phase from this checkpoint")
    parser.add_argument("--out", type=Path, default=ROOT / "jobs" / "abacus")
    parser.add_argument("--snapshots", type=Path, help="also write the averaged weights here now and then")
    parser.add_argument("--every", type=int, default=250, help="steps between snapshots")
    parser.add_argument("--evaluate", type=Path, metavar="DIR", help="measure this checkpoint instead of training")
    parser.add_argument("--problems", type=int, default=500, help="held-out problems to measure on; 0 for none")
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True)
    if not options.evaluate:
        train_all(options)
    model, tokenizer = load_model(options.evaluate or options.out)
    if options.problems:
        report(model, tokenizer, options.problems, options.samples)


if __name__ == "__main__":
    main()
