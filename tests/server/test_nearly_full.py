"""The server's disk is nearly full: it says so, and takes only what closes or removes, long before anything breaks;
with space again it goes on where it was."""

import asyncio
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coterie.client import MessageState
from coterie.server import upkeep
from coterie.server.status import read_status
from coterie.trust import author
from coterie.wire import frames
from coterie.wire.queues import QueuePurpose, QueueTerms, queue_id, token_hash
from tests.client.newsroom import Newsroom, texts
from tests.server.device import Band, Device, Room, Wire, now_ms
from tests.server.test_storage import blob_of
from tests.serving import RunningServer, serving_here

SECONDS = 30.0
GIB = 1024**3


async def until(data: Path, fits: Callable[[dict[str, Any]], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not fits(await asyncio.to_thread(read_status, data)):
            pass


def opening(wire: Wire) -> frames.OpenQueue:
    terms = QueueTerms(QueuePurpose.ROOM, token_hash(b"p" * 32), token_hash(b"r" * 32), b"", os.urandom(16))
    return frames.OpenQueue(wire.number(), queue_id(terms), terms, 0, 86_400)


def what_fills(wire: Wire, room: Room, owner: Device) -> list[frames.Request]:
    """One of each request that leaves more on the disk than was there."""
    blob = blob_of(b"a photograph")
    return [
        room.post(wire, b"a post"),
        frames.Advance(
            wire.number(), room.queue, room.post_token, 0, os.urandom(16), b"a commit", b"p" * 32, b"r" * 32
        ),
        opening(wire),
        frames.PutBlob(wire.number(), blob, 12, 0, b"a photograph"),
        frames.ClaimKeyPackage(wire.number(), owner.id, 0x4D, os.urandom(16)),
    ]


async def test_nearly_full_disk_refuses_what_fills_it_and_takes_what_closes_or_removes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(upkeep, "_DISK_TICKS", 1)
    least = upkeep.LEAST_FREE_BYTES
    data = tmp_path / "data"
    async with serving_here(tmp_path) as ready:
        band = await Band.found(ready.url, ready.founding_link)
        ada = await band.founder.connect(ready.url)
        cy = await band.join(ada)
        room, inbox = await Room.opened(ada), await Room.opened(ada, QueuePurpose.INBOX)
        assert (await ada.ask(room.post(ada, b"before"), frames.Posted)).n == 1

        monkeypatch.setattr(upkeep, "LEAST_FREE_BYTES", 2**62)
        await until(data, lambda status: not status["disk_room"])
        assert {"enough": False} in [getattr(record, "facts", None) for record in caplog.records]
        before = (await asyncio.to_thread(read_status, data))["log"]["position"]
        for request in what_fills(ada, room, cy):
            refused = await ada.ask(request, frames.Error)
            assert (refused.code, refused.retry_after) == ("disk_full", 60.0), request
            assert refused.message == "the server's disk is nearly full; nothing was written"
        assert (await asyncio.to_thread(read_status, data))["log"]["position"] == before
        assert list((data / "blobs").rglob(blob_of(b"a photograph").hex())) == []
        await ada.ask(frames.CloseQueue(ada.number(), inbox.queue, inbox.closing), frames.Done)
        assert len((await ada.ask(room.read(ada), frames.Entries)).entries) == 1
        member = band.register.device(cy.id).member
        await band.append(ada, author.remove_member(band.register, band.founder.keys.device, member, now_ms=now_ms()))
        again = await band.founder.connect(ready.url)

        monkeypatch.setattr(upkeep, "LEAST_FREE_BYTES", least)
        await until(data, lambda status: bool(status["disk_room"]))
        assert (await again.ask(room.post(again, b"after"), frames.Posted)).n == 2
        await again.ask(opening(again), frames.Opened)


class SmallDisk:
    """A disk in memory, whose size can be changed while it is in use."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def grow(self, size: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", self.place], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    place = tmp_path / "disk"
    place.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={2 * GIB}", "coterie-test", str(place)]
    if subprocess.run(mounting, capture_output=True, check=False).returncode != 0:
        pytest.skip("these tests may mount no disk here")
    yield SmallDisk(place)
    subprocess.run(["umount", "--lazy", place], check=True)


async def test_people_on_a_server_whose_disk_is_nearly_full_lose_nothing(tmp_path: Path, small_disk: SmallDisk) -> None:
    server = RunningServer(small_disk.place / "data")
    gazette = Newsroom(tmp_path, server)
    await server.start()
    try:
        await gazette.found("Ada")
        await gazette.welcome("Ada", "Bo")
        room = await gazette.room("a full house", "Ada", "Bo")
        ada, bo = gazette["Ada"], gazette["Bo"]
        await ada.send(room, "before")

        small_disk.grow(GIB // 2)
        await until(server.data, lambda status: not status["disk_room"])
        position = server.status()["log"]["position"]
        sent = await ada.send(room, "while it was full", wait=1)
        assert sent.state is MessageState.QUEUED
        assert [line["enough"] for line in server.log_lines() if line["event"] == "disk.room"] == [False]

        small_disk.grow(2 * GIB)
        await until(server.data, lambda status: bool(status["disk_room"]))
        await gazette.sync("Ada", "Bo")
        assert texts(bo, room) == ["before", "while it was full"]
        assert ada.status().outbox == 0
        assert server.status()["log"]["position"] > position
        assert await server.stop() == 0
    finally:
        gazette.close_all()
        await server.stop()
