"""Commands that are printed to be typed again: this program as the user can call it, a verb, and its words."""

import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path


def program() -> str:
    """`solver`; where a shell does not find it by that name, the path it was started by, such as `.venv/bin/solver`."""
    started = Path(sys.argv[0])
    if started.name != "solver" or not started.is_file():
        return "solver"
    found = shutil.which("solver")
    return "solver" if found and started.samefile(found) else str(started)


def words(verb: str, target: str, overrides: Sequence[str] = ()) -> list[str]:
    """What a user types for this verb, word by word."""
    return [program(), verb, target, *(word for text in overrides for word in ("-o", text))]


def line(verb: str, target: str) -> str:
    """The same as one line for a shell."""
    return shlex.join(words(verb, target))
