"""Which samples the report shows, and their texts, cut: the samples table is read once, whole texts are never kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from solver.statistics.responses import Whole, responses
from solver.store import Store

Cut = tuple[str, int, str]
"""A text: its head, how many characters are left out after it, and its tail; ("whole", 0, "") where nothing is."""
_HEAD = 0.6  # of a cut text; the end has the answer


@dataclass(frozen=True, slots=True)
class Shown:
    """One sample as the report shows it. reasoning: what was thought and not said aloud; said: the rest."""

    status: str
    tokens: int
    reasoning: Cut
    said: Cut
    error: str | None

    def within(self, length: int) -> "Shown":
        """The same in at most so many characters: what was said goes first, reasoning gets what is left."""
        said = shorter(self.said, length)
        left = max(length - len(said[0]) - len(said[2]), length // 4)
        return Shown(self.status, self.tokens, shorter(self.reasoning, left), said, self.error)


class Wanted(NamedTuple):
    """A response to show: hashes of its samples' keys, and where its reasoning ends (0: it has none apart)."""

    parts: Sequence[int]
    end: int


def texts(store: Store, wanted: Sequence[Wanted], length: int) -> dict[int, Shown]:
    """The wanted responses by their place, each in at most `length` characters. Raises StoreError where shards are
    damaged."""
    met = responses(store, [one.parts for one in wanted])
    return {place: _shown(whole, wanted[place].end, length) for place, whole in met}


def _shown(whole: Whole, end: int, length: int) -> Shown:
    thought, said = whole.text[:end], whole.text[end:]
    return Shown(whole.status, whole.tokens, (thought, 0, ""), (said, 0, ""), whole.error).within(length)


def shorter(text: Cut, length: int) -> Cut:
    """A text, cut or not, in at most `length` characters: from the middle, as the answer stands at the end."""
    head, gone, tail = text
    if len(head) + len(tail) <= length:
        return text
    front = int(length * _HEAD)
    back = length - front
    if gone:
        kept_head, kept_tail = head[:front], tail[max(len(tail) - back, 0) :]
    else:
        kept_head, kept_tail = head[:front], head[len(head) - back :]
    return kept_head, gone + len(head) + len(tail) - len(kept_head) - len(kept_tail), kept_tail
