"""Checks of the calculus problems: numeric wherever the solution would be symbolic, and the other way round."""

from itertools import pairwise

import mpmath
import sympy
from sympy.abc import a, x

from math_checks.numeric import maximum, minimum, solution_set
from math_checks.registry import answers


@answers("math-143")
def open_box() -> object:
    """Maximize numerically over the side of the cut squares."""
    return maximum(lambda t: t * (18 - 2 * t) ** 2, 0, 9)


@answers("math-144")
def integral_with_a_logarithm() -> object:
    """Integrate numerically."""
    return mpmath.quad(lambda t: t * mpmath.log(t), [1, mpmath.e])


@answers("math-145")
def area_under_a_line() -> object:
    """Find the crossings and integrate numerically."""
    low, high = sorted(sympy.solve(x**2 - 2 * x - 3, x))
    return mpmath.quad(lambda t: 2 * t + 3 - t * t, [int(low), int(high)])


@answers("math-146")
def limit_at_zero() -> object:
    """Let sympy take the limit."""
    return sympy.limit((sympy.sqrt(1 + 4 * x) - 1 - 2 * x) / x**2, x, 0)


@answers("math-147")
def tangent_meets_again() -> object:
    """Intersect the tangent with the curve."""
    curve = x**3 - 3 * x
    tangent = curve.subs(x, 2) + curve.diff(x).subs(x, 2) * (x - 2)
    (other,) = (root for root in sympy.solve(curve - tangent, x) if root != 2)
    return (other, curve.subs(x, other))


@answers("math-148")
def line_touches_the_exponential() -> object:
    """For k > 0 solutions are positive, and e^x / x takes only its least value exactly once."""
    return minimum(lambda t: mpmath.exp(t) / t, "0.1", 10, 300)


@answers("math-149")
def riemann_sums() -> object:
    """Extrapolate the sums for n = 1, 2, 4, ... in powers of 1/n."""
    column = [mpmath.fsum(mpmath.mpf(n) / (n * n + k * k) for k in range(1, n + 1)) for n in (2**i for i in range(12))]
    for order in range(1, 12):
        column = [(2**order * two - one) / (2**order - 1) for one, two in pairwise(column)]
    return column[-1]


@answers("math-150")
def range_of_a_cubic() -> object:
    """Find both extremes numerically."""

    def cubic(t: mpmath.mpf) -> mpmath.mpf:
        return t**3 - 3 * t**2 - 9 * t + 5

    return maximum(cubic, -2, 2) - minimum(cubic, -2, 2)


@answers("math-151")
def increasing_for_all() -> object:
    """The derivative is not negative when a is at most x (2 x + 2), for every x > 1."""
    bounds = sympy.calculus.util.function_range(x * (2 * x + 2), x, sympy.Interval.open(1, sympy.oo))
    return sympy.Interval(-sympy.oo, bounds.inf)


@answers("math-152")
def integral_of_an_absolute_value() -> object:
    """Integrate numerically on both sides of the kink."""
    return mpmath.quad(lambda t: abs(t * t - 2 * t), [0, 2, 3])


@answers("math-153")
def tangent_through_the_origin() -> object:
    """Find numerically the point whose tangent passes through the origin."""
    place = mpmath.findroot(lambda t: mpmath.log(t) - t * (1 / t), 2)
    return 1 / place


@answers("math-154")
def solid_of_revolution() -> object:
    """Integrate the ring areas numerically between the crossings."""
    return mpmath.quad(lambda t: mpmath.pi * (t - t * t / 4), [0, 4])


@answers("math-155")
def limit_of_an_iteration() -> object:
    """Iterate."""
    term = mpmath.mpf(1)
    for _ in range(200):
        term = 1 + 1 / (1 + term)
    return term


@answers("math-156")
def three_real_roots() -> object:
    """The number of roots changes only where the discriminant vanishes: count there and in between."""
    cubic = x**3 - 3 * x**2 - 9 * x - a
    cuts = sympy.real_roots(sympy.Poly(sympy.discriminant(cubic, x), a))
    return solution_set(lambda value: len(set(sympy.real_roots(sympy.Poly(cubic.subs(a, value), x)))) == 3, cuts)
