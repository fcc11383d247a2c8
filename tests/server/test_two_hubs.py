"""Two hubs on one engine and one blob store, the service key copied."""

import asyncio
import hashlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from coterie.ids import BlobId
from coterie.server.engine import Engine, engine_binary
from coterie.server.view import Reader
from coterie.wire import frames
from tests.server.device import Band, Closed, Room, Wire
from tests.serving import RunningServer, ServerDied, running_server

Pair = tuple[RunningServer, RunningServer]


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    engine = Engine(tmp_path / "engine", engine_binary())
    await engine.start()
    address = await engine.address()
    nats = address.url.replace("nats://", f"nats://{address.user}:{address.password}@")
    (tmp_path / "store").mkdir()
    arguments = ("--nats", nats, "--blobs", (tmp_path / "store").as_uri())
    try:
        async with running_server(tmp_path, *arguments, name="one") as one:
            (tmp_path / "two").mkdir()
            shutil.copy(one.data / "service.key", tmp_path / "two")
            async with running_server(tmp_path, *arguments, name="two") as two:
                yield one, two
    finally:
        await engine.stop()


async def same_place(pair: Pair) -> None:
    while True:
        first, second = (server.status()["log"] for server in pair)
        if first["position"] == second["position"]:
            assert first["digest"] == second["digest"]
            return
        await asyncio.sleep(0)


async def test_devices_at_either_hub_share_queues_and_both_views_end_equal(pair: Pair) -> None:
    one, two = pair
    assert two.found_link is None
    band = await Band.found(one.url, one.found_link)
    ada = await band.founder.connect(one.url)
    bo = await (await band.join(ada)).connect(two.url)
    room = await Room.opened(ada)
    await asyncio.wait_for(same_place(pair), 15)
    await bo.ask(room.follow(bo), frames.Following)

    async def pour(wire: Wire) -> set[int]:
        posts = [room.post(wire, os.urandom(200)) for _ in range(300)]
        for post in posts:
            wire.send(post)
        replies = [await wire.answer(post.id) for post in posts]
        return {reply.n for reply in replies if isinstance(reply, frames.Posted)}

    from_one, from_two = await asyncio.gather(pour(ada), pour(bo))
    assert from_one | from_two == set(range(1, 601))
    followed = 0
    while followed < 600:
        pushed = await bo.push(frames.Pushed)
        assert pushed.after == followed
        followed += len(pushed.payloads)
    await asyncio.wait_for(same_place(pair), 15)
    hashes = []
    for server in pair:
        reader = Reader(server.data / "view.db")
        hashes.append(reader.state_hash())
        reader.close()
    assert hashes[0] == hashes[1]


async def test_device_that_hops_between_hubs_supersedes_itself_and_never_meets_a_hub_that_is_behind(pair: Pair) -> None:
    one, two = pair
    band = await Band.found(one.url, one.found_link)
    last = await band.founder.connect(one.url)
    room = await Room.opened(last)
    for turn in range(10):
        await last.ask(room.post(last, b"%d" % turn), frames.Posted)
        earlier, last = last, await band.founder.connect((two if turn % 2 == 0 else one).url)
        said = await earlier.until_closed()
        assert isinstance(said, frames.Error)
        assert said.code == "superseded"
        entries = await last.ask(room.read(last), frames.Entries)
        assert len(entries.entries) == turn + 1


async def test_copied_store_is_found_out_at_the_other_hub(pair: Pair) -> None:
    one, two = pair
    band = await Band.found(one.url, one.found_link)
    await band.founder.connect(one.url, counter=5)
    with pytest.raises(Closed) as refused:
        await band.founder.connect(two.url, counter=5)
    assert refused.value.said == frames.StoreCopied(5)


async def test_blob_put_at_one_hub_is_fetched_at_the_other(pair: Pair) -> None:
    one, two = pair
    band = await Band.found(one.url, one.found_link)
    ada = await band.founder.connect(one.url)
    bo = await (await band.join(ada)).connect(two.url)
    content = os.urandom(5_000)
    blob = BlobId(hashlib.sha256(content).digest())
    await ada.ask(frames.PutBlob(ada.number(), blob, len(content), 0, content), frames.BlobHas)
    await asyncio.wait_for(same_place(pair), 15)
    got = await bo.ask(frames.GetBlob(bo.number(), blob, 1_000, 2_000), frames.BlobChunk)
    assert (got.size, got.data) == (5_000, content[1_000:3_000])


async def test_hub_with_another_service_key_is_refused(pair: Pair, tmp_path: Path) -> None:
    stranger = RunningServer(tmp_path / "three", pair[0]._arguments)
    with pytest.raises(ServerDied, match="belongs to another service key"):
        await stranger.start()


async def test_time_goes_on_when_one_of_two_hubs_has_left(pair: Pair) -> None:
    one, two = pair
    band = await Band.found(one.url, one.found_link)
    ada = await band.founder.connect(one.url)
    await two.stop()
    left = (await ada.ask(frames.RegisterRead(ada.number(), 0), frames.RegisterEntries)).head
    assert left is not None
    before = one.status()["log"]["time"]
    await Room.opened(ada)
    await Room.opened(ada)
    assert one.status()["log"]["time"] > before
