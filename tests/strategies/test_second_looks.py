"""Second looks: who is asked what, what counts as a candidate, and how what a look did is marked."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from room import Room

from solver.engine.scripted import Reply
from solver.records import Request, Result, Status
from solver.strategies import make, validate

RIGHT, WRONG = "so \\boxed{4}", "so \\boxed{5}"


def solve(room: Room, n: int = 1, **block: Any) -> Result:
    assert not validate(block)
    found: Result = room.run(lambda ctx: make(block, n).solve(ctx.problem, ctx))
    return found


def by_path(**said: str) -> Callable[[Request], str]:
    """Replies by the first part of the path."""
    return lambda request: said[request.key.path.split("/")[0]]


def paths(room: Room) -> list[str]:
    return [request.key.path for request in room.asked]


def test_a_reflection_goes_on_from_the_response_and_its_last_answer_counts() -> None:
    room = Room(by_path(answer=WRONG, reflect="no, it is \\boxed{4}"))
    result = solve(room, 2, reflect={"times": 2})
    assert paths(room) == ["answer", "answer", "reflect/0", "reflect/0", "reflect/1", "reflect/1"]
    assert room.asked[2].prefix.startswith(WRONG) and "mistake" in room.asked[2].prefix
    assert room.asked[2].messages == room.asked[0].messages
    assert [c.marks for c in result.candidates] == [("changed", "wrong_to_right")] * 2
    assert [len(c.keys) for c in result.candidates] == [3, 3] and result.vote.predicted == "4"


def test_reflection_works_on_other_draws() -> None:
    room = Room(by_path(think=RIGHT, reflect="still \\boxed{4}"))
    result = solve(room, think={"max": 10}, reflect={}, stop={"rule": "beta"})
    assert paths(room) == ["think/0", "reflect/0"] and result.candidates[0].marks == ()


def test_a_reflection_that_fails_leaves_the_answer_before_it() -> None:
    room = Room(lambda r: Reply("", Status.ERROR) if r.key.path == "reflect/0" else RIGHT)
    (candidate,) = solve(room, reflect={}).candidates
    assert (candidate.answer, candidate.marks) == ("4", ("reflect_failed",))


def test_refine_reviews_and_revises_and_counts_what_it_did() -> None:
    room = Room(by_path(answer=RIGHT, critique="step one is off. Verdict: wrong", revise=WRONG))
    result = solve(room, name="refine", rounds=2)
    assert paths(room) == ["answer", "critique/0", "revise/0", "critique/1", "revise/1"]
    roles = [turn["role"] for turn in room.asked[2].messages]
    assert roles == ["user", "assistant", "user", "assistant", "user"]
    assert room.asked[3].messages[1]["content"] == WRONG, "the second review reads the second answer"
    (candidate,) = result.candidates
    assert candidate.marks == ("changed", "right_to_wrong") and len(candidate.keys) == 5
    assert result.n_samples == 1 and result.vote.predicted == "5"


def test_a_review_that_finds_nothing_ends_it_and_the_reasoning_is_not_read_aloud() -> None:
    room = Room(by_path(answer=f"<think>secret</think>{RIGHT}", critique="All is well.\nVerdict: correct"))
    result = solve(room, name="refine", rounds=3)
    assert paths(room) == ["answer", "critique/0"] and len(result.candidates[0].keys) == 1
    assert room.asked[1].messages[1]["content"] == RIGHT


@pytest.mark.parametrize(("broken", "mark"), [("critique/0", "critique_failed"), ("revise/0", "revise_failed")])
def test_a_round_that_fails_leaves_the_answer_before_it(broken: str, mark: str) -> None:
    said = by_path(answer=RIGHT, critique="Verdict: wrong", revise=WRONG)
    room = Room(lambda r: Reply("", Status.ERROR) if r.key.path == broken else said(r))
    (candidate,) = solve(room, name="refine").candidates
    assert (candidate.answer, candidate.marks) == ("4", (mark,))


def test_a_plan_is_worked_on_in_parts_and_combined() -> None:
    plan = json.dumps({"parts": ["What is two?", "What is and?", "more", "too many"]})
    room = Room(by_path(plan=plan, part="a part", combine=RIGHT))
    result = solve(room, name="plan", parts=3)
    assert paths(room) == ["plan", "part/0", "part/1", "part/2", "combine"]
    assert json.loads(room.asked[0].sampling.schema or "")["properties"]["parts"]["maxItems"] == 3
    assert "What is and?" in room.asked[2].messages[-1]["content"]
    assert room.asked[4].messages[-1]["content"].count("a part") == 3
    assert result.n_samples == 1 and len(result.candidates[0].keys) == 5


def test_without_a_readable_plan_the_plain_prompt_is_asked() -> None:
    room = Room(by_path(plan="Let me see", answer=RIGHT))
    (candidate,) = solve(room, name="plan").candidates
    assert (candidate.answer, candidate.marks) == ("4", ("no_plan",))


def step(action: str) -> str:
    return json.dumps({"title": "t", "content": "c", "next_action": action})


def test_a_chain_takes_steps_and_answers_in_a_call_of_its_own() -> None:
    said = {"step/0": step("continue"), "step/1": "{cut", "step/1/retry/1": step("final_answer"), "chain/answer": RIGHT}
    room = Room(lambda r: said[r.key.path])
    result = solve(room, name="chain", step_tokens=9, answer_tokens=15)
    assert paths(room) == ["step/0", "step/1", "step/1/retry/1", "chain/answer"]
    assert all(r.sampling.schema and r.sampling.max_tokens == 9 for r in room.asked[:3])
    last = room.asked[3]
    assert last.sampling.schema is None and last.sampling.max_tokens == 15 and len(last.messages) == 5
    assert [k.path for k in result.candidates[0].keys] == ["step/0", "step/1/retry/1", "chain/answer"]
    assert result.vote.predicted == "4" and result.candidates[0].marks == ()


@pytest.mark.parametrize(("reply", "mark", "steps"), [(step("continue"), "step_cap", 2), ("?", "step_failed", 0)])
def test_a_chain_without_an_end_answers_with_what_it_has(reply: str, mark: str, steps: int) -> None:
    room = Room(lambda r: RIGHT if r.key.path == "chain/answer" else reply)
    (candidate,) = solve(room, name="chain", steps=2, tries=2).candidates
    assert (candidate.answer, candidate.marks, len(candidate.keys)) == ("4", (mark,), steps + 1)
    if steps:
        assert "final answer now" in room.asked[-1].messages[-1]["content"]


def test_hinted_responses_are_kept_if_right_and_change_no_figure() -> None:
    hinted = iter([WRONG, RIGHT])
    room = Room(lambda r: next(hinted) if r.key.path == "hinted" else WRONG)
    result = solve(room, 3, name="rationalize")
    assert paths(room) == ["answer"] * 3 + ["hinted"] * 2
    assert "answer is 4" in room.asked[3].messages[-1]["content"]
    assert "answer is" not in room.asked[0].messages[-1]["content"]
    *plain, last = result.candidates
    assert last.marks == ("hinted",) and last.answer == "4" and last.keys[0].path == "hinted" and last.k == 4
    assert last.class_id is None and last.correct is None and last.weight == 0
    assert [c.correct for c in plain] == [False] * 3 and result.n_samples == 3
    assert (result.vote.predicted, result.vote.correct, result.vote.n_valid) == ("5", False, 3)


def test_nobody_is_given_a_hint_where_a_sample_is_right_or_nothing_is_known() -> None:
    room = Room(lambda r: RIGHT if r.key.k == 2 else WRONG)
    assert len(solve(room, 3, name="rationalize").candidates) == 3 and len(room.asked) == 3
    never = Room(lambda _: WRONG)
    assert len(solve(never, 2, name="rationalize", tries=3).candidates) == 2 and len(never.asked) == 5


def test_agents_read_each_other_and_vote() -> None:
    def reply(request: Request) -> str:
        if request.key.path == "answer":
            return WRONG if request.key.k == 0 else RIGHT
        return RIGHT if request.messages[-1]["content"].count(RIGHT) >= 2 else request.messages[1]["content"]

    room = Room(reply)
    result = solve(room, 3, name="debate", rounds=2)
    assert paths(room) == ["answer"] * 3 + ["debate/0"] * 3 + ["debate/1"] * 3
    first = room.asked[3].messages
    assert [turn["role"] for turn in first] == ["user", "assistant", "user"] and first[1]["content"] == WRONG
    assert result.vote.votes == 3 and result.candidates[0].marks == ("changed", "wrong_to_right")
    assert result.n_samples == 3


def test_an_agent_reads_no_more_than_its_share_and_a_lost_one_keeps_its_answer() -> None:
    room = Room(lambda r: Reply("", Status.ERROR) if r.key == ("debate/0", 1) else f"I am {r.key.k} \\boxed{{4}}")
    solve(room, 6, name="debate", reads=2)
    read = room.asked[6 + 5].messages[-1]["content"]
    assert "I am 0" in read and "I am 1" in read and "I am 2" not in read
    lost = Room(lambda r: Reply("", Status.ERROR) if r.key.k == 1 else RIGHT)
    result = solve(lost, 3, name="debate")
    assert [r.key.k for r in lost.asked if r.key.path == "debate/0"] == [0, 2]
    assert "error" in result.candidates[1].marks and result.vote.predicted == "4"


@pytest.mark.parametrize(
    ("block", "where"),
    [
        ({"name": "refine", "rounds": 0}, "rounds"),
        ({"name": "refine", "round": 1}, "round"),
        ({"name": "plan", "parts": "4"}, "parts"),
        ({"name": "chain", "tries": 0}, "tries"),
        ({"name": "rationalize", "tries": 0}, "tries"),
        ({"name": "debate", "stop": {"rule": "beta"}}, "stop"),
        ({"name": "debate", "cues": {"debate": 3}}, "cues.debate"),
    ],
)
def test_faults_are_named(block: dict[str, Any], where: str) -> None:
    assert [fault.where for fault in validate(block)] == [where]


@pytest.mark.parametrize(
    "block",
    [
        {"think": {"max": 9}},
        {"probe": {}},
        {"budget_prompt": 9},
        {"reflect": {}},
        {"name": "refine"},
        {"name": "plan"},
        {"name": "chain"},
        {"name": "debate"},
    ],
    ids=str,
)
def test_a_choice_by_log_probability_has_them_asked_of_what_holds_the_answer(block: dict[str, Any]) -> None:
    room = Room(by_path(critique="Verdict: wrong", plan="", step="", **dict.fromkeys(ANSWERING, RIGHT)))
    result = solve(room, 2, **block, choose={"rule": "weighted"})
    last = {candidate.keys[-1] for candidate in result.candidates}
    assert {r.sampling.logprobs for r in room.asked if r.key in last} == {0}
    plain = Room(by_path(critique="Verdict: wrong", plan="", step="", **dict.fromkeys(ANSWERING, RIGHT)))
    solve(plain, 2, **block)
    assert {r.sampling.logprobs for r in plain.asked} == {None}


ANSWERING = ("answer", "think", "piece", "reflect", "revise", "chain", "debate")
