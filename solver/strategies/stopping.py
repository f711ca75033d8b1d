"""When to stop drawing: the second of the three parts of a voting strategy (draw, stop, choose).

A rule looks at the tally after every candidate, in order of k, and says whether it is over. Rules keep nothing
between problems and know no engine: a run, a replay of recorded samples and a simulation ask the same objects.

    stop: {rule: fixed}                      all n
    stop: {rule: beta, threshold: 0.95}      the leader is ahead with this probability
    stop: {rule: esc, window: 5}             a whole window agrees
    stop: {rule: exact}                      nothing that may still come can change the winner
"""

from collections.abc import Mapping
from functools import lru_cache
from math import comb
from typing import Any, ClassVar, Protocol

from solver.errors import Fault, nearest
from solver.strategies.tally import Group, Tally


class Stop(Protocol):
    """A stopping rule. early: whether it may stop before the last candidate, and so reads a tally at all.

    parameters: the rule and its values, as JSON. fields: the keys it has beside `rule`, and what each must be.
    """

    fields: ClassVar[Mapping[str, str]]
    early: bool
    parameters: Mapping[str, Any]

    def over(self, tally: Tally, left: int) -> bool:
        """Whether no more should be drawn, after the last candidate of `tally`, with at most `left` to come."""
        ...

    def needs(self, tally: Tally, left: int) -> int:
        """Of at most `left` to come, how many it waits for at the least: after fewer it is not over, whatever they say.

        These may be asked for side by side without waste. (A regrouping of what is there may end it sooner.)
        """
        ...

    def voters(self, tally: Tally) -> range:
        """Which candidates decide, by their places in the tally, once it is over or all have come."""
        ...

    def least(self, n: int) -> int:
        """Of n candidates at most, how many are drawn whatever they say: these alone are no chosen lot."""
        ...


class Fixed:
    """All n samples: plain self-consistency."""

    fields: ClassVar[Mapping[str, str]] = {}
    early = False

    def __init__(self, block: Mapping[str, Any]) -> None:
        self.parameters: Mapping[str, Any] = {"rule": "fixed"}

    def over(self, tally: Tally, left: int) -> bool:
        return not left

    def needs(self, tally: Tally, left: int) -> int:
        return left

    def voters(self, tally: Tally) -> range:
        return range(len(tally))

    def least(self, n: int) -> int:
        return n


class Beta(Fixed):
    """Stop once the leader is the more frequent of the two most frequent answers with at least this probability.

    Source: Aggarwal et al. 2023, "Let's Sample Step by Step: Adaptive-Consistency for Efficient Reasoning and Coding
    with LLMs", arXiv 2305.11860: with v1 and v2 votes and a uniform prior, 1 - I_1/2(v1 + 1, v2 + 1).
    """

    fields: ClassVar[Mapping[str, str]] = {"threshold": "a number from 0.5 to less than 1"}
    early = True

    def __init__(self, block: Mapping[str, Any]) -> None:
        self.threshold = float(block.get("threshold", 0.95))
        self.parameters = {"rule": "beta", "threshold": self.threshold}

    def over(self, tally: Tally, left: int) -> bool:
        return not left or ahead_with(*tally.leaders()) >= self.threshold

    def needs(self, tally: Tally, left: int) -> int:
        first, second = tally.leaders()
        return next((more for more in range(1, left) if ahead_with(first + more, second) >= self.threshold), left)

    def least(self, n: int) -> int:
        return self.needs(Tally(), n)


@lru_cache(maxsize=65_536)
def ahead_with(first: int, second: int) -> float:
    """1 - I_1/2(first + 1, second + 1): for whole numbers, the chance of at most `first` heads in first + second + 1
    tosses of a fair coin."""
    tosses = first + second + 1
    return sum(comb(tosses, heads) for heads in range(first + 1)) / (1 << tosses)


class Esc(Fixed):
    """Stop at the first window of candidates that all give one answer, which is then the answer; else all vote.

    Source: Li et al. 2024, "Escape Sky-high Cost: Early-stopping Self-Consistency for Multi-step Reasoning", arXiv
    2401.10480. Windows follow each other without overlap; one with a candidate that does not vote is not unanimous.
    """

    fields: ClassVar[Mapping[str, str]] = {"window": "a whole number from 1"}
    early = True

    def __init__(self, block: Mapping[str, Any]) -> None:
        self.window = int(block.get("window", 5))
        self.parameters = {"rule": "esc", "window": self.window}

    def over(self, tally: Tally, left: int) -> bool:
        return not left or self._unanimous(tally)

    def voters(self, tally: Tally) -> range:
        return range(len(tally) - self.window if self._unanimous(tally) else 0, len(tally))

    def needs(self, tally: Tally, left: int) -> int:
        begun = len(tally) % self.window
        lost = begun and not _agree(tally, begun)  # then this window is drawn to its end, and another
        return min(left, self.window - begun + (self.window if lost else 0))

    def least(self, n: int) -> int:
        return min(self.window, n)

    def _unanimous(self, tally: Tally) -> bool:
        return len(tally) > 0 and len(tally) % self.window == 0 and _agree(tally, self.window)


def _agree(tally: Tally, count: int) -> bool:
    """Whether the last `count` candidates all give one answer."""
    first, *others = (tally.class_of(number) for number in range(len(tally) - count, len(tally)))
    return first is not None and all(other == first for other in others)


class Exact(Fixed):
    """Stop only when nothing that may still come can change the winner: the winner of all n, for fewer samples.

    What comes may vote, and it may regroup what is there: a bare 5 leaves "5 cm" when "5 m" comes, a text may turn
    out to say the same as a number. So the leader counts only for what always stays together, answers of one reading,
    and its rival for whatever could ever join it: what has the same worth, everything whose worth is open, what does
    not vote yet, and all that is to come. An even count is decided by the lowest k, as in a vote. It is the value that
    stays; which of its spellings is the most frequent may still change.
    """

    early = True

    def __init__(self, block: Mapping[str, Any]) -> None:
        self.parameters = {"rule": "exact"}

    def needs(self, tally: Tally, left: int) -> int:
        first, second = tally.leaders()
        return max(min(left, 1), (left + second - first + 1) // 2)

    def least(self, n: int) -> int:
        return (n + 1) // 2

    def over(self, tally: Tally, left: int) -> bool:
        if not left:
            return True
        if tally.leaders()[0] < left:  # far from it: spare the counting
            return False
        readings = tally.by([one.reading for one in tally.standings])
        if not readings:
            return False
        leading, leader = min(readings.items(), key=lambda item: (-item[1].votes, item[1].first))
        rivals = _rivals(tally, leading, leader)
        return all(_outlasts(leader, rival, left) for rival in rivals) and tally.spelled_as(leading)


def _outlasts(leader: Group, rival: Group, left: int) -> bool:
    """Whether the leader wins though all that is left goes to the rival."""
    ahead = leader.votes - rival.votes - left
    return ahead > 0 or (ahead == 0 and leader.first < rival.first)


def _rivals(tally: Tally, leading: int, leader: Group) -> list[Group]:
    """The most that each could ever have against the leader's reading, what is still to come aside, and its lowest k.

    The last is an answer that nobody has given yet.
    """
    worths = tally.by([one.worth for one in tally.standings])
    opens = [one.worth is None and one.reading != leading for one in tally.standings]
    joker = tally.by([0 if is_open else None for is_open in opens]).get(0, Group(0, _NEVER))
    own = next(one.worth for one in tally.standings if one.reading == leading)
    found = [group for worth, group in worths.items() if worth != own]
    if own is not None and worths[own].votes > leader.votes:  # other readings of the leader's own worth, of any k
        found.append(Group(worths[own].votes - leader.votes, 0))
    return [Group(one.votes + joker.votes, min(one.first, joker.first)) for one in [*found, Group(0, _NEVER)]]


_NEVER = 10**9

STOPS: Mapping[str, type[Fixed]] = {"fixed": Fixed, "beta": Beta, "esc": Esc, "exact": Exact}


def make(block: Mapping[str, Any] | None) -> Stop:
    """The rule of a valid `stop:` block; None: fixed."""
    return STOPS[(block or {}).get("rule", "fixed")](block or {})


def faults(block: Any) -> list[Fault]:
    """Every fault of a `stop:` block."""
    if not isinstance(block, Mapping):
        return [Fault("stop", f"must be a block such as {{rule: beta}}, not {block!r}", nearest(str(block), STOPS))]
    rule = block.get("rule", "fixed")
    if not isinstance(rule, str) or rule not in STOPS:
        return [Fault("stop.rule", f"unknown rule `{rule}`", nearest(str(rule), STOPS))]
    known = STOPS[rule].fields
    found = [
        Fault(f"stop.{key}", f"is not a field of the rule {rule}", nearest(str(key), ["rule", *known]))
        for key in block
        if key not in ("rule", *known)
    ]
    for key, wanted in known.items():
        if key in block and not _fits(key, block[key]):
            found.append(Fault(f"stop.{key}", f"must be {wanted}, not {block[key]!r}"))
    return found


def _fits(key: str, value: Any) -> bool:
    if key == "window":
        return type(value) is int and value >= 1
    return isinstance(value, int | float) and not isinstance(value, bool) and 0.5 <= value < 1
