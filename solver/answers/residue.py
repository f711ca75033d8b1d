r"""What a residue means: runs only inside a killable worker, where it may hang or die at the cost of one task.

`fingerprint` reads one residue text whole (`grammar`, or `symbolic` where there is calculus) and returns an exact key
when the value is rational or a relation has a form of its own, else a key of its values at fixed points to 30 digits.
Nothing here evaluates text: numbers are computed from the tree of a grammar, with every size bounded first.
"""

import os
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from solver.answers.digits import shown
from solver.answers.grammar import Tree, tree
from solver.answers.keys import INFINITY, MINUS_INFINITY, Key
from solver.answers.normal import split
from solver.answers.relations import SIGN, relation, value_key
from solver.answers.symbolic import CALCULUS, expression, names_of, worth_of
from solver.answers.tokens import RefusedError
from solver.answers.values import DRAWS, letters, place, print_of, worth

_CALCULUS_SECONDS = 1.0
_CONSTANT = re.compile(r"\+\s*c\s*$")  # of integration; a family with an a or b in it has a c of its own
_LETTER_OF_LINE = re.compile("[abcC]")


class Meaning(NamedTuple):
    """A resolved residue: its key, and its values at points of both signs, "" where there is none (`agree`)."""

    key: Key
    signed: tuple[str, ...]


def prepare(memory: int) -> None:
    """Start of every worker: die at once when told to, no gmpy2, and at most `memory` bytes beyond what is loaded."""
    import logging
    import resource
    import signal

    os.environ["SYMPY_GROUND_TYPES"] = "python"
    os.environ["MPMATH_NOGMPY"] = "1"
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
        return _calculus(text) if CALCULUS.search(text) else _meaning(text)
    except Exception:
        # The boundary: sympy, antlr and mpmath raise nearly everything on hostile input. No meaning, no vote.
        return None


def agree(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether two prints agree wherever both have a value: √(x²) is |x| and not x."""
    return all(first == second or not first or not second for first, second in zip(one, other, strict=True))


def _meaning(text: str) -> Meaning | None:
    if len(split(text, SIGN)) > 1:
        found = relation(text)
        return None if found is None else Meaning(found, ())
    if _CONSTANT.search(text) and not _LETTER_OF_LINE.search(re.sub(r"\\[A-Za-z]+", "", text[: text.rindex("c")])):
        text = text.rstrip()[:-1] + "C"
    argument, arrow, body = text.partition(r"\mapsto")
    parsed = tree(body if arrow else text)
    if arrow:
        parsed = _renamed(parsed, argument.strip())
    if parsed[0] == "sym":
        return Meaning(Key("text", parsed[1]), ())
    if not letters(parsed):
        return Meaning(value_key(worth(parsed)), ())
    values, signed = print_of(parsed)
    for name in letters(parsed):
        own, own_signed = print_of(("sym", name))
        if own == values and agree(own_signed, signed):  # 1x, or n!/(n-1)!
            return Meaning(Key("text", name), ())
    if len({*values, *signed} - {""}) == 1:  # no letter matters
        return Meaning(value_key(worth(parsed, place(letters(parsed), 0))), ())
    return Meaning(Key("expr", values), signed)


def _renamed(parsed: Tree, argument: str) -> Tree:
    """A function's body with its argument under a name that no letter has: f(t)=3t is f(x)=3x."""
    if parsed == ("sym", argument):
        return ("sym", "argument")
    return tuple(_renamed(part, argument) if isinstance(part, tuple) else part for part in parsed)


def _calculus(text: str) -> Meaning | None:
    """An integral or a limit has a second of its own: few answers are one, and what sympy makes of it has no bound."""
    import signal

    left, _ = signal.setitimer(signal.ITIMER_PROF, _CALCULUS_SECONDS)
    try:
        return _meaning_of(expression(text))
    finally:
        signal.setitimer(signal.ITIMER_PROF, left)


def _meaning_of(value: Any) -> Meaning:
    import sympy

    if value in (sympy.oo, -sympy.oo):
        return Meaning(INFINITY if value == sympy.oo else MINUS_INFINITY, ())
    names = names_of(value)
    if not names:
        return Meaning(value_key(worth_of(value, {})), ())
    values = tuple(shown(worth_of(value, dict(place(names, draw)))) for draw in range(DRAWS))
    return Meaning(Key("expr", values), ("",) * DRAWS)


__all__ = ["Meaning", "RefusedError", "agree", "fingerprint", "prepare", "within"]
