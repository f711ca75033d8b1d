"""Engines that die, hang and lie: every request comes to one end, and the one that kills engines is found."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from fault_engine import FaultEngine, Life, Which, at_random
from line import Line, asked

from solver.engine.scripted import Reply
from solver.errors import EngineDeadError, EngineError
from solver.records import Outcome, Request, Sample, SampleKey, Status
from solver.run.poison import Suspects
from solver.strategies.self_consistency import SelfConsistency


def line(slots: int = 32, hang_seconds: float = 0.0, **faults: object) -> Line:
    made = Line(hang_seconds=hang_seconds)
    made.engine = FaultEngine(at_random(7), slots=slots, **faults)
    return made


def one(number: int, n: int = 4) -> Which:
    """The request with this number, counting samples of problems in order."""
    return lambda request: (int.from_bytes(request.key.row_id, "big"), request.key.k) == divmod(number, n)


def prompt(*rows: int) -> Which:
    return lambda request: int.from_bytes(request.key.row_id, "big") in rows


def statuses(made: Line) -> Counter[Status]:
    assert len({sample.key for sample in made.samples}) == len(made.samples), "a request came to two ends"
    return Counter(sample.status for sample in made.samples)


def one_poison_in(requests: int, where: float, slots: int) -> Line:
    """All requests but one are answered once, and that one is a row that says why."""
    made = line(slots, poison=one(int(where * requests)))
    made.run(asked(requests // 4))
    assert statuses(made) == {Status.OK: requests - 1, Status.QUARANTINED: 1}
    (bad,) = (sample for sample in made.samples if sample.status is Status.QUARANTINED)
    assert "3 times while it worked on this sample alone" in str(bad.error) and made.engine.poison(_request(bad.key))
    assert set(made.outcomes().values()) == {Outcome.OK}, "its problem votes with its other samples"
    assert [r.vote.n_valid for r in made.results if r.problem.row_id == bad.key.row_id] == [3]
    assert made.engine.restarts <= 20, "a search, not a siege"
    assert set(made.engine.finished.values()) <= {1, 2} and sum(made.engine.finished.values()) <= requests, (
        "at most one answer was asked for again, as proof that the engine works"
    )
    return made


def _request(key: SampleKey) -> Request:
    from solver.records import Sampling

    return Request(key, "answer", (), "", None, Sampling(), 0)


@pytest.mark.parametrize(("where", "slots"), [(0.0, 64), (0.4, 2), (0.9999, 64)])
def test_one_poison_among_a_thousand_requests_costs_one_row(where: float, slots: int) -> None:
    one_poison_in(1000, where, slots)


@pytest.mark.soak
def test_one_poison_among_ten_thousand_requests_costs_one_row() -> None:
    made = one_poison_in(10_000, 0.5, 256)
    print(
        f"\npoison: 10,000 requests, {statuses(made)[Status.OK]:,} good, "
        f"{statuses(made)[Status.QUARANTINED]} quarantined, {made.engine.restarts} restarts"
    )


@pytest.mark.parametrize("seed", range(2))
def test_twenty_deaths_by_chance_cost_nothing_but_time(seed: int) -> None:
    made = line(16, deaths=20, every=25, seed=seed)
    made.run(asked(250))
    assert made.engine.restarts == 20
    assert statuses(made) == {Status.OK: 1000} and set(made.outcomes().values()) == {Outcome.OK}
    assert set(made.engine.finished.values()) == {1}, "what is finished is not asked again"


def test_a_poison_is_found_among_deaths_by_chance() -> None:
    made = line(16, deaths=10, every=40, seed=3, poison=one(217))
    made.run(asked(125))
    assert statuses(made) == {Status.OK: 499, Status.QUARANTINED: 1}


def test_a_prompt_that_kills_with_every_sample_costs_few_restarts_and_fails_its_problem() -> None:
    made = line(64, poison=prompt(9))
    made.run(asked(40), SelfConsistency({}, 16))
    assert statuses(made) == {Status.OK: 39 * 16, Status.QUARANTINED: 16}
    assert made.outcomes() == {f"p{i}": Outcome.FAILED if i == 9 else Outcome.OK for i in range(40)}
    assert made.engine.restarts <= 20, "not three for each of its sixteen samples"


def test_three_poisons_at_once_are_all_found_and_nobody_else_is_blamed() -> None:
    guilty = {3, 40, 41}
    made = line(16, poison=lambda request: int.from_bytes(request.key.row_id, "big") in guilty)
    made.run(asked(60), SelfConsistency({}, 1))
    bad = {int.from_bytes(s.key.row_id, "big") for s in made.samples if s.status is Status.QUARANTINED}
    assert bad == guilty and statuses(made)[Status.OK] == 57


@pytest.mark.parametrize("slots", [1, 64])
@pytest.mark.parametrize("worked", [0, 57])
@pytest.mark.parametrize("problems", [16, 100])
def test_an_engine_that_is_broken_ends_the_run_and_blames_no_row(slots: int, worked: int, problems: int) -> None:
    """Also where it worked for a while, and where only a few requests are left when it breaks."""
    made = line(slots, broken_after=worked)
    with pytest.raises(EngineError, match="poisoned"):
        made.run(asked(problems))
    assert set(statuses(made)) <= {Status.OK} and made.engine.restarts <= 16
    assert "failed" not in made.outcomes().values()
    assert '"in_flight"' in made.driver.in_flight() and not deaths(made), "nothing that could mislead the next run"


def test_the_last_request_of_all_is_condemned_only_by_an_engine_that_works() -> None:
    """Nobody else is left to ask, so a request that was answered before is asked again, and its answer dropped."""
    made = line(8, poison=one(39), after=39)
    made.run(asked(10))
    assert statuses(made) == {Status.OK: 39, Status.QUARANTINED: 1} and made.engine.restarts <= 8
    assert sorted(made.engine.finished.values())[-2:] == [1, 2]


class Fickle(FaultEngine):
    """Answers every request once, and fails when it is asked again: with a row that says so, or by raising."""

    raises = False
    fails: Which = staticmethod(lambda _: True)

    async def generate(self, request: Request, watch: object = None) -> Sample:
        again = self.finished[request.key] > 0 and self.fails(request)
        if again and self.raises:
            raise ValueError("not twice")
        sample = await super().generate(request)
        return replace(sample, status=Status.ERROR, error="not twice") if again else sample


@pytest.mark.parametrize("raises", [False, True])
def test_where_no_request_is_answered_well_again_it_counts_that_the_engine_worked(raises: bool) -> None:
    """The run waited for ever: nobody looked again after the proof had failed."""
    made = Line()
    made.engine = Fickle(at_random(7), slots=8, poison=one(15), after=15)
    made.engine.raises = raises
    made.run(asked(4))
    assert statuses(made) == {Status.OK: 15, Status.QUARANTINED: 1}
    assert max(made.engine.asked.values()) <= 6, "each proof is asked once"


def test_an_answer_that_fails_the_second_time_is_no_proof_but_another_one_is() -> None:
    made = Line()
    made.engine = Fickle(at_random(7), slots=8, poison=one(15), after=15)
    made.engine.fails = prompt(0, 2, 3)
    made.run(asked(4))
    assert statuses(made) == {Status.OK: 15, Status.QUARANTINED: 1}
    assert [count for key, count in made.engine.finished.items() if prompt(1)(_request(key))].count(2) == 1


def test_a_question_that_kills_after_its_first_answer_does_not_stand_for_the_engine() -> None:
    """Its finished sample was asked as the proof, became guilty with the rest, and the run ended."""
    made = line(8, poison=lambda request: prompt(3)(request) and request.key.k > 0, after=13)
    made.run(asked(4))
    assert statuses(made) == {Status.OK: 13, Status.QUARANTINED: 3}
    again = [key for key, count in made.engine.finished.items() if count > 1]
    assert len(again) == 1 and again[0].row_id[-1] != 3


def test_where_only_that_question_was_ever_answered_it_has_to_do() -> None:
    made = line(8, poison=lambda request: request.key.k > 0, after=1)
    made.run(asked(1))
    assert statuses(made) == {Status.OK: 1, Status.QUARANTINED: 3}


def test_an_engine_that_dies_by_chance_during_the_proof_is_given_another_chance() -> None:
    made = line(8, poison=one(39), after=39)
    kill, ask = made.engine._work, iter([True])

    async def work(request: Request, life: Life, watch: None) -> Sample:
        if made.engine.finished[request.key] and next(ask, False):
            life.die("killed by chance")
        return await kill(request, life, watch)

    made.engine._work = work
    made.run(asked(10))
    assert statuses(made) == {Status.OK: 39, Status.QUARANTINED: 1}


def test_a_lonely_request_that_kills_every_engine_is_not_condemned_but_ends_the_run() -> None:
    made = line(8, poison=one(0, n=1))
    with pytest.raises(EngineError, match="works no more: poisoned"):
        made.run(asked(1), SelfConsistency({}, 1))
    assert not made.samples and made.engine.restarts <= 8


def test_what_an_earlier_process_saw_shortens_the_search() -> None:
    made = line(32, poison=one(301), lingers=1e-6)
    stopped: list[int] = []

    def interrupted() -> None:
        if made.engine.restarts >= 6 and not stopped:
            stopped.append(made.engine.restarts)
            made.stop.ask(143, at_once=True)

    made.flushed = interrupted
    made.run(asked(125))
    left = deaths(made)
    assert stopped and left and max(witnessed for witnessed, _ in left.values()) >= 4
    again = line(32, poison=one(301), lingers=1e-6)
    again.known, again.stored = left, made.durable()
    again.run(asked(125))
    (bad,) = (sample.key for sample in again.samples if sample.status is Status.QUARANTINED)
    unwarned = line(32, poison=one(301), lingers=1e-6)
    unwarned.stored = made.durable()
    unwarned.run(asked(125))
    assert again.engine.asked[bad] < unwarned.engine.asked[bad]
    assert len(made.samples) + len(again.samples) == 500 and not deaths(again)


def test_deaths_that_an_earlier_process_saw_are_kept_until_their_request_is_asked() -> None:
    """They were gone when this process was killed before it came to that request."""
    early, late = (SampleKey(b"r" * 16, "answer", 1, k) for k in range(2))
    suspects = Suspects({early: (3, 1), late: (5, 2)})
    suspects.asked(early)
    assert dict(suspects.counts()) == {early: (3, 1), late: (5, 2)}
    suspects.asked(late)
    suspects.left(early, finished=True)
    assert dict(suspects.counts()) == {late: (5, 2)}


def test_nobody_is_condemned_on_hearsay() -> None:
    key = SampleKey(b"r" * 16, "answer", 1, 0)
    suspects = Suspects({key: (9, 9)})
    suspects.asked(key)
    suspects.advance()
    assert suspects.may_enter(key) and suspects.verdict(key) is None, "whatever another process saw, it is tried here"
    suspects.died([key])
    assert suspects.verdict(key) is None and suspects.held == 1, "not before the engine has shown that it works"
    other = key._replace(k=1)
    suspects.asked(other)
    suspects.left(other, finished=True)
    assert "3 times" in str(suspects.verdict(key))


def test_suspects_of_an_earlier_process_that_are_out_of_turn_hold_nobody_up() -> None:
    """A group of which nobody was left to try once shut the gate for good."""
    guilty, suspect, other = (SampleKey(b"r" * 16, "answer", 1, k) for k in range(3))
    suspects = Suspects({guilty: (9, 9), suspect: (5, 0)})
    for key in (guilty, suspect, other):
        suspects.asked(key)
    suspects.advance()
    suspects.died([guilty])
    suspects.advance()
    assert suspects.may_enter(suspect) and not suspects.may_enter(other)
    suspects.left(suspect, finished=True)
    suspects.advance()
    assert suspects.may_enter(other) and suspects.verdict(guilty)


def test_a_silent_engine_is_replaced_and_asked_again() -> None:
    made = line(8, hang_seconds=0.3, hangs=first_time())
    made.run(asked(20))
    assert statuses(made) == {Status.OK: 80} and made.engine.restarts == 1
    assert any("no token for" in text for text in made.said)
    assert made.engine.together_at_restart == [0], "nobody waits in the dead engine"


def test_a_request_that_silences_every_engine_is_quarantined_like_one_that_kills() -> None:
    made = line(4, hang_seconds=0.1, hangs=one(20))
    made.run(asked(10))
    assert statuses(made) == {Status.OK: 39, Status.QUARANTINED: 1}


def test_an_engine_that_works_slowly_is_not_silent() -> None:
    made = line(4, hang_seconds=0.2)

    async def drip() -> None:
        while True:
            made.engine.tokens += 1
            await asyncio.sleep(0.02)

    made.engine.inner = type(made.engine.inner)(lambda _: Reply("so \\boxed{1}", seconds=0.8), slots=4)
    made.beside = drip
    made.run(asked(1))
    assert statuses(made) == {Status.OK: 4} and made.engine.restarts == 0


def test_time_in_which_this_process_stood_still_is_not_held_against_the_engine() -> None:
    """Ctrl-Z for an hour once would have looked like a silent engine."""
    made = line(4, hang_seconds=0.5)

    async def stand_still() -> None:
        await asyncio.sleep(0.1)
        time.sleep(0.8)

    made.engine.inner = type(made.engine.inner)(lambda _: Reply("so \\boxed{1}", seconds=0.15), slots=4)
    made.beside = stand_still
    made.run(asked(1))
    assert statuses(made) == {Status.OK: 4} and made.engine.restarts == 0


def test_an_engine_short_of_memory_goes_on_with_fewer_at_once() -> None:
    made = line(16, memory=8)
    made.run(asked(50))
    assert statuses(made) == {Status.OK: 200}
    assert made.engine.slots <= 4, "twice the slots are asked at once, so a quarter of them fits"


def test_odd_answers_are_asked_again() -> None:
    made = line(8, other=one(5), double=one(30), breaks=one(60))
    made.run(asked(20))
    assert statuses(made) == {Status.OK: 79, Status.ERROR: 1}
    (bad,) = (sample for sample in made.samples if sample.status is Status.ERROR)
    assert bad.key.k == 0 and bad.error == "KeyError: 'inside the engine'"
    assert made.engine.restarts == 0 and set(made.outcomes().values()) == {Outcome.OK}


def test_answers_that_stay_odd_are_rows_with_a_reason() -> None:
    made = line(8, once=False, other=one(5), double=one(30))
    made.run(asked(20))
    assert statuses(made) == {Status.OK: 78, Status.ERROR: 2}
    assert {s.error for s in made.samples if s.status is Status.ERROR} == {
        "the engine gave another request's answer, twice"
    }
    assert max(made.engine.asked.values()) == 2


def test_no_number_is_no_log_probability_and_no_text_no_answer() -> None:
    made = line(8, nan=one(2))
    made.engine.inner = type(made.engine.inner)(lambda r: "" if r.key.k == 3 else "\\boxed{1}", slots=8)
    made.run(asked(2))
    assert made.engine.nans == 1, "the engine did say one"
    assert all(s.mean_logprob is None for s in made.samples)
    assert statuses(made) == {Status.OK: 8}
    assert [(r.vote.n_valid, r.status) for r in made.results] == [(3, Outcome.OK)] * 2


class Rude(FaultEngine):
    """Breaks a request off by itself, with the exception that otherwise means that somebody wished it."""

    async def generate(self, request: Request, watch: object = None) -> Sample:
        if request.key.k == 2:
            raise asyncio.CancelledError
        return await super().generate(request)


def test_a_request_that_the_engine_breaks_off_is_a_row() -> None:
    made = Line()
    made.engine = Rude(at_random(1))
    made.run(asked(5))
    assert statuses(made) == {Status.OK: 15, Status.ERROR: 5} and set(made.outcomes().values()) == {Outcome.OK}


class Picky:
    """Takes the first answer that comes and drops the others, also those that wait for their turn."""

    def __init__(self) -> None:
        self.parameters: dict[str, object] = {}

    async def solve(self, problem: object, ctx: object) -> object:
        async for sample in ctx.stream(6, ahead=4, path="answer"):  # type: ignore[attr-defined]
            if sample.usable:
                found = await ctx.classes([ctx.candidate(sample)])  # type: ignore[attr-defined]
                return ctx.result(found, await ctx.vote(found))  # type: ignore[attr-defined]
        raise AssertionError("no answer")


def test_requests_that_wait_for_their_turn_can_be_dropped() -> None:
    """A request that waited outside the engine could not be ended, and was asked in full later."""
    made = line(8, poison=lambda request: request.key.k == 1 and request.key.row_id[-1] == 5)
    made.run(asked(30), Picky())  # type: ignore[arg-type]
    assert set(made.outcomes().values()) == {Outcome.OK} and len(made.results) == 30


class Signalled(FaultEngine):
    """A signal arrives while the next engine starts."""

    async def restart(self) -> None:
        self.restarts += 1
        raise SystemExit(143)


def test_a_signal_while_an_engine_is_replaced_stops_the_run_and_is_no_failure() -> None:
    """It once ended with exit 1, as if the engine were to blame."""
    made = Line()
    made.engine = Signalled(at_random(1), poison=one(30))
    made.run(asked(50))
    assert (made.stop.now, made.stop.exit_code, made.engine.restarts) == (True, 143, 1)
    assert set(statuses(made)) == {Status.OK}, "what was finished before is kept"


def test_who_wishes_to_stop_does_not_wait_for_another_engine() -> None:
    made = line(8, poison=one(30), lingers=0.1)

    async def interrupted() -> None:
        await asyncio.sleep(0.02)
        made.stop.ask(130)

    made.beside = interrupted
    made.run(asked(50))
    assert (made.stop.now, made.stop.exit_code, made.engine.restarts) == (True, 130, 0)


class Slow(FaultEngine):
    """Takes its time to start again."""

    async def restart(self) -> None:
        await asyncio.sleep(0.5)
        await super().restart()


def test_a_request_that_waits_for_the_next_engine_can_be_dropped_at_once() -> None:
    made = Line()
    made.engine = Slow(at_random(1), poison=one(0, n=1), slots=8)
    ended: list[tuple[Status, int]] = []

    async def drop() -> None:
        await asyncio.sleep(0.1)
        waiting = [key for key in made.engine.asked if key.row_id[-1] == 1]
        await made.driver.abort(waiting[0])
        await asyncio.sleep(0.05)
        ended.extend((sample.status, made.engine.restarts) for sample in made.samples)

    made.engine.inner = type(made.engine.inner)(lambda _: Reply("\\boxed{1}", seconds=0.05), slots=8)
    made.beside = drop
    made.run(asked(3), SelfConsistency({}, 1))
    assert ended == [(Status.CANCELLED, 0)], "before the next engine was there, and it never saw the request"


class Mute(FaultEngine):
    """When it dies it tells one request, and leaves the others without a word."""

    async def generate(self, request: Request, watch: object = None) -> Sample:
        if self.restarts == 0 and len(self.asked) == 10:
            raise EngineDeadError("gone")
        if self.restarts == 0 and len(self.asked) > 5:
            self.asked[request.key] += 1
            await asyncio.Event().wait()
        return await super().generate(request)


def test_requests_that_a_dead_engine_forgot_are_freed_from_it() -> None:
    made = Line()
    made.engine = Mute(at_random(1), slots=8)
    made.run(asked(20))
    assert statuses(made) == {Status.OK: 80} and made.engine.restarts == 1


def test_no_problem_is_admitted_while_the_disk_is_full() -> None:
    made = line(4)
    made.full = True
    seen: list[int] = []

    async def freed() -> None:
        await asyncio.sleep(0.3)
        seen.append(len(made.engine.asked))
        made.full = False

    made.beside = freed
    made.run(asked(10))
    assert seen == [0] and statuses(made) == {Status.OK: 40}


def first_time() -> Callable[[Request], bool]:
    """True for the tenth request that is asked, and never again."""
    count = iter(range(10**9))
    return lambda _: next(count) == 10


def deaths(made: Line) -> dict[SampleKey, tuple[int, int]]:
    """What the note for the next owner says of deaths."""
    import json

    rows = json.loads(made.driver.in_flight())["in_flight"]
    return {SampleKey(bytes.fromhex(r[0]), *r[1:4]): (r[4], r[5]) for r in rows if len(r) > 4}
