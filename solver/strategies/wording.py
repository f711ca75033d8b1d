"""The words of a strategy: its cues (templates/cues-*.jinja, or the job's own), and chats made with them.

cues: {wait: "Hold on,", critique: "..."}      in a strategy block: another wording, as Jinja text
"""

from collections.abc import Mapping, Sequence
from typing import Any

from solver import prompts
from solver.errors import Fault, nearest
from solver.records import Message
from solver.strategies.context import Context


class Cues:
    """The cues of one job. parameters: the wording that is the job's own, as part of a strategy's parameters."""

    def __init__(self, block: Mapping[str, Any]) -> None:
        self._own: Mapping[str, str] = dict(block.get("cues") or {})
        self.parameters: Mapping[str, Any] = {"cues": dict(self._own)} if self._own else {}

    def say(self, ctx: Context, name: str, /, **values: Any) -> str:
        """One cue, in the language of the job's prompt."""
        return prompts.cue(name, ctx.language, self._own, **values)

    def ask(self, ctx: Context, name: str, /, **values: Any) -> list[Message]:
        """The job's prompt, its last message rewritten by a cue that is given it as `problem`."""
        *head, last = ctx.prompt
        return [*head, {**last, "content": self.say(ctx, name, problem=last["content"], **values)}]


def turns(*contents: str) -> list[Message]:
    """What the assistant and the user say in turn, the assistant first."""
    return [{"role": ("assistant", "user")[number % 2], "content": text} for number, text in enumerate(contents)]


def cue_faults(block: Mapping[str, Any]) -> list[Fault]:
    """Every fault of a `cues:` block."""
    own = block.get("cues")
    if own is None:
        return []
    if not isinstance(own, Mapping):
        return [Fault("cues", f"must be a block of texts by name, not {own!r}")]
    names, found = prompts.cue_names(), []
    for name, text in own.items():
        if name not in names:
            found.append(Fault(f"cues.{name}", "is not a cue", nearest(str(name), names)))
        elif (wrong := prompts.cue_fault(text)) is not None:
            found.append(Fault(f"cues.{name}", wrong))
    return found


def number_faults(
    block: Mapping[str, Any], limits: Mapping[str, tuple[float, float]], place: Sequence[str] = ()
) -> list[Fault]:
    """Values of a block that are no numbers within their limits; both limits whole: whole numbers only."""
    found = []
    for key, (low, high) in limits.items():
        value = block.get(key)
        whole = isinstance(low, int)
        fits = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if value is None or (fits and low <= value <= high):
            continue
        wanted = f"a whole number from {low} to {high}" if whole else f"a number from {low:g} to {high:g}"
        found.append(Fault(".".join((*place, key)), f"must be {wanted}, not {value!r}"))
    return found


def block_faults(block: Mapping[str, Any], key: str, limits: Mapping[str, tuple[float, float]]) -> list[Fault]:
    """Every fault of a block of numbers inside the strategy block."""
    inner = block.get(key)
    if not isinstance(inner, Mapping):
        return [Fault(key, f"must be a block of {', '.join(limits)}, not {inner!r}")]
    unknown = [Fault(f"{key}.{name}", f"is not a field of {key}", nearest(str(name), limits)) for name in inner]
    found = [fault for fault, name in zip(unknown, inner, strict=True) if name not in limits]
    return found + number_faults(inner, limits, (key,))
