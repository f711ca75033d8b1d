"""An engine that dies under way: a fresh one goes on, and nothing finished is asked again."""

import pytest
from line import Flaky, Line, asked

from solver.engine.scripted import Reply
from solver.errors import EngineError
from solver.records import Outcome
from solver.run.lives import DEATHS


def test_an_engine_that_dies_is_replaced_and_only_unfinished_requests_are_asked_again() -> None:
    line = Line(lambda _: Reply("\\boxed{1}", seconds=0.002))
    line.engine = flaky = Flaky(line.engine, [30, 40])
    line.run(asked(30))
    assert line.outcomes() == {f"p{i}": Outcome.OK for i in range(30)} and flaky.restarts == 2
    assert len(line.samples) == len({s.key for s in line.samples}) == 120
    assert set(flaky.finished.values()) == {1}, "a finished sample is never asked again"
    repeated = sum(count - 1 for count in flaky.asked.values())
    assert 0 < repeated <= 2 * (2 * 4 + 4), "at most what was in flight, twice"


def test_too_many_deaths_in_a_row_end_the_run() -> None:
    line = Line(lambda _: Reply("\\boxed{1}", seconds=0.002))
    line.engine = flaky = Flaky(line.engine, [20, *[0] * 30])
    with pytest.raises(EngineError, match=rf"died {DEATHS} times in a row.*killed"):
        line.run(asked(30))
    assert flaky.restarts == DEATHS - 1
    finished = {key.row_id for key in flaky.finished}
    assert {s.key for s in line.samples} == set(flaky.finished), f"kept: what was finished ({len(finished)} problems)"
    assert "failed" not in line.outcomes().values(), "problems are not blamed for the engine"


def test_as_many_deaths_with_work_between_them_do_not() -> None:
    line = Line(lambda _: Reply("\\boxed{1}", seconds=0.001))
    line.engine = Flaky(line.engine, [20] * DEATHS)
    line.run(asked(120))
    assert set(line.outcomes().values()) == {Outcome.OK} and line.engine.restarts == DEATHS


def test_a_restart_that_fails_ends_the_run_with_its_reason() -> None:
    line = Line(lambda _: Reply("\\boxed{1}", seconds=0.002))
    line.engine = Flaky(line.engine, [20], broken=EngineError("no memory is left"))
    with pytest.raises(EngineError, match="no memory is left"):
        line.run(asked(30))
    assert line.engine.restarts == 1, "one attempt, not one per waiting request"
