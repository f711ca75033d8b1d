"""Answers of one problem counted as they come, in order of k: what stopping rules read.

Equal answers are grouped for each distinct text once, so that counting another copy costs a microsecond.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from solver.answers import Standing

UNKNOWN = Standing(None)


@dataclass(slots=True)
class Group:
    """Answers that are counted together: how many came, and the lowest k among them."""

    votes: int
    first: int


class Tally:
    """Counts of one problem. `add` each candidate in order of k; where it says so, `group` the distinct answers.

    answers: the distinct texts, in order of appearance; seen: for each candidate the place of its text in `answers`,
    None where it gives no answer.
    """

    def __init__(self) -> None:
        self.answers: list[str] = []
        self.seen: list[int | None] = []
        self._place: dict[str, int] = {}
        self._counts: list[Group] = []
        self._standings: Sequence[Standing] = ()
        self._classes: Mapping[int, Group] = {}

    def __len__(self) -> int:
        return len(self.seen)

    def add(self, answer: str | None, k: int) -> bool:
        """Count a candidate; True where its text is a new one, so that `group` must be told the standings anew."""
        if answer is None:
            self.seen.append(None)
            return False
        place = self._place.setdefault(answer, len(self.answers))
        self.seen.append(place)
        if place == len(self.answers):
            self.answers.append(answer)
            self._counts.append(Group(1, k))
            return True
        self._counts[place].votes += 1
        class_id = self._standings[place].class_id
        if class_id is not None:
            self._classes[class_id].votes += 1
        return False

    def group(self, standings: Sequence[Standing]) -> None:
        """Take the standing of each of `answers` in a bag of just these."""
        self._standings = standings
        self._classes = self.by([one.class_id for one in standings])

    def by(self, labels: Sequence[int | None]) -> dict[int, Group]:
        """Votes under each label, one label for each of `answers`; None is left out."""
        found: dict[int, Group] = {}
        for label, count in zip(labels, self._counts, strict=True):
            if label is None:
                continue
            known = found.get(label)
            if known is None:
                found[label] = Group(count.votes, count.first)
            else:
                known.votes += count.votes
                known.first = min(known.first, count.first)
        return found

    @property
    def standings(self) -> Sequence[Standing]:
        """The standing of each of `answers`."""
        return self._standings

    def class_of(self, number: int) -> int | None:
        """Class of the candidate that was counted as number `number`, from 0; None when it does not vote."""
        place = self.seen[number]
        return None if place is None else self._standings[place].class_id

    def spelled_as(self, reading: int) -> bool:
        """Whether the most frequent answer of this reading's class, the one that a vote would tell, has it."""
        class_id = next(one.class_id for one in self._standings if one.reading == reading)
        own = [place for place, one in enumerate(self._standings) if one.class_id == class_id]
        most = max(own, key=lambda place: (self._counts[place].votes, -self._counts[place].first))
        return self._standings[most].reading == reading

    def leaders(self) -> tuple[int, int]:
        """Votes of the largest class and of the next; 0 where there is none."""
        first = second = 0
        for group in self._classes.values():
            if group.votes > first:
                first, second = group.votes, first
            elif group.votes > second:
                second = group.votes
        return first, second
