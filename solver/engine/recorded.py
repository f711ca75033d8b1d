"""The engine of a run that may only be decided anew: it holds nothing, so whatever is asked of it is owed.

What was sampled is answered by the store before any engine is asked.
"""

from typing import TYPE_CHECKING

from solver.errors import OwedError
from solver.records import Request, Sample, SampleKey

if TYPE_CHECKING:
    from solver.engine import Watch


class Recorded:
    """The engine of a revote: there is none, so whatever is asked of it is owed."""

    def __init__(self) -> None:
        self.slots = 64
        self.context: int | None = None
        self.tokens = 0

    async def start(self) -> None:
        """Nothing to load."""

    async def restart(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing to free."""

    async def abort(self, key: SampleKey) -> None:
        """Nothing is ever in flight."""

    async def generate(self, request: Request, watch: "Watch | None" = None) -> Sample:
        """Raises OwedError."""
        raise OwedError(f"sample {request.key.k} of {request.key.path} is not in the run")
