"""The data that travels: one frozen record per stage, each made from the one before it.

    Problem -> Request -> Sample -> Candidate -> Vote -> Result

Nothing here reads files, knows an engine or imports anything but the standard library.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

Message = Mapping[str, str]
"""One chat message: `role` and `content`."""


class Status(StrEnum):
    """How one sample ended. All but `cancelled` are finished: they answer the same call on resume."""

    OK = "ok"  # the model stopped by itself
    TRUNCATED = "truncated"  # hit max_tokens or the context; redone only under a higher cap
    STOPPED = "stopped"  # its own watch rule ended it
    CANCELLED = "cancelled"  # a sibling decided; kept for the token accounts, never answers a call
    TOO_LONG = "too_long"  # the prompt leaves no room in the context; nothing was generated
    ERROR = "error"  # the engine refused or failed this one request
    QUARANTINED = "quarantined"  # engines died under it too often


class Outcome(StrEnum):
    """How one problem ended (`Result.status`)."""

    OK = "ok"  # a vote was cast
    ABSTAINED = "abstained"  # a vote was cast, but the strategy keeps silent: nothing predicted, nothing judged
    NO_ANSWER = "no_answer"  # responses came, none with a gradable answer
    FAILED = "failed"  # no response at all: every sample failed, or the row itself is unusable
    WANTS_MORE = "wants_more"  # revote only: the rule asks for samples that the run does not hold


class SampleKey(NamedTuple):
    """Identity of one sample within a generation fingerprint.

    row_id: 16 bytes; path: constant name of the place in the strategy ("answer", "critique/2");
    call: 64-bit hash of role, messages, prefix and overridden sampling fields; k: number from 0.
    """

    row_id: bytes
    path: str
    call: int
    k: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One row of the input.

    row_id: 16-byte hash of the values that the prompt template reads and of the occurrence number;
    row: position in the input, from 0; id: the user's own id or a made one; text: the problem for
    human eyes; values: what the template reads; reference: the final reference answer or None;
    columns: every other input column, unchanged; fault: why this row cannot be asked, or None.
    """

    row_id: bytes
    row: int
    id: str
    text: str
    values: Mapping[str, Any]
    reference: str | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn; every field is the engine's own. `top_k` 0 means no limit; None: the engine's default."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    max_tokens: int = 8192
    stop: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()
    logprobs: int | None = None
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One question to the engine: exactly one sample comes back.

    messages and prefix (text the response begins with) are what is asked; token_ids is the same,
    encoded, when a tokenizer is at hand. seed: 63 bits, independent of order, batch and resume.
    priority: lower is served first (the number in which its problem was admitted); keep_ids: where the sample is cut
    by a cap, its `data` keeps its token ids (`{"ids": [...]}`), for whoever goes on from it.
    """

    key: SampleKey
    role: str
    messages: tuple[Message, ...]
    prefix: str
    token_ids: Sequence[int] | None
    sampling: Sampling
    seed: int
    priority: int = 0
    keep_ids: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """What the engine said to one request: one row of the samples table.

    text: the generated text without the prefix; finish_reason: the engine's own word; tokens are
    counted by the engine; mean_logprob: nats per generated token, when asked for; error: why, for
    failed statuses; data: JSON text with whatever else a strategy asked to keep.
    """

    key: SampleKey
    role: str
    text: str
    status: Status
    finish_reason: str | None
    prompt_tokens: int
    output_tokens: int
    seed: int
    mean_logprob: float | None = None
    error: str | None = None
    data: str | None = None

    @property
    def finished(self) -> bool:
        """Whether this copy may answer its call on resume."""
        return self.status is not Status.CANCELLED

    @property
    def usable(self) -> bool:
        """Whether the model said something that may be read for an answer."""
        return self.status in (Status.OK, Status.TRUNCATED, Status.STOPPED)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One full response to the problem; only candidates vote.

    keys: the samples it was made of, in order; k: its number from 0; answer: extracted text or None;
    rule: which extraction rule fired; class_id: index into `Vote.classes`, None when it does not
    vote; correct: against the reference, None without one; marks: such as "truncated" or "hinted";
    reasoning_end: character offset in the text where the reasoning block ends, or None;
    in a response of several samples, in their joined text (strategies/response.py).
    """

    keys: tuple[SampleKey, ...]
    k: int
    answer: str | None
    rule: str | None = None
    class_id: int | None = None
    correct: bool | None = None
    weight: float = 1.0
    marks: tuple[str, ...] = ()
    reasoning_end: int | None = None


@dataclass(frozen=True, slots=True)
class AnswerClass:
    """Equal answers: `answer` is the most frequent spelling, `spellings` all of them, most frequent first."""

    answer: str
    votes: int
    weight: float
    spellings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Vote:
    """A decision and its evidence.

    predicted: the winning class's answer, None when nothing valid voted; correct: against the
    reference; votes: members of the winning class; n_valid: candidates with a gradable answer;
    agreement: votes / n_valid; margin: (first - second) / all, by weight; tie: another class weighed
    the same as the winner; classes: by weight, then votes, then lowest k.
    """

    predicted: str | None
    correct: bool | None
    votes: int
    n_valid: int
    agreement: float | None
    margin: float | None
    tie: bool
    classes: tuple[AnswerClass, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """What is known about one problem: one row of the results table.

    output_tokens counts every sample of the problem, cancelled ones and probes included;
    decision: 64-bit hash of what the vote depends on (strategy, parameters, n, extraction and vote
    versions, reference); a result with another decision is decided anew from the same samples.
    """

    problem: Problem
    vote: Vote
    candidates: tuple[Candidate, ...]
    n_samples: int
    n_truncated: int
    output_tokens: int
    status: Outcome
    decision: int = 0
