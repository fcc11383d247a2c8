"""One connection for all who need it: the first to come opens it, the last to go closes it. `run` is one who stays."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from coterie.client.membership.entering import Step
from coterie.client.online.session import Online, go_online
from coterie.client.state import DeviceState
from coterie.errors import CoterieError, RefusedError
from coterie.store.facts import Fact

LAST_WORDS_SECONDS: Final = 2.0
"""So long the last to go waits for what follows from it: posts to inboxes, removals, a new key."""


class HistoryOnly(RefusedError):
    """Restored from a backup: it can be read, and nobody knows its keys."""

    code = "history_only"


@dataclass
class _Shared:
    session: Online
    users: int = 0


class SharedSession:
    def __init__(self, state: DeviceState) -> None:
        self._state = state
        self._shared: _Shared | None = None
        self._turn = asyncio.Lock()

    @property
    def connected(self) -> bool:
        return self._shared is not None and self._shared.session.alive

    def look_again(self) -> None:
        """Wake the rooms' workers, if there is a connection."""
        if self._shared is not None and self._shared.session.alive:
            self._shared.session.look_again()

    @contextlib.asynccontextmanager
    async def use(self) -> AsyncIterator[Online]:
        """The connection for the block; one that has ended is replaced. Raises what `connect` raises."""
        shared = await self._enter()
        try:
            yield shared.session
            if shared.users == 1:
                # what was asked for is done; what follows from it is stored and goes on next time
                with contextlib.suppress(CoterieError):
                    await shared.session.settled(LAST_WORDS_SECONDS)
        finally:
            await self._leave(shared)

    async def _enter(self) -> _Shared:
        if self._state.store.facts.get(Fact.STEP) == Step.RESTORED.encode():
            raise HistoryOnly("this folder has a backup's history and is no member's device", _COME_BACK)
        async with self._turn:
            if self._shared is not None and not self._shared.session.alive:
                # those who still hold it are being told why it ended
                await self._shared.session.close()
                self._shared = None
            if self._shared is None:
                self._shared = _Shared(await go_online(self._state))
            self._shared.users += 1
            return self._shared

    async def _leave(self, shared: _Shared) -> None:
        shared.users -= 1
        async with self._turn:
            if shared.users == 0:
                await shared.session.close()
                if self._shared is shared:
                    self._shared = None


_COME_BACK: Final = "come back with your recovery phrase: coterie recover"
