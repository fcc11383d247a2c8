"""Two people at a server of their own, whose system calls and whose engine's can be made to fail."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Self

from coterie.client import MessageState
from coterie.ids import RoomId
from coterie.server.engine import engine_binary
from tests.client.newsroom import SECONDS, Newsroom, running
from tests.crash.strace import EngineUnderStrace
from tests.crash.victim import assert_whole
from tests.serving import RunningServer

AT_ONCE = 8


class Press:
    """Two people at a server whose engine can be armed, and what they wrote."""

    def __init__(self, folder: Path) -> None:
        self.engine = EngineUnderStrace(folder / "engine", engine_binary())
        self.server = RunningServer(folder / "server", ("--engine-binary", str(self.engine.binary)))
        self.gazette = Newsroom(folder, self.server)
        self.accepted: set[str] = set()
        self._numbers = itertools.count()

    @classmethod
    @contextlib.asynccontextmanager
    async def at(cls, folder: Path) -> AsyncIterator[Self]:
        press = cls(folder)
        await press.server.start()
        try:
            await press.gazette.found("Ada")
            await press.gazette.welcome("Ada", "Bo")
            yield press
        finally:
            press.gazette.close_all()
            await press.server.stop()

    async def room(self) -> RoomId:
        self.accepted.clear()
        return await self.gazette.room("press", "Ada", "Bo")

    async def write_until(self, room: RoomId, done: Callable[[], bool]) -> None:
        """Both write, several at once, until `done`; what was accepted is remembered."""
        devices = self.gazette.devices
        async with running(*devices), asyncio.timeout(4 * SECONDS):
            while not done():
                texts = [f"line {next(self._numbers)}" for _ in range(AT_ONCE)]
                sending = [devices[at % 2].send(room, text, wait=SECONDS) for at, text in enumerate(texts)]
                self.accepted.update(texts)
                await asyncio.gather(*sending)
            last = await devices[0].send(room, f"the last of {room.hex()}", wait=SECONDS)
            self.accepted.add(f"the last of {room.hex()}")
            assert last.state is MessageState.SENT

    async def look(self, room: RoomId) -> None:
        await self.gazette.sync("Ada", "Bo", "Ada")
        assert_whole(self.gazette.devices, room, self.accepted, ())
