"""How much of the costly things one device may do at this hub, in memory (docs/protocol/frames.md, "Limits").

Limits by order stand in the rules; these only keep one device from wearing the hub out. A bucket refills steadily.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

_KEPT: Final = 100_000


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `burst` at once, then `per_second`."""

    burst: float
    per_second: float


class Costly(Enum):
    CLAIM = Rate(burst=2_000, per_second=1.0)
    REGISTER_APPEND = Rate(burst=120, per_second=1.0)
    PACKET = Rate(burst=120, per_second=0.5)
    KEY_PACKAGES = Rate(burst=40, per_second=0.2)
    OPEN_QUEUE = Rate(burst=500, per_second=1.0)
    BLOB_BYTES = Rate(burst=4 * 1024**3, per_second=8 * 1024**2)


class Rates:
    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` in seconds, never going back."""
        self._clock = clock
        self._buckets: dict[tuple[bytes, Costly], tuple[float, float]] = {}

    def wait(self, who: bytes, what: Costly, amount: float = 1.0) -> float:
        """Take `amount` and return 0, or take nothing and return the seconds until it would be there."""
        now = self._clock()
        rate = what.value
        level, since = self._buckets.pop((who, what), (rate.burst, now))
        level = min(rate.burst, level + (now - since) * rate.per_second)
        missing = amount - level
        self._buckets[who, what] = (level if missing > 0 else level - amount, now)
        if len(self._buckets) > _KEPT:  # the one untouched for longest has refilled most
            del self._buckets[next(iter(self._buckets))]
        return max(0.0, missing / rate.per_second)
