"""What every strategy promises whatever it does: it goes on where it was, and no death of an engine is seen."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from room import Room

from solver.engine.scripted import Reply, ScriptedEngine
from solver.records import Request, Result, Sample, Status
from solver.strategies import make, validate

sys.path.insert(0, str(Path(__file__).parents[1] / "run"))
from line import Flaky, Line, asked

BLOCKS: dict[str, dict[str, Any]] = {
    "fixed": {},
    "beta": {"stop": {"rule": "beta", "threshold": 0.8}},
    "esc": {"stop": {"rule": "esc", "window": 2}},
    "exact": {"stop": {"rule": "exact"}},
    "mbr": {"choose": {"rule": "mbr", "utility": "rouge-l", "over": "text"}},
    "usc": {"choose": {"rule": "usc"}, "stop": {"rule": "beta", "threshold": 0.9}},
    "cascade": {"name": "cascade", "probe": 2, "within": {"name": "refine", "stop": {"rule": "beta"}}},
    "abstain": {"name": "abstain", "below": 0.7, "within": {"name": "cascade", "within": {}}},
    "deepconf": {"name": "deepconf", "warmup": 4, "keep": 0.5, "window": 2},
    "deepconf offline": {"name": "deepconf", "mode": "offline", "keep": 0.5, "window": 2},
    "think": {"think": {"max": 6, "min": 4, "waits": 1}, "stop": {"rule": "beta"}},
    "probe": {"probe": {"every": 2, "times": 2}, "stop": {"rule": "esc", "window": 3}},
    "budget_prompt": {"budget_prompt": "auto"},
    "reflect": {"reflect": {"times": 2}, "stop": {"rule": "exact"}},
    "refine": {"name": "refine", "rounds": 2, "stop": {"rule": "beta", "threshold": 0.8}},
    "plan": {"name": "plan", "parts": 2},
    "chain": {"name": "chain", "steps": 3, "tries": 2},
    "rationalize": {"name": "rationalize", "tries": 3},
    "debate": {"name": "debate", "rounds": 2},
}
every_strategy = pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
N = 6


def reply(request: Request) -> Reply:
    """A model that is moody by seed: several answers, plans that cannot be read, reviews of both kinds."""
    mood, place = request.seed % 5, request.key.path.split("/")[0]
    text = {
        "plan": json.dumps({"parts": ["a", "b"]}) if mood else "no plan",
        "step": json.dumps({"content": "c", "next_action": "final_answer" if mood > 2 else "continue"}),
        "critique": "Verdict: wrong" if mood % 2 else "Verdict: correct",
        "budget": "\\boxed{30}",
    }.get(place, f"now it is \\boxed{{{max(3, mood)}}}{' more' * mood}")
    status = Status.ERROR if request.seed % 11 == 3 else Status.OK
    return Reply(
        text, status, 0.0005 * (request.seed % 7), confidences=[1.0 + (request.seed >> n) % 3 for n in range(9)]
    )


def solved(room: Room, block: dict[str, Any]) -> Result:
    found: Result = room.run(lambda ctx: make(block, N).solve(ctx.problem, ctx))
    return found


def same(one: Result, other: Result) -> bool:
    return (one.vote, one.candidates, one.status) == (other.vote, other.candidates, other.status)


@every_strategy
def test_whatever_was_durable_when_it_was_killed_it_ends_the_same(block: dict[str, Any]) -> None:
    assert not validate(block)
    whole = Room(reply)
    result, recorded = solved(whole, block), list(whole.recorded)
    finished = [sample for sample in recorded if sample.finished]
    assert len(result.candidates) and result.output_tokens <= whole.spent
    for kept in range(0, len(recorded) + 1, max(1, len(recorded) // 6)):
        room = Room(reply)
        room.stored = {sample.key: sample for sample in recorded[:kept] if sample.finished}
        held = set(room.stored)
        assert same(solved(room, block), result)
        assert not held & {request.key for request in room.asked}, "nothing durable is asked again"
    again = Room(reply)
    again.stored = {sample.key: sample for sample in finished}
    assert same(solved(again, block), result) and not {r.key for r in again.asked} & set(again.stored)


@every_strategy
def test_engines_may_die_under_it(block: dict[str, Any]) -> None:
    def run(deaths: list[int]) -> tuple[Any, list[Sample]]:
        line = Line(reply)
        if deaths:
            line.engine = Flaky(ScriptedEngine(reply, slots=4), deaths)
        line.run(asked(3), make(block, N))
        votes = {r.problem.id: (r.vote, r.candidates) for r in line.results}
        return votes, [sample for sample in line.samples if sample.finished]

    calm, samples = run([])
    shaken, again = run([5, 9, 4])
    assert shaken == calm
    keys = [sample.key for sample in again]
    assert len(keys) == len(set(keys)), "no sample twice"
    assert {r.key for r in samples} >= {key for _, found in calm.values() for c in found for key in c.keys}
