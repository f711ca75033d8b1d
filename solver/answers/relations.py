r"""A relation's text -> the key of its solutions: `2x>6` is (3, \infty) of x, `y=2x+1` and `2x-y+1=0` are one curve.

Part of residue, in a worker. An equation is its numerator polynomial up to a factor, else side minus side up to a
factor at fixed points; one letter and the first power is solved. Inequalities of the first and second degree, and
distances, become intervals.
"""

import re
from collections.abc import Sequence

from solver.answers.digits import Worth, rational, shown
from solver.answers.grammar import Tree, tree
from solver.answers.keys import INFINITY, MINUS_INFINITY, Key
from solver.answers.normal import split
from solver.answers.polynomials import Monomial, Polynomial, canonical, divided, in_one_letter, leading, quotient
from solver.answers.shapes import interval, shaped
from solver.answers.tokens import RefusedError
from solver.answers.values import DRAWS, letters, place, worth

SIGN = re.compile(r"<=|>=|=|<|>|\\ne(?![a-z])")
_TURNED = {"<": ">", "<=": ">=", "=": "=", "\\ne": "\\ne", ">": "<", ">=": "<="}


def relation(text: str) -> Key | None:
    """The key of a relation with one sign; None when the text is none. Raises RefusedError for what is too large."""
    sides = split(text, SIGN)
    if len(sides) != 2:
        return None
    left, right = (tree(side) for side in sides)
    sign = text.removeprefix(sides[0]).removesuffix(sides[1]).strip()
    names = letters(left) | letters(right)
    if not names:
        return _said(worth(left), sign, worth(right))
    if sign not in ("=", "\\ne") and (found := _distance(left, sign, right)) is not None:
        return found
    difference: Tree = ("add", left, ("neg", right))
    try:
        above, below = quotient(difference)
    except RefusedError:
        return _by_points(difference, sign)
    if not above or set(above) == {()}:
        raise RefusedError("true or false for every value")
    return _polynomial(above, below, sign, difference)


def _said(left: Worth, sign: str, right: Worth) -> Key | None:
    """`2+3=5`: a calculation shown before its value; a wrong one says nothing."""
    return value_key(right) if sign == "=" and shown(left) == shown(right) else None


def value_key(value: Worth) -> Key:
    """The key of a constant."""
    from fractions import Fraction

    value = rational(value)
    return Key("number", value) if isinstance(value, Fraction) else Key("expr", (shown(value),))


def _polynomial(above: Polynomial, below: Polynomial, sign: str, difference: Tree) -> Key | None:
    single = in_one_letter(above)
    if sign in ("=", "\\ne"):
        if single and len(single[1]) == 2:
            name, (constant, factor) = single
            root = value_key(divided(-constant, factor))
            return root._replace(name=name) if sign == "=" else _without(root)._replace(name=name)
        return Key("relation", (sign, canonical(above, leading(above))))
    if set(below) != {()}:
        return _by_points(difference, sign)
    turned = below[()] < 0
    sign = _TURNED[sign] if turned else sign
    if single and len(single[1]) <= 3 and all(not value.imag for value in single[1]):
        return _solved(*single, sign)
    first = leading(above)
    return Key("relation", (sign if first > 0 else _TURNED[sign], canonical(above, first)))


def _without(point: Key) -> Key:
    return shaped("union", [interval("(", MINUS_INFINITY, point, ")"), interval("(", point, INFINITY, ")")])


def _solved(name: str, coefficients: Sequence[Worth], sign: str) -> Key | None:
    """The solutions of a polynomial of the first or second degree beside zero."""
    first = coefficients[-1]
    sign = sign if first > 0 else _TURNED[sign]
    if len(coefficients) == 2:
        return _ray(value_key(divided(-coefficients[0], first)), sign)._replace(name=name)
    half, rest = divided(coefficients[1], first) / 2, divided(coefficients[0], first)
    square = worth(("add", ("pow", ("worth", half), ("num", half - half + 2)), ("neg", ("worth", rest))))
    if square <= 0:
        polynomial: dict[Monomial, Worth] = {
            ((name, power),) if power else (): value for power, value in enumerate(coefficients)
        }
        return Key("relation", (sign, canonical(polynomial, first)))
    root = worth(("root", ("num", _two()), ("worth", square)))
    low = worth(("add", ("neg", ("worth", half)), ("neg", ("worth", root))))
    high = worth(("add", ("neg", ("worth", half)), ("worth", root)))
    return _between(value_key(low), value_key(high), sign)._replace(name=name)


def _two() -> Worth:
    from fractions import Fraction

    return Fraction(2)


def _ray(end: Key, sign: str) -> Key:
    if sign[0] == ">":
        return interval("[" if "=" in sign else "(", end, INFINITY, ")")
    return interval("(", MINUS_INFINITY, end, "]" if "=" in sign else ")")


def _between(low: Key, high: Key, sign: str) -> Key:
    closed = "=" in sign
    if sign[0] == "<":
        return interval("[" if closed else "(", low, high, "]" if closed else ")")
    return shaped("union", [_ray(low, "<" + sign[1:]), _ray(high, ">" + sign[1:])])


def _distance(left: Tree, sign: str, right: Tree) -> Key | None:
    r"""`|x-1|<3`: what is inside stays between two values, or outside of them."""
    if right[0] == "abs" and not letters(left):
        left, sign, right = right, _TURNED[sign], left
    if left[0] != "abs" or letters(right):
        return None
    above, below = quotient(left[1])
    single, bound = in_one_letter(above), worth(right)
    if single is None or len(single[1]) != 2 or set(below) != {()} or bound.imag or bound <= 0:
        return None
    name, (constant, factor) = single
    limit = worth(("mul", ("worth", bound), ("worth", below[()])))
    ends = [
        worth(("div", ("add", ("worth", one), ("neg", ("worth", constant))), ("worth", factor)))
        for one in (-limit, limit)
    ]
    low, high = sorted(ends)
    return _between(value_key(low), value_key(high), sign)._replace(name=name)


def _by_points(difference: Tree, sign: str) -> Key:
    """Side minus side at fixed points, up to a factor: of any sign for equations, of a positive one else."""
    names = letters(difference)
    values = [worth(difference, place(names, draw)) for draw in range(DRAWS)]
    if values[0].imag or abs(values[0]) < 1e-30:
        raise RefusedError("no scale")
    scale = abs(values[0]) if sign not in ("=", "\\ne") else values[0]
    if sign in ("<", "<="):
        scale, sign = -scale, _TURNED[sign]
    return Key("relation", (sign, tuple(shown(divided(value, scale)) for value in values)))
