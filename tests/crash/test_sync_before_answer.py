"""An answer comes after the sync that makes it true: of the log's file for a post, of the blob's for a blob."""

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from coterie.server.engine import engine_binary
from coterie.wire import frames
from tests.crash.strace import SYNCS, EngineUnderStrace, kill_at, needs_strace, slowly, under
from tests.server.device import Band, Closed, Room
from tests.server.test_storage import blob_of, put
from tests.serving import RunningServer

pytestmark = [pytest.mark.asyncio(loop_scope="module"), needs_strace]
SYNC_SECONDS = 0.5


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(tmp_path_factory: pytest.TempPathFactory) -> EngineUnderStrace:
    return EngineUnderStrace(tmp_path_factory.mktemp("engine") / "engine", engine_binary())


@pytest_asyncio.fixture(loop_scope="module")
async def server(tmp_path: Path, engine: EngineUnderStrace) -> AsyncIterator[RunningServer]:
    server = RunningServer(tmp_path / "data", ("--engine-binary", str(engine.binary)))
    await server.start()
    yield server
    await server.stop()


async def test_post_is_answered_and_delivered_after_the_sync_of_the_log(
    server: RunningServer, engine: EngineUnderStrace
) -> None:
    """Holds the engine to it, version by version: delivery to its consumer must prove durability."""
    band = await Band.found(server.url, server.found_link)
    await server.stop()
    (messages,) = (server.data / "engine" / "store").rglob("msgs")
    engine.arm(slowly(SYNCS, int(SYNC_SECONDS * 1000)), paths=[*messages.glob("*.blk")])
    await server.start()
    ada = await band.founder.connect(server.url)
    room = await Room.opened(ada)
    await ada.ask(room.follow(ada), frames.Following)
    for number in range(1, 4):
        began = time.monotonic()
        ada.send(room.post(ada, b"%d" % number))
        first = await ada.next()
        assert time.monotonic() - began >= SYNC_SECONDS
        assert isinstance(first, frames.Posted | frames.Pushed)
        second = await ada.next()
        assert {type(first), type(second)} == {frames.Posted, frames.Pushed}


@pytest.mark.parametrize("place", ["parts", "blobs"], ids=["before its bytes are durable", "before the log knows it"])
async def test_server_killed_between_the_steps_of_a_blob_leaves_none_half_there(
    server: RunningServer, place: str
) -> None:
    band = await Band.found(server.url, server.found_link)
    ada = await band.founder.connect(server.url)
    room = await Room.opened(ada)
    content = os.urandom(100_000)
    has = await put(ada, content, 0)
    await server.stop()
    (part,) = [file for file in server.data.rglob("*") if file.is_file() and file.stat().st_size == has]
    # what is appended is fdatasynced; the whole part is fsynced before it is moved, and the folder after
    server.before = under(kill_at("fsync", 1), paths=[part if place == "parts" else server.data / "blobs"])
    await server.start()
    server.before = ()
    ada = await band.founder.connect(server.url)
    with pytest.raises(Closed):
        await put(ada, content, has)
    assert await server.ended() == -9

    await server.start()
    ada = await band.founder.connect(server.url)
    named = frames.Post(
        ada.number(), room.queue, room.post_token, 0, os.urandom(16), b"a photograph", [blob_of(content)]
    )
    assert (await ada.ask(named, frames.Error)).code == "no_blob"
    has = await put(ada, content, 0, 0)
    while has < len(content):
        has = await put(ada, content, has)
    await ada.ask(named, frames.Posted)
    chunk = await ada.ask(frames.GetBlob(ada.number(), blob_of(content), 0, 60_000), frames.BlobChunk)
    assert (chunk.size, chunk.data) == (len(content), content[:60_000])
    await server.kill()
    await server.start()
    ada = await band.founder.connect(server.url)
    chunk = await ada.ask(frames.GetBlob(ada.number(), blob_of(content), 60_000, 60_000), frames.BlobChunk)
    assert chunk.data == content[60_000:]
