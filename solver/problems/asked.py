"""One cell of the problem column -> what is asked: text, or a list of chat messages.

In: a Python value of any type. Out: an `Asked`; a cell that cannot be asked has a fault, never an exception.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

BLANK = "blank problem"
ROLES = ("system", "developer", "user", "assistant", "tool")


class Asked(NamedTuple):
    """text: for human eyes (of a chat: its last user message); value: what the template reads; fault: or None."""

    text: str
    value: Any
    fault: str | None = None


def read_problems(cells: Sequence[Any]) -> list[Asked]:
    """`read_problem` of every cell of a batch."""
    return list(map(Asked, cells, cells)) if all_told(cells) else list(map(read_problem, cells))


def all_told(cells: Sequence[Any]) -> bool:
    """Whether every cell is a text that says something: the usual case, seen without a call for each."""
    return {*map(type, cells)} == {str} and all(map(str.strip, cells))


def read_problem(cell: Any) -> Asked:
    """Text as it is, a list as chat messages with only `role` and `content`. A JSON string of a list is text."""
    if cell is None or cell == [] or (isinstance(cell, str) and not cell.strip()):
        return Asked("", cell, BLANK)
    if isinstance(cell, str):
        return Asked(cell, cell)
    if not isinstance(cell, list):
        return Asked("", cell, f"a problem is text or a list of chat messages, not {type(cell).__name__}")
    for place, message in enumerate(cell):
        if wrong := _wrong(message):
            return Asked("", cell, f"chat message {place}: {wrong}")
    messages = [{"role": message["role"], "content": message["content"]} for message in cell]
    asked = [message["content"] for message in messages if message["role"] == "user"]
    if not asked:
        return Asked("", messages, "the chat has no user message")
    return Asked(asked[-1], messages, None if asked[-1].strip() else BLANK)


def _wrong(message: Any) -> str | None:
    """What is wrong with one chat message, or None."""
    if not isinstance(message, dict):
        return f"is {type(message).__name__}, not an object with `role` and `content`"
    if message.get("role") not in ROLES:
        return f"role {message.get('role')!r} is none of {', '.join(ROLES)}"
    if not isinstance(message.get("content"), str):
        return f"content is {type(message.get('content')).__name__}, not text"
    return None
