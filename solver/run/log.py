"""The log of a run: a file in the run directory that takes what it can and never stands in the way.

What cannot be logged (a full disk, a directory that went away) is dropped without a word: the run itself meets the same
disk and says what is wrong with it once, and a traceback for each line would bury that.
"""

import logging
from contextlib import suppress
from pathlib import Path


class LogFile(logging.FileHandler):
    """A log file that is made at its first line."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8", errors="backslashreplace", delay=True)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, or drop it."""
        with suppress(OSError):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Drop a line that could not be written."""

    def close(self) -> None:
        """Close the file; what is still buffered is dropped when it cannot be written."""
        with suppress(OSError):
            super().close()
