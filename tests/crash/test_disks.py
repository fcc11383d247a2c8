"""A disk that is full or slow under the device, the hub, the engine: refused in words, nothing half-written, and it
works again as soon as there is space."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from coterie.ids import RoomId
from tests.client.newsroom import Newsroom, running, texts, until
from tests.crash.press import Press
from tests.crash.strace import SYNCS, disk_full, needs_strace, slowly, under
from tests.crash.victim import Ended, assert_whole, run_device

pytestmark = [pytest.mark.asyncio(loop_scope="module"), needs_strace]
STORE_WRITES = "pwrite64"
SECONDS = 60.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def press(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Press]:
    async with Press.at(tmp_path_factory.mktemp("press")) as press:
        yield press


async def sent_on_a_full_disk(gazette: Newsroom, room: RoomId, nth: int) -> Ended:
    """Ada's device has no space from its nth write on; then it has again."""
    before, text = set(texts(gazette["Bo"], room)), f"full from write {nth} on"
    gazette.close("Ada")
    ended = await run_device(gazette, "Ada", "send", {"room": room.hex(), "text": text}, disk_full(STORE_WRITES, nth))
    gazette.open("Ada")
    await gazette.sync("Ada", "Bo", "Ada")
    accepted = before | ({text} if b'"state"' in ended.out else set())
    assert_whole([gazette["Ada"], gazette["Bo"]], room, accepted, {text})
    if ended.code:
        assert "error: the disk that holds" in ended.said
        assert "is full" in ended.said
        assert "hint: free some space" in ended.said
    assert "Traceback" not in ended.said
    return ended


@pytest.mark.parametrize("nth", [1, 8])
async def test_full_disk_under_a_device_is_said_and_nothing_is_half_written(press: Press, nth: int) -> None:
    room = await press.room()
    assert (await sent_on_a_full_disk(press.gazette, room, nth)).code == 1


@pytest.mark.slow
async def test_full_disk_at_each_write_of_a_device(press: Press) -> None:
    room = await press.room()
    for nth in range(1, 200):
        if not (await sent_on_a_full_disk(press.gazette, room, nth)).code:
            return
    raise AssertionError("it still writes")


async def test_slow_disk_under_a_device_makes_it_slow_and_nothing_else(press: Press) -> None:
    room, gazette = await press.room(), press.gazette
    gazette.close("Ada")
    ended = await run_device(gazette, "Ada", "send", {"room": room.hex(), "text": "in time"}, slowly(SYNCS, 100))
    gazette.open("Ada")
    await gazette.sync("Bo", "Ada")
    assert (ended.code, b'"sent"' in ended.out) == (0, True)
    assert_whole(gazette.devices, room, {"in time"}, ())


async def test_full_disk_under_the_hub_ends_it_with_the_reason_and_the_log_is_whole(press: Press) -> None:
    room, server, gazette = await press.room(), press.server, press.gazette
    await server.stop()
    said = len(server.said())
    server.before = under(disk_full(STORE_WRITES, 60), follow=False)
    await server.start()
    server.before = ()
    async with running(*gazette.devices):
        sending = [asyncio.create_task(gazette["Ada"].send(room, f"line {n}", wait=SECONDS)) for n in range(50)]
        assert await server.ended() == 1
        assert "error: the disk" in server.said()[said:]
        assert "Traceback" not in server.said()[said:]
        await server.start()
        await asyncio.gather(*sending)
        await until(gazette["Ada"], lambda: gazette["Ada"].status().outbox == 0, SECONDS)
    await gazette.sync("Ada", "Bo")
    assert_whole(gazette.devices, room, {f"line {n}" for n in range(50)}, ())


async def test_full_disk_under_the_engine_refuses_and_goes_on_when_there_is_space(press: Press) -> None:
    room, server, gazette = await press.room(), press.server, press.gazette
    log = next(Path(server.data / "engine" / "store").rglob("msgs"))
    press.engine.arm(disk_full("write,writev,pwrite64"), paths=[*log.glob("*.blk")])
    restarts = server.status()["engine"]["restarts"]
    server.kill_engine()  # the next one finds the log's file full; the one after finds space
    ada, bo = gazette["Ada"], gazette["Bo"]
    async with running(ada, bo):
        sending = [asyncio.create_task(ada.send(room, f"line {n}", wait=SECONDS)) for n in range(30)]
        await asyncio.gather(*sending)
        await until(ada, lambda: ada.status().outbox == 0, SECONDS)
        await until(bo, lambda: len(texts(bo, room)) == 30, SECONDS)
    # one that failed to write once refuses for ever: the hub starts it again by itself
    assert server.status()["engine"]["restarts"] == restarts + 2
    assert "engine.started_again" in [line["event"] for line in server.log_lines()]
    await gazette.sync("Ada", "Bo")
    assert_whole([ada, bo], room, {f"line {n}" for n in range(30)}, ())
