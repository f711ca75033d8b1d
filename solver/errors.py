"""The errors that end a run or refuse to start one, and the exit code of each.

A failed sample or problem is a row with a status, never one of these. Every error here says what is
wrong, where, and how to mend it; the command line prints it without a traceback.

    SolverError                 1   the run failed
    ├── FaultsError             2   bad usage, job or input: a list of faults, all of them at once
    │   ├── JobError            2   the job file, or an override of it
    │   ├── InputError          2   the table of problems
    │   ├── PromptError         2   a prompt template, or what it renders
    │   ├── ModelError          2   a model's directory, name or tokenizer
    │   ├── FingerprintError    2   the run directory holds samples of another distribution
    │   └── ExportError         2   what is asked of an export or an upload
    ├── StoreError              1   a run directory that cannot be read or written as promised
    │   └── NotARunError        2   a directory that is no run, or holds something else
    ├── MachineError            4   memory, disk, driver, a missing package
    │   └── DiskFullError       4   no space left, or none of the quota: that may pass, so a run waits for it
    ├── LockedError            75   another process owns the run directory
    ├── EngineError             1   the engine cannot serve requests at all
    │   ├── EngineDeadError     1   the engine died; its unfinished requests may be asked of a fresh one
    │   └── OwedError           1   a sample was asked for that a recorded run does not hold
    └── InterruptedRunError   130   stopped by a signal (130 SIGINT, 143 SIGTERM); everything durable is kept
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with what the user gave: what, where, and how to mend it."""

    where: str
    what: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f". {self.fix}" if self.fix else "")


class SolverError(Exception):
    """Root of every error this package raises on purpose."""

    exit_code = 1


class FaultsError(SolverError):
    """What the user gave cannot be used; carries every fault found, not only the first."""

    exit_code = 2

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class JobError(FaultsError):
    """The job file or an override is wrong."""


class InputError(FaultsError):
    """The table of problems cannot be read as asked."""


class PromptError(FaultsError):
    """A prompt template cannot be loaded or rendered."""


class ModelError(FaultsError):
    """A model's directory, name or tokenizer cannot be used."""


class FingerprintError(FaultsError):
    """The run directory holds samples drawn from another distribution."""


class ExportError(FaultsError):
    """What is asked of an export or an upload cannot be done."""


class StoreError(SolverError):
    """A run directory cannot be read or written as promised."""


class NotARunError(StoreError):
    """A directory that is no run directory, or an output directory that holds something else."""

    exit_code = 2


class MachineError(SolverError):
    """Memory, disk, driver or an uninstalled package stands in the way."""

    exit_code = 4


class DiskFullError(MachineError):
    """The disk has no space left, or the user's quota has none; trying again later may succeed."""


class LockedError(SolverError):
    """Another process owns the run directory."""

    exit_code = 75


class EngineError(SolverError):
    """The engine cannot serve requests at all."""


class EngineDeadError(EngineError):
    """The engine died under way; requests it had not finished may be asked again."""


class OwedError(EngineError):
    """A sample was asked for that the run does not hold, where nothing may be generated."""


class InterruptedRunError(SolverError):
    """A signal stopped the run; what is durable is kept and the same command goes on from there."""

    def __init__(self, message: str, exit_code: int = 130) -> None:
        self.exit_code = exit_code
        super().__init__(message)


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint naming the known word nearest to `name`, as a sentence, or all of them when none is near."""
    words = sorted(set(known))
    close = get_close_matches(name, words, n=1, cutoff=0.6)
    if close:
        return f"Did you mean `{close[0]}`?"
    shown = ", ".join(f"`{word}`" for word in words[:30])
    return f"Known: {shown}" + (", ..." if len(words) > 30 else "")
