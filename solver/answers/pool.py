"""A pool of killable worker processes for residue: one text, one task, bounded in time and memory.

Workers come from a fork server, a small process of its own that never saw vLLM or CUDA; a worker that overruns is
killed and costs its task, nothing else. Outcomes, failures included, are kept per distinct text in a bounded LRU, so a
hostile string is paid for once.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

from solver.answers import residue
from solver.errors import MachineError

if TYPE_CHECKING:  # asyncio takes 40 ms to import, and only the first residue needs it
    import asyncio
    from concurrent.futures import Future

Task = Callable[..., Any]
_PATIENCE = 3  # wall time over CPU time, for a task that waits or a machine that is busy
_PRELOAD = ["solver.answers.warm"]
_RECYCLE = 2000  # tasks a worker lives for: sympy's caches grow


def prepare_workers() -> None:
    """Let the fork server load what workers need while this process does something else: its first residue then waits
    less. Returns at once; the server ends with this process."""
    from multiprocessing import forkserver

    forkserver.set_forkserver_preload(_PRELOAD)
    forkserver.ensure_running()


class ResiduePool:
    """Runs functions of `residue` in workers; started by the first task, stopped by `close`.

    seconds: CPU time of one task, three times that on the clock; memory: bytes a worker may take beyond what is
    loaded at its start; kept: how many outcomes are remembered. Belongs to the event loop that first awaits it.
    """

    def __init__(self, workers: int = 2, seconds: float = 2.0, memory: int = 1 << 30, kept: int = 50_000) -> None:
        self._workers, self._seconds, self._memory, self._kept = workers, seconds, memory, kept
        self._outcomes: OrderedDict[Hashable, asyncio.Future[Any]] = OrderedDict()
        self._pool: Any = None
        self._starting = threading.Lock()

    async def run(self, task: Task, *texts: str) -> Any:
        """What the task returned for these texts, or None when it overran, died or raised. Never blocks the loop."""
        import asyncio

        known = (task.__name__, texts)
        future = self._outcomes.get(known)
        if future is None:
            future = self._outcomes[known] = asyncio.ensure_future(self._attempts(task, texts))
            future.add_done_callback(lambda done: self._forget(known) if _unknown(done) else None)
            if len(self._outcomes) > self._kept:
                self._outcomes.popitem(last=False)
        self._outcomes.move_to_end(known)
        return await asyncio.shield(future)

    async def close(self) -> None:
        """Kill the workers; a later task would start new ones."""
        import asyncio

        pool, self._pool = self._pool, None
        if pool is not None:
            await asyncio.to_thread(_stop, pool)

    def _forget(self, known: Hashable) -> None:
        self._outcomes.pop(known, None)

    async def _attempts(self, task: Task, texts: tuple[str, ...]) -> Any:
        import asyncio
        from concurrent.futures.process import BrokenProcessPool

        for _ in range(2):
            pool = self._pool or await asyncio.to_thread(self._start)
            try:
                return await asyncio.wrap_future(_scheduled(pool, task, texts, self._seconds))
            except BrokenProcessPool:  # a worker died idle, by other hands: a fresh pool, once
                await asyncio.to_thread(self._discard, pool)
            except _failures():
                return None
        return None

    def _start(self) -> Any:
        """The pool. Raises MachineError when no worker can be started: that is nobody's answer's fault."""
        from concurrent.futures.process import BrokenProcessPool

        refusals: tuple[type[BaseException], ...] = (RuntimeError, BrokenProcessPool, *_failures())
        try:
            return self._started()
        except refusals as error:
            told = str(error) or type(error).__name__
            raise MachineError(f"the workers that grade answers cannot start: {told}") from error

    def _started(self) -> Any:
        with self._starting:
            if self._pool is None:
                self._pool = _process_pool(self._workers, self._memory)
            return self._pool

    def _discard(self, pool: Any) -> None:
        with self._starting:
            if self._pool is pool:
                self._pool = None
        _stop(pool)


def _unknown(done: "asyncio.Future[Any]") -> bool:
    """Whether a task ended without a verdict that could be remembered."""
    return done.cancelled() or done.exception() is not None


def _process_pool(workers: int, memory: int) -> Any:
    import multiprocessing

    from pebble import ProcessPool

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOAD)
    pool = ProcessPool(workers, _RECYCLE, residue.prepare, (memory,), context)
    pool.schedule(residue.fingerprint, args=("1",)).result()  # blocks until workers run, off the event loop
    return pool


def _scheduled(pool: Any, task: Task, texts: tuple[str, ...], seconds: float) -> "Future[Any]":
    from concurrent.futures.process import BrokenProcessPool

    try:
        future: Future[Any] = pool.schedule(residue.within, args=(seconds, task, *texts), timeout=_PATIENCE * seconds)
    except RuntimeError as error:  # stopped or broken between our look and our call
        raise BrokenProcessPool(str(error)) from error
    return future


def _failures() -> tuple[type[BaseException], ...]:
    """What a task can end in besides a result: overrun, death of its worker, memory, recursion."""
    from pebble import ProcessExpired

    return (TimeoutError, ProcessExpired, MemoryError, RecursionError, OSError)


def _stop(pool: Any) -> None:
    pool.stop()
    pool.join()
