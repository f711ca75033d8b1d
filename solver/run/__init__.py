"""The straight line: open -> drive -> finish. The only driver of strategies.

    examine.py  job -> whatever it names, and every fault of it        (anybody; writes nothing)
    open.py     job -> template, table, model, store, what is owed     (the owner alone)
    owner.py    what is owed -> drive and finish, and every note       (the owner alone)
    stop.py     Ctrl-C and SIGTERM -> a wish that the driver obeys
    drive.py    problems + engine + strategy + writer -> durable rows  (any process)
    finish.py   durable rows -> settled tables, manifest, numbers      (the owner alone)

`run` samples and votes; `revote` decides anew from what a run holds, and never generates.
"""

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from solver import engine
from solver.engine import EngineSetting
from solver.engine.recorded import Recorded
from solver.errors import Fault, InterruptedRunError, JobError, MachineError
from solver.job import Job, resolved
from solver.progress import Counters, Progress
from solver.run.changes import changes
from solver.run.examine import download, examine, read_job
from solver.run.finish import Summary, about, lines, shown
from solver.run.log import discreet, without_secrets
from solver.run.open import TRUSTED, Say, Served, fingerprint, read_input, read_model
from solver.run.open import read_job as open_job
from solver.run.owner import Owner
from solver.run.stop import breaking_off
from solver.store import Store
from solver.store.publish import disk_full

__all__ = ["Summary", "lines", "read_input", "read_job", "read_model", "revote", "run", "shown"]

REVOTE_MAY_CHANGE = ("strategy", "sampling.n", "input.", "model.reasoning")


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
    told = [TRUSTED]  # said already, before the model's code ran
    for note in found.notes():
        if note not in told:
            told.append(note)
            say(note)
    found = download(job, found, command, say, live=not quiet)
    for note in found.notes():  # those that only the model's files show
        if note not in told:
            say(note)
    job, asked, served = found.job, found.asked, found.served
    assert asked is not None and served is not None
    with _going_on(command), Store.create_or_open(Path(job.output.dir), verify=verify) as store:
        store.check_fingerprint(fingerprint(asked, served), _elsewhere(command))
        for change in changes(store, job, asked.survey):
            say(change)
        store.write_job(resolved(job, job.output.dir), about(job))
        progress = Progress(Counters(total=asked.survey.rows), quiet=quiet)
        say = progress.around(say)
        log = store.path / "_solver" / "logs" / f"engine-{store.epoch:04d}.log"
        made = engine.open_engine(
            EngineSetting(job.engine, served.model, served.tokenizer, job.model.trust_remote_code, log, say)
        )
        return Owner(asked, served, store, made, say=say, progress=progress, command=command).work()


def revote(
    directory: Path,
    overrides: Sequence[str] = (),
    *,
    command: Sequence[str] = (),
    say: Say = lambda _: None,
    quiet: bool = True,
) -> Summary:
    """Decide every problem of a run anew from its samples, with the strategy that the overrides name.

    Never generates: a rule that wants samples the run does not hold gives a result `wants_more`. The new
    results take the old ones' place at once; the old ones go to `_solver/superseded/`. command: as for `run`.
    Raises SolverError.
    """
    wrong = [text for text in overrides if not text.startswith(REVOTE_MAY_CHANGE)]
    if wrong:
        what = "would change what was sampled; a revote may change strategy, sampling.n, model.reasoning and input"
        raise JobError([Fault(f"-o {text}", what, "Run the changed job in a new directory") for text in wrong])
    with Store.read(directory):
        job = open_job(directory / "job.yaml", overrides)
    asked = read_input(job)
    command = command or ["solver", "revote", str(directory), *(word for text in overrides for word in ("-o", text))]
    with _leaving(command), _going_on(command), Store.create_or_open(directory, verb="revote") as store:
        progress = Progress(Counters(total=asked.survey.rows), quiet=quiet)
        say = progress.around(say)
        summary = Owner(asked, Served(), store, Recorded(), say=say, progress=progress, command=command).work()
        store.write_job(resolved(job, directory), about(job))
        return summary


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
