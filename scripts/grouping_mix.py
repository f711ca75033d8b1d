r"""A realistic mix of answers to group: problems of one kind each, a few distinct answers in several spellings.

Stage before bench_grouping.py. 60 % of problems have integer answers, 12 % fractions, 5 % decimals, 8 % letters, 15 %
expressions. Samples fall on few answers and few spellings, as a model's do: about 9 distinct strings a problem of 64.
"""

import random
from collections.abc import Callable, Sequence
from fractions import Fraction

SHARES = {"integer": 0.60, "fraction": 0.12, "decimal": 0.05, "letter": 0.08, "expression": 0.15}
EASY = ("integer", "fraction", "decimal", "letter")
_ANSWERS = (0.62, 0.17, 0.11, 0.06, 0.04)  # shares of the samples that a problem's answers get
_SPELLINGS = (0.90, 0.06, 0.025, 0.015)  # and that the spellings of one answer get

Spell = Callable[[random.Random], list[str]]


def _integer(draw: random.Random) -> list[str]:
    n = draw.choice((1, 1, 1, -1)) * draw.randrange(2, 10 ** draw.randint(1, 5))
    return [
        str(n),
        f"${n}$",
        f"{n:,}" if abs(n) > 999 else f"x = {n}",
        draw.choice((rf"\text{{{n}}}", f"{n}.", f"{n} cm")),
    ]


def _fraction(draw: random.Random) -> list[str]:
    value = Fraction(draw.randrange(1, 200), draw.randrange(2, 100)) + Fraction(1, draw.choice((101, 103, 107)))
    over, under = value.numerator, value.denominator
    return [
        rf"\frac{{{over}}}{{{under}}}",
        rf"\dfrac{{{over}}}{{{under}}}",
        f"{over}/{under}",
        rf"$\frac{{{over}}}{{{under}}}$",
    ]


def _decimal(draw: random.Random) -> list[str]:
    text = f"{draw.randrange(0, 300)}.{draw.randrange(1, 1000):03d}"
    return [text, f"${text}$", f"{text}0", rf"\${text}"]


def _letter(draw: random.Random) -> list[str]:
    mark = draw.choice("ABCDE")
    return [mark, f"({mark})", rf"\text{{{mark}}}", f"{mark}."]


def _expression(draw: random.Random) -> list[str]:
    a, b, c = (draw.randrange(2, 60) for _ in range(3))
    prime = draw.choice((2, 3, 5, 7, 11, 13))
    root = rf"\sqrt{{{prime}}}"
    return draw.choice(
        (
            [rf"{a}{root}", rf"{a} {root}", rf"\sqrt{{{a * a * prime}}}", rf"{a}\cdot{root}"],
            [rf"{a}+{b}{root}", rf"{b}{root}+{a}", rf"{a} + {b}{root}", rf"${a}+{b}{root}$"],
            [rf"\frac{{{a}\pi}}{{{b}}}", rf"\frac{{{a}}}{{{b}}}\pi", rf"{a}\pi/{b}", rf"\dfrac{{{a}\pi}}{{{b}}}"],
            [f"x^2+{a + b}x+{a * b}", f"(x+{a})(x+{b})", f"x^2 + {a + b}x + {a * b}", f"x^{{2}}+{a + b}x+{a * b}"],
            [rf"{a}x^{{{b}}}-{c}", rf"-{c}+{a}x^{{{b}}}", rf"y={a}x^{{{b}}}-{c}", rf"{a} x^{{{b}}} - {c}"],
            [rf"\frac{{{a}+{root}}}{{{b}}}", rf"\frac{{{root}+{a}}}{{{b}}}",
             f"({a}+{root})/{b}", rf"\dfrac{{{a}+{root}}}{{{b}}}"],
            [f"({a}, {b})", f"({a},{b})", rf"\left({a}, {b}\right)", f"$({a},{b})$"],
            [rf"2^{{{a}}}-{b}", rf"-{b}+2^{{{a}}}", rf"2^{{{a}}} - {b}", rf"${{2^{{{a}}}}}-{b}$"],
        )
    )  # fmt: skip


_KINDS: dict[str, Spell] = {
    "integer": _integer, "fraction": _fraction, "decimal": _decimal, "letter": _letter, "expression": _expression,
}  # fmt: skip


def problem(kind: str, samples: int, draw: random.Random) -> list[str]:
    """The answers of one problem's samples, in random order."""
    answers: dict[str, list[str]] = {}
    while len(answers) < len(_ANSWERS):
        spellings = _KINDS[kind](draw)
        answers.setdefault(spellings[0], spellings)
    chosen = draw.choices(list(answers.values()), _ANSWERS, k=samples)
    return [draw.choices(spellings, _SPELLINGS)[0] for spellings in chosen]


def mix(problems: int, samples: int, seed: int = 0) -> list[tuple[str, list[str]]]:
    """(kind, answers) of every problem, the kinds in their shares and in random order; at least one of each."""
    draw = random.Random(seed)
    kinds = [kind for kind, share in SHARES.items() for _ in range(max(1, round(share * problems)))]
    draw.shuffle(kinds)
    return [(kind, problem(kind, samples, draw)) for kind in kinds]


def weighted(by_kind: dict[str, float]) -> float:
    """The mean over the mix of a figure per kind."""
    return sum(SHARES[kind] * figure for kind, figure in by_kind.items())


def distinct(answers: Sequence[Sequence[str]]) -> float:
    """Mean number of distinct strings a problem."""
    return sum(len(set(one)) for one in answers) / len(answers)
