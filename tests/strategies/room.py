"""A strategy's world in memory: a setting around a scripted engine, and what it stores from one life to the next."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import replace
from typing import Any

from solver.answers import Grader
from solver.engine import Watch
from solver.engine.scripted import Reply, ScriptedEngine
from solver.prompts import load_template
from solver.records import Problem, Request, Sample, SampleKey, Sampling
from solver.strategies.context import Context
from solver.strategies.setting import Setting


class Words:
    """Stands for a tokenizer: one token is one word."""

    def prompt(self, messages: Iterable[Mapping[str, str]], prefix: str = "", chat: Any = None) -> list[int]:
        return list(range(sum(len(turn["content"].split()) for turn in messages) + len(prefix.split())))


class Room:
    """A setting in memory around a scripted engine; keeps what was asked and recorded."""

    def __init__(self, script: Callable[[Request], Reply | str] = lambda _: "so \\boxed{4}", **setting: Any) -> None:
        self.engine = ScriptedEngine(script, slots=100)
        self.asked: list[Request] = []
        self.recorded: list[Sample] = []
        self.unfinished = self.most = 0
        self.stored: dict[SampleKey, Sample] = {}
        self.given = setting

    async def _ask(self, request: Request, watch: Watch | None) -> Sample:
        self.asked.append(request)
        self.unfinished += 1
        self.most = max(self.most, self.unfinished)
        try:
            return await self.engine.generate(request, watch)
        finally:
            self.unfinished -= 1

    async def _record(self, sample: Sample) -> None:
        self.recorded.append(sample)

    def context(self, row: int = 0, text: str = "What is two and two?") -> Context:
        setting = Setting(
            ask=self._ask,
            abort=self.engine.abort,
            record=self._record,
            template=load_template("plain"),
            tokenizer=None,
            chat={},
            sampling=Sampling(max_tokens=20),
            seed=5,
            grader=Grader(),
        )
        problem = Problem(row.to_bytes(16, "big"), row, "id", text, {"problem": text}, "4")
        return Context(problem, replace(setting, **self.given), self.stored)

    def run(self, strategy: Callable[[Context], Coroutine[Any, Any, Any]], row: int = 0) -> Any:
        """One life of a strategy; afterwards what it recorded is stored, as a resumed run would find it."""

        async def life() -> Any:
            ctx = self.context(row)
            found = await strategy(ctx)
            await ctx.close()
            await asyncio.sleep(0.01)  # a stream that was left is closed a few turns later
            assert asyncio.all_tasks() == {asyncio.current_task()}
            return found, ctx.spent

        self.asked, self.recorded, self.most = [], [], 0
        found, self.spent = asyncio.run(life())
        for sample in self.recorded:
            if sample.finished or sample.key not in self.stored:
                self.stored[sample.key] = sample
        return found
