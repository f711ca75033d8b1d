"""Bilingual arithmetic word problems with worked solutions: the corpus of the demo model.

Contract: `draw(rng, split, steps, language)` composes one `Problem` from clauses. A story follows one running
amount through 1 to 6 arithmetic steps; all amounts are whole, non-negative and below 10,000. The worked solution
writes every step and its partial results out and ends with one sentence that holds `\\boxed{N}`.

The split is a function of the text alone: the sorted tuple of the numbers that the text states is hashed; one
residue of 32 is "demo", one is "heldout", all others are "train". A problem of one split can therefore never share
its tuple of numbers (nor its text) with a problem of another split, whatever the generator's seed is.

Nothing here depends on anything but the standard library; the same seed gives the same problems everywhere.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from abacus_phrases import ENDINGS, GOODS, LEADS, MONEY, NAMES, STUFF, THINGS
from abacus_working import working

CEILING = 9999
MAX_STEPS = 6
LANGUAGES = ("en", "zh")
_BUCKETS = 32
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Problem:
    text: str
    solution: str
    answer: int
    language: str
    steps: int


def numbers_of(text: str) -> tuple[int, ...]:
    """The canonical tuple of the numbers a problem's text states."""
    return tuple(sorted(int(digits) for digits in _NUMBER.findall(text)))


def split_of(text: str) -> str:
    """Which split a problem belongs to; decided by its numbers only."""
    key = ",".join(map(str, numbers_of(text))).encode()
    bucket = int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big") % _BUCKETS
    return {0: "demo", 1: "heldout"}.get(bucket, "train")


# --- The story --------------------------------------------------------------------------------------------------
@dataclass
class _Story:
    rng: random.Random
    language: str
    target: int
    words: dict[str, list[str]]
    slots: dict[str, str]
    people: list[tuple[str, str]]
    opener: str
    second: str
    detailed: bool
    amount: int = 0
    steps: int = 0
    kinds: list[str] = field(default_factory=list)
    clauses: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    last: tuple[str, int] | None = None  # the person followed before this one, and that person's amount

    def say(self, kind: str, **numbers: int) -> None:
        text = self.rng.choice(self.words[kind])
        # Never the person followed before: that amount may be asked for in the end.
        other = self.people[1][0] if kind in _SWITCHES else self.rng.choice(self.people[1:3])[0]
        who, he = self.people[0]
        last = self.last[0] if self.last else ""
        names = {"who": who, "he": he, "He": he.capitalize(), "other": other, "last": last}
        self.kinds.append(kind)
        self.clauses.append(text.format(**names, **self.slots, **{k: str(v) for k, v in numbers.items()}))

    def work(self, sign: str, a: int, b: int) -> int:
        text, result = working(self.rng, sign, a, b, self.detailed)
        lead = self.rng.choice(LEADS[self.language][sign])
        self.lines.append(f"{lead}: {text}." if self.language == "en" else f"{lead}：{text}。")
        self.steps += 1
        return result

    @property
    def room(self) -> int:
        return self.target - self.steps

    def switch(self) -> None:
        """From here on the story follows the next person."""
        self.last = (self.people[0][0], self.amount)
        self.people = [*self.people[1:], self.people[0]]


def _small(rng: random.Random) -> int:
    return rng.randint(2, 9)


def _plain(rng: random.Random) -> int:
    """An amount to add or take: mostly two or three digits."""
    low, high = rng.choices([(2, 9), (10, 99), (100, 999)], [1, 6, 4])[0]
    return rng.randint(low, high)


def _group(rng: random.Random) -> tuple[int, int]:
    """How many groups of how many: a product to be worked out in parts."""
    wide = rng.random() < 0.45
    return (rng.randint(11, 39) if wide else _small(rng)), rng.randint(12, 99)


_SWITCHES = ("more", "fewer", "as_many")


def _change(story: _Story, kind: str) -> bool:
    """Plus or minus one amount; a comparison also moves on to the other person."""
    n = _plain(story.rng)
    sign = "+" if kind in ("gain", "more") else "-"
    if not 0 <= (story.amount + n if sign == "+" else story.amount - n) <= CEILING:
        return False
    story.say(kind, n=n)
    result = story.work(sign, story.amount, n)
    if kind in _SWITCHES:
        story.switch()
    story.amount = result
    return True


def _change_group(story: _Story, kind: str) -> bool:
    k, m = _group(story.rng)
    sign = "+" if kind == "gain_group" else "-"
    if story.room < 2 or not 0 <= (story.amount + k * m if sign == "+" else story.amount - k * m) <= CEILING:
        return False
    story.say(kind, k=k, m=m)
    story.amount = story.work(sign, story.amount, story.work("*", k, m))
    return True


def _multiply(story: _Story, kind: str) -> bool:
    k = 2 if kind == "double" else _small(story.rng)
    if not 0 < story.amount * k <= CEILING:
        return False
    story.say(kind, k=k)
    result = story.work("*", story.amount, k)
    if kind in _SWITCHES:
        story.switch()
    story.amount = result
    return True


def _divide(story: _Story, kind: str) -> bool:
    k = 2 if kind == "halve" else _small(story.rng)
    if story.amount < 2 * k or story.amount % k:
        return False
    story.say(kind, **({"n": k} if kind == "ask_pack" else {"k": k}))
    story.amount = story.work("/", story.amount, k)
    return True


def _ask_price(story: _Story, kind: str) -> bool:
    n = story.rng.randint(2, 29)
    if not 0 < story.amount * n <= CEILING or story.amount > 99 < 10 * n:
        return False
    story.say(kind, n=n)
    story.amount = story.work("*", story.amount, n)
    return True


def _ask_need(story: _Story, kind: str) -> bool:
    n = story.amount + _plain(story.rng)
    if n > CEILING:
        return False
    story.say(kind, n=n)
    story.amount = story.work("-", n, story.amount)
    return True


def _ask_both(story: _Story, kind: str) -> bool:
    if story.last is None or story.last[1] + story.amount > CEILING:
        return False
    story.say(kind)
    story.amount = story.work("+", story.last[1], story.amount)
    return True


_Move = tuple[str, int, Callable[[_Story, str], bool]]
_MIDDLE: list[_Move] = [
    ("gain", 5, _change), ("lose", 6, _change), ("gain_group", 4, _change_group), ("lose_group", 4, _change_group),
    ("times", 2, _multiply), ("double", 1, _multiply), ("share", 6, _divide), ("halve", 3, _divide),
    ("more", 2, _change), ("fewer", 2, _change), ("as_many", 1, _multiply),
]  # fmt: skip
_LAST: list[_Move] = [("ask_price", 3, _ask_price), ("ask_pack", 5, _divide), ("ask_need", 3, _ask_need),
                      ("ask_both", 5, _ask_both)]  # fmt: skip


def _one_of(story: _Story, moves: list[_Move]) -> bool:
    kind, _, move = story.rng.choices(moves, [weight for _, weight, _ in moves])[0]
    return move(story, kind)


def _open(story: _Story) -> None:
    if story.rng.random() < 0.4:
        k, m = _group(story.rng)
        story.say("start_group", k=k, m=m)
        story.amount = story.work("*", k, m)
    else:
        story.amount = story.rng.choice([story.rng.randint(10, 99), story.rng.randint(100, 999)])
        story.say("start", n=story.amount)


def compose(rng: random.Random, steps: int, language: str, detailed: bool = True) -> Problem:
    """One problem of exactly `steps` steps, whichever split it falls into."""
    thing, box = rng.choice(THINGS[language])
    slots = {"thing": thing, "box": box, "goods": rng.choice(GOODS[language])}
    people = rng.sample(NAMES[language], 10)
    theme = STUFF if rng.random() < 0.65 else MONEY
    story = _Story(rng, language, steps, theme[language], slots, people, people[0][0], people[1][0], detailed)
    _open(story)
    asked, attempts = False, 0
    while story.room > 0:
        attempts += 1
        if story.room == 1 and attempts < 20 and rng.random() < 0.5:
            asked = _one_of(story, _LAST)
        else:
            _one_of(story, _MIDDLE)
    if not asked:
        story.say("ask")
    return _finish(story)


def _finish(story: _Story) -> Problem:
    space = " " if story.language == "en" else ""
    clauses = story.clauses
    # A comparison with the opening amount can be told before that amount, where names leave no doubt who is who.
    named = story.kinds[1] in _SWITCHES and story.opener in clauses[1] and story.second in clauses[2]
    if named and story.rng.random() < 0.4:
        clauses = [clauses[1], clauses[0], *clauses[2:]]
    ending = story.rng.choice(ENDINGS[story.language]) % story.amount
    return Problem(space.join(clauses), space.join([*story.lines, ending]), story.amount, story.language, story.steps)


def draw(
    rng: random.Random, split: str, steps: int | None = None, language: str | None = None, *, detailed: bool = True
) -> Problem:
    """A problem of the split, drawn again until its numbers fall there."""
    while True:
        chosen_steps = rng.randint(1, MAX_STEPS) if steps is None else steps
        chosen_language = rng.choice(LANGUAGES) if language is None else language
        problem = compose(rng, chosen_steps, chosen_language, detailed)
        if split_of(problem.text) == split:
            return problem
