"""Numeric searches shared by the checks; the caller sets the precision of mpmath."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import mpmath
import sympy

Function = Callable[[mpmath.mpf], mpmath.mpf]


def minimum(function: Function, low: object, high: object, cells: int = 60) -> mpmath.mpf:
    """The least value of a continuous function on a closed interval: a grid, then golden section about its best point.

    The grid must be fine enough for the best of its points to lie next to the true one.
    """
    start, end = mpmath.mpf(low), mpmath.mpf(high)
    grid = [start + (end - start) * i / cells for i in range(cells + 1)]
    best = min(range(cells + 1), key=lambda i: function(grid[i]))
    left, right = grid[max(best - 1, 0)], grid[min(best + 1, cells)]
    ratio = (mpmath.sqrt(5) - 1) / 2
    one, two = right - ratio * (right - left), left + ratio * (right - left)
    at_one, at_two = function(one), function(two)
    for _ in range(150):
        if at_one <= at_two:
            right, two, at_two = two, one, at_one
            one = right - ratio * (right - left)
            at_one = function(one)
        else:
            left, one, at_one = one, two, at_two
            two = left + ratio * (right - left)
            at_two = function(two)
    return min(function(left), function(right), at_one, at_two)


def maximum(function: Function, low: object, high: object, cells: int = 60) -> mpmath.mpf:
    """The greatest value of a continuous function on a closed interval, found as `minimum` finds the least."""
    return -minimum(lambda x: -function(x), low, high, cells)


def solution_set(holds: Callable[[sympy.Expr], bool], cuts: Sequence[sympy.Expr]) -> sympy.Set:
    """All real numbers for which `holds`, when its truth can change only at the given cuts.

    It is asked at every cut and at one point of each gap between them.
    """
    ordered = sorted(set(cuts))
    inner = [(one + two) / 2 for one, two in pairwise(ordered)]
    probes = [ordered[0] - 1, *inner, ordered[-1] + 1]
    edges = [-sympy.oo, *ordered, sympy.oo]
    gaps = [sympy.Interval.open(edges[i], edges[i + 1]) for i, probe in enumerate(probes) if holds(probe)]
    points = [sympy.FiniteSet(cut) for cut in ordered if holds(cut)]
    return sympy.Union(*gaps, *points)
