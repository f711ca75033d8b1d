"""Token confidence while a response is under way: the numbers of "Deep Think with Confidence", in the engine room.

In: the log-probabilities of the most likely tokens at each position. Out: a few numbers per response (`Sample.data`)
and, under a floor, the wish to end it. Source: Fu et al. 2025, arXiv 2508.15260. The confidence of a token is minus
the mean log-probability of the `top` most likely tokens there (nats; high where the model is sure), the group
confidence its mean over a window of tokens.

vLLM would make Python objects of every log-probability (21 a token). `Collector` stands in for that part of vLLM and
keeps one number a token; where a version keeps it elsewhere, confidences are read from the finished response.
"""

import json
import math
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

LEAST = -1000.0
"""Log-probabilities below this (minus infinity, where a processor forbids a token) count as this."""
BOTTOM = 0.1
DIGITS = 6


@dataclass(frozen=True, slots=True)
class Confidence:
    """A watch rule over confidences: what to measure, and the group confidence under which a response ends.

    top: log-probabilities a token; window: tokens of a group; floor: nats, None to end nothing.
    """

    top: int = 20
    window: int = 2048
    floor: float | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """What of it belongs to the identity of a call."""
        return {"confidence": [self.top, self.window, self.floor]}

    def begin(self) -> "Trace":
        """The confidences of one response, none yet."""
        return Trace(self)


@dataclass(frozen=True, slots=True)
class Measured:
    """The confidence of one response, in nats a token.

    mean: over all its tokens; lowest: its least group; bottom: mean of the lowest tenth of its groups; tail: mean over
    its last window. A response shorter than the window is one group.
    """

    mean: float
    lowest: float
    bottom: float
    tail: float

    @classmethod
    def of(cls, data: str | None) -> "Measured | None":
        """What a sample kept; None where it kept none, as a response without a token does."""
        told = json.loads(data) if data else None
        found = told.get("confidence") if isinstance(told, dict) else None
        return cls(**found) if found else None


class Trace:
    """Confidences of one response as its tokens come: 8 bytes a token, one addition each."""

    def __init__(self, rule: Confidence) -> None:
        self._rule = rule
        self._sums = array("d", [0.0])

    def add(self, confidences: Iterable[float]) -> bool:
        """More tokens; True once a whole window lies below the floor."""
        sums, window, floor = self._sums, self._rule.window, self._rule.floor
        below = False
        for value in confidences:
            sums.append(sums[-1] + value)
            if floor is not None and len(sums) > window:
                below = below or (sums[-1] - sums[-1 - window]) / window < floor
        return below

    def measured(self) -> Measured | None:
        """The numbers so far; None before the first token."""
        sums = np.frombuffer(self._sums, dtype=np.float64)
        count = len(sums) - 1
        if not count:
            return None
        window = min(self._rule.window, count)
        groups = np.sort((sums[window:] - sums[:-window]) / window)
        bottom = groups[: max(1, int(len(groups) * BOTTOM))].mean()
        tail = (sums[-1] - sums[-1 - window]) / window
        numbers = (sums[-1] / count, groups[0], bottom, tail)
        return Measured(*(round(float(number), DIGITS) for number in numbers))

    def data(self) -> str | None:
        """The numbers as a sample keeps them: compact JSON."""
        found = self.measured()
        return None if found is None else json.dumps({"confidence": asdict(found)}, separators=(",", ":"))


def of_token(logprobs: Sequence[float]) -> float:
    """Confidence of one token from the log-probabilities of the most likely tokens there."""
    return -math.fsum(max(value, LEAST) for value in logprobs) / len(logprobs)


class Collector:
    """Takes a request's log-probabilities in place of vLLM's own processor, and keeps one number a token.

    low: called once when a window has fallen below the floor, while vLLM is at work: it must not touch vLLM at once.
    """

    def __init__(self, rule: Confidence, low: Callable[[], object]) -> None:
        self.trace = rule.begin()
        self.cumulative_logprob = 0.0
        self.tokens = 0
        self.ended = False
        self._top, self._low = rule.top, low
        self._theirs: Any = None

    def replace(self, theirs: Any) -> None:
        """Stand in for this one, which still answers for whatever else vLLM asks."""
        self._theirs = theirs

    def __getattr__(self, name: str) -> Any:
        if name == "_theirs":
            raise AttributeError(name)
        return getattr(self._theirs, name)

    def update_from_output(self, output: Any) -> None:
        """One step of vLLM: rows of [the sampled token's, the top ones' log-probabilities, most likely first]."""
        if output.new_logprobs is None:
            return
        rows = output.new_logprobs.logprobs.tolist()
        self.tokens += len(rows)
        self.cumulative_logprob += sum(row[0] for row in rows)
        if self.trace.add([of_token(row[1 : self._top + 1]) for row in rows]) and not self.ended:
            self.ended = True
            self._low()

    def read(self, positions: Iterable[Mapping[int, Any]]) -> None:
        """All tokens of a finished response, from the objects that vLLM makes where nobody stands in for it."""
        for position in positions:
            ranked = sorted((entry.logprob for entry in position.values()), reverse=True)
            self.tokens += 1
            if self.trace.add([of_token(ranked[: self._top])]):
                self.ended = True


def stand_in(llm: Any, collectors: Mapping[str, Collector]) -> None:
    """From now on requests named in `collectors` give their log-probabilities to them (vLLM 0.26 to 0.32).

    Where vLLM is built otherwise nothing happens, and their confidences are read when they have finished.
    """
    processor = getattr(llm, "output_processor", None)
    states, add = getattr(processor, "request_states", None), getattr(processor, "add_request", None)
    if processor is None or states is None or add is None:
        return

    def adding(request: Any, *given: Any, **named: Any) -> Any:
        result = add(request, *given, **named)
        collector = collectors.get(getattr(request, "external_req_id", None) or request.request_id)
        state = states.get(request.request_id)
        if collector is not None and hasattr(getattr(state, "logprobs_processor", None), "update_from_output"):
            collector.replace(state.logprobs_processor)
            state.logprobs_processor = collector
        return result

    processor.add_request = adding
