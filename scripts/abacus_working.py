"""The working of one arithmetic step, as the abacus corpus writes it.

Contract: `working` returns the step written out and its result. Short workings do much in the head; detailed ones
write out every partial product and most partial sums. Several ways lead to the same result, so that two samples of
one problem seldom make the same mistake.
"""

from __future__ import annotations

import random


def _round_part(value: int) -> int:
    """The leading digit of a number with zeros behind it: 437 -> 400."""
    scale = 10 ** (len(str(value)) - 1)
    return value // scale * scale


def _expanded(value: int) -> list[int]:
    digits = str(value)
    return [int(d) * 10 ** (len(digits) - 1 - i) for i, d in enumerate(digits) if d != "0"]


def _chain(parts: list[int], sign: str = "+") -> str:
    return f" {sign} ".join(map(str, parts))


def _sum(way: float, sign: str, a: int, b: int, detailed: bool) -> str:
    """a and b put together: at once, or the leading digit first, or digit by digit."""
    if b == _round_part(b) or way < (0.2 if detailed else 0.5):
        return ""
    parts = _expanded(b)
    if not detailed or way < 0.5:
        parts = [parts[0], b - parts[0]]
    middle = ""
    while len(parts) > 1:
        a = a + parts[0] if sign == "+" else a - parts[0]
        parts = parts[1:]
        middle += f" = {a} {sign} {sum(parts)}"
    return middle


def _product(way: float, a: int, b: int, detailed: bool) -> str:
    """One factor is taken apart; in detail, a two-digit other factor as well."""
    split, whole = (a, b) if len(str(a)) > 1 and (len(str(b)) == 1 or way < 0.5) else (b, a)
    parts = [part * whole for part in _expanded(split)]
    if len(parts) < 2:
        return ""
    middle = f" = {_chain(parts)}"
    if detailed and len(_expanded(whole)) > 1:
        return f" = {_chain([x * y for x in _expanded(split) for y in _expanded(whole)])}{middle}"
    return middle


def working(rng: random.Random, sign: str, a: int, b: int, detailed: bool) -> tuple[str, int]:
    """One step written out, by one of the ways a careful pupil might take, and its result.

    The dice fall the same for short and for detailed workings, so that the problem's text does not depend on it.
    """
    if sign in "+-":
        result = a + b if sign == "+" else a - b
        way = 0.0 if b == _round_part(b) else rng.random()
        middle = _sum(way, sign, a, b, detailed)
    elif sign == "*":
        result = a * b
        way = rng.random() if len(str(a)) > 1 and len(str(b)) > 1 else 0.0
        middle = _product(way, a, b, detailed)
    else:
        result = a // b
        head = _round_part(result)
        direct = result == head or rng.random() < 0.3
        middle = "" if direct else f" = {head} + {result - head}"
    return f"{a} {sign} {b}{middle} = {result}", result
