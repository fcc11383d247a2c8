"""How long to wait before connecting again. Pure: chance is passed in."""

from collections.abc import Callable
from typing import Final

FIRST_SECONDS: Final = 0.5
MOST_SECONDS: Final = 60.0


class Backoff:
    """Doubling waits, each drawn between half and the whole, so that devices do not come back in step."""

    def __init__(self, chance: Callable[[], float]) -> None:
        """`chance` gives numbers in [0, 1), as `random.random` does."""
        self._chance = chance
        self._whole = FIRST_SECONDS

    def next_wait(self, at_least: float | None = None) -> float:
        """Seconds to wait now; `at_least` is what the server asked for, bounded by MOST_SECONDS."""
        wait = self._whole * (0.5 + 0.5 * self._chance())
        self._whole = min(self._whole * 2, MOST_SECONDS)
        return max(wait, min(at_least or 0.0, MOST_SECONDS))

    def reset(self) -> None:
        """After a connection that was good."""
        self._whole = FIRST_SECONDS
