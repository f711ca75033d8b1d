"""pass@k and maj@k: against brute force over all orders, against the closed form, against a long simulation."""

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solver.statistics import estimators
from solver.statistics.estimators import maj_at, pass_at

SILENT = -1


def won(order: Sequence[int]) -> bool:
    """The vote of these classes in this order; class 0 is right; ties go to the class met first."""
    voters = [one for one in order if one != SILENT]
    return bool(voters) and max(dict.fromkeys(voters), key=voters.count) == 0


def by_force(classes: Sequence[int], k: int) -> tuple[Fraction, Fraction]:
    """pass@k and maj@k over every ordered choice of k candidates."""
    orders = list(itertools.permutations(classes, k))
    return (
        Fraction(sum(0 in order for order in orders), len(orders)),
        Fraction(sum(won(order) for order in orders), len(orders)),
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([0, 0, 0, 1, 1, 2, SILENT]), min_size=1, max_size=7))
def test_every_k_equals_brute_force(classes: list[int]) -> None:
    n, right = len(classes), classes.count(0)
    wrong = [classes.count(one) for one in (1, 2) if one in classes]
    passed = pass_at(np.array([n]), np.array([right]), n)[0]
    voted = maj_at(right, wrong, classes.count(SILENT))
    for k in range(1, n + 1):
        expected_pass, expected_maj = by_force(classes, k)
        assert passed[k - 1] == pytest.approx(float(expected_pass), abs=1e-12)
        assert voted[k - 1] == pytest.approx(float(expected_maj), abs=1e-12)


def test_pass_at_k_is_the_closed_form_and_ends_where_candidates_end() -> None:
    n, right = np.array([16, 16, 10]), np.array([3, 0, 10])
    told = pass_at(n, right, 16)
    for k in range(1, 17):
        assert told[0, k - 1] == pytest.approx(1 - math.comb(13, k) / math.comb(16, k))
    assert not told[1].any() and (told[2, :10] == 1).all() and np.isnan(told[2, 10:]).all()


def test_many_candidates_of_many_classes_are_counted_exactly() -> None:
    """64 candidates: at k = 1 it is the share of right ones, at k = n the vote itself, between them no cliff."""
    told = maj_at(20, [18, 9, 9, 1, 1, 1, 1], 4)
    assert told[0] == pytest.approx(20 / 64) and told[-1] == pytest.approx(1.0)
    assert ((told >= 0) & (told <= 1 + 1e-12)).all()
    tied = maj_at(3, [3, 3], 0)
    assert tied[-1] == pytest.approx(1 / 3), "three classes tie: each was met first in a third of the orders"


def test_beyond_exact_counting_orders_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = maj_at(12, [10, 3], 2)
    monkeypatch.setattr(estimators, "EXACT", 5)
    estimators._maj_at.cache_clear()
    drawn = maj_at(12, [10, 3], 2)
    estimators._maj_at.cache_clear()
    assert np.abs(drawn - exact).max() < 0.05 and (drawn != exact).any()


def test_maj_at_k_of_a_run_with_few_samples_is_what_many_runs_with_k_samples_vote() -> None:
    """Unbiased: the mean of maj@3 from 9 samples of a known model is the chance that 3 samples vote right."""
    dice = np.random.default_rng(3)
    chances = [0.45, 0.35, 0.2]
    orders = itertools.product(range(3), repeat=3)
    truth = sum(math.prod(chances[one] for one in order) for order in orders if won(order))
    told = []
    for _ in range(4000):
        counts = np.bincount(dice.choice(3, size=9, p=chances), minlength=3)
        told.append(maj_at(int(counts[0]), [int(one) for one in counts[1:] if one], 0)[2])
    assert np.mean(told) == pytest.approx(truth, abs=3 * np.std(told) / math.sqrt(len(told)))
