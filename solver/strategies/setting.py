"""What all problems of a run share: the driver's side of `ctx` (strategies/context.py)."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from solver import answers
from solver.answers import Grader
from solver.engine import Watch
from solver.models.tokenizer import Tokenizer
from solver.prompts import PromptTemplate
from solver.records import Request, Sample, SampleKey, Sampling

Ask = Callable[[Request, Watch | None], Awaitable[Sample]]
Record = Callable[[Sample], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Setting:
    """What all problems of a run share.

    ask: the driver's way to the engine; abort: ends one unfinished request; record: hands a sample to
    the writer; context: the engine's limit in tokens or None; spare: how many samples more than a rule asks for a
    problem may have in flight now; reasoning, thinks: see `answers.extract`; frozen: stored samples answer whatever
    the caps are now (revote).
    """

    ask: Ask
    abort: Callable[[SampleKey], Awaitable[None]]
    record: Record
    template: PromptTemplate
    tokenizer: Tokenizer | None
    chat: Mapping[str, Any]
    sampling: Sampling
    seed: int
    grader: Grader
    context: int | None = None
    spare: Callable[[], int] = lambda: 0
    reasoning: tuple[str, str] | None = answers.DEFAULT_REASONING
    thinks: bool = False
    frozen: bool = False
