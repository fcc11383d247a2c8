"""The server killed at each write of its view or its sockets, the engine at each sync of its store: what was accepted is
there once, in one order, and the devices go on by themselves."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from coterie.client import MessageState
from coterie.ids import RoomId
from coterie.server.engine import engine_binary
from tests.client.newsroom import SECONDS, Newsroom, running
from tests.crash.strace import SYNCS, EngineUnderStrace, kill_at, needs_strace, under
from tests.crash.victim import assert_whole
from tests.serving import RunningServer, ServerDied

pytestmark = [pytest.mark.asyncio(loop_scope="module"), needs_strace]
AT_ONCE = 8
VIEW, SOCKETS = "pwrite64", "write,writev,sendto,sendmsg"


class Press:
    """Two people at a server whose engine can be armed, and what they wrote."""

    def __init__(self, folder: Path) -> None:
        self.engine = EngineUnderStrace(folder / "engine", engine_binary())
        self.server = RunningServer(folder / "server", ("--engine-binary", str(self.engine.binary)))
        self.gazette = Newsroom(folder, self.server)
        self.accepted: set[str] = set()
        self._numbers = itertools.count()

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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def press(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Press]:
    press = Press(tmp_path_factory.mktemp("press"))
    await press.server.start()
    try:
        await press.gazette.found("Ada")
        await press.gazette.welcome("Ada", "Bo")
        yield press
    finally:
        press.gazette.close_all()
        await press.server.stop()


async def server_killed(press: Press, calls: str, nth: int) -> None:
    server, room = press.server, await press.room()
    await server.stop()
    server.before = under(kill_at(calls, nth), follow=False)
    with contextlib.suppress(ServerDied):
        await server.start()
    server.before = ()

    async def revive() -> int:
        code = await server.ended()
        await server.start()
        return code

    reviving = asyncio.create_task(revive())
    await press.write_until(room, reviving.done)
    assert reviving.result() == -9
    await press.look(room)


async def engine_killed(press: Press, nth: int) -> None:
    server, room = press.server, await press.room()
    press.engine.arm(kill_at(SYNCS, nth))
    before = server.status()["engine"]["restarts"]
    server.kill_engine()
    await press.write_until(room, lambda: server.status()["engine"]["restarts"] > before + 1)
    await press.look(room)


@pytest.mark.parametrize(("calls", "nth"), [(VIEW, 9), (SOCKETS, 30)], ids=["applying", "answering"])
async def test_server_killed_under_traffic_loses_and_repeats_nothing(press: Press, calls: str, nth: int) -> None:
    await server_killed(press, calls, nth)


async def test_engine_killed_before_a_sync_loses_and_repeats_nothing(press: Press) -> None:
    await engine_killed(press, 6)


@pytest.mark.slow
@pytest.mark.parametrize("nth", [*range(1, 20), 30, 50, 80, 120, 200, 350])
@pytest.mark.parametrize("calls", [VIEW, SOCKETS, SYNCS], ids=["applying", "answering", "starting"])
async def test_server_killed_at_each_write_loses_and_repeats_nothing(press: Press, calls: str, nth: int) -> None:
    if calls == SYNCS and nth > 3:
        pytest.skip("it syncs at its start only: the log is the engine's, and the view can be made again")
    await server_killed(press, calls, nth)


@pytest.mark.slow
@pytest.mark.parametrize("nth", [*range(1, 20), 30, 50])
async def test_engine_killed_at_each_sync_loses_and_repeats_nothing(press: Press, nth: int) -> None:
    await engine_killed(press, nth)
