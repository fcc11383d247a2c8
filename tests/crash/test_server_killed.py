"""The server killed at each write of its view or its sockets, the engine at each sync of its store: what was accepted
is there once, in one order, and the devices go on by themselves."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.crash.press import Press
from tests.crash.strace import SYNCS, kill_at, needs_strace, under
from tests.serving import ServerDied

pytestmark = [pytest.mark.asyncio(loop_scope="module"), needs_strace]
VIEW, SOCKETS = "pwrite64", "write,writev,sendto,sendmsg"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def press(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Press]:
    async with Press.at(tmp_path_factory.mktemp("press")) as press:
        yield press


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
@pytest.mark.parametrize("calls", [VIEW, SOCKETS], ids=["applying", "answering"])
async def test_server_killed_at_each_write_loses_and_repeats_nothing(press: Press, calls: str, nth: int) -> None:
    await server_killed(press, calls, nth)


@pytest.mark.slow
@pytest.mark.parametrize("nth", [1, 2, 3])
async def test_server_killed_at_each_sync_of_its_start_loses_and_repeats_nothing(press: Press, nth: int) -> None:
    """It syncs at its start only: the log is the engine's, and the view can be made again."""
    await server_killed(press, SYNCS, nth)


@pytest.mark.slow
@pytest.mark.parametrize("nth", [*range(1, 20), 30, 50])
async def test_engine_killed_at_each_sync_loses_and_repeats_nothing(press: Press, nth: int) -> None:
    await engine_killed(press, nth)
