"""The logs of a run: files in the run directory that take what they can, hold no secret and never stand in the way.

What cannot be logged (a full disk, a directory that went away) is dropped without a word: the run itself meets the same
disk and says what is wrong with it once, and a traceback for each line would bury that.
"""

import logging
import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from solver.engine.child import DroppingLog
from solver.errors import EngineError, MachineError
from solver.job import Job
from solver.redact import redact, redact_file


class _WithoutSecrets(logging.Formatter):
    """Lines, and tracebacks below them, as they may be kept."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class LogFile(DroppingLog):
    """A log file that is made at its first line."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8", errors="backslashreplace", delay=True)
        self.setFormatter(_WithoutSecrets("%(asctime)s %(levelname)s %(name)s %(message)s"))


def blot(logs: Path, names: Collection[str]) -> None:
    """Blot secrets out of every log in a folder: the engine's processes write theirs themselves, and print what they
    are given. names: variables of the environment that hold a secret, see `variables`."""
    for path in logs.glob("*.log"):
        with suppress(OSError):
            redact_file(path, names)


def variables(job: Job) -> frozenset[str]:
    """The variables that the job's engine and prompt take from the environment: whatever they are called, their values
    are not written down."""
    taken = (text for keys, text in job.unexpanded.items() if keys[0] in ("engine", "prompt"))
    return frozenset(name for text in taken for name in re.findall(r"\$\{(\w+)\}", text))


@contextmanager
def discreet(job: Job) -> Iterator[None]:
    """What an engine or the machine says when it fails may quote what it was given: here that is taken out."""
    try:
        yield
    except (EngineError, MachineError) as error:
        raise type(error)(redact(str(error), variables(job))) from error


def without_secrets(say: Callable[[str], None], job: Job) -> Callable[[str], None]:
    """Notes about a run without its secrets."""
    names = variables(job)
    return lambda text: say(redact(text, names))
