"""A sample that kills engines, from the run directory's side: a row with a reason, once and for all."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from desk import Desk
from fault_engine import FaultEngine, at_random

from solver import engine
from solver.errors import EngineError
from solver.records import Request, Status

ROWS = [{"id": f"p{i}", "problem": f"What is {i}?", "answer": "1"} for i in range(30)]

Serve = Callable[..., FaultEngine]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Puts a fault engine in the place of the scripted one."""

    def served(**faults: Any) -> FaultEngine:
        made: list[FaultEngine] = []

        def opened(_: Any) -> FaultEngine:
            faulty = FaultEngine(at_random(1), slots=8, **faults)
            made.append(faulty)
            return faulty

        monkeypatch.setitem(engine.ENGINES, "scripted", opened)  # type: ignore[arg-type]
        return made  # type: ignore[return-value]

    return served


def bad(request: Request) -> bool:
    return request.messages[-1]["content"].startswith("What is 7?") and request.key.k == 2


def notes(desk: Desk) -> list[list[Any]]:
    """What the notes of all starts still say is in flight."""
    found = sorted((desk.out / "_solver" / "in_flight").glob("*.json"))
    return [json.loads(path.read_text())["in_flight"] for path in found]


def test_a_quarantined_sample_is_a_row_and_is_never_asked_again(desk: Desk, serve: Serve) -> None:
    made: Any = serve(poison=bad)
    desk.lay(ROWS, ["unused"])
    summary = desk.run()
    assert summary.exit_code == 0 and (summary.stats.problems, summary.stats.failed) == (30, 0)
    (row,) = (sample for sample in desk.samples() if sample.status is Status.QUARANTINED)
    assert "the engine died 3 times" in str(row.error) and row.key.k == 2 and row.text == ""
    result = desk.results()["p7"]
    assert (result["status"], result["n_valid"], result["n_samples"], result["correct"]) == ("ok", 3, 4, True)
    assert [c["marks"] for c in result["candidates"] if c["k"] == 2] == [["quarantined"]]
    assert any(f"sample 2 of row {row.key.row_id.hex()} is quarantined" in text for text in desk.said)
    assert not notes(desk)[-1], "a finished run leaves nothing in flight"
    assert desk.run("sampling.n=5").samples == 30, "more samples are asked, this one is not"
    assert made[-1].restarts == 0


def test_a_problem_whose_every_sample_kills_is_failed(desk: Desk, serve: Serve) -> None:
    serve(poison=lambda request: request.messages[-1]["content"].startswith("What is 7?"))
    summary = desk.lay(ROWS, ["unused"]).run()
    assert summary.exit_code == 3 and summary.stats.failed == 1
    result = desk.results()["p7"]
    assert result["status"] == "failed"
    told = [text for text in desk.said if "quarantined" in text]
    assert len(told) == 1 and f"samples of row {result['row_id']} are" in told[0], "once, not for every sample"


def test_a_broken_engine_ends_the_run_and_the_next_one_goes_on_as_if_nothing_had_been(desk: Desk, serve: Serve) -> None:
    serve(broken_after=40)
    desk.lay(ROWS, ["unused"])
    with pytest.raises(EngineError, match="poisoned"):
        desk.run()
    kept = len(desk.samples())
    assert kept >= 40 and all(len(entry) == 4 for note in notes(desk) for entry in note), (
        "no deaths are held against rows"
    )
    made: Any = serve()
    assert desk.run().samples == 120 - kept and made[-1].restarts == 0
    assert {sample.status for sample in desk.samples()} == {Status.OK}


def test_silence_is_noticed_after_the_time_that_the_job_names(desk: Desk, serve: Serve) -> None:
    count = iter(range(10**6))
    made: Any = serve(hangs=lambda _: next(count) == 20)
    summary = desk.lay(ROWS, ["unused"], engine={"hang_seconds": 0.3}).run()
    assert summary.exit_code == 0 and made[-1].restarts == 1
    assert any("engine.hang_seconds" in text for text in desk.said)
