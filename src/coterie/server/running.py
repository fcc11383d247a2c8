"""The tasks that run as long as the server does: when one of them ends, so does the server."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from coterie.errors import DeviceError
from coterie.server import events
from coterie.server.view import StorageFailed


class Running:
    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """`work` never returns by itself; it may raise."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.append(task)
        return task

    async def until(self, event: Coroutine[Any, Any, object]) -> None:
        """Wait for `event`, or raise what ended a task before that."""
        waiting = asyncio.ensure_future(event)
        try:
            await asyncio.wait((waiting, *self._tasks), return_when=asyncio.FIRST_COMPLETED)
            for task in self._tasks:
                if task.done():
                    task.result()
                    raise DeviceError("a part of the server ended", "start the server again")
            waiting.result()
        finally:
            waiting.cancel()

    async def cancel(self) -> None:
        """Returns when all have ended."""
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(outcome, StorageFailed):
                events.fault("server.failed", outcome)
