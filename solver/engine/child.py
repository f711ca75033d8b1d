"""The processes that vLLM starts: where their words go, which signals reach them, and their certain end.

A start blocks this process for half a minute and more, most of it waiting for the child, so a signal that comes
meanwhile has to be heard there. Nothing here imports vLLM.
"""

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from solver.engine import processes
from solver.engine.processes import Process, below, kill, stat
from solver.errors import MachineError

HEAR_SECONDS = 0.25  # a signal that arrives while a child starts is heard so soon
OBEY_SECONDS = 3.0  # a child that was asked to end gets so long
END_SECONDS = 5.0  # the watcher gets so long to see that it is not needed any more


def engines() -> list[Any]:
    """vLLM's engines that live under this process, as multiprocessing knows them."""
    return [child for child in multiprocessing.active_children() if child.name.startswith("EngineCore")]


def exit_codes(cores: Iterable[Any]) -> str:
    """How engines ended, as vLLM says it: their names with their exit codes."""
    return str({core.name: core.exitcode for core in cores})


def engine_processes() -> list[Process]:
    """The engines under this process, and everything below them, deepest first."""
    pids = [pid for core in engines() if core.pid is not None for pid in (*below(core.pid), core.pid)]
    return [(pid, began) for pid in pids if (began := stat(pid)[1])]


def end(llm: Any, started: Iterable[Process]) -> None:
    """Shut an AsyncLLM down; what does not obey within OBEY_SECONDS is killed, and what is left over as well."""
    known = list(started)
    late = threading.Timer(OBEY_SECONDS, kill, [known])
    late.daemon = True
    late.start()
    try:
        llm.shutdown()
    except Exception:  # it is being thrown away; whatever it holds dies with its processes
        logging.getLogger(__name__).warning("vLLM did not shut down cleanly", exc_info=True)
    finally:
        late.cancel()
        kill(known)


class Watcher:
    """A small process that kills the engines as soon as this one is gone, also by kill -9: by themselves they stay.

    They would keep the GPU from whoever starts next. `open` it before the engines, `tell` it of them, and `close` it
    when they have ended. It has a session of its own and holds nothing but the reading end of a pipe.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._end, self._told = -1, b""

    def open(self) -> None:
        """Start it, unless it is there; where no process can be had, the engines do without."""
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        reading, self._end = os.pipe()
        _ends.add(self._end)
        command = [sys.executable, "-I", "-S", processes.__file__]
        away = subprocess.DEVNULL
        try:
            self._process = subprocess.Popen(command, stdin=reading, stdout=away, stderr=away, start_new_session=True)
        except OSError as error:
            logging.getLogger(__name__).warning("nobody will watch over the engine: %s", error)
        finally:
            os.close(reading)

    def tell(self, living: Iterable[Process]) -> None:
        """Which processes are to be killed from now on."""
        told = processes.line(living)
        if self._process is not None and told != self._told:
            with suppress(OSError):  # it was killed: there is no more to do than before it existed
                os.write(self._end, told)
            self._told = told

    def close(self) -> None:
        """The engines have ended, and with them its work."""
        self.tell(())
        if self._end >= 0:
            _ends.discard(self._end)
            os.close(self._end)
        if self._process is not None:
            try:
                self._process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process, self._end, self._told = None, -1, b""


_ends: set[int] = set()


def _drop_ends() -> None:
    """A forked child must not hold the writing end: the pipe would outlive this process."""
    for end in _ends:
        os.close(end)
    _ends.clear()


os.register_at_fork(after_in_child=_drop_ends)


@contextmanager
def quiet(log: Path, beside: Callable[[], None] = lambda: None) -> Iterator[None]:
    """While vLLM starts, send this process's and its children's output to `log` and keep Ctrl-C from the children.

    The children inherit both file descriptors and the signal mask. Another thread keeps SIGINT open, so that this
    process still hears it, and at once; whoever breaks the start off kills the children first, as they would not
    listen. Afterwards vLLM's loggers here write to the file as well. beside: called now and then meanwhile, by that
    thread.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    file = _opened(log)
    kept = [os.dup(1), os.dup(2)]
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        os.dup2(file, 1)
        os.dup2(file, 2)
        with _hearing(mask, beside):
            yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, descriptor in enumerate(kept, start=1):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.close(file)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        _log_to(log)


def _opened(log: Path) -> int:
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        return os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError as error:
        raise MachineError(f"cannot write the engine's log {log}: {error.strerror or error}") from error


@contextmanager
def _hearing(mask: Iterable[int], beside: Callable[[], None]) -> Iterator[None]:
    """Signals are acted upon although this thread waits inside foreign code.

    SIGINT is blocked here, so another thread receives it, and this one would notice when its wait is over (vLLM
    waits 10 s at a time). So that thread wakes this one now and then, with a signal that means nothing.
    """
    done, main = threading.Event(), threading.get_ident()
    in_main = threading.current_thread() is threading.main_thread()

    def wake() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        while not done.wait(HEAR_SECONDS):
            beside()
            if in_main:
                signal.pthread_kill(main, signal.SIGURG)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGURG) if in_main else ()
    before = {number: handler for number in numbers if (handler := signal.getsignal(number)) is not None}
    thread = threading.Thread(target=wake, name="hears-signals", daemon=True)
    try:
        if in_main:
            signal.signal(signal.SIGURG, lambda *_: None)
            signal.siginterrupt(signal.SIGURG, False)
            for number in before.keys() - {signal.SIGURG}:
                signal.signal(number, _killing(before[number]))
        thread.start()
        yield
    finally:
        done.set()
        thread.join()
        for number, handler in before.items():
            signal.signal(number, handler)


def _killing(handler: Any) -> Any:
    """A handler that ends the engines before it does what it did: it may raise, and they would be waited for."""

    def killing(number: int, frame: FrameType | None) -> None:
        if callable(handler):
            kill(engine_processes())
            handler(number, frame)

    return killing if callable(handler) else handler


class DroppingLog(logging.FileHandler):
    """Drops what cannot be written: the run meets the same full disk and says so once."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line, or leave it."""
        with suppress(OSError):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """No traceback for each line."""

    def close(self) -> None:
        """Close the file, whatever is left in its buffer."""
        with suppress(OSError):
            super().close()


def _log_to(log: Path) -> None:
    """Loggers of vLLM in this process write to the file instead of the terminal."""
    for name in ("vllm", "transformers"):
        logger = logging.getLogger(name)
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
            if isinstance(handler, logging.FileHandler):
                handler.close()
        logger.addHandler(DroppingLog(log, encoding="utf-8", errors="backslashreplace", delay=True))
        logger.propagate = False
