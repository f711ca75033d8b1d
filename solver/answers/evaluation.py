"""One evaluation of a tree: exact while it is rational, else to many digits, and every size bounded first.

Used by `values` alone, in a worker. Towers, factorials and long sums are refused before they are computed. Roots of
odd degree of negative numbers are real, as schools have it; a degree sign counts inside a function only.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from hashlib import blake2b
from math import comb, factorial, gcd, lcm, perm
from typing import Any

from solver.answers.digits import Undefined, Worth, context, rational, shown
from solver.answers.grammar import Tree
from solver.answers.tokens import RefusedError

_LARGEST_BITS = 20_000  # of any number
_STEPS = 30_000
_TERMS = 3_000
_OTHER = {"arcsin": "asin", "arccos": "acos", "arctan": "atan"}


class Evaluation:
    """One evaluation: its letters, its precision, its count of steps, the size of the largest number met."""

    def __init__(self, at: Mapping[str, Worth], digits: int) -> None:
        self._at, self._steps, self._context, self.largest = dict(at), 0, context(digits), 0

    def of(self, tree: Tree) -> Worth:
        """The value of one part. Raises Undefined or RefusedError."""
        self._steps += 1
        if self._steps > _STEPS:
            raise RefusedError("too many steps")
        reader: Callable[..., Worth] | None = getattr(self, f"_{tree[0]}", None)
        if reader is None:
            raise RefusedError(tree[0])
        found = reader(*tree[1:])
        if isinstance(found, Fraction):
            if max(abs(found.numerator).bit_length(), found.denominator.bit_length()) > 2 * _LARGEST_BITS:
                raise RefusedError("too large")
            return found
        if not self._context.isfinite(found):
            raise Undefined("no value")
        size = int(abs(self._context.mag(found)) * 0.302) if found else 0
        if size > _LARGEST_BITS // 3:
            raise RefusedError("too large")
        self.largest = max(self.largest, size if abs(found) > 1 else 0)
        return found

    def _inexact(self, value: Worth) -> Any:
        if not isinstance(value, Fraction):
            return value
        self.largest = max(self.largest, abs(value.numerator).bit_length() * 302 // 1000)
        return self._context.mpf(value.numerator) / value.denominator

    def _pair(self, first: Tree, second: Tree) -> tuple[Worth, Worth]:
        one, two = self.of(first), self.of(second)
        if isinstance(one, Fraction) and isinstance(two, Fraction):
            return one, two
        return self._inexact(one), self._inexact(two)

    def _zero(self, value: Worth) -> bool:
        return value == 0 or (not isinstance(value, Fraction) and abs(value) < self._context.mpf(10) ** -50)

    def _num(self, value: Fraction) -> Worth:
        return value

    def _sym(self, name: str) -> Worth:
        if name not in self._at:
            raise RefusedError(name)
        return self._at[name]

    def _const(self, name: str) -> Worth:
        if name in self._at:  # an index called i
            return self._at[name]
        context = self._context
        return {"pi": +context.pi, "e": +context.e, "i": context.mpc(0, 1)}[name]

    def _neg(self, part: Tree) -> Worth:
        return -self.of(part)

    def _add(self, left: Tree, right: Tree) -> Worth:
        one, two = self._pair(left, right)
        return one + two

    def _mul(self, left: Tree, right: Tree) -> Worth:
        one, two = self._pair(left, right)
        return one * two

    def _div(self, left: Tree, right: Tree) -> Worth:
        one, two = self._pair(left, right)
        if self._zero(two):
            raise Undefined("division by zero")
        return one / two

    def _mod(self, left: Tree, right: Tree) -> Worth:
        by = self._whole(right, 10**300)
        if not by:
            raise Undefined("a remainder by zero")
        value = rational(self.of(left))
        if not isinstance(value, Fraction) or value.denominator != 1:
            raise Undefined("no whole number")
        return value % by

    def _pow(self, base: Tree, exponent: Tree) -> Worth:
        return self._raised(self.of(base), rational(self.of(exponent)))

    def _raised(self, base: Worth, exponent: Worth) -> Worth:
        if self._zero(base):
            if not isinstance(exponent, Fraction) or exponent <= 0:
                return self._nothing_to_nothing(exponent)
            return Fraction(0)
        if isinstance(exponent, Fraction) and isinstance(base, Fraction) and exponent.denominator == 1:
            bits = max(abs(base.numerator).bit_length(), base.denominator.bit_length())
            if abs(base) != 1 and bits * abs(exponent) > _LARGEST_BITS:
                raise RefusedError("a power too large")
            return base ** (int(exponent) if abs(base) != 1 else int(exponent) % 2)
        if isinstance(exponent, Fraction) and exponent.denominator > 1 and exponent.denominator % 2:
            root = self._rooted(exponent.denominator, base)
            return self._raised(root, Fraction(exponent.numerator))
        base, exponent = self._inexact(base), self._inexact(exponent)
        if abs(exponent) * max(1, abs(self._context.mag(base))) > _LARGEST_BITS:
            raise RefusedError("a power too large")
        return self._context.power(base, exponent)

    def _nothing_to_nothing(self, exponent: Worth) -> Worth:
        if exponent == 0:
            return Fraction(1)
        raise Undefined("a power of zero")

    def _root(self, degree: Tree, part: Tree) -> Worth:
        order = self.of(degree)
        if not isinstance(order, Fraction) or order.denominator != 1 or not 2 <= order <= 1000:
            return self._raised(self.of(part), self._div(("num", Fraction(1)), degree))
        return self._rooted(int(order), self.of(part))

    def _rooted(self, order: int, value: Worth) -> Worth:
        value = self._inexact(value)
        if order % 2 and not value.imag and value.real < 0:
            return -self._context.root(-value.real, order)
        return rational(self._context.root(value, order))

    def _whole(self, part: Tree, most: int) -> int:
        value = rational(self.of(part))
        if not isinstance(value, Fraction) or value.denominator != 1 or value < 0:
            raise Undefined("no whole number")
        if value > most:
            raise RefusedError("too large")
        return int(value)

    def _fact(self, part: Tree) -> Worth:
        return Fraction(factorial(self._whole(part, 1500)))

    def _binom(self, total: Tree, taken: Tree) -> Worth:
        count = self._whole(taken, 2000)
        value = rational(self.of(total))
        if isinstance(value, Fraction) and value.denominator == 1 and 0 <= value <= 10**6:
            if min(count, int(value) - count) > 1500:
                raise RefusedError("too large")
            return Fraction(comb(int(value), count))
        return self._falling(value, count) / factorial(count)

    def _perm(self, total: Tree, taken: Tree) -> Worth:
        count = self._whole(taken, 1500)
        value = rational(self.of(total))
        if isinstance(value, Fraction) and value.denominator == 1 and 0 <= value <= 10**6:
            return Fraction(perm(int(value), count))
        return self._falling(value, count)

    def _falling(self, value: Worth, count: int) -> Worth:
        if count > 50:
            raise RefusedError("too large")
        found: Worth = Fraction(1)
        for step in range(count):
            found = found * (value - step)
        return found

    def _sum(self, name: str, low: Tree, high: Tree, body: Tree) -> Worth:
        return self._series(name, low, high, body, self._add)

    def _prod(self, name: str, low: Tree, high: Tree, body: Tree) -> Worth:
        return self._series(name, low, high, body, self._mul)

    def _series(self, name: str, low: Tree, high: Tree, body: Tree, join: Callable[[Tree, Tree], Worth]) -> Worth:
        first, last = rational(self.of(low)), rational(self.of(high))
        if not (isinstance(first, Fraction) and isinstance(last, Fraction)) or (last - first).denominator != 1:
            raise Undefined("bounds of a sum")
        if not -1 <= last - first < _TERMS or abs(first) > 10**6:
            raise Undefined("bounds of a sum") if last < first else RefusedError("too many terms")
        outer = self._at.get(name)
        found: Worth = Fraction(0 if join == self._add else 1)
        for step in range(int(last - first) + 1):
            self._at[name] = first + step
            found = join(("worth", found), body)
        self._at.pop(name, None)
        if outer is not None:
            self._at[name] = outer
        return found

    def _worth(self, value: Worth) -> Worth:
        return value

    def _abs(self, part: Tree) -> Worth:
        return abs(self.of(part))

    def _floor(self, part: Tree) -> Worth:
        return self._stepped(part, Fraction.__floor__, self._context.floor)

    def _ceil(self, part: Tree) -> Worth:
        return self._stepped(part, Fraction.__ceil__, self._context.ceil)

    def _stepped(self, part: Tree, exactly: Callable[[Fraction], int], nearly: Callable[[Any], Any]) -> Worth:
        value = rational(self.of(part))
        if isinstance(value, Fraction):
            return Fraction(exactly(value))
        if value.imag:
            raise Undefined("floor")
        return Fraction(int(nearly(value.real)))

    def _degree(self, part: Tree) -> Worth:
        return self.of(part)  # a sign that may be missing; inside a function it counts

    def _fun(self, name: str, part: Tree, base: Tree | None = None) -> Worth:
        value = self._inexact(self.of(_in_radians(part)))
        context = self._context
        if name in ("ln", "lg", "log"):
            return self._logarithm(name, value, base)
        if name == "exp":
            return self._raised(+context.e, value)
        below = {"tan": context.cos, "sec": context.cos, "cot": context.sin, "csc": context.sin}.get(name)
        if below is not None and self._zero(below(value)):
            raise Undefined("a pole")
        if name == "arccot":
            return context.pi / 2 - context.atan(value)
        return getattr(context, _OTHER.get(name, name))(value)

    def _logarithm(self, name: str, value: Any, base: Tree | None) -> Worth:
        if self._zero(value):
            raise Undefined("logarithm of zero")
        if name == "ln":
            return self._context.ln(value)
        under = self._context.mpf(10) if base is None else self._inexact(self.of(base))
        if self._zero(under) or self._zero(under - 1):
            raise Undefined("base of a logarithm")
        return rational(self._context.ln(value) / self._context.ln(under))

    def _call(self, name: str, part: Tree) -> Worth:
        """A function nobody knows takes a value of its own at each place, the same each time."""
        digest = blake2b(f"{name}({shown(self.of(part))})".encode(), digest_size=8).digest()
        return Fraction(int.from_bytes(digest, "big") % 10**9 + 7, 10**9 + 7)

    def _gcd(self, *parts: Tree) -> Worth:
        return Fraction(gcd(*(self._whole(part, 10**300) for part in parts)))

    def _lcm(self, *parts: Tree) -> Worth:
        return Fraction(lcm(*(self._whole(part, 10**50) for part in parts)))

    def _max(self, *parts: Tree) -> Worth:
        return max((self.of(part) for part in parts), key=self._ordered)

    def _min(self, *parts: Tree) -> Worth:
        return min((self.of(part) for part in parts), key=self._ordered)

    def _ordered(self, value: Worth) -> Any:
        found = self._inexact(value)
        if found.imag:
            raise Undefined("no order")
        return found.real


def _in_radians(tree: Tree) -> Tree:
    """The argument of a function, where every degree sign is a factor."""
    if tree[0] == "degree":
        return ("mul", tree[1], ("div", ("const", "pi"), ("num", Fraction(180))))
    if tree[0] in ("add", "mul", "div", "neg"):
        return (tree[0], *(_in_radians(part) for part in tree[1:]))
    return tree
