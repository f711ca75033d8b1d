r"""What a residue means: runs only inside a killable worker, where it may hang or die at the cost of one task.

`fingerprint` parses one residue text (math-verify's LaTeX grammar) and returns an exact
key when the value is rational, a symbol or infinite, else a key of its shape and its value at fixed points to 25
digits, with a digest of its canonical form. `certify` asks math-verify, in both directions, whether two texts with
equal fingerprints are equal. Nothing here evaluates text: expressions are built from the grammar's tree.
"""

import os
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

from solver.answers.keys import INFINITY, MINUS_INFINITY, Key
from solver.answers.latex import latex
from solver.answers.words import FUNCTIONS

_DIGITS = 25
_WORKING_DIGITS = 40
_LARGEST_BITS = 20_000  # of an integer power or factorial inside an expression
_DEEPEST = 40
_COMMAND = re.compile(r"\\[A-Za-z]+")
_WORD = re.compile(r"[A-Za-z]{3,}")
# What the grammar would misread: ± and primes as nothing, 1e5 as a product with e, "2 3" as a sum, a^b^c from the
# left, a congruence as an equation.
_MISREAD = re.compile(
    r"\\[pm]{2}(?![a-z])|\d[eE][+-]?\d|(?<![_^\d.])[\d.]+\s+\d|\.\.\."
    r"|'|\\equiv|\\[pb]mod|;|\^\s*(?:\{[^{}]*\}|\w+)\s*\^"
)
_DEEPEST_BRACKETS = 10


class Meaning(NamedTuple):
    """A resolved residue: its key, and a digest of its canonical form ("" when the key alone is exact)."""

    key: Key
    form: str


class RefusedError(ValueError):
    """The text is no single mathematical value that can be read whole and within bounds."""


def prepare(memory: int) -> None:
    """Start of every worker: die at once when told to, no gmpy2, and at most `memory` bytes beyond what is loaded."""
    import logging
    import resource
    import signal

    os.environ["SYMPY_GROUND_TYPES"] = "python"
    import math_verify  # noqa: F401 - paid here, outside any task's time

    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # pebble's own handler waits for a bytecode that may never come
    logging.getLogger("math_verify").setLevel(logging.CRITICAL)
    logging.getLogger("latex2sympy2_extended").setLevel(logging.CRITICAL)
    with open("/proc/self/statm", encoding="ascii") as pages:
        base = int(pages.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (base + memory, base + memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def within(seconds: float, task: Callable[..., Any], *texts: str) -> Any:
    """The task's result, or the death of this process after `seconds` of its own CPU time: a signal that nothing
    catches also ends a loop inside C, and a busy machine changes no verdict."""
    import signal

    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        return task(*texts)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def fingerprint(text: str) -> Meaning | None:
    """The meaning of one residue text, None when it has none."""
    try:
        return _meaning(_parsed(text))
    except Exception:
        # The boundary: sympy, antlr and mpmath raise nearly everything on hostile input. No meaning, no vote.
        return None


def certify(first: str, second: str) -> bool:
    """Whether math-verify holds the two texts for equal, in both directions."""
    from math_verify import verify

    try:
        one, two = _exact(_parsed(first)), _exact(_parsed(second))
        options: dict[str, Any] = {"timeout_seconds": None, "float_rounding": 12, "numeric_precision": 30}
        return bool(verify(one, two, **options)) and bool(verify(two, one, **options))
    except Exception:
        # The boundary, as above: what cannot be shown equal stays apart.
        return False


def _parsed(text: str) -> Any:
    """The text as a sympy object. The grammar itself ends at the end of input; what it would skip or misread on the
    way there is refused first. (math-verify's own `parse` searches for a readable piece instead: 2√3 becomes 2.)"""
    from latex2sympy2_extended.latex2sympy2 import ConversionConfig, latex2sympy

    bare = _COMMAND.sub(" ", text)
    if any(word.lower() not in FUNCTIONS for word in _WORD.findall(bare)) or _MISREAD.search(text):
        raise RefusedError(text)
    if _nesting(text) > _DEEPEST_BRACKETS:  # the grammar takes exponential time in it
        raise RefusedError("nested too deep")

    complex_unit = re.search(r"(?<![A-Za-z\\])i(?![A-Za-z])|\\i\b", text) is not None
    config = ConversionConfig(lowercase_symbols=False, interpret_as_mixed_fractions=False)
    tree = latex2sympy(latex(text), is_real=not complex_unit, normalization_config=None, conversion_config=config)
    _guard(tree, 0)
    return tree


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
        if tree.exp.has(sympy.Pow, sympy.factorial) and tree.exp.atoms(sympy.Pow, sympy.factorial) and _big(tree.exp):
            raise RefusedError("tower")
        if tree.exp.is_Number and tree.base.is_Number and abs(float(tree.exp)) * _bits(tree.base) > _LARGEST_BITS:
            raise RefusedError("power")
    if isinstance(tree, sympy.factorial) and not (tree.args[0].is_Number and abs(tree.args[0]) <= 1000):
        raise RefusedError("factorial")
    for part in getattr(tree, "args", ()):
        _guard(part, depth + 1)


def _big(exponent: Any) -> bool:
    import sympy

    return any(not (power.base.is_Number and power.exp.is_Number and abs(float(power.exp)) <= 4) or abs(power.base) > 10
               for power in exponent.atoms(sympy.Pow)) or bool(exponent.atoms(sympy.factorial))  # fmt: skip


def _bits(base: Any) -> float:
    numerator = abs(getattr(base, "p", 2)) + abs(getattr(base, "q", 1))
    return float(int(numerator).bit_length())


def _exact(tree: Any) -> Any:
    """Evaluated, with decimals as the rationals they are written as."""
    import sympy

    tree = tree.doit() if hasattr(tree, "doit") else tree
    written: dict[Any, Any] = {number: sympy.Rational(str(number)) for number in tree.atoms(sympy.Float)}
    written.update({symbol: sympy.I for symbol in tree.free_symbols if symbol.name == "i"})
    return tree.xreplace(written) if written else tree


def _meaning(tree: Any) -> Meaning | None:
    import sympy
    from sympy.core.relational import Relational

    if isinstance(tree, Relational):
        return _relation(tree)
    value = _exact(tree)
    if isinstance(value, sympy.Symbol):
        return Meaning(Key("text", value.name), "")
    if value in (sympy.oo, -sympy.oo):
        return Meaning(INFINITY if value == sympy.oo else MINUS_INFINITY, "")
    if not isinstance(value, sympy.Expr) or value.has(sympy.nan, sympy.zoo):
        return None
    if (rational := _rational(value)) is not None:
        return Meaning(Key("number", rational), "")
    return Meaning(Key("expr", (_names(value), *_values(value))), _digest(value))


def _rational(value: Any) -> Fraction | None:
    """The exact rational that a constant is, also behind radicals: found numerically, then proved."""
    import sympy

    if value.free_symbols:
        value = sympy.cancel(value) if value.is_rational_function() else value
        if value.free_symbols:
            return None
    if not value.is_Rational:
        near = sympy.N(value, _WORKING_DIGITS)
        if not near.is_real:
            return None
        guess = Fraction(str(near)).limit_denominator(10**6)
        if abs(guess - Fraction(str(near))) > Fraction(1, 10**30):
            return None
        exact = sympy.Rational(guess.numerator, guess.denominator)
        if not sympy.simplify(value - exact).is_zero:
            return None
        value = exact
    return Fraction(int(value.p), int(value.q))


def _relation(tree: Any) -> Meaning | None:
    """Equations up to a factor, inequalities up to a positive one: side minus side at fixed points, by ratios."""
    import sympy

    operator = {"==": "=", "!=": "!=", "<": ">", ">": ">", "<=": ">=", ">=": ">="}[tree.rel_op]
    side = _exact(tree.lhs) - _exact(tree.rhs)
    side = -side if tree.rel_op in ("<", "<=") else side
    side = sympy.expand(side)
    if not side.free_symbols:
        return None
    content, primitive = side.as_content_primitive()
    values = [sympy.N(value, _WORKING_DIGITS) for value in _points(side)]
    if not values[0].is_real or abs(values[0]) < sympy.Float("1e-15"):
        return None
    scale = abs(values[0]) if operator in (">", ">=") else values[0]
    ratios = tuple(_decimal(value / scale) for value in values)
    if (operator in ("=", "!=") and primitive.could_extract_minus_sign()) or content < 0:
        primitive = -primitive
    return Meaning(Key("relation", (operator, _names(side), *ratios)), _digest(primitive))


def _names(value: Any) -> str:
    return ",".join(sorted(symbol.name for symbol in value.free_symbols))


def _values(value: Any) -> tuple[str, ...]:
    import sympy

    return tuple(_decimal(sympy.N(point, _WORKING_DIGITS)) for point in _points(value))


def _points(value: Any) -> list[Any]:
    """The value with every symbol at a fixed rational of its own, drawn from its name, in three ways."""
    import sympy

    if not value.free_symbols:
        return [value]
    points = []
    for draw in range(3):
        at = {symbol: _coordinate(symbol.name, draw, sympy) for symbol in value.free_symbols}
        points.append(value.xreplace(at))
    return points


def _coordinate(name: str, draw: int, sympy: Any) -> Any:
    from hashlib import blake2b

    seed = int.from_bytes(blake2b(f"{draw}/{name}".encode(), digest_size=4).digest(), "big")
    return sympy.Rational(seed % 997 + 503, 1009)


def _decimal(value: Any) -> str:
    """25 digits of a real or complex value; refused when it has none."""
    import sympy

    real, imaginary = value.as_real_imag()
    if not (real.is_Number and imaginary.is_Number):
        raise RefusedError("no value")
    tiny = sympy.Float("1e-20")
    parts = ["0" if abs(part) < tiny else str(sympy.Float(part, _DIGITS)) for part in (real, imaginary)]
    return parts[0] if parts[1] == "0" else "+".join(parts) + "i"


def _digest(value: Any) -> str:
    from hashlib import blake2b

    import sympy

    return blake2b(sympy.srepr(value).encode(), digest_size=16).hexdigest()
