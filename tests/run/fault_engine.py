"""An engine with every fault that the driver must live with, over the scripted one: deaths, silence, odd answers."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from solver.engine import Watch
from solver.engine.scripted import Reply, ScriptedEngine
from solver.errors import EngineDeadError
from solver.records import Request, Sample, SampleKey

Which = Callable[[Request], bool]


def nobody(_: Request) -> bool:
    return False


def at_random(seed: int) -> Callable[[Request], Reply]:
    """Replies that take 0 to 4 ms, in an order that nobody planned."""
    chance = random.Random(seed)
    return lambda _: Reply("so \\boxed{1}", seconds=0.004 * chance.random())


class Life:
    """One engine, from its start to its death; hung: it answers nobody any more."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.hung = False
        self.death: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def die(self, why: str) -> None:
        if not self.death.done():
            self.death.set_result(why)


class FaultEngine:
    """poison: requests under which the engine dies, after `lingers` seconds and once `after` samples are finished;
    memory: more requests at once kill it, and a restart has half the slots; broken_after: it dies under everything once
    so many samples are finished; deaths: it also dies this many times by chance; hangs: requests after which it is
    silent; nan, other, double, breaks: requests with odd answers, only at the first asking unless `once` is False.

    Counts what was asked, and what came to an end, per key.
    """

    def __init__(self, script: Callable[[Request], Reply | str], *, slots: int = 8, **faults: Any) -> None:
        self.inner = ScriptedEngine(script, slots=slots)
        self.slots, self.context, self.tokens = slots, None, 0
        self.poison: Which = faults.pop("poison", nobody)
        self.hangs: Which = faults.pop("hangs", nobody)
        self.odd: dict[str, Which] = {name: faults.pop(name, nobody) for name in ("nan", "other", "double", "breaks")}
        self.lingers: float = faults.pop("lingers", 0.0)
        self.after: int = faults.pop("after", 0)
        self.memory: int = faults.pop("memory", 10**9)
        self.broken_after: int = faults.pop("broken_after", 10**9)
        self.deaths_left: int = faults.pop("deaths", 0)
        self.chance, self.every = random.Random(faults.pop("seed", 0)), faults.pop("every", 25)
        self.once: bool = faults.pop("once", True)
        assert not faults
        self.asked: Counter[SampleKey] = Counter()
        self.finished: Counter[SampleKey] = Counter()
        self.restarts = self.together = self.nans = 0
        self.together_at_restart: list[int] = []
        self._life: Life | None = None
        self._last: Sample | None = None

    async def generate(self, request: Request, watch: Watch | None = None) -> Sample:
        if self._life is None:
            self._life = Life(0)
        life = self._life
        self.asked[request.key] += 1
        self.together += 1
        work = asyncio.ensure_future(self._work(request, life, watch))
        try:
            await asyncio.wait({work, life.death}, return_when=asyncio.FIRST_COMPLETED)
            if life.death.done():
                raise EngineDeadError(life.death.result())
            sample = work.result()
            self.finished[sample.key] += 1
            return sample
        finally:
            self.together -= 1
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def _work(self, request: Request, life: Life, watch: Watch | None) -> Sample:
        if self.together > self.memory:
            life.die("CUDA out of memory")
        if self.deaths_left and self.chance.random() < 1 / self.every:
            asyncio.get_running_loop().call_later(0.004 * self.chance.random(), self._killed, life)
        if self.poison(request) or len(self.finished) >= self.broken_after:
            await asyncio.sleep(self.lingers or 0.004 * self.chance.random())
            while len(self.finished) < self.after:
                await asyncio.sleep(0.005)
            life.die("poisoned")
        life.hung = life.hung or self.hangs(request)
        sample = await self.inner.generate(request, watch)
        if len(self.finished) >= self.broken_after:
            life.die("poisoned")
        if life.hung or life.death.done():
            await asyncio.Event().wait()
        return self._said(request, sample)

    def _killed(self, life: Life) -> None:
        if self.deaths_left and not life.death.done() and life is self._life:
            self.deaths_left -= 1
            life.die("killed by chance")

    def _said(self, request: Request, sample: Sample) -> Sample:
        first = self.asked[request.key] == 1
        before, self._last = self._last, sample
        if self._is("breaks", request, first):
            raise KeyError("inside the engine")
        if self._is("other", request, first):
            return replace(sample, key=request.key._replace(k=request.key.k + 1000))
        if self._is("double", request, first) and before is not None:
            return before
        self.tokens += sample.output_tokens
        if self.odd["nan"](request):
            self.nans += 1
            return replace(sample, mean_logprob=float("nan"))
        return sample

    def _is(self, fault: str, request: Request, first: bool) -> bool:
        return (first or not self.once) and self.odd[fault](request)

    async def restart(self) -> None:
        self.restarts += 1
        self.together_at_restart.append(self.together)
        if self._life is not None and self._life.death.done() and "memory" in self._life.death.result():
            self.slots = max(1, self.slots // 2)
        await asyncio.sleep(0.002)
        self._life = Life(self.restarts)

    async def start(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing to free."""

    async def abort(self, key: SampleKey) -> None:
        await self.inner.abort(key)
