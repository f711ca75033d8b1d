"""Trees as polynomials: the one form that equations and inequalities are compared and solved in.

A polynomial is a dict from monomials (sorted pairs of letter and power) to coefficients, exact or to many digits; a
rational function is a pair of them. Used by `relations`, in a worker; all sizes are bounded.
"""

from collections.abc import Mapping
from fractions import Fraction

from solver.answers.digits import Worth, shown
from solver.answers.grammar import Tree
from solver.answers.tokens import RefusedError
from solver.answers.values import letters, worth

Monomial = tuple[tuple[str, int], ...]
Polynomial = Mapping[Monomial, Worth]
_MOST_TERMS = 300
_HIGHEST = 24
ONE: Polynomial = {(): Fraction(1)}


def quotient(tree: Tree) -> tuple[Polynomial, Polynomial]:
    """Numerator and denominator of a rational function. Raises RefusedError for what is none."""
    if not letters(tree):
        return {(): worth(tree)}, ONE
    kind = tree[0]
    if kind == "sym":
        return {((tree[1], 1),): Fraction(1)}, ONE
    if kind == "neg":
        above, below = quotient(tree[1])
        return {monomial: -value for monomial, value in above.items()}, below
    if kind == "degree":
        return quotient(tree[1])
    if kind == "pow":
        return _power(tree)
    if kind in ("add", "mul", "div"):
        return _joined(kind, quotient(tree[1]), quotient(tree[2]))
    raise RefusedError(kind)


def _joined(
    kind: str, left: tuple[Polynomial, Polynomial], right: tuple[Polynomial, Polynomial]
) -> tuple[Polynomial, Polynomial]:
    (above, below), (over, under) = left, right
    if kind == "mul":
        return times(above, over), times(below, under)
    if kind == "div":
        if not over:
            raise RefusedError("division by zero")
        return times(above, under), times(below, over)
    if below == under:
        return plus(above, over), below
    return plus(times(above, under), times(over, below)), times(below, under)


def _power(tree: Tree) -> tuple[Polynomial, Polynomial]:
    exponent = worth(tree[2]) if not letters(tree[2]) else None
    if not isinstance(exponent, Fraction) or exponent.denominator != 1 or abs(exponent) > _HIGHEST:
        raise RefusedError("no polynomial")
    above, below = quotient(tree[1])
    if exponent < 0:
        above, below = below, above
    found, under = ONE, ONE
    for _ in range(abs(int(exponent))):
        found, under = times(found, above), times(under, below)
    return found, under


def plus(left: Polynomial, right: Polynomial) -> Polynomial:
    """The sum, without what cancels."""
    found = dict(left)
    for monomial, value in right.items():
        found[monomial] = _sum(found.get(monomial, Fraction(0)), value)
    return _bounded(found)


def times(left: Polynomial, right: Polynomial) -> Polynomial:
    """The product, without what cancels."""
    found: dict[Monomial, Worth] = {}
    if len(left) * len(right) > 20 * _MOST_TERMS:
        raise RefusedError("too many terms")
    for one, first in left.items():
        for two, second in right.items():
            powers = dict(one)
            for letter, power in two:
                powers[letter] = powers.get(letter, 0) + power
            monomial = tuple(sorted(powers.items()))
            found[monomial] = _sum(found.get(monomial, Fraction(0)), _product(first, second))
    return _bounded(found)


def _bounded(found: dict[Monomial, Worth]) -> Polynomial:
    kept = {monomial: value for monomial, value in found.items() if not _zero(value)}
    if len(kept) > _MOST_TERMS or any(power > 4 * _HIGHEST for monomial in kept for _, power in monomial):
        raise RefusedError("too many terms")
    return kept


def _zero(value: Worth) -> bool:
    return value == 0 if isinstance(value, Fraction) else abs(value) < 1e-50


def _sum(first: Worth, second: Worth) -> Worth:
    return first + second if type(first) is type(second) else _near(first) + _near(second)


def _product(first: Worth, second: Worth) -> Worth:
    return first * second if type(first) is type(second) else _near(first) * _near(second)


def _near(value: Worth) -> Worth:
    from solver.answers.digits import context

    return context(70).mpf(value.numerator) / value.denominator if isinstance(value, Fraction) else value


def divided(first: Worth, second: Worth) -> Worth:
    """The ratio of two coefficients; exact when both are."""
    return first / second if type(first) is type(second) else _near(first) / _near(second)


def leading(polynomial: Polynomial) -> Worth:
    """The coefficient of the first monomial in a fixed order."""
    return polynomial[max(polynomial, key=lambda monomial: (sum(power for _, power in monomial), monomial))]


def canonical(polynomial: Polynomial, scale: Worth) -> tuple[tuple[Monomial, str], ...]:
    """The polynomial over a scale, written out; equal ones are written equally."""
    return tuple(sorted((monomial, shown(divided(value, scale))) for monomial, value in polynomial.items()))


def in_one_letter(polynomial: Polynomial) -> tuple[str, list[Worth]] | None:
    """The letter and the coefficients from the constant up, when there is one letter; None else."""
    names = {letter for monomial in polynomial for letter, _ in monomial}
    if len(names) != 1:
        return None
    powers = {(monomial[0][1] if monomial else 0): value for monomial, value in polynomial.items()}
    return names.pop(), [powers.get(power, Fraction(0)) for power in range(max(powers) + 1)]
