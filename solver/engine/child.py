"""The processes that vLLM starts: where their words go, which signals reach them, and their certain end.

A start blocks this process for half a minute and more, most of it waiting for the child, so a signal that comes
meanwhile has to be heard there. Nothing here imports vLLM.
"""

import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from solver.errors import MachineError

HEAR_SECONDS = 0.25  # a signal that arrives while a child starts is heard so soon
OBEY_SECONDS = 3.0  # a child that was asked to end gets so long


Process = tuple[int, int]
"""Process id, and when it began: the number alone is given to another process later."""


def engines() -> list[Any]:
    """vLLM's engines that live under this process, as multiprocessing knows them."""
    return [child for child in multiprocessing.active_children() if child.name.startswith("EngineCore")]


def exit_codes(cores: Iterable[Any]) -> str:
    """How engines ended, as vLLM says it: their names with their exit codes."""
    return str({core.name: core.exitcode for core in cores})


def engine_processes() -> list[Process]:
    """The engines under this process, and everything below them, deepest first."""
    pids = [pid for core in engines() if core.pid is not None for pid in (*_below(core.pid), core.pid)]
    return [(pid, began) for pid in pids if (began := _stat(pid)[1])]


def kill(processes: Iterable[Process]) -> None:
    """End processes for good, also those that hang or are stopped; ones that are gone are no matter."""
    for pid, began in processes:
        if _stat(pid)[1] == began:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def end(llm: Any, processes: Iterable[Process]) -> None:
    """Shut an AsyncLLM down; what does not obey within OBEY_SECONDS is killed, and what is left over as well."""
    known = list(processes)
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


def _stat(pid: int) -> tuple[int, int]:
    """Parent of a process and when it began, in ticks since boot; zeros when it is gone."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace").rpartition(")")[2].split()
        return int(words[1]), int(words[19])
    except (OSError, ValueError, IndexError):
        return 0, 0


def _below(pid: int) -> list[int]:
    """All descendants of a process, deepest first."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        parents.setdefault(_stat(int(path.name))[0], []).append(int(path.name))
    found, queue = list[int](), [pid]
    while queue:
        children = parents.get(queue.pop(), [])
        found += children
        queue += children
    return found[::-1]


@contextmanager
def quiet(log: Path) -> Iterator[None]:
    """While vLLM starts, send this process's and its children's output to `log` and keep Ctrl-C from the children.

    The children inherit both file descriptors and the signal mask. Another thread keeps SIGINT open, so that this
    process still hears it, and at once; whoever breaks the start off kills the children first, as they would not
    listen. Afterwards vLLM's loggers here write to the file as well.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    file = _opened(log)
    kept = [os.dup(1), os.dup(2)]
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        os.dup2(file, 1)
        os.dup2(file, 2)
        with _hearing(mask):
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
def _hearing(mask: Iterable[int]) -> Iterator[None]:
    """Signals are acted upon although this thread waits inside foreign code.

    SIGINT is blocked here, so another thread receives it, and this one would notice when its wait is over (vLLM
    waits 10 s at a time). So that thread wakes this one now and then, with a signal that means nothing.
    """
    done, main = threading.Event(), threading.get_ident()
    in_main = threading.current_thread() is threading.main_thread()

    def wake() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        while not done.wait(HEAR_SECONDS):
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


class _LogFile(logging.FileHandler):
    """Drops what cannot be written: the run meets the same full disk and says so once."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """No traceback for each line."""

    def close(self) -> None:
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
        logger.addHandler(_LogFile(log, encoding="utf-8", errors="backslashreplace", delay=True))
        logger.propagate = False
