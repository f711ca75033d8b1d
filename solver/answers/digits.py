"""Numbers to many digits: mpmath apart from everybody else's, and one way to write a value, for `evaluation`.

A value is a Fraction as long as it can be; `rational` makes one again of what agrees with a simple fraction to 40
digits, `shown` writes equal values equally.
"""

from fractions import Fraction
from functools import lru_cache
from typing import Any

from solver.answers.tokens import RefusedError

Worth = Any
"""A Fraction, or a real or complex number of mpmath."""
SHOWN = 30
"""Digits after the point that two values must share to be one."""
_DIGITS = 70
_MOST_DIGITS = 4000


class Undefined(RefusedError):
    """No value here: a division by zero, a logarithm of zero, a factorial of a fraction."""


@lru_cache(maxsize=16)
def context(digits: int) -> Any:
    """mpmath at so many digits, apart from everybody else's."""
    from mpmath import MPContext

    found = MPContext()
    found.dps = digits
    return found


def rational(value: Worth) -> Worth:
    """A value that agrees with a simple fraction to 40 digits is that fraction."""
    if isinstance(value, Fraction) or value.imag or abs(value) > 10**100:
        return value
    near = _fraction(value.real)
    simple = near.limit_denominator(10**6)
    return simple if abs(near - simple) < Fraction(1, 10**40) else value


def _fraction(value: Any) -> Fraction:
    sign, mantissa, exponent, _ = value._mpf_
    power = Fraction(2) ** int(max(-4000, exponent))
    return power * int(mantissa) * (-1 if sign else 1)


def shown(value: Worth) -> str:
    """A value in so many digits that equal ones are written equally."""
    exact = isinstance(value, Fraction)
    if exact:
        size = max(0, abs(value.numerator).bit_length() - value.denominator.bit_length()) * 302 // 1000
        digits = context(_DIGITS + size)
        value = digits.mpf(value.numerator) / value.denominator
    else:
        digits = context(_DIGITS)
        size = max(0, int(digits.mag(value) * 0.302)) if value else 0
    if size > _MOST_DIGITS:
        raise RefusedError("too large")
    tiny = 0 if exact else digits.mpf(10) ** -(SHOWN + 10)
    parts = [digits.nstr(part, SHOWN + size) if abs(part) > tiny else "0" for part in (value.real, value.imag)]
    return parts[0] if parts[1] == "0" else f"{parts[0]}+{parts[1]}i"
