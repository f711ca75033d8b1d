"""What a run cost: the engine's hours, on how many GPUs, and money from a price that the user gives.

The hours are those of every start that came to its end, as the manifest adds them up; a start that was killed is not in
them, as nobody was left to write its time down.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Cost:
    """hours: of the engine; gpus: it ran on, 0 for none (a CPU, or no engine at all); money: in the price's currency,
    None without a price."""

    hours: float
    gpus: int
    money: float | None

    @property
    def gpu_hours(self) -> float:
        """Hours times GPUs."""
        return self.hours * self.gpus


def cost(summary: Mapping[str, Any] | None, price: float | None = None) -> Cost | None:
    """The cost that a manifest's summary tells; None where it tells none.

    price: of one GPU for an hour, or of the machine where there is no GPU.
    """
    total = (summary or {}).get("total")
    if not isinstance(total, Mapping):
        return None
    hours, gpus = float(total.get("seconds", 0.0)) / HOUR, int(total.get("gpus", 0))
    return Cost(hours, gpus, None if price is None else price * hours * max(gpus, 1))
