"""This machine's clock against the log's: a server far behind must not serve, since the log's time never goes back."""

import time
from typing import Final

from coterie.errors import CallerError
from coterie.server import events
from coterie.server.view import View

CLOCK_BEHIND_MS: Final = 5 * 60 * 1000
CLOCK_AHEAD_MS: Final = 30 * 86_400 * 1000


class ClockBehind(CallerError):
    code = "clock_behind"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def check_clock(view: View, now: int) -> None:
    """Raises ClockBehind. The log's time is the highest that any record gave."""
    ahead = now - view.time
    if view.time and ahead < -CLOCK_BEHIND_MS:
        raise ClockBehind(
            f"this machine's clock is {-ahead // 60_000} minutes behind the log", "set the clock and start again"
        )
    if view.time and ahead > CLOCK_AHEAD_MS:
        events.warn("clock.far_ahead", days=ahead // 86_400_000, records=view.position)
