"""The arithmetic of the engine benchmark: forced response lengths, mean contexts, the roofline, medians and ratios.

Pure functions, used by bench_engine.py (which prints) and bench_ways.py (which generates); tests/test_bench.py holds
them to the published numbers.
"""

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist, median

WARM_UP = "warm-up"  # the path of requests that are not measured
WARM_UP_TOKENS = 32
SHORTEST = 4

STEP_SECONDS = 3.85e-3  # InternLM3-8B on an H200: reading 16.55 GB of weights once per step
TOKEN_SECONDS = 21.0e-6  # 16.55 GFLOP per token at 788 TFLOP/s
CONTEXT_SECONDS = 11.43e-9  # reading 49,152 bytes of cached keys and values per token of context


@dataclass(frozen=True, slots=True)
class Lengths:
    """Response lengths in tokens: lognormal, fixed per (row id, k) by `seed`, cut to SHORTEST .. longest.

    mean: of the distribution before it is cut; sigma: of the logarithm (1.0: one in a hundred is six times the mean).
    """

    mean: float
    sigma: float
    longest: int
    seed: int = 0

    def of(self, row_id: bytes, k: int) -> int:
        """The length of one response: independent of order, process and platform."""
        digest = hashlib.blake2b(row_id + f"\0{self.seed}\0{k}".encode(), digest_size=8).digest()
        uniform = (int.from_bytes(digest, "big") + 0.5) / 2**64
        location = math.log(self.mean) - self.sigma**2 / 2
        drawn = math.exp(location + self.sigma * NormalDist().inv_cdf(uniform))
        return min(max(round(drawn), SHORTEST), self.longest)

    @classmethod
    def for_context(cls, context: float, prompt: int, sigma: float, longest: int) -> "Lengths":
        """Lengths whose generated tokens see `context` tokens in the mean, after prompts of `prompt` tokens.

        A token's context is the prompt and what stands before it, so long responses count more often: the mean over
        tokens is prompt + E[n^2] / 2 E[n], and for a lognormal E[n^2] / E[n] is mean * exp(sigma^2).
        """
        return cls(2 * (context - prompt) / math.exp(sigma**2), sigma, longest)


def mean_context(prompts_and_lengths: Iterable[tuple[int, int]]) -> float:
    """Tokens that a generated token attends to, in the mean over all generated tokens."""
    seen = tokens = 0
    for prompt, length in prompts_and_lengths:
        seen += length * prompt + length * (length + 1) // 2
        tokens += length
    return seen / tokens


def roofline(sequences: int, context: float) -> float:
    """The most tokens/s that InternLM3-8B in bf16 can reach on one H200; context: mean, in tokens.

    Weights and GEMMs overlap (the larger counts), reading keys and values does not. Left out: prefill, sampling,
    launch gaps, kernels' efficiency.
    """
    step = max(STEP_SECONDS, TOKEN_SECONDS * sequences) + CONTEXT_SECONDS * sequences * context
    return sequences / step


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and greatest of a few rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(median(values), min(values), max(values))


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Ratio of medians, and the least and greatest ratio of rounds that ran beside each other."""
    by_round = [a / b for a, b in zip(ours, theirs, strict=True)]
    return Spread(median(ours) / median(theirs), min(by_round), max(by_round))
