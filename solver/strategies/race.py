"""An ordered race: candidates of one problem, drawn side by side, consumed in order of k.

Because they are consumed in order, whatever is decided from them depends on what they say and never on which was
ready first.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable

from solver.records import Candidate
from solver.strategies.context import Context
from solver.strategies.facts import Ahead

AHEAD = 2
"""Unfinished candidates beyond the one consumed, where what is still needed cannot be told."""


async def in_order(
    ctx: Context, n: int, ahead: Ahead, draw: Callable[[Context, int], Awaitable[Candidate]], *, start: int = 0
) -> AsyncGenerator[Candidate, None]:
    """Candidates k = start .. start + n - 1 of `draw`, at most `ahead` unfinished beyond the one consumed.

    More are begun where slots of the engine stand idle and no unstarted problem is left. Leaving the loop ends the
    rest: their samples are kept as `cancelled`, tokens counted. Close it (`contextlib.aclosing`) to wait for that.
    """
    waiting: deque[asyncio.Future[Candidate]] = deque()
    asked = number = 0
    try:
        for number in range(n):
            reach = ctx.reach(n, number, ahead)
            waiting.extend(asyncio.ensure_future(draw(ctx, start + k)) for k in range(asked, reach))
            asked = max(asked, reach)
            candidate = await waiting[0]
            waiting.popleft()
            yield candidate
    finally:
        rest = list(waiting)
        for task in rest:
            task.cancel()
        await ctx.end(range(start + asked - len(rest), start + asked))
        await asyncio.gather(*rest, return_exceptions=True)
