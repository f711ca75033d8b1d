"""Reads a reference answer written in LaTeX and compares it with a computed value.

The grammar is only what the references use: integers, decimals, fractions, roots, `\\pi`, `e`, `\\infty`, sums,
products, powers; tuples, sets, intervals and unions of these; single letters for multiple choice.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import mpmath
import sympy

TOLERANCE = mpmath.mpf(10) ** -15
TOKEN = re.compile(r"\\[a-z]+|\\[{}]|\d+(?:\.\d+)?|[-+^{}()\[\],e]")


@dataclass(frozen=True)
class Group:
    """A tuple, set or interval: what stands between a left and a right bracket."""

    left: str
    items: tuple[object, ...]
    right: str


@dataclass(frozen=True)
class Pieces:
    """A union of intervals, from left to right."""

    groups: tuple[Group, ...]


@dataclass(frozen=True)
class Choice:
    """The value that the right option of a multiple-choice problem must have."""

    value: object


class _Reader:
    """Recursive descent over the tokens of one answer."""

    def __init__(self, text: str) -> None:
        self.tokens = TOKEN.findall(text)
        if "".join(self.tokens) != text:
            raise ValueError(f"cannot read {text!r}")
        self.place = 0

    def peek(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def take(self, wanted: str = "") -> str:
        token = self.peek()
        if not token or (wanted and token != wanted):
            raise ValueError(f"{wanted or 'a token'} expected at {self.place} of {self.tokens}")
        self.place += 1
        return token

    def whole(self) -> object:
        """The answer from its first token to its last."""
        groups = []
        if self.peek() in ("(", "[", "\\{"):
            groups.append(self.group())
            while self.peek() == "\\cup":
                self.take()
                groups.append(self.group())
            value: object = groups[0] if len(groups) == 1 else Pieces(tuple(groups))
        else:
            value = self.expression()
        if self.peek():
            raise ValueError(f"text left over at {self.place} of {self.tokens}")
        return value

    def group(self) -> Group:
        left = self.take()
        items = [self.expression()]
        while self.peek() == ",":
            self.take()
            items.append(self.expression())
        right = self.take()
        if right not in (")", "]", "\\}"):
            raise ValueError(f"a closing bracket expected, not {right!r}")
        return Group(left.lstrip("\\"), tuple(items), right.lstrip("\\"))

    def expression(self) -> sympy.Expr:
        sign = -1 if self.peek() == "-" else 1
        if sign < 0:
            self.take()
        total = sign * self.product()
        while self.peek() in ("+", "-"):
            sign = 1 if self.take() == "+" else -1
            total += sign * self.product()
        return total

    def product(self) -> sympy.Expr:
        value = self.power()
        while self.peek() and (self.peek() in ("\\frac", "\\sqrt", "\\pi", "e") or self.peek()[0].isdigit()):
            value *= self.power()
        return value

    def power(self) -> sympy.Expr:
        base = self.atom()
        if self.peek() == "^":
            self.take()
            base **= self.atom()
        return base

    def atom(self) -> sympy.Expr:
        token = self.take()
        if token[0].isdigit():
            return sympy.Rational(token)
        if token == "{":
            value = self.expression()
            self.take("}")
            return value
        if token == "\\frac":
            return self.atom() / self.atom()
        if token == "\\sqrt":
            return sympy.sqrt(self.atom())
        named = {"\\pi": sympy.pi, "e": sympy.E, "\\infty": sympy.oo}
        if token not in named:
            raise ValueError(f"{token!r} has no value")
        return named[token]


def read_answer(text: str) -> object:
    """The value that a reference stands for: a letter, a sympy expression, a `Group` or `Pieces`."""
    return text if re.fullmatch("[A-E]", text) else _Reader(text).whole()


def read_options(problem: str) -> dict[str, object]:
    """The options of a multiple-choice problem, by letter."""
    options = {letter: read_answer(value) for letter, value in re.findall(r"\(([A-E])\) \$([^$]+)\$", problem)}
    if list(options) != list("ABCDE"[: len(options)]) or len(options) < 4:
        raise ValueError(f"bad options in {problem!r}")
    return options


def _interval(interval: sympy.Interval) -> Group:
    left, right = "(" if interval.left_open else "[", ")" if interval.right_open else "]"
    return Group(left, (interval.start, interval.end), right)


def _shaped(value: object) -> object:
    """A computed value in the forms that `read_answer` gives."""
    if isinstance(value, tuple):
        return Group("(", value, ")")
    if isinstance(value, frozenset):
        return Group("{", tuple(sorted(value, key=sympy.Float)), "}")
    if isinstance(value, sympy.Interval):
        return _interval(value)
    if isinstance(value, sympy.Union):
        return Pieces(tuple(_interval(part) for part in sorted(value.args, key=lambda part: part.start)))
    return value


def _same_number(reference: object, value: object) -> bool:
    """Exactly equal, or within `TOLERANCE` where the computation was numeric."""
    exact = sympy.sympify(reference)
    if isinstance(value, float):
        raise TypeError("a float is too coarse: compute with mpmath or exactly")
    if isinstance(value, mpmath.mpf):
        return bool(abs(mpmath.mpf(str(exact.evalf(40))) - value) < TOLERANCE)
    computed = sympy.Rational(value.numerator, value.denominator) if isinstance(value, Fraction) else value
    computed = sympy.sympify(computed)
    return bool(exact == computed or sympy.simplify(exact - computed) == 0)


def _pairs(left: object, right: object) -> Iterator[tuple[object, object]]:
    """The numbers of two values of the same shape, side by side; nothing when the shapes differ."""
    if isinstance(left, Pieces) and isinstance(right, Pieces) and len(left.groups) == len(right.groups):
        for one, other in zip(left.groups, right.groups, strict=True):
            yield from _pairs(one, other)
    elif isinstance(left, Group) and isinstance(right, Group):
        if (left.left, left.right, len(left.items)) == (right.left, right.right, len(right.items)):
            yield from zip(left.items, right.items, strict=True)
        else:
            yield "shapes", "differ"
    elif isinstance(left, str | Group | Pieces) or isinstance(right, str | Group | Pieces):
        yield "shapes", "differ"
    else:
        yield left, right


def same(reference: object, value: object) -> bool:
    """Whether a reference read by `read_answer` equals a computed value. Sets must be written in rising order."""
    if isinstance(reference, Group) and reference.left == "{":
        rising = all(one < other for one, other in pairwise(reference.items))
        if not rising:
            return False
    pairs = list(_pairs(reference, _shaped(value)))
    return all(not isinstance(one, str) and _same_number(one, other) for one, other in pairs)
