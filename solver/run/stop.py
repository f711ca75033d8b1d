"""The user's wish to stop: signals -> `Stop`, which the driver obeys.

Ctrl-C once: no new problems, running samples get some time, everything is flushed. Twice: flush at once.
SIGTERM: flush at once, exit code 143. Before the first sample and after the last there is nothing to lose: any of them
breaks off what is going on.
"""

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

GRACE = 30.0  # seconds that running samples get after the first Ctrl-C


class Stop:
    """`gently` is set by the first wish, `now` by the second or a pressing one; `heard` is called at each."""

    def __init__(self) -> None:
        self.exit_code: int | None = None
        self.gently = False
        self.now = False
        self.heard: Callable[[], None] = lambda: None
        self._since: float | None = None

    def ask(self, exit_code: int, *, at_once: bool = False) -> None:
        """Stop gently; at once when asked so, or when it is the second time."""
        self.now = self.now or at_once or self.gently
        self.gently = True
        self.exit_code = exit_code
        self._since = time.monotonic() if self._since is None else self._since
        self.heard()

    def patient(self) -> bool:
        """Whether a full disk is waited for: before the first wish and for GRACE seconds after it, unless pressed."""
        return not self.now and (self._since is None or time.monotonic() < self._since + GRACE)


@contextmanager
def listening(stop: Stop, say: Callable[[str], None]) -> Iterator[None]:
    """Inside the running event loop: SIGINT and SIGTERM become wishes; afterwards what was there before hears them.

    After a wish both stay ignored, so that an impatient third Ctrl-C cannot hit the process while it takes leave;
    a Python program that goes on living after InterruptedRunError sets its own handlers again.
    """
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        stop.ask(130)
        gently = f"stopping: no new problems, running samples get {GRACE:.0f} s (Ctrl-C again: at once)"
        say("stopping now" if stop.now else gently)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    loop.add_signal_handler(signal.SIGINT, interrupted)
    loop.add_signal_handler(signal.SIGTERM, lambda: stop.ask(143, at_once=True))
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN if stop.gently else handler)


@contextmanager
def breaking_off() -> Iterator[None]:
    """Outside the loop, or where it is blocked (an engine starting): SIGINT and SIGTERM raise SystemExit.

    Its code is the exit code. After the first both are ignored, as after a wish (see `listening`). Handlers that
    somebody set meanwhile stay.
    """

    def leave(number: int, _: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is leave:
                signal.signal(number, handler)
