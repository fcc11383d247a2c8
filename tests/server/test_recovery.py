"""A member without a device, at the hub: what the identity key opens, and what it does not."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from coterie.ids import MemberId, Seed
from coterie.trust import author
from coterie.trust.author import NewDeviceKeys, recover_identity
from coterie.trust.keys import SigningKey, member_id
from coterie.trust.prove import Prover, sign_proof
from coterie.wire import frames
from tests.server.device import Band, Closed, Wire, member_keys, now_ms
from tests.serving import serving_here


@pytest.fixture
async def band(tmp_path: Path) -> AsyncIterator[Band]:
    async with serving_here(tmp_path) as ready:
        yield await Band.found(ready.url, ready.founding_link)


def new_device() -> NewDeviceKeys:
    return NewDeviceKeys(SigningKey(Seed(os.urandom(32))), SigningKey(Seed(os.urandom(32))))


async def prove(band: Band, member: MemberId, key: SigningKey, prover: Prover = Prover.IDENTITY) -> Wire:
    """Raises Closed."""
    wire = await Wire.open(band.url)
    channel = await wire.challenged(band.register.coterie, band.founder.service_key)
    wire.send(frames.ProveIdentity(member, sign_proof(key, prover, channel)))
    await wire.ready()
    return wire


async def test_the_identity_key_lets_a_member_begin_again_and_ends_their_old_device(band: Band) -> None:
    ada = await band.founder.connect(band.url)
    bo = await band.join(ada)
    old = await bo.connect(band.url)
    identity, keys = bo.keys.identity, new_device()
    wire = await prove(band, member_id(identity.public), identity)
    await wire.ask(frames.RegisterRead(wire.number(), 0), frames.RegisterEntries)
    await band.append(wire, recover_identity(band.register, identity, keys, now_ms=now_ms()))
    last = await old.until_closed()
    assert isinstance(last, frames.Error)
    assert last.code == "not_in_force"
    with pytest.raises(Closed, match="not_in_force"):
        await bo.connect(band.url)
    bo.keys = author.NewMemberKeys(identity, keys.device, keys.leaf)
    await (await bo.connect(band.url, counter=1)).close()


async def test_the_identity_key_opens_nothing_else(band: Band) -> None:
    ada = await band.founder.connect(band.url)
    bo = await band.join(ada)
    wire = await prove(band, member_id(bo.keys.identity.public), bo.keys.identity)
    removal = author.remove_device(band.register, band.founder.keys.device, bo.id, now_ms=now_ms())
    for request in (
        frames.RegisterAppend(wire.number(), removal),
        frames.GetBundles(wire.number(), [band.founder.id]),
        frames.ClaimKeyPackage(wire.number(), band.founder.id, 0x4D, bytes(16)),
        frames.GetPacket(wire.number(), next(iter(band.register.invites))),
    ):
        refused = await wire.ask(request, frames.Error)
        assert refused.code == "not_allowed"


async def test_no_other_key_passes_for_it_and_nobody_unknown_or_removed_comes_in(band: Band) -> None:
    ada = await band.founder.connect(band.url)
    bo = await band.join(ada)
    member = member_id(bo.keys.identity.public)
    for key, prover in (
        (bo.keys.device, Prover.IDENTITY),
        (bo.keys.identity, Prover.DEVICE),
        (band.founder.keys.identity, Prover.IDENTITY),
    ):
        with pytest.raises(Closed, match="bad_proof"):
            await prove(band, member, key, prover)
    stranger = member_keys().identity
    with pytest.raises(Closed, match="not_in_force"):
        await prove(band, member_id(stranger.public), stranger)
    await band.append(ada, author.remove_member(band.register, band.founder.keys.device, member, now_ms=now_ms()))
    with pytest.raises(Closed, match="not_in_force"):
        await prove(band, member, bo.keys.identity)
