"""The engine without a model: what a test or a dry run may count on."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from solver.engine import EngineSetting, Watch, distribution, open_engine, validate
from solver.engine.scripted import Reply, ScriptedEngine
from solver.errors import JobError
from solver.records import Request, Sample, SampleKey, Sampling, Status


def request(k: int = 0, text: str = "Q", *, seed: int = 0, max_tokens: int = 100) -> Request:
    key = SampleKey(b"r" * 16, "answer", 1, k)
    return Request(key, "answer", ({"role": "user", "content": text},), "", None, Sampling(max_tokens=max_tokens), seed)


def one(engine: Any, asked: Request, watch: Watch | None = None) -> Sample:
    sample: Sample = asyncio.run(engine.generate(asked, watch))
    return sample


def from_job(tmp_path: Path, replies: Any = None, **fields: Any) -> Any:
    block = {"kind": "scripted", **fields}
    if replies is not None:
        path = tmp_path / "replies.json"
        path.write_text(json.dumps(replies), "utf-8")
        block["replies"] = str(path)
    return open_engine(EngineSetting(block, None, None, False, tmp_path / "log"))


def test_replies_are_drawn_by_the_seed(tmp_path: Path) -> None:
    engine = from_job(tmp_path, ["a", "b", "c"])
    assert [one(engine, request(seed=seed)).text for seed in (0, 1, 2, 3, 2**62 + 1)] == ["a", "b", "c", "a", "c"]
    said = one(engine, request(7, "two words", seed=5))
    assert (said.key.k, said.seed, said.status, said.finish_reason) == (7, 5, Status.OK, "stop")
    assert (said.prompt_tokens, said.output_tokens) == (2, 1)


def test_replies_may_be_given_per_problem(tmp_path: Path) -> None:
    engine = from_job(tmp_path, {"One?": ["1"], "Two?": ["2"]})
    assert [one(engine, request(text=text)).text for text in ("One?", "Two?")] == ["1", "2"]
    assert "boxed{0}" in one(engine, request(text="Three?")).text, "others get the stock reply"
    assert "boxed{0}" in one(from_job(tmp_path), request()).text


def test_a_reply_longer_than_the_cap_is_cut_by_words() -> None:
    engine = ScriptedEngine(lambda _: "one two  three \\boxed{4}")
    cut = one(engine, request(max_tokens=2))
    assert (cut.text, cut.status, cut.finish_reason, cut.output_tokens) == ("one two", Status.TRUNCATED, "length", 2)
    assert one(engine, request(max_tokens=5)).status is Status.OK


def test_a_watch_rule_ends_a_reply_word_by_word() -> None:
    seen: list[str] = []

    def enough(text: str) -> bool:
        seen.append(text)
        return "\\boxed{" in text

    said = one(ScriptedEngine(lambda _: "so \\boxed{4} and more"), request(), enough)
    assert (said.text, said.status, said.output_tokens) == ("so \\boxed{4}", Status.STOPPED, 2)
    assert seen == ["so", "so \\boxed{4}"]


def test_a_reply_may_be_a_failure() -> None:
    said = one(ScriptedEngine(lambda _: Reply("ignored", Status.ERROR, error="refused")), request())
    assert (said.text, said.status, said.error, said.output_tokens) == ("", Status.ERROR, "refused", 0)


def test_an_abort_ends_one_request_and_no_other() -> None:
    engine = ScriptedEngine(lambda _: Reply("text", seconds=0.05))

    async def run() -> list[Sample]:
        tasks = [asyncio.create_task(engine.generate(request(k))) for k in range(3)]
        await asyncio.sleep(0.01)
        await engine.abort(request(1).key)
        await engine.abort(request(99).key)
        return list(await asyncio.gather(*tasks))

    samples = asyncio.run(run())
    assert [sample.status for sample in samples] == [Status.OK, Status.CANCELLED, Status.OK]
    assert samples[1].text == "" and (engine.served, engine.cancelled) == (2, 1)


def test_an_abort_reaches_a_request_that_still_waits_for_its_turn() -> None:
    engine = ScriptedEngine(lambda _: Reply("text", seconds=0.02), slots=1)

    async def run() -> list[Sample]:
        tasks = [asyncio.create_task(engine.generate(request(k))) for k in range(2)]
        await asyncio.sleep(0)
        await engine.abort(request(1).key)
        return list(await asyncio.gather(*tasks))

    assert [sample.status for sample in asyncio.run(run())] == [Status.OK, Status.CANCELLED]


def test_an_aborted_request_is_cancelled_however_long_its_reply_would_have_been() -> None:
    engine = ScriptedEngine(lambda _: Reply("word " * 10_000, seconds=60))

    async def run() -> Sample:
        task = asyncio.create_task(engine.generate(request(1), watch=lambda text: True))
        await asyncio.sleep(0.01)
        await engine.abort(request(1).key)
        return await task

    sample = asyncio.run(run())
    assert (sample.status, sample.text, sample.output_tokens) == (Status.CANCELLED, "", 0)


def test_slots_are_respected_and_used() -> None:
    working: Counter[str] = Counter()

    class Counted(ScriptedEngine):
        def _sample(self, *given: Any) -> Sample:
            working["now"] -= 1
            return super()._sample(*given)

    def script(_: Request) -> Reply:
        working["now"] += 1
        working["most"] = max(working["most"], working["now"])
        return Reply("text", seconds=0.005)

    engine = Counted(script, slots=5)

    async def run() -> None:
        await asyncio.gather(*(engine.generate(request(k)) for k in range(40)))

    asyncio.run(run())
    assert working["most"] == 5


def test_cancelling_the_caller_frees_the_slot() -> None:
    engine = ScriptedEngine(lambda asked: Reply("text", seconds=1000 if asked.key.k == 0 else 0), slots=1)

    async def run() -> Sample:
        first = asyncio.create_task(engine.generate(request(0)))
        await asyncio.sleep(0.01)
        first.cancel()
        return await asyncio.wait_for(engine.generate(request(1)), 5)

    assert asyncio.run(run()).status is Status.OK


def test_faults_of_the_block_are_all_told() -> None:
    found = validate({"kind": "scripted", "slot": 3, "slots": 0, "seconds": -1, "replies": "x.json"})
    assert [fault.where for fault in found] == ["engine.slot", "engine.slots", "engine.seconds"]
    assert "`slots`" in found[0].fix
    assert not validate({"kind": "scripted", "slots": 3, "seconds": 0.5, "context": 100})
    for wrong in ("3", True, 2.5, None):
        assert [fault.where for fault in validate({"kind": "scripted", "slots": wrong})] == ["engine.slots"]


@pytest.mark.parametrize("wrong", [[], [1], {"Q": []}, {"Q": "text"}, "text", 5])
def test_replies_that_cannot_be_used_are_a_fault_of_the_job(tmp_path: Path, wrong: Any) -> None:
    with pytest.raises(JobError, match=r"engine\.replies"):
        from_job(tmp_path, wrong)


def test_missing_replies_are_a_fault_of_the_job(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"nowhere\.json"):
        open_engine(EngineSetting({"kind": "scripted", "replies": "nowhere.json"}, None, None, False, tmp_path))


def test_only_what_the_replies_say_decides_what_is_sampled(tmp_path: Path) -> None:
    for name, text in (("a", "one"), ("b", "one"), ("c", "two")):
        (tmp_path / f"{name}.json").write_text(json.dumps([text]))
    block = {"kind": "scripted", "replies": str(tmp_path / "a.json")}
    assert distribution(block | {"slots": 9, "seconds": 1}, None) == distribution(block, None)
    assert distribution(block | {"replies": str(tmp_path / "b.json")}, None) == distribution(block, None)
    assert distribution(block | {"replies": str(tmp_path / "c.json")}, None) != distribution(block, None)
