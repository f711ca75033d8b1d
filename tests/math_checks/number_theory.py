"""Checks of the number theory problems: nearly all by trying every case."""

from fractions import Fraction
from itertools import product
from math import factorial, gcd, isqrt, lcm

import sympy

from math_checks.registry import answers


def is_square(number: int) -> bool:
    """Whether a non-negative integer is a perfect square."""
    return number >= 0 and isqrt(number) ** 2 == number


def digit_sum(number: int) -> int:
    """The sum of the decimal digits."""
    return sum(map(int, str(number)))


@answers("math-026")
def powers_of_neighbours() -> object:
    """Compute the number itself."""
    return (7**2025 + 9**2025) % 64


@answers("math-027")
def square_divisors() -> object:
    """Try every square that is not larger than 12!."""
    return sum(1 for r in range(1, isqrt(factorial(12)) + 1) if factorial(12) % (r * r) == 0 and r * r % 12 == 0)


@answers("math-028")
def half_square_fifth_cube() -> object:
    """Try integers upward."""
    cubes = {k**3 for k in range(1000)}
    return next(n for n in range(10, 10**6, 10) if is_square(n // 2) and n // 5 in cubes)


@answers("math-029")
def unit_fraction_pairs() -> object:
    """Solve for y for every x; at x = 18 + 648 the value y - 36 has come down to 1."""
    rest = [Fraction(1, 18) - Fraction(1, n) for n in range(19, 2000)]
    return sum(1 for value in rest if (2 / value).denominator == 1)


@answers("math-030")
def quadratic_multiples() -> object:
    """Try every integer."""
    return sum(n for n in range(1, 101) if (n * n + n + 1) % 21 == 0)


@answers("math-031")
def bases() -> object:
    """Try every base."""
    return sum(1 for base in range(6, 101) if (3 * base**2 + 5 * base + 1) % 13 == 0)


@answers("math-032")
def common_divisors() -> object:
    """Try every integer."""
    return sum(1 for n in range(1, 2001) if gcd(n * n + 7, n + 4) > 1)


@answers("math-033")
def digits_of_a_difference() -> object:
    """Write the number out."""
    return digit_sum(10**50 - 2025)


@answers("math-034")
def zeros_of_a_product() -> object:
    """Write the product out."""
    value = 1
    for factor in range(5, 501, 5):
        value *= factor
    text = str(value)
    return len(text) - len(text.rstrip("0"))


@answers("math-035")
def eighteen_divisors() -> object:
    """Try multiples of 14 upward."""
    return next(n for n in range(14, 10**5, 14) if sum(1 for d in range(1, n + 1) if n % d == 0) == 18)


@answers("math-036")
def least_common_multiples() -> object:
    """Try all triples of divisors."""
    divisors = [d for d in range(1, 73) if 72 % d == 0]
    return sum(1 for triple in product(divisors, repeat=3) if lcm(*triple) == 72)


@answers("math-037")
def unpayable_amount() -> object:
    """Mark the reachable amounts; eight reachable ones in a row end the search."""
    reachable = {8 * i + 11 * j + 15 * k for i in range(60) for j in range(45) for k in range(33)}
    largest = max(n for n in range(400) if n not in reachable)
    assert all(n in reachable for n in range(largest + 1, largest + 9))
    return largest


@answers("math-038")
def primes_on_a_conic() -> object:
    """Try primes; modulo 8 an odd q leaves a non-square, so the search is not cut short."""
    assert all((2 * q * q + 17) % 8 == 3 and (r * r) % 8 != 3 for q in range(1, 8, 2) for r in range(8))
    primes = list(sympy.primerange(1000))
    (pair,) = ((isqrt(2 * q * q + 17), q) for q in primes if is_square(2 * q * q + 17))
    assert pair[0] in primes
    return pair


@answers("math-039")
def distinct_quotients() -> object:
    """Collect them."""
    return len({2025 // k for k in range(1, 2026)})


@answers("math-040")
def sums_of_floors() -> object:
    """The sum changes only at multiples of 1/10: collect its values there."""
    values = {k // 10 + 2 * k // 10 + 5 * k // 10 for k in range(1500)}
    return len(values & set(range(1, 1001)))


@answers("math-041")
def multiple_plus_divisor() -> object:
    """With a = g u and b = g v the equation is g (u - 1)(v - 1) = 12, so that both are at most 12 * 13."""
    pairs = product(range(1, 12 * 13 + 1), repeat=2)
    return sum(1 for p, q in pairs if lcm(p, q) + gcd(p, q) == p + q + 12)


@answers("math-042")
def last_three_digits() -> object:
    """Compute the number itself."""
    return 3**2026 % 1000


@answers("math-043")
def squares_apart() -> object:
    """Try integers until consecutive squares are further apart than 105."""
    return sum(n for n in range(1, 200) if is_square(n * n + 105))


@answers("math-044")
def nineteen_times_digits() -> object:
    """Try every three-digit number."""
    return sum(1 for n in range(100, 1000) if n == 19 * digit_sum(n))


@answers("math-045")
def apples() -> object:
    """Try integers upward."""
    return next(n for n in range(1, 2000) if (n % 7, n % 11, n % 13) == (3, 5, 8))


@answers("math-046")
def powers_against_squares() -> object:
    """Try every integer."""
    return sum(1 for n in range(1, 201) if (2**n - n * n) % 7 == 0)


@answers("math-047")
def floors_of_roots() -> object:
    """Add the floors, each found by comparing squares."""
    return sum(sum(1 for m in range(1, 15) if m * m <= k) for k in range(1, 201))


@answers("math-048")
def positive_solutions() -> object:
    """Try every pair."""
    return sum(1 for n in range(1, 201) for m in range(1, 144) if 5 * n + 7 * m == 1000)


@answers("math-049")
def largest_integer_quotient() -> object:
    """Try integers far beyond the remainder of the division."""
    return max(n for n in range(1, 20000) if (n**3 + 2 * n + 50) % (n + 6) == 0)


@answers("math-050")
def coprime_sum() -> object:
    """Try every integer."""
    return sum(n for n in range(1, 361) if gcd(n, 360) == 1)


@answers("math-051")
def number_plus_digits() -> object:
    """Try every integer up to 2025."""
    return frozenset(n for n in range(1, 2026) if n + digit_sum(n) == 2025)


@answers("math-052")
def digits_of_a_fraction() -> object:
    """Cut the expansion after one hundred places."""
    return digit_sum(3 * 10**100 // 13)
