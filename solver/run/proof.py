"""What proves that an engine works: which answers count as one, and requests that may be asked again.

A verdict is held back until the engine has finished something else (poison.py). With nobody else left to ask, a
request that was answered before is asked again and its answer dropped: a control.
"""

import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

from solver.records import Request, Sample, SampleKey, Status
from solver.run.poison import QUESTION, SOLO, Question

CONTROLS = 4  # questions of which an answered request is kept


class Controls:
    """The last answered request of each of the last few questions."""

    def __init__(self) -> None:
        self._answered: dict[Question, Request] = {}

    def answered(self, request: Request) -> None:
        """The engine brought this request to a good end."""
        self._answered.pop(request.key[:3], None)
        self._answered[request.key[:3]] = request
        if len(self._answered) > CONTROLS:
            del self._answered[next(iter(self._answered))]

    def choose(self, guilty: Iterable[Question]) -> list[Request]:
        """Whom to ask again, best first; a question that may kill engines itself comes last."""
        suspected = set(guilty)
        latest = reversed(self._answered.items())
        return [request for _, request in sorted(latest, key=lambda item: item[0] in suspected)]


class Sentences:
    """Verdicts in words for the user; one against a question is said once, not for each of its samples."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._said: set[Question] = set()

    def say(self, key: SampleKey, reason: str) -> None:
        """A sample is quarantined for this reason. The row is named as `solver show` takes it, by its `row_id`."""
        row = f"row {key.row_id.hex()}"
        if reason != QUESTION:
            self._say(f"sample {key.k} of {row} is quarantined: {reason}")
        elif key[:3] not in self._said:
            self._said.add(key[:3])
            self._say(f"all unfinished samples of {row} are quarantined: {reason}")


async def works(controls: Iterable[Request], again: Callable[[Request], Awaitable[bool | None]]) -> bool | None:
    """Whether the engine works: one control is answered (True), or it dies under them (False); None: nobody can say.

    again: asks a control: whether it was answered well, None when the engine died instead, as it may by chance.
    """
    left, deaths = deque(controls), 0
    while left and deaths < SOLO:
        control = left.popleft()
        well = await again(control)
        if well:
            return True
        if well is None:
            deaths += 1
            left.append(control)
    return False if deaths else None


def unasked(request: Request, status: Status, reason: str | None) -> Sample:
    """The sample of a request that the engine gave no answer to."""
    prompt = len(request.token_ids or ())
    return Sample(request.key, request.role, "", status, None, prompt, 0, request.seed, error=reason)


def odd(request: Request, sample: object, *, wanted: bool) -> str:
    """Why this cannot be the answer to the request; empty when it can."""
    if not isinstance(sample, Sample):
        return "the engine gave no sample"
    if sample.key != request.key:
        return "the engine gave another request's answer"
    if sample.status is Status.CANCELLED and wanted:
        return "the engine ended the request unasked"
    return ""


def sound(sample: Sample) -> Sample:
    """What is stored: a log-probability that is no number is none."""
    bad = sample.mean_logprob is not None and not math.isfinite(sample.mean_logprob)
    return replace(sample, mean_logprob=None) if bad else sample
