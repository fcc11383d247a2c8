"""Which workers of a device have something to do: `settled` returns when none has, and none waits for the server."""

import asyncio
from collections.abc import Callable


class Activity:
    def __init__(self) -> None:
        self._busy: set[object] = set()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._then: Callable[[], None] | None = None

    def begin(self, worker: object) -> None:
        self._busy.add(worker)
        self._quiet.clear()

    def end(self, worker: object) -> None:
        self._busy.discard(worker)
        if self._busy:
            return
        then, self._then = self._then, None
        if then is not None:
            then()
        if not self._busy:
            self._quiet.set()

    def when_quiet(self, then: Callable[[], None]) -> None:
        """Call it once, the next time that no worker is busy; it may wake one before anybody is told."""
        self._then = then

    def others_busy(self, worker: object) -> bool:
        return bool(self._busy - {worker})

    async def settled(self) -> None:
        """Returns when no worker is busy."""
        await self._quiet.wait()


class Worker:
    """Runs `step` whenever it was woken, one step at a time; busy from the wake to the end of the step, and on while
    `expecting` says that the server owes it something."""

    def __init__(self, activity: Activity) -> None:
        self._activity = activity
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._activity.begin(self)
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled; what `step` raises ends it."""
        try:
            while True:
                await self._woken.wait()
                self._woken.clear()
                await self.step()
                if not self._woken.is_set() and not self.expecting():
                    self._activity.end(self)
        finally:
            self._activity.end(self)

    async def step(self) -> None:
        raise NotImplementedError

    def expecting(self) -> bool:
        raise NotImplementedError
