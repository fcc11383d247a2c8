"""What time does to entries and blobs. Only the clock is made up."""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from coterie.ids import BlobId
from coterie.wire import frames
from tests.server.device import Band, Closed, Room, Wire
from tests.serving import serving_here

DAY_MS = 86_400_000


@dataclass
class Clock:
    """The hub's clock, ahead of ours by what the test says."""

    ahead_ms: int = 0

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made_up = Clock()
    monkeypatch.setattr("coterie.server.upkeep._BLOB_TICKS", 1)
    return made_up


@pytest.fixture
async def band(tmp_path: Path, clock: Clock) -> AsyncIterator[Band]:
    async with serving_here(tmp_path, clock=clock) as ready:
        yield await Band.found(ready.url, ready.founding_link)


async def test_expired_entry_is_a_hash_in_its_place_for_who_reads_and_who_follows(band: Band, clock: Clock) -> None:
    ada = await band.founder.connect(band.url)
    room = await Room.opened(ada)
    short = frames.Post(ada.number(), room.queue, room.post_token, 0, os.urandom(16), b"short", [], 60)
    await ada.ask(short, frames.Posted)
    await ada.ask(room.post(ada, b"long"), frames.Posted)
    clock.ahead_ms = 120_000
    await ada.ask(room.post(ada, b"later"), frames.Posted)
    page = await ada.ask(room.read(ada), frames.Entries)
    digest = hashlib.sha256(b"short").digest()
    assert [(entry.n, entry.payload, entry.hash) for entry in page.entries] == [
        (1, None, digest),
        (2, b"long", b""),
        (3, b"later", b""),
    ]
    await ada.ask(room.follow(ada), frames.Following)
    pushed = await ada.push(frames.Pushed)
    assert (pushed.payloads, pushed.hashes) == ([None, b"long", b"later"], [digest, b"", b""])


async def test_blob_that_no_entry_names_goes_after_a_day_and_one_that_is_named_stays(
    band: Band, clock: Clock, tmp_path: Path
) -> None:
    ada = await band.founder.connect(band.url)
    room = await Room.opened(ada)
    blobs = {}
    for content in (b"named", b"forgotten"):
        blob = blobs[content] = BlobId(hashlib.sha256(content).digest())
        await ada.ask(frames.PutBlob(ada.number(), blob, len(content), 0, content), frames.BlobHas)
    naming = frames.Post(ada.number(), room.queue, room.post_token, 0, os.urandom(16), b"see", [blobs[b"named"]])
    await ada.ask(naming, frames.Posted)
    clock.ahead_ms = DAY_MS + 60_000
    await ada.ask(room.post(ada, b"a day later"), frames.Posted)
    store = tmp_path / "data" / "blobs"
    async with asyncio.timeout(15):
        while (store / blobs[b"forgotten"].hex()).exists():
            await asyncio.sleep(0)
    gone = await ada.ask(frames.GetBlob(ada.number(), blobs[b"forgotten"], 0, 10), frames.Error)
    assert gone.code == "no_blob"
    kept = await ada.ask(frames.GetBlob(ada.number(), blobs[b"named"], 0, 10), frames.BlobChunk)
    assert kept.data == b"named"


@pytest.mark.slow
async def test_connection_that_proves_nothing_is_closed_after_eight_seconds(band: Band) -> None:
    started = time.monotonic()
    idle, greeting = await Wire.open(band.url), await Wire.open(band.url)
    await greeting.challenged(band.founder.coterie, band.founder.service_key)
    for wire in (idle, greeting):
        with pytest.raises(Closed, match="malformed"):
            while True:
                await wire.next()
    assert 7 < time.monotonic() - started < 12
