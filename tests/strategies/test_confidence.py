"""Deepconf: the arithmetic of the paper on hand-made log-probabilities, and what becomes of unsure responses."""

import asyncio
import json
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from room import Room

from solver.engine.confidence import Collector, Confidence, Measured, of_token
from solver.engine.scripted import Reply
from solver.records import Request, Result, Status
from solver.strategies import make, validate
from solver.strategies.deepconf import percentile


def solve(room: Room, n: int, **fields: Any) -> Result:
    block = {"name": "deepconf", **fields}
    assert not validate(block)
    found: Result = room.run(lambda ctx: make(block, n).solve(ctx.problem, ctx))
    return found


def test_the_confidence_of_a_token_is_minus_the_mean_log_probability_of_the_top_ones() -> None:
    assert of_token([math.log(0.5), math.log(0.25)]) == pytest.approx((math.log(2) + math.log(4)) / 2)
    assert math.isfinite(of_token([-0.1, -math.inf])), "a token that was forbidden"


def test_groups_are_windows_and_a_response_shorter_than_one_is_one_group() -> None:
    trace = Confidence(window=2).begin()
    trace.add([4.0, 2.0, 6.0, 1.0])  # groups 3, 4, 3.5
    assert trace.measured() == Measured(mean=3.25, lowest=3.0, bottom=3.0, tail=3.5)
    short = Confidence(window=10).begin()
    short.add([1.0, 2.0])
    assert short.measured() == Measured(1.5, 1.5, 1.5, 1.5)
    assert Confidence().begin().measured() is None and Confidence().begin().data() is None


def test_bottom_is_the_mean_of_the_lowest_tenth_of_groups() -> None:
    trace = Confidence(window=1).begin()
    trace.add(float(value) for value in range(30, 0, -1))
    found = trace.measured()
    assert found is not None and found.bottom == 2.0 and found.lowest == 1.0  # of 30: 1, 2, 3
    assert Measured.of(trace.data()) == found and Measured.of(None) is None and Measured.of('{"lead":""}') is None


def test_only_a_whole_window_below_the_floor_ends_a_response() -> None:
    trace = Confidence(window=3, floor=2.0).begin()
    assert not trace.add([0.0, 0.0])
    assert not trace.add([6.0]), "(0 + 0 + 6) / 3 is the floor itself"
    assert trace.add([-0.1])


def output(*rows: list[float]) -> Any:
    return SimpleNamespace(new_logprobs=SimpleNamespace(logprobs=np.array(rows)))


def test_vllms_rows_begin_with_the_sampled_token_which_is_not_one_of_the_top() -> None:
    called: list[bool] = []
    collector = Collector(Confidence(top=2, window=1, floor=1.0), lambda: called.append(True))
    collector.replace(SimpleNamespace(prompt_logprobs=None))
    collector.update_from_output(output([-9.0, -1.0, -3.0, -50.0]))
    assert collector.trace.measured() == Measured(2.0, 2.0, 2.0, 2.0) and not called
    collector.update_from_output(SimpleNamespace(new_logprobs=None))
    collector.update_from_output(output([-1.0, -0.5, -0.7], [-1.0, -0.1, -0.1]))
    assert called == [True], "once"
    assert (collector.tokens, collector.cumulative_logprob, collector.prompt_logprobs) == (3, -11.0, None)


def test_where_nobody_can_stand_in_confidences_are_read_from_the_finished_response() -> None:
    collector = Collector(Confidence(top=2), lambda: None)
    entries = {5: -9.0, 1: -1.0, 2: -3.0}  # the sampled token beside the top two: vLLM may return k + 1
    collector.read([{token: SimpleNamespace(logprob=value) for token, value in entries.items()}])
    assert collector.trace.measured() == Measured(2.0, 2.0, 2.0, 2.0)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_percentiles_are_numpys(share: float) -> None:
    values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0]
    assert percentile(values, share) == pytest.approx(np.percentile(values, 100 * share))


def scripted(answers: str, confidences: list[list[float]]) -> Room:
    def reply(request: Request) -> Reply:
        k = request.key.k
        return Reply(f"it is \\boxed{{{answers[k]}}}", confidences=confidences[k])

    return Room(reply)


def test_offline_the_best_tenth_votes_with_its_confidence() -> None:
    sure = [[float(k)] * 3 for k in range(1, 11)]
    result = solve(scripted("1111111112", sure), 10, mode="offline", keep=0.1, measure="mean")
    assert result.vote.predicted == "2", "nine unsure 1s do not vote"
    assert (result.vote.n_valid, result.n_samples, len(result.candidates)) == (1, 10, 10)
    assert [c.weight for c in result.candidates] == [0.0] * 9 + [10.0]
    assert all("unsure" in c.marks and c.class_id is None for c in result.candidates[:9])


def test_offline_with_most_kept_weight_decides_over_number() -> None:
    result = solve(scripted("1122", [[1.0] * 3, [1.5] * 3, [1.2] * 3, [9.0] * 3]), 4, mode="offline", keep=0.9)
    assert result.vote.predicted == "2" and result.candidates[0].marks == ("unsure",)
    assert result.vote.classes[0].weight == pytest.approx(10.2)


def test_online_warm_up_sets_the_floor_and_later_responses_end_in_mid_stream() -> None:
    sure = [[float(k)] * 3 for k in (2, 3, 4, 5)] + [[1.0] * 3, [3.5] * 3]
    room = scripted("121212", sure)
    result = solve(room, 6, keep=0.5, warmup=4, window=2, share=0.99)
    floor = 3.5  # the median of 2, 3, 4, 5
    assert [c.weight for c in result.candidates] == [0.0, 0.0, 4.0, 5.0, 0.0, 3.5]
    ended = result.candidates[4]
    assert ended.marks == ("stopped",) and ended.answer is None and ended.class_id is None
    sample = room.stored[ended.keys[0]]
    assert (sample.status, sample.output_tokens) == (Status.STOPPED, 2), "of three tokens"
    assert json.loads(sample.data or "")["confidence"]["lowest"] == 1.0 < floor
    assert result.vote.predicted == "2" and room.spent == 5 * 3 + 2, "its tokens are counted"


def test_online_draws_no_more_once_the_leader_has_its_share() -> None:
    room = scripted("1" * 40, [[2.0] * 3] * 40)
    result = solve(room, 40, warmup=4)
    assert len(room.asked) == 4 and result.n_samples == 4 and result.vote.predicted == "1"


def test_a_resumed_run_asks_nothing_again_and_another_floor_is_another_call() -> None:
    sure = [[float(k % 7 + 1)] * 3 for k in range(12)]
    room = scripted("123412341234", sure)
    first = solve(room, 12, warmup=4, keep=0.5, window=2)
    asked = len(room.asked)
    assert solve(room, 12, warmup=4, keep=0.5, window=2) == first and not room.asked
    solve(room, 12, warmup=4, keep=0.9, window=2)
    assert 0 < len(room.asked) < asked, "the warm-up stands, what was ended under another floor does not"


def test_a_failed_sample_is_a_candidate_without_a_vote() -> None:
    room = Room(lambda r: Reply("", Status.ERROR, error="refused") if r.key.k < 2 else "so \\boxed{4}")
    result = solve(room, 6, warmup=3)
    assert [c.class_id for c in result.candidates[:3]] == [None, None, 0] and result.vote.predicted == "4"
    assert solve(Room(lambda _: Reply("", Status.ERROR)), 3).vote.predicted is None


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"keep": 2}, "keep"),
        ({"top": 21}, "top"),
        ({"mode": "on"}, "mode"),
        ({"windows": 3}, "windows"),
        ({"mode": "offline", "warmup": 3}, "warmup"),
        ({"measure": "tail"}, "measure"),
    ],
)
def test_faults_are_named(fields: dict[str, Any], where: str) -> None:
    assert [fault.where for fault in validate({"name": "deepconf", **fields})] == [where]


def test_the_engine_is_aborted_outside_of_its_own_work() -> None:
    """`low` is called while vLLM handles outputs, so the engine must put the abort off."""
    from solver.engine.vllm import VllmEngine

    engine = VllmEngine.__new__(VllmEngine)
    ended: list[str] = []

    async def abort(name: str) -> None:
        ended.append(name)

    engine._llm, engine._ending = SimpleNamespace(abort=abort), set()

    async def life() -> None:
        engine._end("7")
        assert not ended
        await asyncio.sleep(0.01)
        assert ended == ["7"] and not engine._ending

    asyncio.run(life())
