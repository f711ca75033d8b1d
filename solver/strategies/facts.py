"""What a strategy may know of its problem and of the job; the part of `ctx` that asks nothing."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from solver import prompts
from solver.models.tokenizer import Tokenizer
from solver.prompts import PromptTemplate
from solver.records import Message, Problem, Sampling

Ahead = int | Callable[[], int]
"""Unfinished samples or candidates beyond the one waited for: always so many, or what is right at each."""


class Told(Protocol):
    """The parts of a setting (context.py) that are told on."""

    @property
    def template(self) -> PromptTemplate: ...
    @property
    def tokenizer(self) -> Tokenizer | None: ...
    @property
    def chat(self) -> Mapping[str, Any]: ...
    @property
    def sampling(self) -> Sampling: ...
    @property
    def reasoning(self) -> tuple[str, str] | None: ...
    @property
    def spare(self) -> Callable[[], int]: ...


class Facts:
    """One problem and the job around it."""

    def __init__(self, problem: Problem, setting: Told) -> None:
        self.problem = problem
        self._told = setting

    def reach(self, n: int, number: int, ahead: Ahead) -> int:
        """How many of n samples or candidates may have been asked for while number `number`, from 0, is waited for.

        More than `ahead` says only in slots of the engine that would stand idle.
        """
        return min(n, number + 1 + (ahead if isinstance(ahead, int) else ahead()) + self._told.spare())

    @property
    def prompt(self) -> tuple[Message, ...]:
        """The job's own messages for this problem."""
        return self._told.template.messages(self.problem)

    @property
    def max_tokens(self) -> int:
        """The job's cap on a response."""
        return self._told.sampling.max_tokens

    @property
    def reasoning(self) -> tuple[str, str] | None:
        """The tags between which the model thinks, None where it has none."""
        return self._told.reasoning

    @property
    def language(self) -> str:
        """`zh` or `en`: what the job's prompt is written in; the problem's own where the prompt says nothing."""
        return prompts.language_of(self._told.template, self.problem.text)

    def thinks(self, said: str) -> bool:
        """Whether a response that begins so is still inside a reasoning block: it, or the prompt, opened one."""
        if self._told.reasoning is None:
            return False
        opening, closing = self._told.reasoning
        if closing in said:
            return False
        if opening in said:
            return True
        tokenizer = self._told.tokenizer
        render = getattr(tokenizer, "render", None)
        return render is not None and str(render(self.prompt, self._told.chat)).rstrip().endswith(opening)
