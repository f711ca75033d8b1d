"""`ctx`: what a strategy may ask, what is answered from the store, and what ends with it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest
from room import Room, Words

from solver.engine import Watch
from solver.engine.scripted import Reply
from solver.errors import EngineError, OwedError
from solver.records import Request, Sample, SampleKey, Sampling, Status
from solver.strategies.call import sample_seed
from solver.strategies.context import Context

ASK = [{"role": "user", "content": "Is that so?"}]


def call(n: int = 2, **fields: Any) -> Callable[[Context], Coroutine[Any, Any, list[Sample]]]:
    return lambda ctx: ctx.sample(n, **({"path": "answer"} | fields))


def test_what_is_stored_answers_the_same_call_and_is_not_asked_again() -> None:
    room = Room()
    first = room.run(call(3))
    assert len(room.asked) == len(room.recorded) == 3 and [s.key.k for s in first] == [0, 1, 2]
    assert room.run(call(3)) == first and not room.asked and not room.recorded
    more = room.run(call(5))
    assert more[:3] == first and [r.key.k for r in room.asked] == [3, 4]
    assert room.run(call(2, start=3)) == more[3:] and not room.asked
    assert room.run(call(2)) == first[:2]


@pytest.mark.parametrize(
    "changed",
    [
        {"role": "critic"},
        {"prefix": "First, "},
        {"messages": ASK},
        {"max_tokens": 19},
        {"stop": ["\n"]},
        {"schema": "{}"},
        {"logprobs": True},
        {"temperature": 0.5},
        {"top_p": 0.9},
        {"top_k": 5},
        {"repetition_penalty": 1.1},
        {"path": "answer/2"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_any_change_of_what_is_asked_is_another_call(changed: dict[str, Any]) -> None:
    room = Room()
    first = room.run(call())
    other = room.run(call(**changed))
    assert len(room.asked) == 2 and {s.key for s in other}.isdisjoint(s.key for s in first)
    assert {s.seed for s in other}.isdisjoint(s.seed for s in first)
    again = room.run(call(**changed))
    assert again == other and not room.asked
    assert room.run(call()) == first and not room.asked, "and the first is still there"


def test_other_messages_and_prefixes_differ_among_themselves() -> None:
    room = Room()
    calls = [
        {"messages": ASK},
        {"messages": [*ASK, *ASK]},
        {"prefix": "a"},
        {"prefix": "b"},
        {"stop": ["a"]},
        {"stop": ["b"]},
    ]
    keys = {room.run(call(1, **fields))[0].key for fields in calls}
    assert len(keys) == len(calls)


def test_overrides_reach_the_engine_and_leave_the_rest_alone() -> None:
    room = Room()
    room.run(call(1, role="critic", messages=ASK, prefix="So", temperature=0.5, stop=["x"], logprobs=True, schema="{}"))
    (request,) = room.asked
    assert (request.role, request.messages, request.prefix) == ("critic", tuple(ASK), "So")
    wanted = Sampling(max_tokens=20, temperature=0.5, stop=("x",), logprobs=0, schema="{}")
    assert request.sampling == wanted
    room.run(call(1))
    assert room.asked[0].sampling == Sampling(max_tokens=20)
    assert room.asked[0].messages == ({"role": "user", "content": "What is two and two?"},)


def test_a_sampling_field_that_does_not_exist_is_a_bug_of_the_strategy() -> None:
    room = Room()
    with pytest.raises(TypeError, match="not a sampling field: temprature"):
        room.run(call(temprature=0.5))
    assert not room.asked


def test_seeds_depend_on_the_key_alone() -> None:
    forwards, backwards = Room(), Room()
    forwards.run(call(3))
    forwards.run(call(3), row=1)
    backwards.run(call(1, start=2), row=1)
    backwards.run(call(3), row=1)
    assert {k: s.seed for k, s in backwards.stored.items()}.items() <= {
        k: s.seed for k, s in forwards.stored.items()
    }.items()
    seeds = [s.seed for s in forwards.stored.values()]
    assert len(set(seeds)) == 6 and all(0 <= seed < 2**63 for seed in seeds)
    other = Room(seed=6)
    other.run(call(3))
    assert not {s.seed for s in other.stored.values()} & set(seeds)
    key = SampleKey(b"r" * 16, "answer", 1, 0)
    assert sample_seed(0, key) == sample_seed(0, SampleKey(*key)) != sample_seed(0, key._replace(k=1))


LONG = " ".join(["step"] * 30) + " \\boxed{4}"


def test_a_raised_cap_redoes_only_what_was_cut() -> None:
    def script(request: Request) -> str:
        return LONG if request.key.k else "\\boxed{4}"

    room = Room(script)
    first = room.run(call(3))
    assert [s.status for s in first] == [Status.OK, Status.TRUNCATED, Status.TRUNCATED]
    assert room.run(call(3)) == first and not room.asked
    room.given = {"sampling": Sampling(max_tokens=40)}
    second = room.run(call(3))
    assert [r.key.k for r in room.asked] == [1, 2] and {s.status for s in second} == {Status.OK}
    room.given = {"sampling": Sampling(max_tokens=10)}
    assert room.run(call(3)) == second and not room.asked, "a lower cap takes nothing back"


def test_a_raised_cap_redoes_nothing_where_the_context_was_the_limit() -> None:
    room = Room(lambda _: LONG, tokenizer=Words(), context=25)
    first = room.run(call(1))
    assert room.asked[0].sampling.max_tokens == 20 and first[0].status is Status.TRUNCATED, "5 of 25 are the prompt"
    room.given |= {"sampling": Sampling(max_tokens=99)}
    assert room.run(call(1)) == first and not room.asked
    room.given |= {"context": 60}
    assert room.run(call(1))[0].status is Status.OK
    assert room.asked[0].sampling.max_tokens == 55


def test_in_a_revote_a_cut_sample_stands_and_a_missing_one_is_owed() -> None:
    room = Room(lambda _: LONG)
    first = room.run(call(2))

    async def nothing(request: Request, watch: Watch | None) -> Sample:
        raise OwedError("not here")

    room.given = {"sampling": Sampling(max_tokens=99), "frozen": True, "ask": nothing}
    assert room.run(call(2)) == first
    with pytest.raises(OwedError):
        room.run(call(3))


def test_a_prompt_that_leaves_no_room_is_a_sample_without_asking() -> None:
    room = Room(tokenizer=Words(), context=5)
    samples = room.run(call(2))
    assert not room.asked and [s.status for s in samples] == [Status.TOO_LONG] * 2
    assert samples[0].prompt_tokens == 5 and "context 5" in str(samples[0].error) and samples == room.recorded
    assert room.run(call(2)) == samples and not room.recorded
    room.given |= {"context": 50}
    assert [s.status for s in room.run(call(2))] == [Status.OK] * 2


def uneven(request: Request) -> Reply:
    """Later samples come sooner."""
    return Reply("one two", seconds=0.05 / (1 + request.key.k))


async def consume(stream: AsyncIterator[Sample], upto: int) -> list[Sample]:
    found = []
    async for sample in stream:
        found.append(sample)
        if len(found) == upto:
            break
    return found


@pytest.mark.parametrize("ahead", [0, 2, 5])
def test_a_stream_comes_in_order_with_few_unfinished_ahead(ahead: int) -> None:
    room = Room(uneven)
    samples = room.run(lambda ctx: consume(ctx.stream(12, ahead=ahead, path="answer"), 12))
    assert [s.key.k for s in samples] == list(range(12))
    assert len(room.asked) == 12 and room.most == 1 + ahead


def test_leaving_a_stream_cancels_the_rest_and_counts_every_token() -> None:
    room = Room(lambda request: Reply("one two three", seconds=0.001 if request.key.k < 3 else 1000))
    samples = room.run(lambda ctx: consume(ctx.stream(40, ahead=2, path="answer"), 3))
    assert len(samples) == 3 <= len(room.asked) <= 5, "the one consumed and at most two beyond"
    statuses = {s.key.k: s.status for s in room.recorded}
    assert statuses == {0: "ok", 1: "ok", 2: "ok", 3: "cancelled", 4: "cancelled"}
    assert room.spent == sum(s.output_tokens for s in room.recorded) >= 9


def test_a_cancelled_sample_never_answers_but_stays_in_the_account() -> None:
    room = Room()
    (real,) = room.run(call(1))
    room.stored = {real.key: replace(real, status=Status.CANCELLED, text="", output_tokens=7)}
    again = room.run(call(1))
    assert len(room.asked) == 1 and again == [real]
    assert room.spent == 7 + real.output_tokens


def test_a_stream_reaches_as_far_ahead_as_there_are_slots_to_spare() -> None:
    room = Room(uneven, spare=lambda: 4)
    room.run(lambda ctx: consume(ctx.stream(12, ahead=1, path="answer"), 12))
    assert room.most == 6


def test_a_stream_and_a_call_are_one_question() -> None:
    room = Room()
    first = room.run(call(4))
    assert room.run(lambda ctx: consume(ctx.stream(4, ahead=2, path="answer"), 4)) == first and not room.asked
    assert room.spent == sum(s.output_tokens for s in first), "tokens of stored samples count"


def test_a_question_asked_twice_in_one_life_is_answered_once() -> None:
    room = Room()

    async def twice(ctx: Context) -> tuple[list[Sample], list[Sample]]:
        return await ctx.sample(2, path="answer"), await ctx.sample(3, path="answer")

    first, second = room.run(twice)
    assert second[:2] == first and len(room.asked) == len(room.recorded) == 3, "nothing finished is repeated"


def test_what_a_strategy_leaves_unfinished_ends_with_it() -> None:
    room = Room(lambda _: Reply("never", seconds=1000))

    async def careless(ctx: Context) -> None:
        task = asyncio.create_task(ctx.sample(3, path="answer"))
        await asyncio.sleep(0.01)
        del task

    room.run(careless)
    assert [s.status for s in room.recorded] == [Status.CANCELLED] * 3


def test_a_watch_rule_ends_a_sample_that_answers_as_it_is() -> None:
    room = Room(lambda _: "so \\boxed{4} and on")
    (said,) = room.run(call(1, watch=lambda text: "}" in text))
    assert (said.text, said.status) == ("so \\boxed{4}", Status.STOPPED)
    assert room.run(call(1, watch=lambda text: "}" in text)) == [said] and not room.asked


def test_candidates_and_votes_of_the_samples() -> None:
    replies = ["\\boxed{4}", "\\boxed{8/2}", "\\boxed{5}", "no", LONG]
    room = Room(lambda request: replies[request.key.k])

    async def solve(ctx: Context) -> Any:
        samples = await ctx.sample(5, path="answer")
        candidates = await ctx.classes([ctx.candidate(s, marks=["hinted"]) for s in samples])
        return candidates, ctx.result(candidates, await ctx.vote(candidates))

    candidates, result = room.run(solve)
    assert [c.answer for c in candidates] == ["4", "8/2", "5", None, None]
    assert [c.correct for c in candidates] == [True, True, False, False, False]
    assert candidates[4].marks == ("truncated", "hinted") and candidates[0].marks == ("hinted",)
    assert (result.vote.predicted, result.vote.votes, result.vote.n_valid, result.n_truncated) == ("4", 2, 3, 1)
    assert (result.status, result.n_samples) == ("ok", 5)


def test_a_scorer_that_is_not_configured_is_said() -> None:
    with pytest.raises(EngineError, match="prm"):
        Room().run(lambda ctx: ctx.score("text", ["step"]))
