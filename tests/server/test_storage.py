"""Blobs, key packages, and what the data folder and the log lines may show."""

import hashlib
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from coterie.ids import BlobId, QueueId
from coterie.trust.bundle import make_bundle
from coterie.wire import frames
from coterie.wire.limits import BLOB_CHUNK_BYTES
from tests.server.device import Band, Device, Room, Wire, now_ms
from tests.serving import RunningServer, running_server


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RunningServer]:
    async with running_server(tmp_path) as running:
        yield running


def blob_of(content: bytes) -> BlobId:
    return BlobId(hashlib.sha256(content).digest())


async def put(wire: Wire, content: bytes, offset: int, most: int = BLOB_CHUNK_BYTES) -> int:
    """Send what follows `offset`, at most `most` bytes; how much the server has."""
    chunk = content[offset : offset + most]
    return (
        await wire.ask(frames.PutBlob(wire.number(), blob_of(content), len(content), offset, chunk), frames.BlobHas)
    ).offset


async def test_upload_goes_on_after_a_killed_server_and_is_read_back_by_ranges(server: RunningServer) -> None:
    band = await Band.found(server.url, server.found_link)
    ada = await band.founder.connect(server.url)
    content = os.urandom(200_000)
    assert await put(ada, content, 0) == BLOB_CHUNK_BYTES
    await server.kill()
    await server.restart()
    ada = await band.founder.connect(server.url)
    has = await put(ada, content, 0, 0)
    assert has == BLOB_CHUNK_BYTES
    assert await put(ada, content, 10) == has, "a chunk in the wrong place changes nothing"
    while has < len(content):
        has = await put(ada, content, has)
    assert await put(ada, content, 0) == len(content), "it is known already"
    await server.kill()
    await server.restart()
    ada = await band.founder.connect(server.url)
    got = b""
    while len(got) < len(content):
        chunk = await ada.ask(
            frames.GetBlob(ada.number(), blob_of(content), len(got), BLOB_CHUNK_BYTES), frames.BlobChunk
        )
        assert chunk.size == len(content)
        got += chunk.data
    assert got == content
    beyond = await ada.ask(frames.GetBlob(ada.number(), blob_of(content), 10**9, 10), frames.BlobChunk)
    assert beyond.data == b""


async def test_blob_that_does_not_hash_to_its_id_is_refused_and_spoils_nothing(server: RunningServer) -> None:
    band = await Band.found(server.url, server.found_link)
    ada = await band.founder.connect(server.url)
    bo = await (await band.join(ada)).connect(server.url)
    content = os.urandom(1_000)
    forged = frames.PutBlob(bo.number(), blob_of(content), len(content), 0, os.urandom(1_000))
    assert (await bo.ask(forged, frames.Error)).code == "blob_mismatch"
    assert (await bo.ask(frames.GetBlob(bo.number(), blob_of(content), 0, 10), frames.Error)).code == "no_blob"
    assert await put(ada, content, 0) == len(content)
    room = await Room.opened(ada)
    named = frames.Post(
        ada.number(), room.queue, room.post_token, 0, os.urandom(16), b"tree", [blob_of(content), blob_of(b"missing")]
    )
    assert (await ada.ask(named, frames.Error)).code == "no_blob"
    too_long = frames.PutBlob(ada.number(), blob_of(b"x"), 1, 1, b"x")
    assert (await ada.ask(too_long, frames.Error)).code == "blob_mismatch"


async def test_each_key_package_is_claimed_once_and_the_last_resort_stays(server: RunningServer) -> None:
    band = await Band.found(server.url, server.found_link)
    ada = await band.founder.connect(server.url)
    bo_device = await band.join(ada)
    bo = await bo_device.connect(server.url)

    def bundle(owner: Device) -> bytes:
        return make_bundle(band.register, owner.keys.device, os.urandom(1216), QueueId(os.urandom(32)), b"", now_ms())

    none_yet = frames.ClaimKeyPackage(ada.number(), bo_device.id, 0x4D, os.urandom(16))
    assert (await ada.ask(none_yet, frames.Error)).code == "no_key_package"
    own, other = bundle(bo_device), bundle(band.founder)
    wrong = frames.PutKeyPackages(bo.number(), 0x4D, other, [b"p"], None, os.urandom(16))
    assert (await bo.ask(wrong, frames.Error)).code == "bad_bundle"
    stocked = await bo.ask(
        frames.PutKeyPackages(bo.number(), 0x4D, own, [b"one", b"two"], b"last", os.urandom(16)), frames.Stock
    )
    assert (stocked.suite, stocked.one_time, stocked.last_resort) == (0x4D, 2, True)
    keys = [os.urandom(16) for _ in range(3)]
    claims = [frames.ClaimKeyPackage(ada.number(), bo_device.id, 0x4D, key) for key in (*keys, keys[0])]
    claimed = [await ada.ask(claim, frames.Claimed) for claim in claims]
    assert [(each.package, each.last_resort) for each in claimed] == [
        (b"one", False),
        (b"two", False),
        (b"last", True),
        (b"one", False),
    ]
    assert {each.bundle for each in claimed} == {own}
    assert (await bo.ask(frames.KeyPackageStock(bo.number(), 0x4D), frames.Stock)).one_time == 0
    found = await ada.ask(frames.GetBundles(ada.number(), [bo_device.id, band.founder.id]), frames.Bundles)
    assert found.bundles == [own, None]


async def test_data_folder_is_its_owners_alone(server: RunningServer) -> None:
    band = await Band.found(server.url, server.found_link)
    await band.founder.connect(server.url)
    assert stat.S_IMODE(server.data.stat().st_mode) == 0o700
    for secret in ("service.key", "founding.key", "certificate.key", "engine/engine.conf", "status.sock"):
        assert stat.S_IMODE((server.data / secret).stat().st_mode) == 0o600, secret


async def test_log_lines_hold_no_payload_token_device_key_or_name(server: RunningServer) -> None:
    band = await Band.found(server.url, server.found_link)
    ada = await band.founder.connect(server.url)
    bo_device = await band.join(ada)
    bo = await bo_device.connect(server.url)
    room = await Room.opened(ada)
    await bo.ask(room.follow(bo), frames.Following)
    payload, key = b"planted payload " + os.urandom(16), os.urandom(16)
    await ada.ask(room.post(ada, payload, key), frames.Posted)
    server.kill_engine()
    await ada.ask(room.read(ada), frames.Entries)
    for request in (frames.Done(1), room.follow(bo, 99)):
        bo.send(request)
    await bo.until_closed()
    await server.stop()
    said = server.said() + (server.data / "engine" / "engine.log").read_text()
    service = (server.data / "service.key").read_text().strip()
    planted = [payload, key, room.post_token, room.read_token, room.queue, band.founder.id, bo_device.id]
    planted += [band.register.coterie, bytes(band.key), bytes.fromhex(service), b"Ada", b"Harbour", b"planted"]
    for secret in planted:
        for shown in (secret.hex(), repr(secret)[2:-1], secret.decode("latin-1")):
            assert shown not in said, shown
    assert len(server.log_lines()) >= 3
