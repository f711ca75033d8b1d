"""Checks of the sequence problems: the terms themselves, in exact arithmetic."""

from fractions import Fraction
from itertools import accumulate, count

import mpmath
import sympy
from sympy.abc import a, d, q

from math_checks.answer_forms import Choice
from math_checks.registry import answers


def fibonacci(length: int) -> list[int]:
    """The first Fibonacci numbers, from 1, 1."""
    terms = [1, 1]
    while len(terms) < length:
        terms.append(terms[-1] + terms[-2])
    return terms[:length]


@answers("math-124")
def sum_of_a_periodic_sequence() -> object:
    """Add the terms."""
    terms = [1, 3]
    while len(terms) < 2025:
        terms.append(terms[-1] - terms[-2])
    return sum(terms)


@answers("math-125")
def arithmetic_sums() -> object:
    """Solve for first term and difference, then add the terms."""

    def total(length: int) -> sympy.Expr:
        return sum(a + k * d for k in range(length))

    return total(30).subs(sympy.solve([total(10) - 145, total(20) - 590], [a, d]))


@answers("math-126")
def geometric_series() -> object:
    """Solve for the first term and the ratio."""
    solutions = sympy.solve([a - 12 * (1 - q), a**2 - 36 * (1 - q**2)], [a, q])
    (first,) = (first for first, ratio in solutions if abs(ratio) < 1)
    return first


@answers("math-127")
def partial_sum() -> object:
    """Add the fractions."""
    return sum(Fraction(1, k * (k + 2)) for k in range(1, 21))


@answers("math-128")
def iterated_quotient() -> object:
    """Follow the sequence."""
    term = Fraction(2)
    for _ in range(2025):
        term = (1 + term) / (1 - term)
    return term


@answers("math-129")
def linear_recurrence() -> object:
    """Follow the sequence."""
    term = 1
    for n in range(1, 10):
        term = 2 * term + n
    return term


@answers("math-130")
def repeated_integers() -> object:
    """Write the terms down."""
    terms = [k for k in range(1, 40) for _ in range(k)]
    return sum(terms[:500])


@answers("math-131")
def weighted_series() -> object:
    """Add far more terms than the precision needs."""
    return mpmath.fsum(mpmath.mpf(n * n) / 3**n for n in range(1, 200))


@answers("math-132")
def divisible_fibonacci_numbers() -> object:
    """Compute the numbers."""
    return sum(1 for term in fibonacci(300) if term % 6 == 0)


@answers("math-133")
def fibonacci_series() -> object:
    """Add far more terms than the precision needs."""
    return mpmath.fsum(mpmath.mpf(term) / 3**n for n, term in enumerate(fibonacci(300), start=1))


@answers("math-134")
def largest_sum() -> object:
    """Solve for the difference and take the largest of many sums."""
    difference = sympy.solve(sum(29 + k * d for k in range(10)) - sum(29 + k * d for k in range(20)), d)[0]
    return max(accumulate(29 + k * difference for k in range(100)))


@answers("math-135")
def reciprocal_sequence() -> object:
    """Follow the sequence."""
    term = Fraction(2)
    for _ in range(19):
        term = term / (1 + 3 * term)
    return term


@answers("math-136")
def terms_from_sums() -> object:
    """Solve each step for the next term: earlier sum + t = 2 t - 3 n."""
    total = term = 0
    for n in range(1, 8):
        term = total + 3 * n
        total += term
        assert total == 2 * term - 3 * n
    return term


@answers("math-137")
def geometric_terms() -> object:
    """Solve for the third and seventh terms; the ratio of terms four apart is constant."""
    third, seventh = sorted(sympy.solve(a * (15 - a) - 36, a))
    return seventh * seventh / third


@answers("math-138")
def grouped_odd_numbers() -> object:
    """Write the groups down."""
    odd = count(1, 2)
    groups = [[next(odd) for _ in range(size)] for size in range(1, 21)]
    return Choice(sum(groups[-1]))


@answers("math-139")
def root_recurrence() -> object:
    """Follow the sequence exactly."""
    term = sympy.Integer(4)
    for _ in range(29):
        term = term + 4 * sympy.sqrt(term) + 4
    return term


@answers("math-140")
def weighted_powers() -> object:
    """Add the terms."""
    return sum(k * 2**k for k in range(1, 11))


@answers("math-141")
def quotient_recurrence() -> object:
    """Follow the sequence."""
    terms = [Fraction(2), Fraction(5)]
    while len(terms) < 2024:
        terms.append((terms[-1] + 1) / terms[-2])
    return terms[-1]


@answers("math-142")
def fibonacci_squares() -> object:
    """Add the squares."""
    return sum(term**2 for term in fibonacci(12))
