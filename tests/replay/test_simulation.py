"""Simulated problems whose answer distribution is known: a replay gives the exact expectations of every rule.

The expectations come from dynamic programming over (counts, order of first appearance), written from the rules'
definitions and sharing no code with them.
"""

import random
from collections.abc import Callable, Sequence
from math import comb, sqrt

import pytest

from solver.replay import Recorded, Replayed, replayed
from solver.schema import short_strategy

N, WINDOW = 12, 4
RULES = ("fixed", "beta:0.9", f"esc:{WINDOW}", "exact")
WORLDS = ((0.6, 0.4), (0.45, 0.3, 0.25))
"""Probabilities of the answers, the right one first."""

Counts = tuple[int, ...]
Order = tuple[int, ...]
"""Which answers have come, in order of first appearance."""
State = tuple[Counts, Order, int | None, bool]
"""And of the window so far: its first answer, and whether all are it."""


def winner(counts: Counts, order: Order) -> int:
    """Most votes; the first to appear among equals."""
    return max(order, key=lambda answer: (counts[answer], -order.index(answer)))


def beta_over(counts: Counts, order: Order, left: int, window: tuple[int | None, bool]) -> bool:
    first, second = sorted(counts, reverse=True)[:2]
    tosses = first + second + 1
    tail = sum(comb(tosses, heads) for heads in range(first + 1, tosses + 1)) / 2**tosses  # I_1/2(first+1, second+1)
    return 1 - tail >= 0.9


def esc_over(counts: Counts, order: Order, left: int, window: tuple[int | None, bool]) -> bool:
    return left < N and (N - left) % WINDOW == 0 and window[1]


def exact_over(counts: Counts, order: Order, left: int, window: tuple[int | None, bool]) -> bool:
    """No completion has another winner: the worst gives all that is left to one rival, of those there or a new one."""
    leader = winner(counts, order)
    for rival in range(len(counts)):
        if rival != leader:
            full = tuple(votes + (left if answer == rival else 0) for answer, votes in enumerate(counts))
            seen = order if rival in order else (*order, rival)
            if winner(full, seen) != leader:
                return False
    return True


OVER: dict[str, Callable[[Counts, Order, int, tuple[int | None, bool]], bool]] = {
    "fixed": lambda *_: False,
    "beta:0.9": beta_over,
    f"esc:{WINDOW}": esc_over,
    "exact": exact_over,
}


def expectation(rule: str, chances: Sequence[float]) -> tuple[float, float]:
    """Probability of the right answer, and the mean number of samples."""
    live: dict[State, float] = {((0,) * len(chances), (), None, True): 1.0}
    right = samples = 0.0
    for k in range(1, N + 1):
        following: dict[State, float] = {}
        for (counts, order, head, same), mass in live.items():
            for answer, chance in enumerate(chances):
                more = tuple(votes + (other == answer) for other, votes in enumerate(counts))
                seen = order if answer in order else (*order, answer)
                new = (k - 1) % WINDOW == 0
                window = (answer, True) if new else (head, same and answer == head)
                if OVER[rule](more, seen, N - k, window) or k == N:
                    alone = rule.startswith("esc") and esc_over(more, seen, N - k, window)
                    chosen = window[0] if alone else winner(more, seen)
                    right += mass * chance * (chosen == 0)
                    samples += mass * chance * k
                else:
                    state = (more, seen, *window)
                    following[state] = following.get(state, 0.0) + mass * chance
        live = following
    return right, samples


def simulated(chances: Sequence[float], problems: int, seed: int) -> Replayed:
    chance = random.Random(seed)
    names = [str(10 + answer) for answer in range(len(chances))]
    records = [
        Recorded(str(i), tuple(chance.choices(names, chances, k=N)), (1,) * N, reference=names[0])
        for i in range(problems)
    ]
    return replayed(records, {rule: short_strategy(rule) for rule in RULES}, n=N, shuffles=0)


def holds(problems: int) -> None:
    """Every figure lies within 3.3 standard errors of its expectation (1 in 1,000 would not by chance)."""
    for number, chances in enumerate(WORLDS):
        found = simulated(chances, problems, number)
        for row in found.rows:
            right, samples = expectation(row.name, chances)
            assert row.accuracy is not None
            error = sqrt(right * (1 - right) / problems)
            assert abs(row.accuracy.value - right) < 3.3 * error, (row.name, row.accuracy.value, right)
            assert abs(row.samples.value - samples) < 3.3 * N / 4 / sqrt(problems), (row.name, row.samples, samples)
            assert row.samples.value == row.tokens
            print(
                f"{row.name} {chances}: accuracy {row.accuracy.value:.4f}, expected {right:.4f} +- {1.96 * error:.4f}; "
                f"samples {row.samples.value:.3f}, expected {samples:.3f}"
            )
        exact = found.rows[-1]
        assert exact.name == "exact" and exact.same == 1.0 and exact.samples.value < N


def test_the_expectations_are_those_of_known_cases() -> None:
    right, samples = expectation("fixed", (0.6, 0.4))
    tie = comb(N, N // 2) * 0.24 ** (N // 2) / 2
    assert samples == N
    assert right == pytest.approx(sum(comb(N, j) * 0.6**j * 0.4 ** (N - j) for j in range(N // 2 + 1, N + 1)) + tie)
    assert expectation("exact", (0.6, 0.4))[0] == pytest.approx(right)
    assert expectation("exact", (1.0, 0.0)) == (1.0, N / 2), "half of them, the lowest k decides a tie"
    assert expectation("beta:0.9", (1.0, 0.0)) == (1.0, 3), "1 - 2^-4 is 0.9375"


def test_a_replay_of_five_thousand_simulated_problems_gives_the_exact_expectations() -> None:
    holds(2_500)


@pytest.mark.soak
def test_a_replay_of_a_hundred_thousand_simulated_problems_gives_the_exact_expectations() -> None:
    holds(50_000)
