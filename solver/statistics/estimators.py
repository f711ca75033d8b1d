"""pass@k and maj@k of one problem from all of its n candidates, for every k: unbiased, not the first k of them.

pass@k: the chance that k of the n candidates hold a right one, 1 - C(n - c, k) / C(n, k) (Chen et al. 2021,
arXiv 2107.03374). maj@k: the chance that the majority of k of them is right, over all subsets and orders; ties go to
the class met first, as in a vote of equal weights. Both are averages over every way in which k candidates could have
been the only ones, and so what a run with n = k expects, as long as the candidates were drawn independently.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

EXACT = 1000
"""Candidates up to which maj@k is exact (binomial coefficients of more overflow); above, a mean of ORDERS orders."""
ORDERS = 2000


def pass_at(n: I64, right: I64, most: int) -> F64:
    """pass@k for k = 1 .. most. n, right: candidates and right ones of each problem, shape (problems,).

    Out: shape (problems, most), NaN where k exceeds n.
    """
    wrong, out = (n - right).astype(np.float64), np.full((len(n), most), np.nan)
    missed = np.ones(len(n))
    for k in range(1, most + 1):
        reached = n >= k
        missed = missed * np.clip(wrong - k + 1, 0, None) / np.maximum(n - k + 1, 1)
        out[reached, k - 1] = 1.0 - missed[reached]
    return out


def maj_at(right: int, wrong: Sequence[int], silent: int) -> F64:
    """maj@k for k = 1 .. n of one problem; shape (n,).

    right: members of the right class; wrong: members of each other class; silent: candidates that do not vote.
    """
    return _maj_at(right, tuple(sorted(wrong, reverse=True)), silent)


@lru_cache(maxsize=65_536)
def _maj_at(right: int, wrong: tuple[int, ...], silent: int) -> F64:
    n = right + sum(wrong) + silent
    if not right:
        return np.zeros(n)
    return _counted(right, wrong, silent, n) if n <= EXACT else _simulated(right, wrong, silent, n)


def _counted(right: int, wrong: tuple[int, ...], silent: int, n: int) -> F64:
    """Count the subsets in which the right class wins, by its votes a, with generating functions in the size k.

    Classes with fewer than a members cannot reach a and count together; each other one has fewer than a votes or
    ties. Of t + 1 tied classes each was met first equally often.
    """
    won = np.zeros(n + 1)
    for a in range(1, right + 1):
        large = [members for members in wrong if members >= a]
        ways = [_choices(n - right - sum(large))]  # by number of ties: subsets of each size
        for members in large:
            choices = _choices(members)
            below = [np.asarray(np.convolve(one, choices[:a]), dtype=np.float64) for one in ways]
            tied = [np.concatenate((np.zeros(a), one)) * choices[a] for one in ways]
            none = np.zeros(1)
            ways = [_sum(one, other) for one, other in zip([*below, none], [none, *tied], strict=True)]
        for ties, one in enumerate(ways):
            won[a : a + len(one)] += math.comb(right, a) * one[: n + 1 - a] / (ties + 1)
    return np.asarray(won[1:] / _choices(n)[1:])


@lru_cache(maxsize=1024)
def _choices(members: int) -> F64:
    """C(members, b) for b = 0 .. members."""
    return np.array([float(math.comb(members, b)) for b in range(members + 1)])


def _sum(one: F64, other: F64) -> F64:
    longer, shorter = (one, other) if len(one) >= len(other) else (other, one)
    total = longer.copy()
    total[: len(shorter)] += shorter
    return total


def _simulated(right: int, wrong: tuple[int, ...], silent: int, n: int) -> F64:
    """The same as a mean over random orders; the seed is fixed, so that a report can be made again."""
    dice = np.random.default_rng(0)
    classes = np.repeat(np.arange(len(wrong) + 2), [right, *wrong, silent])
    won = np.zeros(n)
    for _ in range(ORDERS):
        order = dice.permutation(classes)
        votes = np.stack([(order == one).cumsum() for one in range(len(wrong) + 1)])
        best = votes.max(axis=0)
        won += np.where((votes[0] == best) & (best > 0), 1.0 / (votes == best).sum(axis=0), 0.0)
    return won / ORDERS
