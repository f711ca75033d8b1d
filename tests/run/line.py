"""The driver in memory: problems in, samples and results out, and an engine that dies when told to."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from solver.answers import Grader
from solver.engine import Watch
from solver.engine.scripted import Reply, Script, ScriptedEngine
from solver.errors import EngineDeadError
from solver.progress import Counters
from solver.prompts import load_template
from solver.records import Outcome, Problem, Request, Result, Sample, SampleKey, Sampling
from solver.run.drive import Driver, Stop, Work
from solver.strategies import Strategy
from solver.strategies.self_consistency import SelfConsistency
from solver.strategies.setting import Setting


def asked(count: int) -> list[Problem]:
    return [Problem(i.to_bytes(16, "big"), i, f"p{i}", f"Q{i}", {"problem": f"Q{i}"}, "1") for i in range(count)]


class Line:
    """Drives problems in memory; keeps what was recorded and in which order the engine was asked."""

    def __init__(self, script: Script = lambda _: "\\boxed{1}", *, slots: int = 4, hang_seconds: float = 0.0) -> None:
        self.engine: Any = ScriptedEngine(self._noted(script), slots=slots)
        self.requests: list[Request] = []
        self.samples: list[Sample] = []
        self.results: list[Result] = []
        self.stored: dict[bytes, dict[SampleKey, Sample]] = {}
        self._durable: set[SampleKey] = set()
        self.full = False
        self.hang_seconds, self.known = hang_seconds, dict[SampleKey, tuple[int, int]]()
        self.said: list[str] = []
        self.flushed: Callable[[], None] = lambda: None
        self.beside: Callable[[], Coroutine[Any, Any, None]] | None = None
        self.counters, self.stop = Counters(), Stop()
        self.driver: Driver

    def _noted(self, script: Script) -> Script:
        def reply(request: Request) -> Reply | str:
            self.requests.append(request)
            return script(request)

        return reply

    async def add(self, sample: Sample) -> None:
        self.samples.append(sample)
        self._durable.add(sample.key)

    async def add_result(self, result: Result) -> None:
        known = self._durable | set(self.stored.get(result.problem.row_id, {})) if self.stored else self._durable
        assert {key for candidate in result.candidates for key in candidate.keys} <= known, "before its samples"
        self.results.append(result)

    async def flush(self) -> None:
        """Everything is durable at once here."""
        self.flushed()

    def durable(self) -> dict[bytes, dict[SampleKey, Sample]]:
        """What a later run finds stored."""
        found: dict[bytes, dict[SampleKey, Sample]] = {}
        for sample in self.samples:
            found.setdefault(sample.key.row_id, {})[sample.key] = sample
        return found

    async def drive(self, problems: Iterable[Problem], strategy: Strategy | None = None) -> None:
        async with Grader() as grader:

            def setting(driver: Driver) -> Setting:
                return Setting(
                    ask=driver.ask,
                    abort=driver.abort,
                    record=driver.record,
                    template=load_template("plain"),
                    tokenizer=None,
                    chat={},
                    sampling=Sampling(),
                    seed=0,
                    grader=grader,
                    spare=driver.spare,
                )

            work = Work(
                engine=self.engine,
                strategy=strategy or SelfConsistency({}, 4),
                sink=self,
                resumes=bool(self.stored),
                stored=lambda row_id: self.stored.get(row_id, {}),
                decision=lambda result, settled: 77,
                setting=setting,
                hang_seconds=self.hang_seconds,
                deaths=self.known,
                say=self.said.append,
            )
            self.driver = Driver(work, self.counters, self.stop)
            beside = asyncio.ensure_future(self.beside()) if self.beside else None
            await self.driver.run(iter(problems))
            if beside:
                beside.cancel()
                await asyncio.gather(beside, return_exceptions=True)

    def run(self, problems: Iterable[Problem], strategy: Strategy | None = None) -> None:
        """Drive to the end; nothing may be left behind in the event loop."""

        async def whole() -> None:
            try:
                await asyncio.wait_for(self.drive(problems, strategy), 20)
            finally:
                assert asyncio.all_tasks() == {asyncio.current_task()}, "tasks are left behind"

        asyncio.run(whole())

    def outcomes(self) -> dict[str, Outcome]:
        assert len({result.problem.id for result in self.results}) == len(self.results)
        return {result.problem.id: result.status for result in self.results}


class Flaky:
    """An engine that dies each time it has been asked so many samples; a death takes all it is working on along."""

    def __init__(self, inner: ScriptedEngine, deaths: Iterable[int], broken: Exception | None = None) -> None:
        self.inner, self.slots, self.context = inner, inner.slots, inner.context
        self._deaths, self._broken = iter(deaths), broken
        self.tokens = 0
        self._left = next(self._deaths)
        self._dead = asyncio.Event()
        self.restarts = 0
        self.asked: Counter[SampleKey] = Counter()
        self.finished: Counter[SampleKey] = Counter()

    async def generate(self, request: Request, watch: Watch | None = None) -> Sample:
        self.asked[request.key] += 1
        if self._left == 0:
            self._dead.set()
        self._left -= 1
        work = asyncio.ensure_future(self.inner.generate(request, watch))
        death = asyncio.ensure_future(self._dead.wait())
        try:
            await asyncio.wait({work, death}, return_when=asyncio.FIRST_COMPLETED)
            if death.done():
                raise EngineDeadError("killed")
            self.finished[request.key] += 1
            return work.result()
        finally:
            for task in (work, death):
                task.cancel()
            await asyncio.gather(work, death, return_exceptions=True)

    async def restart(self) -> None:
        self.restarts += 1
        if self._broken is not None:
            raise self._broken
        await asyncio.sleep(0.01)
        self._dead.clear()
        self._left = next(self._deaths, 10**9)

    async def abort(self, key: SampleKey) -> None:
        await self.inner.abort(key)
