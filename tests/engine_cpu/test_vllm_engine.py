"""One engine: what comes back for one request, whatever happens to it, and what a dead engine looks like."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from solver.answers import Grader
from solver.engine import EngineSetting, child
from solver.engine.confidence import Confidence, Measured
from solver.engine.vllm import VllmEngine
from solver.errors import EngineDeadError
from solver.prompts import load_template
from solver.records import Problem, Request, Result, Sample, SampleKey, Sampling, Status
from solver.strategies import make, validate
from solver.strategies.context import Context
from solver.strategies.deepconf import percentile
from solver.strategies.response import joined
from solver.strategies.setting import Setting
from tests.engine_cpu.conftest import Loop

PROBLEM = "Sam has 3 lamps and buys 4 more. How many lamps does Sam have now?"


@pytest.fixture(scope="module")
def engine(loop: Loop, setting: EngineSetting) -> Iterator[VllmEngine]:
    made = VllmEngine(setting)
    loop.do(made.start())
    yield made
    loop.do(made.close())


def ask(setting: EngineSetting, k: int, **sampling: object) -> Request:
    assert setting.tokenizer is not None
    ids = setting.tokenizer.prompt([{"role": "user", "content": PROBLEM}])
    wanted = replace(Sampling(max_tokens=200), **sampling)  # type: ignore[arg-type]
    return Request(SampleKey(b"r" * 16, "answer", 1, k), "answer", (), "", ids, wanted, seed=k)


def test_a_response_ends_by_itself_and_comes_back_as_clean_text(
    engine: VllmEngine, loop: Loop, setting: EngineSetting
) -> None:
    sample = loop.do(engine.generate(ask(setting, 1)))
    assert sample.status is Status.OK
    assert sample.finish_reason == "stop"
    assert "\\boxed{" in sample.text
    assert "<|im_end|>" not in sample.text
    assert 0 < sample.output_tokens < 200
    assert sample.mean_logprob is None


def test_the_engine_knows_its_slots_and_keeps_the_context_that_the_position_table_has(engine: VllmEngine) -> None:
    assert engine.slots == 16
    assert engine.context == 2048  # vLLM alone would derive six times as much from the rope scaling


def test_many_requests_at_once_each_get_their_own_sample(
    engine: VllmEngine, loop: Loop, setting: EngineSetting
) -> None:
    async def many() -> list[Sample]:
        return list(await asyncio.gather(*(engine.generate(ask(setting, k)) for k in range(40))))

    samples = loop.do(many())
    assert [sample.key.k for sample in samples] == list(range(40))
    assert len({sample.text for sample in samples}) > 5, "seeds differ, so the texts do"


def test_a_cap_truncates_and_says_so(engine: VllmEngine, loop: Loop, setting: EngineSetting) -> None:
    sample = loop.do(engine.generate(ask(setting, 2, max_tokens=3)))
    assert (sample.status, sample.finish_reason, sample.output_tokens) == (Status.TRUNCATED, "length", 3)


def test_a_stop_string_ends_the_text_before_it(engine: VllmEngine, loop: Loop, setting: EngineSetting) -> None:
    whole = loop.do(engine.generate(ask(setting, 3, temperature=0.0)))
    cut = loop.do(engine.generate(ask(setting, 3, temperature=0.0, stop=("\\boxed",))))
    assert cut.status is Status.OK
    assert cut.text == whole.text.partition("\\boxed")[0]


def test_a_watch_rule_ends_a_response_in_mid_stream(engine: VllmEngine, loop: Loop, setting: EngineSetting) -> None:
    seen: list[str] = []

    def enough(text: str) -> bool:
        seen.append(text)
        return len(text) > 8

    sample = loop.do(engine.generate(ask(setting, 4), enough))
    assert sample.status is Status.STOPPED
    assert sample.text.strip() == seen[-1].strip()


def test_log_probabilities_come_when_asked(engine: VllmEngine, loop: Loop, setting: EngineSetting) -> None:
    sample = loop.do(engine.generate(ask(setting, 5, logprobs=0)))
    assert sample.mean_logprob is not None
    assert -10 < sample.mean_logprob < 0


def test_aborted_requests_come_back_cancelled_with_the_tokens_they_cost(
    engine: VllmEngine, loop: Loop, setting: EngineSetting
) -> None:
    requests = [ask(setting, 100 + k, temperature=2.0, max_tokens=1500) for k in range(64)]  # noise: long responses

    async def abort() -> list[Sample]:
        running = [asyncio.create_task(engine.generate(request)) for request in requests]
        while not any(task.done() for task in running):
            await asyncio.sleep(0.01)
        for request in requests:
            await engine.abort(request.key)
        return list(await asyncio.gather(*running))

    samples = loop.do(abort())
    assert {sample.status for sample in samples} == {Status.OK, Status.CANCELLED}
    assert any(sample.output_tokens > 0 for sample in samples if sample.status is Status.CANCELLED)


def test_a_request_that_vllm_refuses_is_a_row_and_the_engine_goes_on(
    engine: VllmEngine, loop: Loop, setting: EngineSetting
) -> None:
    too_long = replace(ask(setting, 7), token_ids=[5] * 3000)
    refused = loop.do(engine.generate(too_long))
    assert refused.status is Status.ERROR
    assert refused.error is not None and "2048" in refused.error
    assert loop.do(engine.generate(ask(setting, 8))).status is Status.OK


def test_everything_vllm_says_goes_to_the_log_file(engine: VllmEngine, setting: EngineSetting) -> None:
    assert "EngineCore" in setting.log.read_text()


def test_tokens_are_counted_while_responses_are_under_way(
    engine: VllmEngine, loop: Loop, setting: EngineSetting
) -> None:
    """How a silent engine is told from one that works: only whole responses leave vLLM."""

    async def watch() -> tuple[list[int], int]:
        before, seen = engine.tokens, []
        task = asyncio.create_task(engine.generate(ask(setting, 9, temperature=2.0, max_tokens=1500)))
        while not task.done():
            seen.append(engine.tokens - before)
            await asyncio.sleep(0.005)
        return seen, engine.tokens - before - task.result().output_tokens

    seen, rest = loop.do(watch())
    assert len(set(seen)) > 3, "they grow before the response is there"
    assert rest == 0


def test_confidences_are_those_that_vllm_gives_and_cost_a_response_nothing(
    engine: VllmEngine, loop: Loop, setting: EngineSetting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same response three times: plain, measured as it comes, measured from vLLM's own objects."""
    plain = loop.do(engine.generate(ask(setting, 12)))
    ours = loop.do(engine.generate(ask(setting, 12), Confidence(window=8)))
    monkeypatch.setattr(engine, "_collectors", {})  # those that stand in hold the other one
    theirs = loop.do(engine.generate(ask(setting, 12), Confidence(window=8)))
    assert plain.text == ours.text == theirs.text and plain.data is None
    one, other = Measured.of(ours.data), Measured.of(theirs.data)
    assert one is not None and other is not None and one.lowest < one.mean and one.lowest <= one.bottom
    for name in ("mean", "lowest", "bottom", "tail"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=2e-4)
    assert ours.mean_logprob is not None and ours.mean_logprob == pytest.approx(theirs.mean_logprob, abs=2e-4)


def test_a_response_below_the_floor_is_aborted_in_mid_stream(
    engine: VllmEngine, loop: Loop, setting: EngineSetting
) -> None:
    whole = loop.do(engine.generate(ask(setting, 13), Confidence(window=8)))
    ended = loop.do(engine.generate(ask(setting, 13), Confidence(window=8, floor=1e3)))
    assert ended.status is Status.STOPPED and 8 <= ended.output_tokens < whole.output_tokens
    assert whole.text.startswith(ended.text) and Measured.of(ended.data) is not None
    assert loop.do(engine.generate(ask(setting, 14), Confidence(window=8, floor=0.0))).status is Status.OK


def solve(
    engine: VllmEngine, loop: Loop, setting: EngineSetting, n: int, block: dict[str, Any], **sampling: Any
) -> Any:
    """One problem by one strategy on the real engine: its result and every sample."""
    samples: list[Sample] = []

    async def record(sample: Sample) -> None:
        samples.append(sample)

    async def life() -> Result:
        async with Grader() as grader:
            told = Setting(
                ask=engine.generate,
                abort=engine.abort,
                record=record,
                template=load_template("plain"),
                tokenizer=setting.tokenizer,
                chat={},
                sampling=replace(Sampling(max_tokens=300), **sampling),
                seed=1,
                grader=grader,
                context=engine.context,
            )
            problem = Problem(b"r" * 16, 0, "id", PROBLEM, {"problem": PROBLEM}, "7")
            ctx = Context(problem, told, {})
            found = await make(block, n).solve(problem, ctx)
            await ctx.close()
            assert ctx.spent == sum(sample.output_tokens for sample in samples)
            return found

    assert not validate(block)
    return loop.do(life()), samples


def test_deepconf_draws_weighs_and_ends_responses(engine: VllmEngine, loop: Loop, setting: EngineSetting) -> None:
    block = {"name": "deepconf", "warmup": 8, "window": 8, "keep": 0.3, "share": 1.0}
    result, samples = solve(engine, loop, setting, 20, block, temperature=1.5)
    assert all(Measured.of(sample.data) is not None for sample in samples if sample.finished)
    stopped = {sample.key.k for sample in samples if sample.status is Status.STOPPED}
    voting = {one.k for one in result.candidates if one.class_id is not None}
    assert stopped and voting and not stopped & voting and min(stopped) >= 8
    warm = [found.lowest for s in samples if s.key.k < 8 and (found := Measured.of(s.data)) is not None]
    assert all(one.weight >= round(percentile(warm, 0.7), 6) for one in result.candidates if one.class_id is not None)


def test_a_thought_is_cut_and_answered_and_extended(engine: VllmEngine, loop: Loop, setting: EngineSetting) -> None:
    cut, samples = solve(engine, loop, setting, 2, {"think": {"max": 6, "answer": 8}})
    assert [one.marks for one in cut.candidates] in ([("capped",)] * 2, [("truncated", "capped")] * 2)
    assert {one.rule for one in cut.candidates} <= {"boxed", None}, "the cue opens the box, the model closes it or not"
    assert {s.output_tokens for s in samples if s.key.path == "think/0"} == {6}
    longer, samples = solve(engine, loop, setting, 1, {"think": {"max": 200, "waits": 2}})
    used = [sample.output_tokens for sample in samples]
    assert len(used) >= 2 and sum(used) <= 200 + 512 and "waited" in longer.candidates[0].marks


def test_pieces_of_a_probed_response_are_the_whole_one(engine: VllmEngine, loop: Loop, setting: EngineSetting) -> None:
    """Text ends and begins anew in mid-word, the prompt is encoded anew, and nothing shows."""
    whole, (sample,) = solve(engine, loop, setting, 1, {}, temperature=0.0)
    probed, samples = solve(engine, loop, setting, 1, {"probe": {"every": 4, "times": 100}}, temperature=0.0)
    pieces = sorted((s for s in samples if s.key.path.startswith("piece")), key=lambda s: int(s.key.path[6:]))
    assert len(pieces) > 3 and joined(pieces) == sample.text
    assert probed.vote.predicted == whole.vote.predicted and probed.n_samples == 1
    early, some = solve(engine, loop, setting, 1, {"probe": {"every": 4, "times": 2}}, temperature=0.0)
    assert early.candidates[0].answer is not None and len(some) <= len(samples)


def test_a_reflection_goes_on_where_the_response_ended(engine: VllmEngine, loop: Loop, setting: EngineSetting) -> None:
    result, samples = solve(engine, loop, setting, 2, {"reflect": {"times": 1}})
    by_path = {path: [s for s in samples if s.key.path == path] for path in ("answer", "reflect/0")}
    assert [len(found) for found in by_path.values()] == [2, 2]
    first, second = by_path["answer"][0], by_path["reflect/0"][0]
    assert second.prompt_tokens > first.prompt_tokens + first.output_tokens, "the response and the doubt"
    assert all(len(one.keys) == 2 for one in result.candidates)


def test_a_killed_engine_is_noticed_a_fresh_one_answers_and_one_that_hangs_is_ended(
    engine: VllmEngine, loop: Loop, setting: EngineSetting
) -> None:
    """Last in this file: it costs the shared engine its life."""
    (core,) = child.engines()

    async def killed() -> None:
        many = [ask(setting, 200 + k, temperature=2.0, max_tokens=1500) for k in range(64)]
        running = [asyncio.create_task(engine.generate(request)) for request in many]
        while not any(task.done() for task in running):
            await asyncio.sleep(0.01)
        os.kill(core.pid, signal.SIGKILL)
        ended = await asyncio.gather(*running, return_exceptions=True)
        assert all(isinstance(one, EngineDeadError) or one.status is Status.OK for one in ended)  # type: ignore[union-attr]
        raise next(one for one in ended if isinstance(one, EngineDeadError))

    with pytest.raises(EngineDeadError, match="its last words are in"):
        loop.do(killed())
    loop.do(engine.restart())
    assert engine.slots == 16, "it was killed, and not by want of memory"
    assert loop.do(engine.generate(ask(setting, 10))).status is Status.OK
    processes = child.engine_processes()
    os.kill(child.engines()[0].pid, signal.SIGSTOP)  # it listens to nobody any more

    async def hang() -> None:
        task = asyncio.create_task(engine.generate(ask(setting, 11)))
        await asyncio.sleep(0.2)
        task.cancel()
        await asyncio.wait({task}, timeout=5)
        assert task.cancelled(), "a request can leave an engine that hangs"

    loop.do(hang())
    loop.do(engine.close())
    for _ in range(100):
        if not any(os.path.exists(f"/proc/{pid}") for pid, _ in processes):
            break
        time.sleep(0.05)
    assert processes and not child.engines() and not any(os.path.exists(f"/proc/{pid}") for pid, _ in processes)
