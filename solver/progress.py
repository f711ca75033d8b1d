"""What a run says while it works: one live line on a terminal, a plain line every 30 s elsewhere.

The driver counts into `Counters`; `Progress` reads them on its own clock and writes to standard error. The live line
takes as many rows as the terminal is narrow, and makes room for whatever else is said (`Progress.around`).
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TextIO

from solver.records import Result, Sample, Status

LIVE_SECONDS = 0.5
PLAIN_SECONDS = 30.0
WINDOW_SECONDS = 10.0  # the rate "now" is over this long
USUAL_WIDTH = 80  # of a terminal that does not tell
SEPARATOR = " · "


@dataclass(slots=True)
class Counters:
    """What has happened since this process started driving; `done_before` problems were durable already."""

    total: int = 0
    done_before: int = 0
    problems: int = 0
    failed: int = 0
    samples: int = 0
    output_tokens: int = 0
    truncated: int = 0
    in_flight: int = 0
    graded: int = 0
    graded_right: float = 0.0
    majority_right: int = 0
    started: float = field(default_factory=time.monotonic)

    def sampled(self, sample: Sample) -> None:
        """Count one new sample."""
        self.samples += 1
        self.output_tokens += sample.output_tokens
        self.truncated += sample.status is Status.TRUNCATED

    def solved(self, result: Result) -> None:
        """Count one decided problem; those with a reference add to the running accuracy."""
        self.problems += 1
        self.failed += str(result.status) == "failed"
        judged = [candidate.correct for candidate in result.candidates if candidate.correct is not None]
        if judged or (result.problem.reference is not None and not result.candidates and result.status == "failed"):
            self.graded += 1
            self.graded_right += sum(judged) / len(judged) if judged else 0.0
            self.majority_right += bool(result.vote.correct)

    def seconds(self) -> float:
        """Seconds since driving started, on the monotonic clock."""
        return time.monotonic() - self.started


class Progress:
    """Shows counters until `stop`. `quiet` shows nothing. `counters` are the driver's to change."""

    def __init__(self, counters: Counters, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self.counters = counters
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._quiet = quiet
        self._rows = 0  # of the live line as it stands on the terminal now
        self._recent: list[tuple[float, int]] = []
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to show; call inside the event loop."""
        if not self._quiet:
            self._task = asyncio.create_task(self._tick())

    async def stop(self) -> None:
        """Show the last state and end the live line."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
        self._show()
        if self._live:
            self._write("\n")
        self._rows = 0

    def around(self, say: Callable[[str], None]) -> Callable[[str], None]:
        """`say`, for notes that may come while the live line stands: it is wiped first and drawn again below."""

        def told(note: str) -> None:
            if self._rows:
                self._write(self._wiped())
                self._rows = 0
            say(note)

        return told

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(LIVE_SECONDS if self._live else PLAIN_SECONDS)
            self._show()

    def _show(self) -> None:
        if not self._live:
            self._write(f"{self.line()}\n")
            return
        rows = folded(self._parts(), self._width())
        self._write(self._wiped() + "\n".join(rows))
        self._rows = len(rows)

    def _wiped(self) -> str:
        """What takes the live line from the terminal: to its first row, and everything below away."""
        up = f"\x1b[{self._rows - 1}A" if self._rows > 1 else ""
        return f"\r{up}\x1b[J"

    def _width(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or USUAL_WIDTH
        except (OSError, ValueError):
            return USUAL_WIDTH

    def _write(self, text: str) -> None:
        with suppress(OSError):  # standard error may be a file on a full disk: no reason to end a run
            self._stream.write(text)
            self._stream.flush()

    def line(self) -> str:
        """The state in one line."""
        return SEPARATOR.join(self._parts())

    def _parts(self) -> list[str]:
        c = self.counters
        seconds = max(c.seconds(), 1e-9)
        done = c.done_before + c.problems
        mean = c.output_tokens / seconds
        parts = [
            f"{done:,}/{c.total:,} problems",
            f"{c.samples:,} samples",
            f"{self._now(seconds):,.0f} tok/s now, {mean:,.0f} mean",
            f"{c.in_flight:,} in flight",
        ]
        if c.graded:
            parts.append(f"pass@1 {c.graded_right / c.graded:.1%}, majority {c.majority_right / c.graded:.1%}")
        if c.failed:
            parts.append(f"{c.failed:,} failed")
        if c.problems and done < c.total:
            parts.append(f"{duration((c.total - done) * seconds / c.problems)} left")
        return parts

    def _now(self, seconds: float) -> float:
        """Tokens a second over the last window."""
        tokens = self.counters.output_tokens
        inside = [point for point in self._recent if point[0] > seconds - WINDOW_SECONDS]
        self._recent = inside or self._recent[-1:] or [(0.0, 0)]
        since, before = self._recent[0]
        self._recent.append((seconds, tokens))
        return (tokens - before) / max(seconds - since, 1e-9)


def folded(parts: Sequence[str], width: int) -> list[str]:
    """Parts on as few rows as a terminal of this width needs; its last column stays free, or it may wrap."""
    rows = [parts[0]]
    for part in parts[1:]:
        longer = f"{rows[-1]}{SEPARATOR}{part}"
        if len(longer) < width:
            rows[-1] = longer
        else:
            rows.append(part)
    return [row[: max(1, width - 1)] for row in rows]


def duration(seconds: float) -> str:
    """Seconds for human eyes: 45s, 12m05s, 3h20m, 2d04h."""
    whole = max(0, round(seconds))
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if days:
        return f"{days}d{hours % 24:02d}h"
    if hours:
        return f"{hours}h{minutes % 60:02d}m"
    return f"{minutes}m{whole % 60:02d}s" if minutes else f"{whole}s"
