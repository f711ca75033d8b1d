r"""Answer -> typed exact key, in microseconds and in pure Python; equal keys are equal answers.

    "\frac{6}{8}"  -> number 3/4            "(1, 2)"   -> tuple of two numbers      "east" -> text
    "x = 5 cm"     -> number 5, name x, unit cm      "B. 12" -> choice B      "2\sqrt{3}" -> residue

Unit and name stand outside the value, because a missing one is no difference while two are (`grader` decides).
What has no exact key here is a residue: a leaf that `residue.py` resolves in a killable process. Structure is read
here even then, so `(1, \sqrt 2)` is a tuple with one residue leaf.

A key is total: every part of the text is accounted for, or there is no key. Words are texts, never products of letters.
"""

import re
from collections.abc import Callable
from fractions import Fraction

from solver.answers.bases import based
from solver.answers.chemistry import compound_formula
from solver.answers.choices import OTHERWISE, choice
from solver.answers.dates import moment
from solver.answers.keys import INFINITY, MINUS_INFINITY, RESIDUE, Key, leaves
from solver.answers.measures import amount, arc, compound, half_more, measured_expression, rate_first, remainder, share
from solver.answers.named import approximate, assigned, bound, inequality, point, unequal
from solver.answers.normal import normal, split
from solver.answers.numbers import number
from solver.answers.shapes import EMPTY
from solver.answers.structures import (
    Read,
    bracketed,
    cases,
    constant_set,
    gathered,
    matrix,
    ratio,
    set_of,
    spliced,
    together,
    union,
)
from solver.answers.words import known_word, words

LONGEST = 2000  # characters of an answer; longer ones are prose, not answers
LONGEST_RESIDUE = 400
_DEEPEST = 6

_EASY = re.compile(
    r"(-?[0-9]{1,15})(?:/([0-9]{1,9}))?|(-?)\\[dt]?frac\{([0-9]{1,9})\}\{([0-9]{1,9})\}|(-?)([0-9]{0,4})\.([0-9]{1,5})|([A-H])"
)
_DRESSED = re.compile(  # what an easy answer often wears
    r"\$([^$,]{1,40}|-?[1-9][0-9]{0,2}(?:,[0-9]{3}){1,4})\$|(-?[1-9][0-9]{0,2}(?:,[0-9]{3}){1,4})"
    r"|(-?[0-9]{1,15}|[A-H])\.|\\(?:text|mathrm|mathbf|textbf|boxed)\{(-?[0-9]{1,15}|[A-H])\}|\(([A-H])\)"
)
_COMMA = re.compile(r"\s*,\s*(?:(?:and|or)\s+)?|\s*;\s*|\s+(?:and|or|&)\s+|\s*(?:或者|或|和|与|以及|及|且)\s*")
_EITHER = re.compile(r"\bor\b|或")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_INDIAN = re.compile(r"\d{1,2}(?:,\d{2})+,\d{3}")  # 12,34,567 are three numbers or one
_ALSO = {"right": (Key("text", "rightside"),), "nosolution": (EMPTY,), "norealsolution": (EMPTY,)}
_PLUS_MINUS = re.compile(r"\\(?:pm|mp)(?![a-z])")
_PRODUCT = re.compile(r"[abc]{3}|[b-df-hj-np-tv-z]{3}")
_LETTERS = re.compile(
    r"(?!(?:no|so|it|he|me|we|up|in|on|at|by|to|or|if|is|as|am|pm|ok|my|us|go|do|an|be|of|hi|ad|ax|ox)$)[a-z]{2}|[xyz]{3}"
)
_INFINITY = frozenset((r"\infty", "infinity", "无穷大", "正无穷", "负无穷", "正无穷大", "负无穷大", "无穷", "无限大",
                       "positive infinity", "negative infinity", "minus infinity", "plus infinity"))  # fmt: skip


def key(answer: str) -> Key | None:
    """The exact key of an answer; None when it is empty, too long, or needs a worker."""
    found = read(answer)
    return None if found is None or leaves(found) else found


def read(answer: str) -> Key | None:
    """The key of an answer, residue leaves included; None when it is empty or too long to be an answer."""
    if len(answer) > LONGEST:
        return None
    easy = _EASY.fullmatch(answer)
    if easy is None and (dressed := _DRESSED.fullmatch(answer)) is not None:
        easy = _EASY.fullmatch(dressed[dressed.lastindex or 0].replace(",", ""))
    if easy is not None:
        return _easy(easy)
    text = normal(answer)
    return _read(text, 0) if text else None


def _easy(match: re.Match[str]) -> Key | None:
    """What most answers are, at a fraction of the price: a plain number, a letter."""
    whole, below, minus, over, under, sign, before, after, letter = match.groups()
    if letter:
        return Key("choice", letter, alt=OTHERWISE.get(letter, ()))
    if after:
        top, bottom = int(f"{sign}{before}{after}"), 10 ** len(after)
    elif over:
        top, bottom = int(minus + over), int(under)
    else:
        top, bottom = int(whole), int(below or 1)
    return Key("number", Fraction(top, bottom)) if bottom else None


def _read(text: str, depth: int) -> Key | None:
    """One answer or one part of one: the readers in order of likelihood; the first that accounts for all of it."""
    text = text.strip()
    if not text or depth > _DEEPEST:
        return None
    if (value := number(text)) is not None:
        return Key("number", value)
    if text.lstrip("+-").strip().lower() in _INFINITY:
        return MINUS_INFINITY if text[0] in "-负" or text[:5].lower() in ("negat", "minus") else INFINITY

    def part(inner: str) -> Key | None:
        return _read(inner, depth + 1)

    for reader in _READERS:
        if (found := reader(text, part)) is not None:
            return found
    return _text(text) or (Key(RESIDUE, text) if len(text) <= LONGEST_RESIDUE else None)


def _choice(text: str, read: Read) -> Key | None:
    return choice(text)


def _known(text: str, read: Read) -> Key | None:
    """Words of the table of meanings, and letters that are a product: xy."""
    said = known_word(text)
    if said is not None:
        return Key("text", said, alt=_ALSO.get(said if said in _ALSO else text.lower(), ()))
    if text in ("i", "e"):
        return Key("text", text, alt=(Key(RESIDUE, text),))
    return Key(RESIDUE, text) if _LETTERS.fullmatch(text) else None


def _moment(text: str, read: Read) -> Key | None:
    return moment(text)


def _based(text: str, read: Read) -> Key | None:
    return based(text)


def _listed(text: str, read: Read) -> Key | None:
    """`1, 2`, `1 or 2`, `1和2`: solutions without order. Words keep their order unless a connective joins two."""
    parts = split(text, _COMMA)
    if len(parts) < 2 or not all(parts):
        return None
    keys = spliced(parts, read)
    if any(part is not None and part.kind == "text" and len(str(part.value)) > 1 for part in keys):
        if _HAN.search(text) or len(text) > 60 or any(part is None or part.kind == RESIDUE for part in keys):
            return _text(text, force=True)
        if "," in text or ";" in text:
            return gathered("order", keys)
    if any(
        part is not None and part.kind in ("tuple", "interval", "union", RESIDUE) and _relative(part) for part in keys
    ):
        return gathered("union" if _EITHER.search(text) else "both", keys)  # inequalities, joined by or, by and
    found = gathered("list of solutions", keys)
    found = found if _EITHER.search(text) else together(found, keys)
    if found is not None and not found.alt and _INDIAN.fullmatch(text):
        return found._replace(alt=(Key("number", Fraction(text.replace(",", ""))),))
    return found


def _relative(part: Key) -> bool:
    """Whether a part is what an inequality describes."""
    if part.kind == RESIDUE:
        return any(sign in str(part.value) for sign in ("<", ">"))
    return bool(part.name) and "," not in part.name


def _plus_minus(text: str, read: Read) -> Key | None:
    r"""`3 \pm \sqrt 2` is two values; several signs in one expression go together, `\mp` the other way."""
    if not _PLUS_MINUS.search(text):
        return None
    both = []
    for up, down in (("+", "-"), ("-", "+")):
        said = _PLUS_MINUS.sub(lambda sign, up=up, down=down: up if sign[0] == r"\pm" else down, text)  # type: ignore[misc]
        both.append(read(said.strip().removeprefix("+")))
    return gathered("set", both)


def _text(text: str, *, force: bool = False) -> Key | None:
    said = words(text, force=force)
    if not said:
        return None
    alt = (Key(RESIDUE, text),) if _PRODUCT.fullmatch(text) else ()  # xy says what y \cdot x says
    return Key("text", said, alt=alt)


_READERS: tuple[Callable[[str, Read], Key | None], ...] = (
    _choice,
    _known,
    _moment,
    share,
    half_more,
    rate_first,
    amount,
    measured_expression,
    _based,
    compound_formula,
    ratio,
    arc,
    compound,
    remainder,
    approximate,
    constant_set,
    matrix,
    union,
    bracketed,
    set_of,
    assigned,
    cases,
    point,
    bound,
    _listed,
    inequality,
    unequal,
    _plus_minus,
)
