"""The straight line: open -> drive -> finish. The only driver of strategies.

    examine.py  job -> whatever it names, and every fault of it        (anybody; writes nothing)
    open.py     job -> template, table, model, store, what is owed     (the owner alone)
    stop.py     Ctrl-C and SIGTERM -> a wish that the driver obeys
    drive.py    problems + engine + strategy + writer -> durable rows  (any process)
    finish.py   durable rows -> settled tables, manifest, numbers      (the owner alone)

`run` samples and votes; `revote` decides anew from what a run holds, and never generates.
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
from solver.engine import Engine, EngineSetting
from solver.engine.recorded import Recorded
from solver.errors import DiskFullError, Fault, InterruptedRunError, JobError, MachineError, StoreError
from solver.job import Job, resolved
from solver.problems import problems
from solver.progress import Counters, Progress
from solver.run.changes import changes
from solver.run.drive import Driver, Work
from solver.run.examine import download, examine, read_job
from solver.run.finish import Summary, about, finish, lines, shown
from solver.run.log import LogFile, blot, discreet, variables, without_secrets
from solver.run.open import Asked, Decisions, Say, Served, fingerprint, owed, read_input, read_model
from solver.run.open import read_job as open_job
from solver.run.place import look_at, short_of_room
from solver.run.stop import Stop, breaking_off, listening
from solver.store import Store, Writer, inflight
from solver.store.publish import disk_full, make_directory
from solver.strategies.context import Setting

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Summary", "lines", "read_input", "read_job", "read_model", "revote", "run", "shown"]

REVOTE_MAY_CHANGE = ("strategy", "sampling.n", "input.")


def run(
    job: Job, command: Sequence[str], *, say: Say = lambda _: None, quiet: bool = False, verify: bool = False
) -> Summary:
    """Sample, vote and write; goes on from whatever the run directory already holds.

    command: the words that started this, for the line that says how to resume; verify: read every byte that the run
    holds first, so that damage in finished work is found now. Raises SolverError; after InterruptedRunError everything
    durable is kept.
    """
    say = without_secrets(say, job)
    with discreet(job), _leaving(command):
        return _run(job, command, verify=verify, say=say, quiet=quiet)


def _run(job: Job, command: Sequence[str], *, verify: bool, say: Say, quiet: bool) -> Summary:
    found = examine(job, command)
    found.raise_faults()
    asked = found.asked
    assert asked is not None
    for note in found.notes():
        say(note)
    served = download(found, say)
    with _going_on(command), Store.create_or_open(Path(job.output.dir), verify=verify) as store:
        store.check_fingerprint(fingerprint(asked, served), _elsewhere(command))
        for change in changes(store, job, asked.survey):
            say(change)
        store.write_job(resolved(job, job.output.dir), about(job))
        log = store.path / "_solver" / "logs" / f"engine-{store.epoch:04d}.log"
        made = engine.open_engine(
            EngineSetting(job.engine, served.model, served.tokenizer, job.model.trust_remote_code, log, say)
        )
        return _Owner(asked, served, store, made, say=say, quiet=quiet, command=command).work()


def revote(directory: Path, overrides: Sequence[str] = (), *, say: Say = lambda _: None, quiet: bool = True) -> Summary:
    """Decide every problem of a run anew from its samples, with the strategy that the overrides name.

    Never generates: a rule that wants samples the run does not hold gives a result `wants_more`. The new
    results take the old ones' place at once; the old ones go to `_solver/superseded/`. Raises SolverError.
    """
    wrong = [text for text in overrides if not text.startswith(REVOTE_MAY_CHANGE)]
    if wrong:
        what = "would change what was sampled; a revote may change strategy, sampling.n and input"
        raise JobError([Fault(f"-o {text}", what, "Run the changed job in a new directory") for text in wrong])
    with Store.read(directory):
        job = open_job(directory / "job.yaml", overrides)
    asked = read_input(job)
    command = ["solver", "revote", str(directory), *(word for text in overrides for word in ("-o", text))]
    with _leaving(command), _going_on(command), Store.create_or_open(directory, verb="revote") as store:
        summary = _Owner(asked, Served(), store, Recorded(), say=say, quiet=quiet, command=command).work()
        store.write_job(resolved(job, directory), about(job))
        return summary


class _Owner:
    """One run by its owner, from what is owed to the summary."""

    def __init__(
        self,
        asked: Asked,
        served: Served,
        store: Store,
        made: Engine,
        *,
        say: Say,
        quiet: bool,
        command: Sequence[str],
    ) -> None:
        self._asked, self._served, self._store, self._engine = asked, served, store, made
        self._say, self._quiet = say, quiet
        self._resume = f"To go on: {shlex.join(command)}"
        self._told = 0
        self._job = asked.job
        self._revote = isinstance(made, Recorded)
        again = f"To mend it: solver run {shlex.quote(str(store.path / 'job.yaml'))}"
        self._mend = again if self._revote else self._resume
        self._strategy = strategies.make(self._job.strategy, self._job.n)
        self._decisions = Decisions(self._job, self._strategy, asked.survey, revote=self._revote)
        self._counters = Counters(total=asked.survey.rows)
        self._driver: Driver | None = None

    def work(self) -> Summary:
        """Drive what is owed, then finish."""
        started = time.monotonic()
        wanted = owed(self._decisions, self._store.done_rows)
        self._counters.done_before = len(wanted) - int(wanted.sum())
        self._tell()
        if self._counters.done_before or (self._store.epoch or 1) > 1:
            more = f"{int(wanted.sum()):,} to do" if wanted.any() else "nothing to generate"
            self._say(f"resuming {shown(self._store.path)}: {self._counters.done_before:,} problems done, {more}")
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
        progress = Progress(self._counters, quiet=self._quiet)
        with ExitStack() as ears:  # from the first sample until everything is flushed and the engine is gone
            try:
                await self._start()
                ears.enter_context(listening(stop, self._say))
                self._counters.started = time.monotonic()
                progress.start()
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
                await progress.stop()
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
            eager=lambda: driver.exhausted,
            frozen=self._revote,
        )

    def _interrupted(self, exit_code: int, writer: Writer, unwritten: DiskFullError | None) -> InterruptedRunError:
        kept = f"{writer.durable_samples:,} samples and {writer.durable_results:,} results of this run are durable"
        if unwritten is not None:
            kept += f"; {unwritten} and will be made again"
        return InterruptedRunError(f"stopped: {kept}. {self._resume}", exit_code)


@contextmanager
def _leaving(command: Sequence[str]) -> Iterator[None]:
    """Whoever stops a run before its first sample or after its last gets the command that goes on."""
    try:
        with breaking_off():
            yield
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 1
        raise InterruptedRunError(f"stopped; what is durable is kept. To go on: {shlex.join(command)}", code) from None


@contextmanager
def _going_on(command: Sequence[str]) -> Iterator[None]:
    """A machine that failed gets the command that goes on once it is mended."""
    try:
        with disk_full():
            yield
    except MachineError as error:
        raise type(error)(f"{error}. To go on: {shlex.join(command)}") from error


def _elsewhere(command: Sequence[str]) -> str:
    return f"{shlex.join(command)} -o output.dir=NEW_DIRECTORY"
