"""What a run says while it works: one live line on a terminal, a plain line every 30 s elsewhere.

The driver counts into `Counters`; `Progress` reads them on its own clock and writes to standard error.
"""

import asyncio
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TextIO

from solver.records import Result, Sample, Status

LIVE_SECONDS = 0.5
PLAIN_SECONDS = 30.0
WINDOW_SECONDS = 10.0  # the rate "now" is over this long
MAX_WIDTH = 160


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
    """Shows counters until `stop`. `quiet` shows nothing."""

    def __init__(self, counters: Counters, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._counters = counters
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._quiet = quiet
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
        self._write()
        if self._live:
            self._stream.write("\n")
            self._stream.flush()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(LIVE_SECONDS if self._live else PLAIN_SECONDS)
            self._write()

    def _write(self) -> None:
        text = self.line()
        with suppress(OSError):  # standard error may be a file on a full disk: no reason to end a run
            self._stream.write(f"\r\x1b[2K{text}" if self._live else f"{text}\n")
            self._stream.flush()

    def line(self) -> str:
        """The state in one line."""
        c = self._counters
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
        return " · ".join(parts)[:MAX_WIDTH]

    def _now(self, seconds: float) -> float:
        """Tokens a second over the last window."""
        tokens = self._counters.output_tokens
        inside = [point for point in self._recent if point[0] > seconds - WINDOW_SECONDS]
        self._recent = inside or self._recent[-1:] or [(0.0, 0)]
        since, before = self._recent[0]
        self._recent.append((seconds, tokens))
        return (tokens - before) / max(seconds - since, 1e-9)


def duration(seconds: float) -> str:
    """Seconds for human eyes: 45s, 12m05s, 3h20m, 2d04h."""
    whole = max(0, round(seconds))
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if days:
        return f"{days}d{hours % 24:02d}h"
    if hours:
        return f"{hours}h{minutes % 60:02d}m"
    return f"{minutes}m{whole % 60:02d}s" if minutes else f"{whole}s"
