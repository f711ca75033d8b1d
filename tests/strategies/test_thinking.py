"""Budgets of thinking: what is asked, with which caps and cues, and what is read from the answers."""

from typing import Any

import pytest
from room import Room

from solver.engine.scripted import Reply
from solver.records import Request, Result, Status
from solver.strategies import make, validate

TAGS = ("<think>", "</think>")


def solve(room: Room, n: int = 1, **block: Any) -> Result:
    assert not validate(block)
    found: Result = room.run(lambda ctx: make(block, n).solve(ctx.problem, ctx))
    return found


def words(count: int, word: str = "hm") -> str:
    return " ".join([word] * count)


def test_a_thought_within_its_budget_is_the_response() -> None:
    room = Room(lambda _: "two and two \\boxed{4}")
    result = solve(room, think={"max": 10})
    assert [r.key.path for r in room.asked] == ["think/0"] and room.asked[0].sampling.max_tokens == 10
    assert result.vote.predicted == "4" and result.candidates[0].marks == ()


def test_a_thought_that_reaches_the_cap_is_told_to_answer() -> None:
    room = Room(lambda r: "4}." if r.key.path == "think/answer" else words(30))
    result = solve(room, think={"max": 8, "answer": 5})
    thought, answer = room.asked
    assert (thought.sampling.max_tokens, answer.sampling.max_tokens) == (8, 5)
    assert answer.prefix.startswith(words(8)) and answer.prefix.endswith("**Final answer:** \\boxed{")
    (candidate,) = result.candidates
    assert (candidate.answer, candidate.rule, candidate.marks) == ("4", "boxed", ("capped",))
    assert len(candidate.keys) == 2 and room.spent == 9


def test_an_open_reasoning_block_is_closed_first_and_a_model_without_tags_gets_none() -> None:
    room = Room(lambda r: "4}" if r.key.path == "think/answer" else f"<think> {words(30)}", reasoning=TAGS)
    assert solve(room, think={"max": 8}).vote.predicted == "4"
    assert "</think>\n\n" in room.asked[1].prefix
    plain = Room(lambda r: "4}" if r.key.path == "think/answer" else words(30), reasoning=None)
    solve(plain, think={"max": 8})
    assert "</think>" not in plain.asked[1].prefix


def test_waits_extend_a_thought_and_deduct_what_was_used() -> None:
    said = {"think/0": "five words are said \\boxed{3}", "think/1": "no \\boxed{4}", "think/2": "yes \\boxed{4}"}
    room = Room(lambda r: said[r.key.path])
    result = solve(room, think={"max": 20, "waits": 2})
    assert [r.sampling.max_tokens for r in room.asked] == [20, 15, 13]
    assert room.asked[1].prefix == said["think/0"] + "Wait," and room.asked[2].prefix.endswith("no \\boxed{4}Wait,")
    assert result.vote.predicted == "4" and result.candidates[0].marks == ("waited",)


def test_a_thought_that_ends_at_the_very_cap_is_not_extended() -> None:
    room = Room(lambda _: "one two \\boxed{4}")
    assert solve(room, think={"max": 3, "waits": 5}).vote.predicted == "4" and len(room.asked) == 1


def test_a_thought_shorter_than_the_least_goes_on_until_it_is_long_enough() -> None:
    room = Room(lambda r: "one two \\boxed{4}")
    solve(room, think={"max": 100, "min": 9})
    assert [r.key.path for r in room.asked] == ["think/0", "think/1", "think/2"]


def test_a_model_with_tags_answers_after_its_extended_thought() -> None:
    def reply(request: Request) -> str:
        if request.key.path == "think/answer":
            return "so \\boxed{4}"
        assert request.sampling.stop == ("</think>",)
        return "<think> first" if request.key.path == "think/0" else "second"

    room = Room(reply, reasoning=TAGS)
    result = solve(room, think={"max": 50, "waits": 1})
    assert room.asked[2].prefix == "<think> firstWait,second\n</think>\n\n"
    (candidate,) = result.candidates
    assert candidate.answer == "4" and candidate.reasoning_end == len("<think> firstWait,second\n</think>")


def test_a_probe_that_says_the_same_three_times_without_doubt_ends_the_response() -> None:
    probes = iter(["3} is it", "4} wait", "4}", "4.0}", "4}"])

    def reply(request: Request) -> str:
        return next(probes) if request.key.path.startswith("probe") else words(100)

    room = Room(reply, reasoning=None)
    result = solve(room, probe={"every": 2, "times": 3})
    pieces = [r for r in room.asked if r.key.path.startswith("piece")]
    asked = [r for r in room.asked if r.key.path.startswith("probe")]
    assert [r.key.path for r in asked] == [f"probe/{i}" for i in range(5)] and len(pieces) == 5
    assert all(r.sampling.max_tokens == 20 for r in asked) and all(r.sampling.max_tokens == 2 for r in pieces)
    assert [r.prefix for r in pieces[:3]] == ["", "hm hm", "hm hmhm hm"]
    (candidate,) = result.candidates
    assert (candidate.answer, candidate.marks, len(candidate.keys)) == ("4", ("probed",), 6)
    assert result.n_samples == 1, "probes are no candidates"
    assert room.spent == 5 * 2 + 3 + 2 + 1 + 1 + 1 == sum(s.output_tokens for s in room.recorded)


def test_an_answer_that_two_pieces_share_is_read_and_the_cap_of_the_job_holds() -> None:
    pieces = {"piece/0": "it is \\boxed{1 more words", "piece/1": "2} done"}
    room = Room(lambda r: "?" if r.key.path.startswith("probe") else pieces.get(r.key.path, words(9)))
    assert solve(room, probe={"every": 3}).candidates[0].answer == "12"
    long = Room(lambda r: words(50))
    result = solve(long, probe={"every": 8})
    assert [r.sampling.max_tokens for r in long.asked if r.key.path.startswith("piece")] == [8, 8, 4]
    assert result.candidates[0].marks == ("truncated",)


def test_a_budget_stands_in_the_prompt_given_or_estimated() -> None:
    room = Room(lambda r: "\\boxed{120}" if r.key.path == "budget" else "so \\boxed{4}")
    solve(room, budget_prompt=50)
    assert "fewer than 50 tokens" in room.asked[0].messages[-1]["content"]
    result = solve(room, 3, budget_prompt="auto")
    assert [r.key.path for r in room.asked] == ["budget", "answer", "answer", "answer"], "one estimate for all"
    assert "fewer than 20 tokens" in room.asked[1].messages[-1]["content"], "never more than the job's cap"
    assert result.n_samples == 3
    lost = Room(lambda r: "I cannot say" if r.key.path == "budget" else "so \\boxed{4}")
    assert solve(lost, budget_prompt="auto").candidates[0].marks == ("no_budget",)


def test_cues_follow_the_language_and_may_be_the_jobs_own() -> None:
    room = Room(lambda r: "好 \\boxed{4}")
    block = {"think": {"max": 20, "waits": 1}}
    made = make(block, 1)

    async def chinese(ctx: Any) -> Result:
        object.__setattr__(ctx.problem, "text", "二加二等于几？")
        return await made.solve(ctx.problem, ctx)

    room.run(chinese)
    assert room.asked[1].prefix.endswith("等一下，")
    solve(room, cues={"wait": "Hold on."}, **block)
    assert room.asked[-1].prefix.endswith("Hold on.")


def test_a_failed_sample_is_a_row() -> None:
    for block in ({"think": {"max": 9, "waits": 1}}, {"probe": {}}, {"budget_prompt": "auto"}, {"reflect": {}}):
        room = Room(lambda _: Reply("", Status.ERROR, error="refused"))
        result = solve(room, 2, **block)
        assert result.n_samples == 2 and result.vote.predicted is None and "error" in result.candidates[0].marks


@pytest.mark.parametrize(
    ("block", "where"),
    [
        ({"think": {"max": 0}}, "think.max"),
        ({"think": {"max": 5, "min": 6}}, "think.min"),
        ({"think": {"wait": 1}}, "think.wait"),
        ({"think": 5}, "think"),
        ({"probe": {"times": 1}}, "probe.times"),
        ({"budget_prompt": "much"}, "budget_prompt"),
        ({"think": {}, "probe": {}}, "probe"),
        ({"think": {}, "cues": {"wai": "x"}}, "cues.wai"),
        ({"think": {}, "cues": {"wait": "{% x"}}, "cues.wait"),
        ({"reflect": {"times": 0}}, "reflect.times"),
    ],
)
def test_faults_are_named(block: dict[str, Any], where: str) -> None:
    assert [fault.where for fault in validate(block)] == [where]
