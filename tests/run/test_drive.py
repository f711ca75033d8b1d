"""The driver: many problems over one engine, and what becomes of each when something goes wrong."""

import asyncio
import gc
import itertools
import os
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from line import Line, asked

from solver.engine.scripted import Reply
from solver.errors import InputError, StoreError
from solver.records import Outcome, Problem, Request, Result, Sample, SampleKey, Status
from solver.run.drive import PREFETCH, Prefetch
from solver.run.stop import Stop, breaking_off, listening
from solver.strategies.context import Context
from solver.strategies.self_consistency import SelfConsistency


class Odd:
    """Self-consistency, but some problems meet a bug in the strategy."""

    parameters: Mapping[str, Any] = {}

    def __init__(self, wrong: Callable[[Problem], bool]) -> None:
        self._wrong = wrong

    async def solve(self, problem: Problem, ctx: Context) -> Result:
        if self._wrong(problem):
            await ctx.sample(1, path="answer")
            raise KeyError("a strategy's bug")
        return await SelfConsistency({}, 4).solve(problem, ctx)


def test_every_problem_becomes_a_row_and_every_sample_is_kept_once() -> None:
    line = Line()
    line.run(asked(50))
    assert line.outcomes() == {f"p{i}": Outcome.OK for i in range(50)}
    assert Counter(sample.key for sample in line.samples).most_common(1)[0][1] == 1 and len(line.samples) == 200
    assert {result.decision for result in line.results} == {77}
    assert all(result.output_tokens == 4 and result.vote.correct for result in line.results)
    assert (line.counters.samples, line.counters.problems, line.counters.in_flight) == (200, 50, 0)


@pytest.mark.parametrize("n", [1, 4, 16])
def test_the_engine_is_kept_full_but_not_flooded(n: int) -> None:
    seen: list[int] = []

    def script(_: Request) -> Reply:
        seen.append(line.counters.in_flight)
        return Reply("\\boxed{1}", seconds=0.05)  # longer than a busy machine takes to admit another

    line = Line(script, slots=8)
    line.run(asked(max(120 // n, 20)), SelfConsistency({}, n))
    assert max(seen) <= 2 * 8 - 1 + n, "twice the slots, and the problem that went over"
    middle = seen[40:-40]
    assert min(middle) >= 8, "while problems are left every slot has work"


@pytest.mark.parametrize(("slots", "problems", "most"), [(8, 10, 10 * 7 + 8), (64, 1, 40)])
def test_what_a_rule_may_not_need_fills_idle_slots_and_no_others(slots: int, problems: int, most: int) -> None:
    line = Line(lambda request: Reply(f"\\boxed{{{min(request.key.k, 1)}}}", seconds=0.02), slots=slots)
    line.run(asked(problems), SelfConsistency({"stop": {"rule": "beta"}}, 40))
    assert problems * 7 < len(line.requests) <= most, "6 against 1 ends it; what else is asked, the last problems ask"
    assert problems > 1 or len(line.requests) == 40, "alone, a problem has all slots"


def test_the_next_problems_are_read_before_they_are_needed() -> None:
    read: list[int] = []

    def source() -> Iterator[Problem]:
        for problem in asked(300):
            read.append(problem.row)
            yield problem

    async def rows() -> list[int]:
        ahead = Prefetch(source())
        first = await ahead.next()
        while len(read) < 2 * PREFETCH:
            await asyncio.sleep(0.001)
        assert first is not None and not ahead.exhausted
        found = [first.row]
        while (problem := await ahead.next()) is not None:
            found.append(problem.row)
        assert ahead.exhausted
        return found

    assert asyncio.run(asyncio.wait_for(rows(), 20)) == list(range(300))


def test_samples_of_one_problem_are_asked_side_by_side_and_earlier_problems_first() -> None:
    line = Line(slots=8)
    line.run(asked(40))
    assert [row for row, _ in itertools.groupby(r.key.row_id for r in line.requests)] == [p.row_id for p in asked(40)]
    assert [r.priority for r in line.requests] == sorted(r.priority for r in line.requests)


def test_a_bug_of_the_strategy_fails_one_problem_not_the_run() -> None:
    line = Line()
    line.run(asked(10), Odd(lambda problem: problem.row == 3))
    assert line.outcomes() == {f"p{i}": Outcome.FAILED if i == 3 else Outcome.OK for i in range(10)}
    reasons = [s.error for s in line.samples if s.status is Status.ERROR]
    assert len(reasons) == 1 and "KeyError" in str(reasons[0]) and "a strategy's bug" in str(reasons[0])
    assert line.counters.failed == 1


class Hasty:
    """Takes the first answer that comes and leaves the others in flight."""

    parameters: Mapping[str, Any] = {}

    async def solve(self, problem: Problem, ctx: Context) -> Result:
        async for sample in ctx.stream(9, ahead=2, path="answer"):
            candidates = await ctx.classes([ctx.candidate(sample)])
            return ctx.result(candidates, await ctx.vote(candidates))
        raise AssertionError("a stream ended without a sample")


def test_what_a_strategy_no_longer_needs_is_cancelled_and_counted() -> None:
    line = Line(lambda request: Reply("so \\boxed{1}", seconds=0.001 if request.key.k == 0 else 1000.0))
    line.run(asked(20), Hasty())
    assert set(line.outcomes().values()) == {Outcome.OK} and len(line.results) == 20
    by_status = Counter(sample.status for sample in line.samples)
    assert by_status[Status.OK] == 20 and by_status[Status.CANCELLED] >= 40, "two ahead of each, and they are kept"
    assert line.counters.in_flight == 0
    assert sum(r.output_tokens for r in line.results) == sum(s.output_tokens for s in line.samples)


def test_what_cannot_be_asked_is_a_failed_row_with_its_reason() -> None:
    problems = asked(3)
    blank = Problem(b"b" * 16, 3, "blank", "", {"problem": ""}, None, fault="blank problem")
    unreadable = Problem(b"u" * 16, 4, "unreadable", "x", {"question": "x"}, "1")
    line = Line()
    line.run([blank, *problems, unreadable])
    assert line.outcomes() == {"blank": "failed", "p0": "ok", "p1": "ok", "p2": "ok", "unreadable": "failed"}
    why = {s.key.row_id: str(s.error) for s in line.samples if s.status is Status.ERROR}
    assert why[b"b" * 16] == "blank problem" and "cannot be rendered" in why[b"u" * 16] and len(why) == 2
    verdicts = {result.problem.id: result.vote.correct for result in line.results}
    assert verdicts["blank"] is None and verdicts["unreadable"] is False, "wrong only where there is a reference"


def test_a_gentle_stop_finishes_what_has_begun_and_admits_nothing() -> None:
    def script(request: Request) -> Reply:
        if len(line.requests) == 10:
            line.stop.ask(130)
        return Reply("\\boxed{1}", seconds=0.01)

    line = Line(script)
    line.run(asked(100))
    begun = {request.key.row_id for request in line.requests}
    assert len(begun) < 10 and {result.problem.row_id for result in line.results} == begun
    assert len(line.samples) == 4 * len(begun)


def test_a_stop_at_once_waits_for_nothing_and_keeps_what_is_finished() -> None:
    line = Line(lambda request: Reply("\\boxed{1}", seconds=0.0 if request.key.row_id[-1] < 3 else 1000.0))

    async def impatient() -> None:
        work = asyncio.create_task(line.drive(asked(100)))
        while len(line.results) < 3:
            await asyncio.sleep(0.001)
        line.stop.ask(130)
        await asyncio.sleep(0.01)
        assert not work.done()
        line.stop.ask(130)
        await asyncio.wait_for(work, 5)

    asyncio.run(impatient())
    assert line.outcomes() == {"p0": "ok", "p1": "ok", "p2": "ok"}
    assert len(line.samples) == 12, "no half-made samples are recorded"


@pytest.fixture
def handlers() -> Iterator[None]:
    """Signal handlers as they were: a stopped run leaves both ignored."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    kept = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, kept, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
def test_signals_are_wishes_ctrl_c_gently_then_at_once_and_sigterm_at_once() -> None:
    async def heard(*numbers: signal.Signals) -> Stop:
        stop = Stop()
        with listening(stop, said.append):
            for number in numbers:
                os.kill(os.getpid(), number)
                await asyncio.sleep(0.02)
        return stop

    said: list[str] = []
    once = asyncio.run(heard(signal.SIGINT))
    assert (once.gently, once.now, once.exit_code) == (True, False, 130) and "again: at once" in said[-1]
    twice = asyncio.run(heard(signal.SIGINT, signal.SIGINT))
    assert (twice.now, twice.exit_code) == (True, 130) and said[-1] == "stopping now"
    ended = asyncio.run(heard(signal.SIGTERM))
    assert (ended.now, ended.exit_code) == (True, 143)


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_the_engine_starts_breaks_off(number: signal.Signals, code: int) -> None:
    with pytest.raises(SystemExit) as left, breaking_off():
        os.kill(os.getpid(), number)
        time.sleep(5)
    assert left.value.code == code


def test_a_disk_that_fails_ends_the_run_with_its_error() -> None:
    line = Line(lambda _: Reply("\\boxed{1}", seconds=0.001))

    async def full(sample: Sample) -> None:
        raise StoreError("no space left")

    line.add = full  # type: ignore[method-assign]
    with pytest.raises(StoreError, match="no space left"):
        line.run(asked(1000))
    assert len(line.requests) < 30 and not line.results


def test_a_table_that_breaks_under_way_ends_the_run_but_not_what_has_begun() -> None:
    def torn() -> Iterator[Problem]:
        yield from asked(200)
        raise InputError([])

    line = Line(lambda _: Reply("\\boxed{1}", seconds=0.01))
    with pytest.raises(InputError):
        line.run(torn())
    begun = {request.key.row_id for request in line.requests}
    assert begun and {result.problem.row_id for result in line.results} == begun


def test_what_is_stored_is_not_asked_again() -> None:
    first = Line()
    first.run(asked(10), SelfConsistency({}, 2))
    by_row: dict[bytes, dict[SampleKey, Sample]] = defaultdict(dict)
    for sample in first.samples:
        by_row[sample.key.row_id][sample.key] = sample
    second = Line()
    second.stored = dict(itertools.islice(by_row.items(), 6))
    second.run(asked(10), SelfConsistency({}, 3))
    assert len(second.samples) == 6 * 1 + 4 * 3 and len(second.results) == 10


def test_thousands_of_problems_keep_the_loop_responsive() -> None:
    line, gaps = Line(slots=64), []

    async def watched() -> None:
        async def pulse() -> None:
            while True:
                before = time.thread_time()
                await asyncio.sleep(0)
                gaps.append(time.thread_time() - before)

        pulsing = asyncio.create_task(pulse())
        await line.drive(asked(5000))
        pulsing.cancel()

    gc.collect()
    gc.freeze()  # what other tests left in memory is not this one's to walk
    begun = time.thread_time()
    try:
        asyncio.run(watched())
    finally:
        gc.unfreeze()
    assert len(line.results) == 5000 and len(line.samples) == 20_000
    assert max(gaps) < 0.25, "seconds of this thread's own time in which nothing else could run"
    assert time.thread_time() - begun < 30
