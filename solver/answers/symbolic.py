r"""Residue that needs calculus: integrals and limits, by math-verify's LaTeX grammar and sympy, in a worker.

All else is read by `grammar`. The grammar of math-verify ends at the end of input, and what it would skip or misread on
the way is refused first (its own `parse` looks for a readable piece instead: 2√3 becomes 2).
"""

import re
from typing import Any

from solver.answers.digits import Worth, context, rational
from solver.answers.latex import latex
from solver.answers.tokens import RefusedError

CALCULUS = re.compile(r"\\(?:int|lim)(?![a-z])")
_LARGEST_BITS = 20_000  # of an integer power or factorial inside an expression
_DEEPEST = 40
_DEEPEST_BRACKETS = 10
_DIGITS = 60
_COMMAND = re.compile(r"\\[A-Za-z]+")
_WORD = re.compile(r"[A-Za-z]{3,}")
# What the grammar would misread: ± and primes as nothing, 1e5 as a product with e, "2 3" as a sum, a^b^c from the
# left, a congruence as an equation.
_MISREAD = re.compile(
    r"\\[pm]{2}(?![a-z])|\d[eE][+-]?\d|(?<![_^\d.])[\d.]+\s+\d|\.\.\."
    r"|'|\\equiv|\\[pb]mod|;|[<>=]|\^\s*(?:\{[^{}]*\}|\w+)\s*\^"
)


def expression(text: str) -> Any:
    """The evaluated sympy expression of a text. Raises RefusedError, and what sympy raises, on hostile ones."""
    from latex2sympy2_extended.latex2sympy2 import ConversionConfig, latex2sympy

    bare = _COMMAND.sub(" ", text)
    if _WORD.search(bare) or _MISREAD.search(text) or _nesting(text) > _DEEPEST_BRACKETS:
        raise RefusedError(text)  # the grammar takes exponential time in brackets
    config = ConversionConfig(lowercase_symbols=False, interpret_as_mixed_fractions=False)
    tree = latex2sympy(latex(text), is_real=True, normalization_config=None, conversion_config=config)
    _guard(tree, 0)
    return _exact(tree)


def names_of(value: Any) -> frozenset[str]:
    """The free letters of an expression."""
    return frozenset(symbol.name for symbol in value.free_symbols)


def worth_of(value: Any, at: dict[str, Any]) -> Worth:
    """Its value with its letters at the given places, to many digits."""
    import sympy

    places = {
        symbol: sympy.Rational(at[symbol.name].numerator, at[symbol.name].denominator) for symbol in value.free_symbols
    }
    number = sympy.N(value.xreplace(places), _DIGITS)
    if not number.is_Number or not number.is_finite:
        raise RefusedError("no value")
    return rational(context(_DIGITS).mpf(str(number)))


def _nesting(text: str) -> int:
    depth = deepest = 0
    for mark in text:
        depth += (mark in "({[") - (mark in ")}]")
        deepest = max(deepest, depth)
    return deepest


def _guard(tree: Any, depth: int) -> None:
    """Refuse towers, huge powers and factorials before anything evaluates them."""
    import sympy

    if depth > _DEEPEST:
        raise RefusedError("too deep")
    if isinstance(tree, sympy.Pow) and not tree.exp.free_symbols:
        if tree.exp.has(sympy.Pow, sympy.factorial) and _big(tree.exp):
            raise RefusedError("tower")
        if tree.exp.is_Number and tree.base.is_Number and abs(float(tree.exp)) * _bits(tree.base) > _LARGEST_BITS:
            raise RefusedError("power")
    if isinstance(tree, sympy.factorial) and not (tree.args[0].is_Number and abs(tree.args[0]) <= 1000):
        raise RefusedError("factorial")
    for part in getattr(tree, "args", ()):
        _guard(part, depth + 1)


def _big(exponent: Any) -> bool:
    import sympy

    powers = exponent.atoms(sympy.Pow)
    small = all(power.base.is_Number and power.exp.is_Number and abs(float(power.exp)) <= 4 for power in powers)
    return not small or bool(exponent.atoms(sympy.factorial)) or any(abs(power.base) > 10 for power in powers)


def _bits(base: Any) -> float:
    numerator = abs(getattr(base, "p", 2)) + abs(getattr(base, "q", 1))
    return float(int(numerator).bit_length())


def _exact(tree: Any) -> Any:
    """Evaluated, with decimals as the rationals they are written as."""
    import sympy

    written = {number: sympy.Rational(str(number)) for number in tree.atoms(sympy.Float)}
    tree = tree.xreplace(written) if written else tree
    value = tree.doit() if hasattr(tree, "doit") else tree
    if not isinstance(value, sympy.Expr) or value.has(sympy.nan, sympy.zoo, sympy.Integral, sympy.Limit):
        raise RefusedError("no value")
    return value
