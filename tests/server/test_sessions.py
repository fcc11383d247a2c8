"""One device, its connections and its end."""

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from coterie.ids import NO_COTERIE, CoterieId
from coterie.trust import author
from coterie.trust.prove import Prover, sign_proof
from coterie.wire import frames
from tests.server.device import Band, Closed, Device, Room, Wire, now_ms
from tests.serving import serving_here


@pytest.fixture
async def band(tmp_path: Path) -> AsyncIterator[Band]:
    async with serving_here(tmp_path) as ready:
        yield await Band.found(ready.url, ready.founding_link)


async def test_newer_session_of_a_device_closes_the_older_one(band: Band) -> None:
    older = await band.founder.connect(band.url)
    newer = await band.founder.connect(band.url)
    last = await older.until_closed()
    assert isinstance(last, frames.Error)
    assert last.code == "superseded"
    await newer.ask(frames.RegisterRead(newer.number(), 0), frames.RegisterEntries)


async def test_copied_store_is_told_the_highest_counter_and_the_session_in_use_stays(band: Band) -> None:
    wire = await band.founder.connect(band.url, counter=7)
    copy = replace(band.founder)
    for counter in (7, 6):
        with pytest.raises(Closed) as refused:
            await copy.connect(band.url, counter=counter)
        assert refused.value.said == frames.StoreCopied(7)
    await wire.ask(frames.RegisterRead(wire.number(), 0), frames.RegisterEntries)


async def test_removed_device_is_closed_gets_nothing_more_and_cannot_come_back(band: Band) -> None:
    ada = await band.founder.connect(band.url)
    bo = await band.join(ada)
    wire = await bo.connect(band.url)
    room = await Room.opened(ada)
    await wire.ask(room.follow(wire), frames.Following)
    removal = author.remove_device(band.register, band.founder.keys.device, bo.id, now_ms=now_ms())
    await band.append(ada, removal)
    await ada.ask(room.post(ada, b"not for bo"), frames.Posted)
    last = await wire.until_closed()
    assert isinstance(last, frames.Error)
    assert last.code == "not_in_force"
    with pytest.raises(Closed, match="not_in_force"):
        await bo.connect(band.url)


async def test_register_changes_reach_every_connection_with_a_signed_head(band: Band) -> None:
    ada = await band.founder.connect(band.url)
    bo = await (await band.join(ada)).connect(band.url)
    entry = author.set_profile(
        band.register,
        band.founder.keys.device,
        "Ada L",
        coterie_key=band.key,
        now_ms=now_ms(),
        nonce=os.urandom(12),
    )
    appended = await band.append(ada, entry)
    pushed = await bo.push(frames.RegisterPushed)
    assert (pushed.entries, pushed.head) == ([entry], appended.head)
    everything = await bo.ask(frames.RegisterRead(bo.number(), 0), frames.RegisterEntries)
    assert (everything.entries[-1], len(everything.entries)) == (entry, 4)


@pytest.mark.parametrize("counter", [1])
async def test_hello_is_answered_by_what_the_server_serves(band: Band, counter: int) -> None:
    for versions, coterie, code in [
        ([2], band.register.coterie, "version"),
        ([1], NO_COTERIE, "already_founded"),
        ([1], CoterieId(b"x" * 32), "wrong_coterie"),
    ]:
        wire = await Wire.open(band.url)
        wire.send(frames.Hello(versions, coterie, bytes(32)))
        last = await wire.until_closed()
        assert isinstance(last, frames.Error)
        assert last.code == code


async def test_proof_by_another_key_or_for_another_channel_is_refused(band: Band) -> None:
    ada = band.founder
    stranger = Device((await _stranger()).keys, ada.coterie, ada.service_key)
    first = await Wire.open(band.url)
    channel = await first.challenged(ada.coterie, ada.service_key)
    for proof in (
        sign_proof(stranger.keys.device, Prover.DEVICE, channel),
        sign_proof(ada.keys.device, Prover.INVITE, channel),
        sign_proof(ada.keys.device, Prover.DEVICE, channel),  # replayed: it is for the first connection
    ):
        wire = await Wire.open(band.url)
        await wire.challenged(ada.coterie, ada.service_key)
        wire.send(frames.Prove(ada.id, proof, 1))
        last = await wire.until_closed()
        assert isinstance(last, frames.Error)
        assert last.code == "bad_proof"
    with pytest.raises(Closed, match="not_in_force"):
        await stranger.connect(band.url)


async def _stranger() -> Device:
    from tests.server.device import member_keys

    keys = member_keys()
    return Device(keys, NO_COTERIE, keys.device.public)
