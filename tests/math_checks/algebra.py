"""Checks of the algebra problems."""

from fractions import Fraction
from itertools import pairwise

import mpmath
import sympy
from sympy import Rational, sqrt
from sympy.abc import a, b, c, x, y, z

from math_checks.answer_forms import Choice, Group
from math_checks.numeric import maximum, minimum, solution_set
from math_checks.registry import answers


@answers("math-001")
def sum_and_cubes() -> object:
    """Solve the system (over the complex numbers, where it has the same symmetric value)."""
    solutions = sympy.solve([x + y - 7, x**3 + y**3 - 133], [x, y])
    (value,) = {sympy.simplify(one**2 + two**2) for one, two in solutions}
    return value


@answers("math-002")
def squares_of_roots() -> object:
    """Collect the distinct real roots of both cases."""
    roots = sympy.real_roots(x**2 - 6 * x + 3 - 6) + sympy.real_roots(x**2 - 6 * x + 3 + 6)
    return sympy.simplify(sum(root**2 for root in set(roots)))


@answers("math-003")
def reciprocals_of_shifted_roots() -> object:
    """Find the roots numerically."""
    roots = mpmath.polyroots([1, -4, 1, 5], maxsteps=200, extraprec=200)
    return mpmath.re(sum(1 / (root + 2) for root in roots))


@answers("math-004")
def positive_solutions_of_a_quotient() -> object:
    """Try integers far beyond the last sign change."""
    return sum(1 for n in range(1, 1000) if n != 18 and Fraction((n - 10) * (n - 30), n - 18) <= 0)


@answers("math-005")
def least_sum_of_reciprocals() -> object:
    """Minimize along the segment."""
    return minimum(lambda t: 1 / (6 - 2 * t) + 8 / t, "0.01", "2.99", 300)


@answers("math-006")
def functional_equation() -> object:
    """Solve the linear system on the orbit of 3."""
    orbit = [Fraction(3)]
    while (image := 1 / (1 - orbit[-1])) != orbit[0]:
        orbit.append(image)
    names = sympy.symbols(f"f:{len(orbit)}")
    rows = [
        names[i] + 2 * names[(i + 1) % len(orbit)] - Rational(point.numerator, point.denominator)
        for i, point in enumerate(orbit)
    ]
    return sympy.solve(rows, names)[names[0]]


@answers("math-007")
def products_over_real_solutions() -> object:
    """Eliminate y and add over the real roots."""
    roots = sympy.roots(sympy.Poly(x + (12 - x**2) ** 2 - 12, x), multiple=True)
    real = {root for root in roots if root.is_real}
    assert len(real) == 4
    return sympy.simplify(sum(root * (12 - root**2) for root in real))


@answers("math-008")
def logarithmic_system() -> object:
    """Solve for the base-2 logarithms."""
    logs = sympy.solve([a + b / 2 - 4, a / 2 + b - 5], [a, b])
    return 2 ** logs[a] * 2 ** logs[b]


@answers("math-009")
def interpolated_powers() -> object:
    """Interpolate."""
    return sympy.interpolate([(k, 2**k) for k in range(4)], x).subs(x, 6)


@answers("math-010")
def root_above_a_line() -> object:
    """Ask on both sides of the places where the two sides meet or the root begins."""
    meeting = sympy.solve(x + 5 - (x - 1) ** 2, x)
    return solution_set(lambda t: t >= -5 and bool(sqrt(t + 5) > t - 1), [sympy.Integer(-5), *meeting])


@answers("math-011")
def nested_roots() -> object:
    """Evaluate numerically."""
    root = mpmath.sqrt(2)
    return Choice(mpmath.sqrt(11 + 6 * root) - mpmath.sqrt(11 - 6 * root))


@answers("math-012")
def integer_roots() -> object:
    """Integer roots multiply to 6: try all pairs in range."""
    return frozenset(-(p + q) for p in range(-6, 7) for q in range(-6, 7) if p * q == 6)


@answers("math-013")
def sine_meets_a_line() -> object:
    """Count sign changes on a fine grid that avoids 0; all solutions lie in [-40, 40]."""
    points = [mpmath.mpf(2 * i + 1) / 100 for i in range(-2050, 2050)]
    signs = [mpmath.sin(t) > t / 40 for t in points]
    return sum(1 for one, two in pairwise(signs) if one != two)


@answers("math-014")
def cubes_from_a_difference() -> object:
    """Solve for the positive number."""
    (root,) = (r for r in sympy.solve(x**2 - 3 * x - 1, x) if r > 0)
    return sympy.radsimp(root**3 + 1 / root**3)


@answers("math-015")
def sum_of_distances() -> object:
    """Try every integer in a wide range."""
    return sum(1 for n in range(-100, 101) if sum(abs(n - k) for k in (1, 3, 6, 10)) <= 20)


@answers("math-016")
def logarithmic_inequality() -> object:
    """Ask on both sides of the places where the logarithm begins or takes the value -2."""
    cuts = sympy.solve(x**2 - 3 * x, x) + sympy.solve(x**2 - 3 * x - 4, x)

    def holds(t: sympy.Expr) -> bool:
        inside = t**2 - 3 * t
        return bool(inside > 0) and bool(sympy.simplify(sympy.log(inside, Rational(1, 2))) > -2)

    return solution_set(holds, cuts)


@answers("math-017")
def least_modulus_on_a_circle() -> object:
    """Minimize over the argument."""

    def modulus(angle: mpmath.mpf) -> mpmath.mpf:
        point = 2 * mpmath.expj(angle)
        return abs(point**2 - 2 * point + 8)

    return minimum(modulus, 0, mpmath.pi, 300)


@answers("math-018")
def range_on_an_ellipse() -> object:
    """Scale each direction onto the curve and take the extremes."""

    def value(angle: mpmath.mpf) -> mpmath.mpf:
        p, q = mpmath.cos(angle), mpmath.sin(angle)
        return 6 * (p * p + 4 * q * q) / (p * p + p * q + 4 * q * q)

    return Group("[", (minimum(value, 0, mpmath.pi), maximum(value, 0, mpmath.pi)), "]")


@answers("math-019")
def three_roots_of_an_iterate() -> object:
    """The number of real roots changes only where the discriminant vanishes: count there and in between."""
    inner = x**2 + 12 * x + c
    twice = sympy.expand(inner**2 + 12 * inner + c)
    cuts = sympy.real_roots(sympy.Poly(sympy.discriminant(twice, x), c))

    def has_three(value: sympy.Expr) -> bool:
        return len(set(sympy.real_roots(sympy.Poly(twice.subs(c, value), x)))) == 3

    (found,) = solution_set(has_three, cuts)
    return found


@answers("math-020")
def powers_equal_to_one() -> object:
    """Try integers; beyond them base and exponent are both large."""

    def is_one(n: int) -> bool:
        base, exponent = n * n - 4 * n + 2, n * n - 8 * n + 15
        return Fraction(base) ** exponent == 1

    return frozenset(n for n in range(-20, 21) if is_one(n))


@answers("math-021")
def highest_point_of_a_circle() -> object:
    """Maximize z over the circle in which the plane meets the sphere."""
    radius = mpmath.sqrt(10 - mpmath.mpf(16) / 3)

    def height(angle: mpmath.mpf) -> mpmath.mpf:
        along, across = radius * mpmath.cos(angle) / mpmath.sqrt(6), radius * mpmath.sin(angle) / mpmath.sqrt(2)
        point = [mpmath.mpf(4) / 3 + move for move in (along + across, along - across, -2 * along)]
        assert mpmath.almosteq(sum(point), 4) and mpmath.almosteq(sum(part**2 for part in point), 10)
        return point[2]

    return maximum(height, 0, 2 * mpmath.pi)


@answers("math-022")
def train_length() -> object:
    """Solve for length and speed."""
    return sympy.solve([700 + a - 45 * b, 1500 + a - 85 * b], [a, b])[a]


@answers("math-023")
def diluted_salt() -> object:
    """Follow the two rounds."""
    salt = Fraction(200) * 12 / 100
    for _ in range(2):
        salt -= salt * 50 / 200
    return salt


@answers("math-024")
def pairwise_products() -> object:
    """Solve the system."""
    solutions = sympy.solve([x * y - 15, y * z - 35, z * x - 21], [x, y, z])
    (found,) = (s for s in solutions if all(value > 0 for value in s))
    return found


@answers("math-025")
def weighted_product() -> object:
    """Take the best critical point inside the triangle; on its border the product is 0."""
    height = x * y**2 * (6 - x - y) ** 3
    points = sympy.solve([height.diff(x), height.diff(y)], [x, y], dict=True)
    inside = [p for p in points if len(p) == 2 and all(value.is_number and value > 0 for value in p.values())]
    return max(height.subs(p) for p in inside if 6 - p[x] - p[y] > 0)
