"""One engine after another: a request goes in, one sample comes out, whatever dies, hangs or answers oddly between.

The driver asks here and nowhere else. An engine that dies, or produces no token for `hang_seconds` while it works, is
replaced, and what it had not finished is asked again; which request may go in when, and which one is to blame, is
kept in poison.py. An answer is taken only if it is the one that was asked for.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from solver.engine import Engine, Watch
from solver.errors import EngineDeadError, EngineError, OwedError, SolverError
from solver.records import Request, Sample, SampleKey, Status
from solver.run.poison import Counts, Suspects
from solver.run.proof import Controls, Sentences, odd, sound, unasked, works
from solver.run.silence import listen
from solver.run.stop import Stop, breaking_off
from solver.store.inflight import note

DEATHS = 16  # engine deaths in a row without one finished sample that end the run: more than any search needs
LEAVE = 1.0  # seconds that requests get to leave a dead engine by themselves

log = logging.getLogger(__name__)


class Lives:
    """The engine of a run and those that took its place. Make it inside the event loop; `open` it, and `close` it.

    before: makes durable what is finished, as a start may take minutes; failed: called once with what made going on
    impossible; changed: called when there may be room for more; others: whether, beside this many problems whose
    verdict is held back, anybody may still ask; known: deaths of an earlier process; say: a note to the user.
    `proven`: the engine is known to have worked for this run, though perhaps in an earlier process.
    """

    def __init__(
        self,
        engine: Engine,
        stop: Stop,
        *,
        before: Callable[[], Any],
        failed: Callable[[SolverError], None],
        changed: Callable[[], None],
        others: Callable[[int], bool],
        known: Mapping[SampleKey, Counts] | None = None,
        hang_seconds: float = 0.0,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.proven = False
        self.deaths = 0
        self._engine, self._stop, self._before, self._say = engine, stop, before, say
        self._failed, self._changed, self._others, self._hang = failed, changed, others, hang_seconds
        self._suspects = Suspects(known)
        self._life, self._returned = 0, 0
        self._inside: dict[SampleKey, asyncio.Task[Any]] = {}
        self._waiting: dict[SampleKey, asyncio.Future[None]] = {}
        self._unwanted: set[SampleKey] = set()
        self._freed: set[SampleKey] = set()
        self._reviving: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._controls = Controls()
        self._proof: asyncio.Task[None] | None = None
        self._sentences = Sentences(say)
        self._broken: SolverError | None = None
        self._words = ""
        self._note: str | None = None

    def open(self) -> None:
        """Begin to watch for silence."""
        if self._hang > 0:
            self._watching = asyncio.create_task(listen(self._progress, self._hang, self._silent))

    async def close(self) -> None:
        """End what is under way beside the requests."""
        tasks = [task for task in (self._watching, self._reviving, self._proof) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def held(self) -> int:
        """Requests whose verdict is held back; they take no room in the engine."""
        return self._suspects.held

    def freeze(self) -> None:
        """What is in flight now is what the note says from now on: the requests are about to be dropped."""
        self._note = self.note()

    def note(self) -> str:
        """Everything in flight and the deaths it has seen, for the next owner."""
        return self._note if self._note is not None else note(self._suspects.counts())

    async def ask(self, request: Request, watch: Watch | None) -> Sample:
        """One sample for one request: the engine's, or one that says why there is none. Raises EngineError."""
        self._suspects.asked(request.key)
        finished = False
        try:
            sample, finished = await self._answer(request, watch)
            if finished:
                self.proven = True
                self._controls.answered(request)
            return sample
        finally:
            self._suspects.left(request.key, finished=finished)
            self._unwanted.discard(request.key)
            self.look()

    async def abort(self, key: SampleKey) -> None:
        """End one request, in the engine or before it; its `ask` returns a cancelled sample."""
        self._unwanted.add(key)
        if (waiting := self._waiting.get(key)) is not None and not waiting.done():
            waiting.set_result(None)
        try:
            await self._engine.abort(key)
        except Exception:  # an engine that cannot end it is dead, or will bring it to its own end
            log.warning("a request could not be ended", exc_info=True)

    def look(self) -> None:
        """Something changed: let in whoever may go now."""
        if self._reviving is None and self._broken is None and not self._inside:
            self._suspects.advance()
            self._settle()
        for key, future in self._waiting.items():
            if not future.done() and (self._broken is not None or self._may_go_on(key)):
                future.set_result(None)

    async def _answer(self, request: Request, watch: Watch | None) -> tuple[Sample, bool]:
        """The sample, and whether the present engine brought it to a good end."""
        fault = ""
        while True:
            if not self._may_go_on(request.key):
                await self._turn(request.key)
            if reason := self._suspects.verdict(request.key):
                self._sentences.say(request.key, reason)
                return unasked(request, Status.QUARANTINED, reason), False
            if request.key in self._unwanted:
                return unasked(request, Status.CANCELLED, None), False
            life = self._life
            try:
                sample = await self._generated(request, watch)
            except EngineDeadError:
                continue
            before, fault = fault, odd(request, sample, wanted=request.key not in self._unwanted)
            if not fault:
                return sound(sample), sample.usable and life == self._life and self._reviving is None
            log.warning("sample %d of row %s: %s", request.key.k, request.key.row_id.hex(), fault)
            if before:
                return unasked(request, Status.ERROR, f"{fault}, twice"), False

    async def _turn(self, key: SampleKey) -> None:
        """Wait until this request may go into the engine, or is decided without it. Raises EngineError."""
        while not self._may_go_on(key):
            if self._broken is not None:
                raise EngineError("the engine is gone")
            future = self._waiting[key] = asyncio.get_running_loop().create_future()
            self.look()
            try:
                await future
            finally:
                del self._waiting[key]

    def _may_go_on(self, key: SampleKey) -> bool:
        if self._broken is not None:
            return False
        if key in self._unwanted or self._suspects.verdict(key) is not None:
            return True
        return self._reviving is None and self._suspects.may_enter(key)

    async def _generated(self, request: Request, watch: Watch | None) -> Sample:
        """What the engine answers. Raises EngineDeadError, also where the request had to be freed from a silent one."""
        task = asyncio.current_task()
        assert task is not None
        key, life = request.key, self._life
        self._inside[key] = task
        try:
            return await self._engine.generate(request, watch)
        except asyncio.CancelledError:
            if self._released(key, task):
                raise self._died(life, EngineDeadError("it did not answer any more")) from None
            if task.cancelling():
                raise
            return unasked(request, Status.ERROR, "the engine broke the request off")
        except EngineDeadError as error:
            raise self._died(life, error) from None
        except OwedError:
            raise
        except Exception as error:  # whatever an engine raises over one request is that request's row
            return unasked(request, Status.ERROR, f"{type(error).__name__}: {error}")
        finally:
            self._released(key, task)
            self._inside.pop(key, None)
            self._returned += 1

    def _released(self, key: SampleKey, task: asyncio.Task[Any]) -> bool:
        """Whether the request was cancelled only to free it from a dead engine; takes that wish back."""
        if key not in self._freed:
            return False
        self._freed.discard(key)
        return task.uncancel() == 0

    def _died(self, life: int, error: EngineDeadError) -> EngineDeadError:
        """The engine of this life is dead; whoever notices it first begins the next one."""
        if life == self._life and self._reviving is None and self._broken is None:
            self.deaths += 1
            self._suspects.died(list(self._inside))
            self._words = str(error)
            self._reviving = asyncio.create_task(self._revive())
        return error

    async def _revive(self) -> None:
        """A fresh engine. What makes that impossible ends the run; a wish to stop leaves everybody waiting for it."""
        try:
            await self._emptied()
            if self._suspects.in_a_row >= DEATHS:
                self._suspects.forget()
                raise EngineError(f"the engine died {DEATHS} times in a row without one finished sample: {self._words}")
            if self._stop.gently:
                return self._stop.ask(self._stop.exit_code or 130, at_once=True)
            self._say(f"the engine died and is started again: {self._words}")
            await self._before()
            with breaking_off():
                await self._engine.restart()
        except SystemExit as left:
            return self._stop.ask(left.code if isinstance(left.code, int) else 130, at_once=True)
        except Exception as failure:  # at once the end of the run, so that nobody who waits here tries again
            self._fail(failure)
        self._life, self._reviving = self._life + 1, None
        self.look()
        self._changed()

    def _fail(self, error: BaseException) -> None:
        self.freeze()
        self._broken = error if isinstance(error, SolverError) else EngineError(f"the engine is gone: {error}")
        self._failed(self._broken)

    async def _emptied(self) -> None:
        """Wait until no request is left in the dead engine: for a moment, then they are freed."""
        for attempt in range(2):
            for _ in range(50):
                if not self._inside:
                    return
                await asyncio.sleep(LEAVE / 50)
            if not attempt:
                self._free()
        self._inside.clear()

    def _free(self) -> None:
        self._freed.update(self._inside)
        for task in self._inside.values():
            task.cancel()

    def _progress(self) -> tuple[int, int] | None:
        """What grows while the engine works; None while nobody waits for it."""
        return (self._engine.tokens, self._returned) if self._inside and self._reviving is None else None

    def _silent(self, seconds: float) -> None:
        self._say(f"the engine produced no token for {seconds:.0f} s (engine.hang_seconds)")
        self._free()

    def _settle(self) -> None:
        """With nobody else left to ask, find out whether the engine works."""
        held = self._suspects.held
        if held and self._proof is None and len(self._waiting) <= held and not self._others(self._suspects.held_rows):
            self._proof = asyncio.create_task(self._prove())
            self._proof.add_done_callback(self._proved)

    async def _prove(self) -> None:
        """A working engine answers again; where nobody can tell, it must do that it worked for this run before."""
        controls = self._controls.choose(self._suspects.guilty_questions())
        answered = await works(controls, self._again)
        if answered is None and self.proven:
            self._suspects.settle()
        elif not answered:
            self._suspects.forget()
            self._fail(EngineError(f"the engine died {self.deaths} times and works no more: {self._words}"))

    async def _again(self, control: Request) -> bool | None:
        """Ask once more, outside the books: whether the answer is a good one, None when the engine died instead."""
        await self._turn(control.key)
        life = self._life
        try:
            sample = await self._generated(control, None)
        except OwedError:
            return False
        except EngineDeadError:
            await self._turn(control.key)
            return None
        if life != self._life or self._reviving is not None:
            return None
        if good := not odd(control, sample, wanted=True) and sample.usable:
            self._suspects.left(control.key, finished=True)
        return good

    def _proved(self, proof: asyncio.Task[None]) -> None:
        """Let in whoever may go now; what a proof met that nobody thought of is the end, not a wait without one."""
        self._proof = None
        error = None if proof.cancelled() else proof.exception()
        if error is not None and self._broken is None:
            self._fail(error)
        self.look()
