"""One response in several samples: a sample that goes on from others says so, and their texts are joined again.

A strategy goes on from samples with `ctx.sample(..., after=samples, lead=text)`: the prefix of the new request is what
they said and the lead (a cue such as "Wait"), and the new sample keeps the lead in its `data`. So extraction, revotes
and exports can put the whole response together from what is stored. From samples come candidates, from candidates
results.
"""

import json
from collections.abc import Sequence
from typing import Any

from solver import answers
from solver.answers import Extracted
from solver.engine.decoding import BROKEN
from solver.records import Candidate, Outcome, Problem, Result, Sample, Status, Vote

KEY = "lead"


def data_of(lead: str) -> str:
    """What a continuation keeps: the text between the sample before it and itself."""
    return json.dumps({KEY: lead}, ensure_ascii=False)


def lead_of(sample: Sample) -> str | None:
    """The text before a continuation; None for a sample that begins a response."""
    told = _told(sample.data)
    return str(told[KEY]) if KEY in told else None


def before(samples: Sequence[Sample], lead: str) -> str:
    """The prefix of a request that goes on from these samples."""
    return joined(samples).rstrip(BROKEN) + lead


def kept(ours: str, engines: str | None) -> str:
    """What a sample keeps of its call, with what the engine has left in its `data`."""
    return json.dumps(_told(ours) | _told(engines), ensure_ascii=False)


def ids_of(samples: Sequence[Sample]) -> list[int] | None:
    """Token ids of a response that was cut into these samples; None where one kept none, or a cue stands between.

    Going on from ids is exact. Text that ends in mid-sentence may be other tokens when it is encoded anew.
    """
    ids: list[int] = []
    for number, sample in enumerate(samples):
        told = _told(sample.data)
        if "ids" not in told or told.get(KEY) != ("" if number else None):
            return None
        ids += told["ids"]
    return ids


def _told(data: str | None) -> dict[str, Any]:
    told = json.loads(data) if data else {}
    return told if isinstance(told, dict) else {}


def joined(samples: Sequence[Sample]) -> str:
    """The text of the response that the last sample ends: its own, and those that it goes on from."""
    return together([(sample.text, sample.data) for sample in samples])


def together(parts: Sequence[tuple[str, str | None]]) -> str:
    """The same from the text and `data` of each sample, as the samples table has them."""
    text = ""
    for said, data in parts[beginning([data for _, data in parts]) :]:
        text = text.rstrip(BROKEN) + _told(data).get(KEY, "") + said
    return text


def beginning(data: Sequence[str | None]) -> int:
    """The place of the sample that the text of the response begins with: those before it were only talked about."""
    return max((place for place, one in enumerate(data) if KEY not in _told(one)), default=0)


def extracted(
    samples: Sequence[Sample], reasoning: tuple[str, str] | None, *, thinks: bool = False
) -> Extracted | None:
    """The final answer of the response that the last sample ends: see `answers.extract`; offsets in the joined text."""
    last = samples[-1]
    if not last.usable:
        return None
    truncated = last.status is Status.TRUNCATED
    return answers.extract(joined(samples), truncated=truncated, reasoning=reasoning, thinks=thinks)


def candidate(
    samples: Sequence[Sample], found: Extracted | None, weight: float = 1.0, marks: Sequence[str] = ()
) -> Candidate:
    """A full response made of these samples, with the answer that was found in it; marked by the last one's status."""
    last = samples[-1]
    status = () if last.status is Status.OK else (str(last.status),)
    return Candidate(
        keys=tuple(sample.key for sample in samples),
        k=last.key.k,
        answer=found.answer if found else None,
        rule=found.rule if found else None,
        weight=weight,
        marks=(*status, *marks),
        reasoning_end=found.reasoning_end if found else None,
    )


def result(problem: Problem, candidates: Sequence[Candidate], vote: Vote, spent: int) -> Result:
    """What a strategy returns of a problem, which has cost `spent` tokens so far."""
    marks = [mark for one in candidates for mark in set(one.marks)]
    readable = [one for one in candidates if not {"error", "too_long", "quarantined"} & set(one.marks)]
    outcome = Outcome.OK if vote.predicted is not None else Outcome.NO_ANSWER if readable else Outcome.FAILED
    truncated = marks.count(str(Status.TRUNCATED))
    return Result(problem, vote, tuple(candidates), len(candidates), truncated, spent, outcome)
