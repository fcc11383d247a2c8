"""Server or engine killed, stores lost or rolled back: what was answered stays, and nothing comes twice."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from coterie.server.engine import Engine, EngineFailed, engine_binary
from coterie.server.log import Log
from coterie.server.rules import RULES_VERSION, Record, encode_record
from coterie.server.rules.record import HubUp
from coterie.wire import frames
from tests.server.device import Band, Closed, Room, Wire, now_ms
from tests.serving import RunningServer, ServerDied, running_server


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RunningServer]:
    async with running_server(tmp_path) as running:
        yield running


async def post_all(wire: Wire, room: Room, keyed: dict[bytes, bytes]) -> dict[bytes, int]:
    """The number of each key; what was answered with `unavailable` is sent again, as a device does."""
    answered: dict[bytes, int] = {}
    waiting = dict(keyed)
    while waiting:
        sent = {key: room.post(wire, payload, key) for key, payload in waiting.items()}
        for post in sent.values():
            wire.send(post)
        for key, post in sent.items():
            reply = await wire.answer(post.id)
            if isinstance(reply, frames.Posted):
                answered[key] = reply.n
                del waiting[key]
            else:
                assert isinstance(reply, frames.Error)
                assert reply.code == "unavailable"
    return answered


async def read_all(wire: Wire, room: Room) -> list[bytes | None]:
    found: list[bytes | None] = []
    while True:
        page = await wire.ask(room.read(wire, len(found)), frames.Entries)
        found += [entry.payload for entry in page.entries]
        if page.end:
            return found


def keyed_posts(count: int) -> dict[bytes, bytes]:
    return {os.urandom(16): b"%d " % number + os.urandom(200) for number in range(count)}


async def test_server_killed_under_load_keeps_what_it_answered_and_a_retry_gets_the_first_number(
    server: RunningServer,
) -> None:
    band = await Band.found(server.url, server.found_link)
    ada = await band.founder.connect(server.url)
    room = await Room.opened(ada)
    keyed = keyed_posts(3_000)
    answered: dict[bytes, int] = {}
    requests = {room.post(ada, payload, key).id: key for key, payload in keyed.items()}
    for number, key in requests.items():
        ada.send(frames.Post(number, room.queue, room.post_token, 0, key, keyed[key]))
    with pytest.raises(Closed):
        while True:
            reply = await ada.next()
            if isinstance(reply, frames.Posted):
                answered[requests[reply.id]] = reply.n
                if len(answered) == 100:
                    await server.kill()
    assert len(answered) >= 100

    await server.restart()
    again = await band.founder.connect(server.url)
    numbers = await post_all(again, room, keyed)
    assert {key: numbers[key] for key in answered} == answered
    assert sorted(numbers.values()) == list(range(1, len(keyed) + 1))
    stored = await read_all(again, room)
    assert [stored[numbers[key] - 1] for key in keyed] == list(keyed.values())


async def test_engine_killed_under_load_comes_back_and_every_post_is_stored_once(server: RunningServer) -> None:
    band = await Band.found(server.url, server.found_link)
    ada = await band.founder.connect(server.url)
    room = await Room.opened(ada)
    keyed = keyed_posts(3_000)
    posting = asyncio.create_task(post_all(ada, room, keyed))
    while server.status()["operations"] < 200 and not posting.done():
        await asyncio.sleep(0)
    server.kill_engine()
    numbers = await asyncio.wait_for(posting, 60)
    assert server.status()["engine"]["restarts"] == 1
    assert sorted(numbers.values()) == list(range(1, len(keyed) + 1))
    assert len(await read_all(ada, room)) == len(keyed)


async def test_engine_that_hangs_gives_unavailable_and_the_same_key_is_stored_once(server: RunningServer) -> None:
    band = await Band.found(server.url, server.found_link)
    ada = await band.founder.connect(server.url)
    room = await Room.opened(ada)
    engine, key = server.status()["engine"]["pid"], os.urandom(16)
    os.kill(engine, signal.SIGSTOP)
    async with asyncio.timeout(10):
        while not stands_still(engine):
            await asyncio.sleep(0)
    try:
        refused = await ada.ask(room.post(ada, b"once", key), frames.Error)
        assert refused.code == "unavailable"
        assert refused.retry_after
        at_once = await ada.ask(room.post(ada, b"once", key), frames.Error)
        assert at_once.code == "unavailable"
    finally:
        os.kill(engine, signal.SIGCONT)
    assert await post_all(ada, room, {key: b"once"}) == {key: 1}
    assert await read_all(ada, room) == [b"once"]


def stands_still(pid: int) -> bool:
    """A signal reaches the threads one after the other, each when it is next looked at."""
    threads = Path(f"/proc/{pid}/task").glob("*/stat")
    return all(thread.read_text().rpartition(")")[2].split()[0] == "T" for thread in threads)


def runs(pid: int) -> bool:
    """Alive, and not a dead child that nobody waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_killed_server_takes_its_engine_with_it_and_starts_again_at_once(server: RunningServer) -> None:
    engine = server.status()["engine"]["pid"]
    await server.kill()
    await server.restart()
    assert server.status()["engine"]["pid"] != engine
    assert not runs(engine)


async def test_second_server_on_the_same_folder_is_refused(server: RunningServer) -> None:
    with pytest.raises(ServerDied, match="another server uses"):
        await RunningServer(server.data).start()


async def test_view_deleted_or_damaged_is_built_again_from_the_log(server: RunningServer) -> None:
    band = await Band.found(server.url, server.found_link)
    ada = await band.founder.connect(server.url)
    room = await Room.opened(ada)
    keyed = keyed_posts(50)
    await post_all(ada, room, keyed)
    before = await read_all(ada, room)
    view = server.data / "view.db"
    for damage in (lambda: view.unlink(), lambda: view.write_bytes(os.urandom(view.stat().st_size))):
        await server.stop()
        damage()
        await server.restart()
        ada = await band.founder.connect(server.url)
        assert await read_all(ada, room) == before
        assert sorted((await post_all(ada, room, keyed)).values()) == list(range(1, 51))


async def test_engine_store_older_than_the_view_makes_the_view_follow_the_log(server: RunningServer) -> None:
    band = await Band.found(server.url, server.found_link)
    ada = await band.founder.connect(server.url)
    room = await Room.opened(ada)
    await post_all(ada, room, keyed_posts(5))
    await server.stop()
    store, older = server.data / "engine" / "store", server.data.with_name("older")
    shutil.copytree(store, older)
    await server.restart()
    ada = await band.founder.connect(server.url)
    await post_all(ada, room, keyed_posts(5))
    await server.stop()
    shutil.rmtree(store)
    older.rename(store)
    await server.restart()
    ada = await band.founder.connect(server.url)
    assert len(await read_all(ada, room)) == 5
    behind = await ada.ask(room.read(ada, 10), frames.Behind)
    assert (behind.n, behind.epoch) == (5, 0)
    assert "view.rebuilt" in [line["event"] for line in server.log_lines()]


async def test_empty_engine_store_under_a_served_coterie_is_refused_with_a_hint(server: RunningServer) -> None:
    await Band.found(server.url, server.found_link)
    await server.stop()
    shutil.rmtree(server.data / "engine" / "store")
    with pytest.raises(ServerDied, match="the log is empty") as refused:
        await server.restart()
    assert "hint: restore" in str(refused.value)


async def test_engine_older_than_its_store_is_refused(server: RunningServer) -> None:
    await server.stop()
    (server.data / "engine" / "version").write_text("99.0.0\n")
    with pytest.raises(ServerDied, match=r"last used by nats-server 99\.0\.0"):
        await server.restart()


async def test_two_engines_never_run_on_one_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (Engine(tmp_path / "engine", engine_binary()) for _ in range(2))
    await first.start()
    monkeypatch.setattr("coterie.server.engine._LOCK_SECONDS", 0.2)
    with pytest.raises(EngineFailed, match="another engine still uses this store"):
        await second.start()
    await first.stop()
    await second.start()
    await second.stop()


async def test_clock_behind_the_log_is_refused(server: RunningServer) -> None:
    await server.stop()
    engine = Engine(server.data / "engine", engine_binary())
    await engine.start()
    log = Log(engine.address)
    end = (await log.open()).last
    blob_store = (server.data / "blobs" / "coterie-store-id").read_bytes()
    hub = bytes.fromhex((server.data / "hub.id").read_text())
    ahead = Record(
        hub,
        b"i" * 16,
        1,
        now_ms() + 3_600_000,
        RULES_VERSION,
        0,
        b"",
        [HubUp(hub, b"i" * 16, RULES_VERSION, blob_store)],
    )
    await log.append(encode_record(ahead), "_INBOX.nobody")
    async for record in log.tail(end):
        assert record.seq == end + 1
        break
    await log.close()
    await engine.stop()
    with pytest.raises(ServerDied, match="clock is 59 minutes behind"):
        await server.restart()
