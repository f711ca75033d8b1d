"""Silence: an engine that makes no progress for a while is as good as dead."""

import asyncio
from collections.abc import Callable

LOOK = 5.0  # seconds between two looks at a silent engine


async def listen(progress: Callable[[], object], limit: float, silent: Callable[[float], None]) -> None:
    """Until it is cancelled, call `silent` with the seconds that it lasted whenever silence reaches `limit` seconds.

    progress: a value that changes while the engine works, None while it has nothing to do. Time in which this process
    did not run itself is not counted.
    """
    loop, pause = asyncio.get_running_loop(), min(LOOK, limit / 10)
    lasted, before = 0.0, progress()
    while True:
        began = loop.time()
        await asyncio.sleep(pause)
        now = progress()
        quiet = now is not None and now == before
        lasted, before = lasted + min(loop.time() - began, 2 * pause) if quiet else 0.0, now
        if lasted >= limit:
            silent(lasted)
