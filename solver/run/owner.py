"""The owner: drives what is owed, finishes, and tells the user what happens on the way.

In: what was opened (the input, the model, the store and the engine). Out: a `Summary`, with everything durable. The
owner alone holds the run directory's lock; what it starts (engine, grading workers, ears for signals) it ends, however
the drive ends.
"""

import asyncio
import gc
import logging
import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from solver import engine, strategies
from solver.answers import Grader
from solver.engine import Engine
from solver.engine.recorded import Recorded
from solver.errors import DiskFullError, InterruptedRunError, StoreError
from solver.problems import problems
from solver.progress import Progress
from solver.run.drive import Driver, Work
from solver.run.finish import Summary, finish, shown
from solver.run.log import LogFile, blot, variables
from solver.run.open import Asked, Decisions, Say, Served, owed, reasoning_of
from solver.run.place import look_at, short_of_room
from solver.run.stop import Stop, breaking_off, listening
from solver.store import Store, Writer, inflight
from solver.store.publish import make_directory
from solver.strategies.setting import Setting

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Owner:
    """One run by its owner. progress: counts, and shows once the engine has started; command: as of `run`."""

    def __init__(
        self,
        asked: Asked,
        served: Served,
        store: Store,
        made: Engine,
        *,
        say: Say,
        progress: Progress,
        command: Sequence[str],
    ) -> None:
        self._asked, self._served, self._store, self._engine = asked, served, store, made
        self._say, self._progress, self._counters = say, progress, progress.counters
        self._resume = f"To go on: {shlex.join(command)}"
        self._told = 0
        self._job = asked.job
        self._revote = isinstance(made, Recorded)
        self._mend = self._resume
        if self._revote:
            self._mend = f"To mend it: {shlex.join([command[0], 'run', str(store.path / 'job.yaml')])}"
        self._strategy = strategies.make(self._job.strategy, self._job.n)
        self._decisions = Decisions(self._job, self._strategy, asked.survey, revote=self._revote)
        self._driver: Driver | None = None

    def work(self) -> Summary:
        """Drive what is owed, then finish."""
        started = time.monotonic()
        wanted = owed(self._decisions, self._store.done_rows)
        self._counters.done_before = len(wanted) - int(wanted.sum())
        self._tell()
        if words := self._opening(int(wanted.sum())):
            self._say(words)
        free = look_at(self._store.path).free
        if not self._revote and (warning := short_of_room(self._job, int(wanted.sum()), free)):
            self._say(warning)
        with self._logged():
            driven = asyncio.run(self._drive(wanted)) if wanted.any() else None
        seconds = time.monotonic() - started if driven is None else driven
        self._tell()
        summary = finish(self._store, self._job, self._counters, seconds, self._decisions.current())
        self._tell()
        if lost := self._asked.survey.rows - summary.stats.problems:
            raise StoreError(f"{lost:,} problems have lost their results: {' '.join(self._store.notes)}. {self._mend}")
        return summary

    def _opening(self, to_do: int) -> str:
        """What there is to do, in words; nothing where a run begins."""
        done, where = self._counters.done_before, shown(self._store.path)
        if self._revote and to_do:
            rest = f"; {done:,} are decided by these rules already" if done else ""
            return f"deciding {to_do:,} of {done + to_do:,} problems anew from the samples of {where}{rest}"
        if self._revote:
            return f"{where}: all {done:,} problems are decided by these rules already"
        if not done and (self._store.epoch or 1) == 1:
            return ""
        return f"resuming {where}: {done:,} problems done, {f'{to_do:,} to do' if to_do else 'nothing to generate'}"

    def _tell(self) -> None:
        """Say what was found damaged or half done since the last time."""
        for note in self._store.notes[self._told :]:
            self._say(note)
        self._told = len(self._store.notes)

    @contextmanager
    def _logged(self) -> Iterator[None]:
        """What this package logs goes to a file in the run directory, not over the progress line.

        Secrets are blotted out of the engine's logs when it has started and when all is over; before that of those
        that a killed run left.
        """
        path = self._store.path / "_solver" / "logs" / f"solver-{self._store.epoch:04d}.log"
        make_directory(path.parent)
        logger, handler = logging.getLogger("solver"), LogFile(path)
        before, logger.propagate = logger.propagate, False
        logger.addHandler(handler)
        self._blot()
        try:
            yield
        finally:
            self._blot()
            logger.removeHandler(handler)
            logger.propagate = before
            handler.close()

    def _blot(self) -> None:
        blot(self._store.path / "_solver" / "logs", variables(self._job))

    async def _drive(self, wanted: "NDArray[np.bool_]") -> float:
        """Solve what is owed; the seconds from the first admission to the last durable result."""
        asked, job = self._asked, self._job
        grader = Grader()
        stop = Stop()
        writer = self._store.writer(
            flush_seconds=job.output.flush_seconds,
            extra=asked.table.schema_other,
            waits=stop.patient,
            say=self._say,
            in_flight=None if self._revote else self._in_flight,
        )
        unwritten: DiskFullError | None = None
        with ExitStack() as ears:  # from the first sample until everything is flushed and the engine is gone
            try:
                await self._start()
                ears.enter_context(listening(stop, self._say))
                self._counters.started = time.monotonic()
                self._progress.start()
                try:
                    self._driver = Driver(self._work(grader, writer), self._counters, stop)
                    await self._driver.run(problems(asked.table, asked.survey, wanted))
                finally:
                    await writer.close()
                    seconds = self._counters.seconds()
            except DiskFullError as error:
                if stop.exit_code is None:
                    raise
                unwritten = error
            finally:
                gc.unfreeze()
                await self._progress.stop()
                await self._engine.close()
                await grader.close()
        if stop.exit_code is not None and (unwritten or stop.now or self._counters.problems < int(wanted.sum())):
            raise self._interrupted(stop.exit_code, writer, unwritten)
        return seconds

    async def _start(self) -> None:
        begun = time.monotonic()
        if not self._revote and self._served.model is not None:
            model, where = shown(Path(self._job.model.source)), shown(self._store.path)
            self._say(f"starting the engine on {model} (log: {where}/_solver/logs)")
        try:
            with breaking_off():
                await self._engine.start()
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
            raise InterruptedRunError(f"stopped while the engine was starting. {self._resume}", code) from None
        finally:
            self._blot()
        gc.collect()
        gc.freeze()  # what start-up made stays for good: later collections need not stop the loop to look at it
        if not self._revote and self._served.model is not None:
            self._say(f"engine ready after {time.monotonic() - begun:.0f} s")

    def _work(self, grader: Grader, writer: Writer) -> Work:
        return Work(
            engine=self._engine,
            strategy=self._strategy,
            sink=writer,
            resumes=(self._store.epoch or 1) > 1,
            stored=self._store.copies_of,
            decision=self._decisions.of,
            setting=lambda driver: self._setting(driver, grader),
            hang_seconds=engine.hang_seconds(self._job.engine),
            deaths=inflight.left_behind(self._store.path, self._store.epoch or 0),
            say=self._say,
        )

    def _in_flight(self) -> str:
        return inflight.note(()) if self._driver is None else self._driver.in_flight()

    def _setting(self, driver: Driver, grader: Grader) -> Setting:
        job = self._job
        return Setting(
            ask=driver.ask,
            abort=driver.abort,
            record=driver.record,
            template=self._asked.template,
            tokenizer=self._served.tokenizer,
            chat=job.prompt.chat,
            sampling=job.sampling,
            seed=job.seed,
            grader=grader,
            context=self._engine.context,
            spare=driver.spare,
            reasoning=reasoning_of(job)[0],
            thinks=reasoning_of(job)[1],
            frozen=self._revote,
        )

    def _interrupted(self, exit_code: int, writer: Writer, unwritten: DiskFullError | None) -> InterruptedRunError:
        kept = f"{writer.durable_samples:,} samples and {writer.durable_results:,} results of this run are durable"
        if unwritten is not None:
            kept += f"; {unwritten} and will be made again"
        return InterruptedRunError(f"stopped: {kept}. {self._resume}", exit_code)
