"""Drive: problems in, an engine, a strategy, a writer. The part of a run that may live in any process.

One coroutine per live problem, all over one engine. Problems are admitted while fewer than twice the
engine's slots are in flight, so that the batch stays full across problems and the queue short; the next
problems are read before they are needed; grading and writing happen elsewhere. While the disk is full none is
admitted. What becomes of an engine that dies is the matter of lives.py. A problem that fails is a row; only what makes
going on impossible (engine, store, machine) ends the drive.
"""

import asyncio
import itertools
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, Protocol, TypeVar

from solver.engine import Engine, Watch
from solver.errors import FaultsError, OwedError, SolverError
from solver.progress import Counters
from solver.records import Outcome, Problem, Request, Result, Sample, SampleKey, Vote
from solver.redact import redact
from solver.run.lives import Lives
from solver.run.poison import Counts
from solver.run.stop import GRACE, Stop
from solver.strategies import Strategy
from solver.strategies.context import Context
from solver.strategies.setting import Setting

PREFETCH = 128  # problems read at a time
RESUMED = 16  # the same where their stored samples are read with them
IN_FLIGHT = 2  # sequences asked for, per slot of the engine
FULL_LOOK = 1.0  # seconds between two looks at a full disk

log = logging.getLogger(__name__)

Read = tuple[Problem, Mapping[SampleKey, Sample]]
"""A problem, and what the run holds of it."""
T = TypeVar("T")


class Sink(Protocol):
    """Where samples and results go: the store's writer, or a dummy. full: it waits for space and wants nothing new."""

    @property
    def full(self) -> bool: ...

    async def add(self, sample: Sample) -> None: ...

    async def add_result(self, result: Result) -> None: ...

    async def flush(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Work:
    """What the driver works with.

    resumes, stored: whether the run held anything before, and what of a row (reads files); decision: of a
    result, and whether it is settled: one that a bug made is not, and is decided anew by the next run; setting: what
    all problems share; hang_seconds: silence after which an engine counts as dead, 0: never; deaths: engine deaths
    that requests witnessed in an earlier process; say: a note to the user.
    """

    engine: Engine
    strategy: Strategy
    sink: Sink
    resumes: bool
    stored: Callable[[bytes], Mapping[SampleKey, Sample]]
    decision: Callable[[Result, bool], int]
    setting: Callable[["Driver"], Setting]
    hang_seconds: float = 0.0
    deaths: Mapping[SampleKey, Counts] = field(default_factory=dict)
    say: Callable[[str], None] = lambda _: None


class Driver:
    """Runs a strategy over many problems at once. Make it inside the event loop; call `run` once."""

    def __init__(self, work: Work, counters: Counters, stop: Stop) -> None:
        self.exhausted = False
        self._work = work
        self._counters = counters
        self._stop = stop
        self._changed = asyncio.Event()
        stop.heard = self._changed.set
        self._live: set[asyncio.Task[None]] = set()
        self._fatal: BaseException | None = None
        self._all_admitted = False
        self._lives = Lives(
            work.engine,
            stop,
            before=work.sink.flush,
            failed=self._failed,
            changed=self._changed.set,
            others=lambda rows: not self._all_admitted or len(self._live) > rows,
            known=work.deaths,
            hang_seconds=work.hang_seconds,
            say=work.say,
        )
        self._lives.proven = counters.done_before > 0
        self._setting = work.setting(self)

    async def run(self, problems: Iterator[Problem]) -> None:
        """Solve every problem.

        Raises what made going on impossible: after ending what was in flight, or, where only the reading of
        further problems failed, after finishing it.
        """
        source = Prefetch(self._with_stored(problems), RESUMED if self._work.resumes else PREFETCH)
        unread: Exception | None = None
        self._lives.open()
        try:
            for number in itertools.count():
                if not await self._room() or (read := await source.next()) is None:
                    break
                self.exhausted = source.exhausted
                await self._admit(*read, number)
        except Exception as error:  # whatever the table's file does, problems that have begun are finished
            unread = error
        self.exhausted = self._all_admitted = True
        self._lives.look()
        await self._drain()
        await self._lives.close()
        await source.close()
        failed = self._fatal or unread
        if failed is not None:
            raise failed

    def spare(self) -> int:
        """A live problem's share of the slots that stand idle once no unstarted problem is left, 0 before.

        Samples that a rule may not need fill these, so that the last problems do not take their samples three by three.
        """
        idle = self._work.engine.slots - self._counters.in_flight if self.exhausted else 0
        return max(0, idle) // max(1, len(self._live))

    async def ask(self, request: Request, watch: Watch | None) -> Sample:
        """One sample for one request, from whichever engine lives."""
        self._counters.in_flight += 1
        try:
            return await self._lives.ask(request, watch)
        finally:
            self._counters.in_flight -= 1
            self._changed.set()

    async def abort(self, key: SampleKey) -> None:
        """End one unfinished request; its `ask` returns a sample with status `cancelled`."""
        await self._lives.abort(key)

    def in_flight(self) -> str:
        """What is in flight now, as the text of a note for the next owner."""
        return self._lives.note()

    async def record(self, sample: Sample) -> None:
        """Count a new sample and hand it to the writer."""
        self._counters.sampled(sample)
        if sample.error is not None:
            sample = replace(sample, error=redact(sample.error))
        await self._work.sink.add(sample)

    async def _room(self) -> bool:
        """Wait until another problem may start; False when none may any more."""
        while not self._stop.gently and self._fatal is None:
            limit = IN_FLIGHT * self._work.engine.slots  # an engine that was started again may have fewer
            full, held = self._work.sink.full, self._lives.held
            if not full and self._counters.in_flight - held < limit and len(self._live) - held < 2 * limit:
                return True
            await self._change(FULL_LOOK if full else None)
        return False

    async def _change(self, seconds: float | None = None) -> bool:
        """Wait for a finished sample or problem or a wish to stop; False when `seconds` went by first."""
        self._changed.clear()
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def _with_stored(self, problems: Iterator[Problem]) -> Iterator[Read]:
        """Each problem with what is stored of it; goes on in the thread that reads problems."""
        for problem in problems:
            yield problem, self._work.stored(problem.row_id) if self._work.resumes else {}

    async def _admit(self, problem: Problem, stored: Mapping[SampleKey, Sample], number: int) -> None:
        """Start one problem and wait until its first requests are out, so that `in_flight` tells the truth."""
        self._lives.proven = self._lives.proven or any(sample.usable for sample in stored.values())
        ctx = Context(problem, self._setting, stored, number)
        task = asyncio.create_task(self._solve(problem, ctx))
        self._live.add(task)
        task.add_done_callback(self._ended)
        await asyncio.wait({task, ctx.begun}, return_when=asyncio.FIRST_COMPLETED)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A problem's coroutine is over; an exception that reached this far ends the run."""
        self._live.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fatal = self._fatal or error
        self._lives.look()
        self._changed.set()

    def _failed(self, error: SolverError) -> None:
        """No engine can be had any more."""
        self._fatal = self._fatal or error
        self._changed.set()

    async def _solve(self, problem: Problem, ctx: Context) -> None:
        try:
            result, settled = await self._result(problem, ctx)
            await ctx.close()
        finally:
            ctx.cancel()
        result = replace(result, output_tokens=ctx.spent, decision=self._work.decision(result, settled))
        self._counters.solved(result)
        await self._work.sink.add_result(result)

    async def _result(self, problem: Problem, ctx: Context) -> tuple[Result, bool]:
        """The strategy's result, or a row that says why there is none; and whether that is settled."""
        if problem.fault:
            return await _failure(ctx, problem.fault), True
        try:
            return await self._work.strategy.solve(problem, ctx), True
        except OwedError:
            return _empty(problem, Outcome.WANTS_MORE), True
        except FaultsError as error:
            return await _failure(ctx, str(error)), True
        except SolverError:
            raise
        except Exception as error:  # a strategy's bug on one problem is that problem's row, not the run's end
            log.exception("problem %s (row %d) failed", problem.id, problem.row)
            return await _failure(ctx, f"{type(error).__name__}: {error}"), False

    async def _drain(self) -> None:
        """Wait for live problems: all of them, or after a wish to stop for at most GRACE seconds."""
        loop = asyncio.get_running_loop()
        deadline: float | None = None
        while self._live and not self._stop.now and self._fatal is None:
            if self._stop.gently and deadline is None:
                deadline = loop.time() + GRACE
            if not await self._change(None if deadline is None else max(0.0, deadline - loop.time())):
                break
        live = list(self._live)
        if live:
            self._lives.freeze()
        for task in live:
            task.cancel()
        await asyncio.gather(*live, return_exceptions=True)


class Prefetch(Generic[T]):
    """An iterator, of problems mostly, read a few ahead in a thread so that reading never stalls the loop."""

    def __init__(self, problems: Iterator[T], ahead: int = PREFETCH) -> None:
        self._problems, self._ahead = problems, ahead
        self._ready: list[T] = []
        self._next: asyncio.Future[list[T]] = self._read()

    @property
    def exhausted(self) -> bool:
        """Whether the last problem has been handed out, as far as is known."""
        known = self._next.done() and self._next.exception() is None
        return not self._ready and known and not self._next.result()

    async def next(self) -> T | None:
        """The next problem, or None after the last."""
        if not self._ready:
            self._ready = (await self._next)[::-1]
            if self._ready:
                self._next = self._read()
        return self._ready.pop() if self._ready else None

    async def close(self) -> None:
        """Wait for the read that is under way."""
        await asyncio.wait([self._next])

    def _read(self) -> asyncio.Future[list[T]]:
        return asyncio.ensure_future(asyncio.to_thread(lambda: list(itertools.islice(self._problems, self._ahead))))


async def _failure(ctx: Context, reason: str) -> Result:
    """A row for what cannot be asked: one sample that says why, and a result."""
    await ctx.note_failure(reason)
    return _empty(ctx.problem, Outcome.FAILED)


def _empty(problem: Problem, outcome: Outcome) -> Result:
    wrong = outcome is Outcome.FAILED and problem.reference is not None
    vote = Vote(None, False if wrong else None, 0, 0, None, None, False, ())
    return Result(problem, vote, (), 0, 0, 0, outcome)
