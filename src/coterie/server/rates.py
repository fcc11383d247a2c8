"""How much of the costly things one device may do at this hub, in memory (docs/protocol/frames.md, "Limits").

Limits by order stand in the rules; these only keep one device from wearing the hub out. A bucket refills steadily.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

_KEPT: Final = 100_000


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `burst` at once, then `per_second`."""

    burst: float
    per_second: float


class Costly(Enum):
    CLAIM = auto()
    REGISTER_APPEND = auto()
    PACKET = auto()
    KEY_PACKAGES = auto()
    OPEN_QUEUE = auto()
    BLOB_BYTES = auto()


RATES: Final[dict[Costly, Rate]] = {
    Costly.CLAIM: Rate(burst=5_000, per_second=2.0),
    Costly.REGISTER_APPEND: Rate(burst=5_000, per_second=2.0),
    Costly.PACKET: Rate(burst=5_000, per_second=2.0),
    Costly.KEY_PACKAGES: Rate(burst=500, per_second=0.5),
    Costly.OPEN_QUEUE: Rate(burst=20_000, per_second=20.0),
    Costly.BLOB_BYTES: Rate(burst=4 * 1024**3, per_second=8 * 1024**2),
}


class Rates:
    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` in seconds, never going back."""
        self._clock = clock
        self._buckets: dict[tuple[bytes, Costly], tuple[float, float]] = {}

    def wait(self, who: bytes, what: Costly, amount: float = 1.0) -> float:
        """Take `amount` and return 0, or take nothing and return the seconds until it would be there."""
        now = self._clock()
        rate = RATES[what]
        level, since = self._buckets.pop((who, what), (rate.burst, now))
        level = min(rate.burst, level + (now - since) * rate.per_second)
        missing = amount - level
        self._buckets[who, what] = (level if missing > 0 else level - amount, now)
        if len(self._buckets) > _KEPT:  # the one untouched for longest has refilled most
            del self._buckets[next(iter(self._buckets))]
        return max(0.0, missing / rate.per_second)
