"""Checks of the probability problems: equally likely cases, linear systems, integrals."""

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from itertools import combinations, pairwise, permutations, product
from typing import TypeVar

import mpmath
import sympy

from math_checks.answer_forms import Choice
from math_checks.registry import answers

Case = TypeVar("Case")


def share(cases: Iterable[Case], favourable: Callable[[Case], bool]) -> Fraction:
    """The part of equally likely cases that is favourable."""
    results = [favourable(case) for case in cases]
    return Fraction(sum(results), len(results))


@answers("math-103")
def sum_of_three_dice() -> object:
    """List the rolls with three different numbers."""
    return share((roll for roll in product(range(1, 7), repeat=3) if len(set(roll)) == 3), lambda roll: sum(roll) == 10)


@answers("math-104")
def two_colors() -> object:
    """List the draws."""
    return share(combinations("RRRRRBBBBGGG", 3), lambda draw: len(set(draw)) == 2)


@answers("math-105")
def rolls_until_seven() -> object:
    """Solve for the expected further rolls after each face."""
    names = sympy.symbols("m1:7")
    rows = [
        1 + sum(names[new - 1] for new in range(1, 7) if new + last != 7) / sympy.Integer(6) - names[last - 1]
        for last in range(1, 7)
    ]
    further = sympy.solve(rows, names)
    return 1 + sum(further.values()) / 6


@answers("math-106")
def outside_a_quarter_circle() -> object:
    """Integrate the height above the arc."""
    return mpmath.quad(lambda t: 2 - mpmath.sqrt(4 - t * t), [0, 2]) / 4


@answers("math-107")
def heads_apart() -> object:
    """List the tosses."""
    return share(product("HT", repeat=8), lambda toss: ("H", "H") not in pairwise(toss))


@answers("math-108")
def faulty_bolt() -> object:
    """Count in 10000 bolts."""
    made = {"A": 6000, "B": 4000}
    faulty = {"A": made["A"] * 2 // 100, "B": made["B"] * 5 // 100}
    return Fraction(faulty["B"], sum(faulty.values()))


@answers("math-109")
def frog() -> object:
    """Solve for the probability from each place between the ends."""
    names = dict(zip(range(-1, 3), sympy.symbols("p:4"), strict=True))
    chance = {-2: sympy.Integer(0), 3: sympy.Integer(1), **names}
    rows = [(2 * chance[place + 1] + chance[place - 1]) / 3 - chance[place] for place in names]
    return sympy.solve(rows, list(names.values()))[names[0]]


@answers("math-110")
def orders() -> object:
    """List the orders."""

    def fits(order: Sequence[int]) -> bool:
        place = {number: i for i, number in enumerate(order)}
        return place[1] < place[2] and place[3] < min(place[4], place[5])

    return share(permutations(range(1, 7)), fits)


@answers("math-111")
def smallest_of_three() -> object:
    """Average over the choices."""
    choices = list(combinations(range(1, 11), 3))
    return Fraction(sum(min(choice) for choice in choices), len(choices))


@answers("math-112")
def even_product() -> object:
    """List the draws."""
    return Choice(share(combinations(range(1, 11), 2), lambda draw: draw[0] * draw[1] % 2 == 0))


@answers("math-113")
def first_to_three() -> object:
    """Play all five games and see who had three wins first: whoever has three of the five."""
    total = Fraction(0)
    for games in product((True, False), repeat=5):
        wins = sum(games)
        if wins >= 3:
            total += Fraction(2, 3) ** wins * Fraction(1, 3) ** (5 - wins)
    return total


@answers("math-114")
def product_of_dice() -> object:
    """List the rolls."""
    return share(product(range(1, 7), repeat=2), lambda roll: roll[0] * roll[1] % 4 == 0)


@answers("math-115")
def arithmetic_triples() -> object:
    """List the choices, which come in rising order."""
    return share(combinations(range(1, 21), 3), lambda t: t[0] + t[2] == 2 * t[1])


@answers("math-116")
def draws_until_both_white() -> object:
    """Average the place of the second white ball over all orders."""
    places = [max(pair) for pair in combinations(range(1, 8), 2)]
    return Fraction(sum(places), len(places))


@answers("math-117")
def meeting() -> object:
    """For each arrival of the first person, measure the arrivals of the second that lead to a meeting (in hours)."""

    def window(t: mpmath.mpf) -> mpmath.mpf:
        return min(mpmath.mpf(1), t + mpmath.mpf(1) / 6) - max(mpmath.mpf(0), t - mpmath.mpf(1) / 3)

    return mpmath.quad(window, [0, mpmath.mpf(1) / 3, mpmath.mpf(5) / 6, 1])


@answers("math-118")
def right_envelopes() -> object:
    """List the permutations."""
    return share(permutations(range(5)), lambda p: sum(p[i] == i for i in range(5)) >= 2)


@answers("math-119")
def right_triangles_in_a_cube() -> object:
    """List the triples of corners and compare squared sides."""

    def is_right(corners: Sequence[Sequence[int]]) -> bool:
        squares = sorted(sum((p - q) ** 2 for p, q in zip(a, b, strict=True)) for a, b in combinations(corners, 2))
        return squares[0] + squares[1] == squares[2]

    return share(combinations(list(product((0, 1), repeat=3)), 3), is_right)


@answers("math-120")
def hits() -> object:
    """Five equally likely cases for each shot, four of them a hit."""
    return share(product(range(5), repeat=4), lambda shots: sum(shot < 4 for shot in shots) >= 3)


@answers("math-121")
def ant_on_a_cube() -> object:
    """List the walks by the directions of their steps: it is back when each was taken an even number of times."""
    return share(product(range(3), repeat=4), lambda walk: all(walk.count(axis) % 2 == 0 for axis in range(3)))


@answers("math-122")
def tosses_until_a_pattern() -> object:
    """Solve for the expected further tosses after each outcome of the last two."""
    states = ["".join(pair) for pair in product("HT", repeat=2)]
    further = dict(zip(states, sympy.symbols("e:4"), strict=True))
    rows = []
    for last in states:
        nexts = [last + toss for toss in "HT"]
        rows.append(1 + sum(further[new[1:]] for new in nexts if new != "HTH") / sympy.Integer(2) - further[last])
    solution = sympy.solve(rows, list(further.values()))
    return 2 + sum(solution.values()) / 4


@answers("math-123")
def steps_to_the_far_corner() -> object:
    """Solve for the expected further steps from each corner; corner 3 is the goal."""
    names = sympy.symbols("e:6")
    steps = [sympy.Integer(0) if corner == 3 else name for corner, name in enumerate(names)]
    rows = [1 + (steps[(k + 1) % 6] + steps[k - 1]) / 2 - steps[k] for k in range(6) if k != 3]
    return sympy.solve(rows, [name for name in names if name != names[3]])[names[0]]
