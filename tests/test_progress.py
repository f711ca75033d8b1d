"""What a run says while it works."""

import asyncio
import io
import os
import re
import time

import pytest

from solver import progress
from solver.progress import Counters, Progress, duration
from solver.records import Candidate, Outcome, Problem, Result, Sample, SampleKey, Status, Vote

KEY = SampleKey(b"r" * 16, "answer", 1, 0)


def sample(tokens: int, status: Status = Status.OK) -> Sample:
    return Sample(KEY, "answer", "text", status, None, 5, tokens, 0)


def result(*correct: bool | None, right: bool | None = None, status: Outcome = Outcome.OK) -> Result:
    candidates = tuple(Candidate((KEY,), k, "1", correct=one) for k, one in enumerate(correct))
    vote = Vote("1", right, 1, 1, 1.0, 1.0, False, ())
    return Result(Problem(b"r" * 16, 0, "a", "a", {}), vote, candidates, len(candidates), 0, 0, status)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0s"),
        (0.4, "0s"),
        (59.4, "59s"),
        (59.6, "1m00s"),
        (725, "12m05s"),
        (3599.6, "1h00m"),
        (12_000, "3h20m"),
        (86_399.7, "1d00h"),
        (187_200, "2d04h"),
    ],
)
def test_durations_for_human_eyes(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_the_line_tells_what_was_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    counters = Counters(total=1000, done_before=200)
    counters.in_flight = 512
    for tokens in (600, 400):
        counters.sampled(sample(tokens))
    counters.sampled(sample(0, Status.TRUNCATED))
    counters.solved(result(True, False, right=True))
    counters.solved(result(True, True, right=True))
    counters.solved(result(False, False, right=False))
    counters.solved(result(None, None))
    counters.solved(result(status=Outcome.FAILED))
    monkeypatch.setattr(Counters, "seconds", lambda self: 5.0)
    line = Progress(counters, io.StringIO()).line()
    assert line.startswith("205/1,000 problems · 3 samples · 200 tok/s now, 200 mean · 512 in flight")
    assert "pass@1 50.0%, majority 66.7%" in line, "over the three with a reference"
    assert "1 failed" in line
    assert line.endswith("13m15s left"), "795 problems at 1 a second"
    assert counters.truncated == 1


def test_what_is_not_known_is_not_said() -> None:
    line = Progress(Counters(total=3), io.StringIO()).line()
    assert "pass@1" not in line and "left" not in line and "failed" not in line


def test_the_rate_now_is_of_the_last_seconds_not_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    counters, clock = Counters(total=10), [0.0]
    monkeypatch.setattr(Counters, "seconds", lambda self: clock[0])
    shown = Progress(counters, io.StringIO())
    for second in range(1, 101):
        clock[0] = float(second)
        counters.output_tokens += 100 if second <= 80 else 10
        line = shown.line()
    assert "10 tok/s now, 82 mean" in line


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(stream: io.StringIO, *, quiet: bool = False) -> str:
    async def run() -> None:
        progress_ = Progress(Counters(total=1), stream, quiet=quiet)
        progress_.start()
        await asyncio.sleep(0.1)
        await progress_.stop()

    asyncio.run(run())
    return stream.getvalue()


def test_a_terminal_gets_one_line_over_and_over_and_others_whole_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LIVE_SECONDS", 0.01)
    monkeypatch.setattr(progress, "PLAIN_SECONDS", 0.01)
    live = shown(Terminal())
    assert live.count("\r\x1b[J") >= 3 and live.count("\n") == 1 and live.endswith("\n")
    plain = shown(io.StringIO())
    assert not set("\r\x1b") & set(plain) and plain.count("\n") >= 3
    assert shown(Terminal(), quiet=True) == ""


class Screen(Terminal):
    """A terminal of a few columns as the user sees it: what is written past its last column goes on in the next row."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width, self.rows, self.row = width, [""], 0

    def write(self, text: str) -> int:
        for part in re.findall(r"\x1b\[\d*[A-Z]|.|\n", text):
            if part == "\n":
                self._next()
            elif part == "\r":
                self.column = 0
            elif part == "\x1b[J":
                self.rows[self.row :] = [""]
            elif part.endswith("A"):
                self.row -= int(part[2:-1])
            else:
                if len(self.rows[self.row]) == self.width:
                    self._next()
                self.rows[self.row] += part
        return len(text)

    def _next(self) -> None:
        self.row += 1
        self.rows[self.row :] = [*self.rows[self.row :], ""][:1]

    def fileno(self) -> int:
        return 2


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_narrow_terminal_shows_everything_once(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """On 80 columns the line filled the screen: each time it wrapped, and only its last row was taken away."""
    monkeypatch.setattr("os.get_terminal_size", lambda _: os.terminal_size((width, 24)))
    monkeypatch.setattr(progress, "LIVE_SECONDS", 0.01)
    counters, screen = Counters(total=1000), Screen(width)
    counters.solved(result(True, False, right=True))
    told: list[str] = []

    async def run() -> None:
        live = Progress(counters, screen)
        live.start()
        await asyncio.sleep(0.1)
        live.around(lambda note: told.append(note) or (screen.write(f"{note}\n") and None))("stopping")
        await asyncio.sleep(0.1)
        await live.stop()

    asyncio.run(run())
    assert screen.rows[0] == "stopping" and told == ["stopping"], "a note stands on a row of its own, above the line"
    assert screen.rows[-1] == ""
    line = " · ".join(screen.rows[1:-1])
    assert line.startswith("1/1,000 problems · 0 samples") and line.count("problems") == 1
    assert "pass@1 50.0%, majority 100.0%" in line and line.endswith(" left")


def test_a_terminal_that_cannot_move_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert not set("\r\x1b") & set(shown(Terminal()))


def test_a_plain_stream_is_not_flooded() -> None:
    assert shown(io.StringIO()).count("\n") == 1, "the next line would come after half a minute"


def test_stopping_what_never_began_is_nothing() -> None:
    stream = io.StringIO()
    asyncio.run(Progress(Counters(), stream).stop())
    assert stream.getvalue() == "" and time.monotonic() > 0
