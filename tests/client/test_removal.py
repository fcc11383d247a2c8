"""A member is removed from the coterie: rooms wait for the Remove, the key turns, the old keys open nothing."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from coterie_mls import Application, MlsError

from coterie.client import Device, MessageState, RoomState
from coterie.client.connection import NotInForce, ServerRefused
from coterie.client.inbox.posts import check_bundle
from coterie.client.membership import changes
from coterie.client.membership.registration import Registration
from coterie.client.online.session import connect
from coterie.group.entry import Inline, decode_entry_untrusted
from coterie.group.exports import post_token, read_token
from coterie.group.inbox import seal_entry
from coterie.group.inbox_bodies import HeadNotice
from coterie.ids import MemberId, RoomId
from coterie.trust.author import remove_device
from coterie.trust.coterie_key import inbox_post_token
from coterie.wire import frames
from tests.client.newsroom import PASSPHRASE, Newsroom, newsroom, running, settle, texts, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gazette(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Newsroom]:
    """Bo and Di are removed by the tests; Bo's device stays open, with all it ever had."""
    async with newsroom(tmp_path_factory.mktemp("gazette"), "Bo", "Cy", "Di") as gazette:
        yield gazette


async def only_the_register(device: Device, member: MemberId) -> None:
    """The remover's device dies after the entry: no Remove, no new key."""
    connection = await connect(device._state)
    registration = Registration(device._state, connection)
    await registration.sync()
    await changes.remove_member(device._state, registration, member)
    await connection.close()


def readable_by(device: Device, room: RoomId, entries: list[bytes]) -> int:
    """How many of these messages a device's stored keys open."""
    mls = device._state.groups.get(device._state.group_of(room).group)
    opened = 0
    for payload in entries:
        entry = decode_entry_untrusted(payload)
        assert isinstance(entry, Inline)
        try:
            opened += isinstance(mls.process(entry.message), Application)
        except MlsError:
            continue
    mls.rollback()
    return opened


async def test_room_is_held_until_the_remove_and_then_sends_what_waited(gazette: Newsroom) -> None:
    ada, bo, cy = gazette["Ada"], gazette["Bo"], gazette["Cy"]
    room = await gazette.room("held", "Ada", "Bo", "Cy")
    await cy.send(room, "for all three")
    await gazette.sync("Ada", "Bo")
    before = len(gazette.stored(ada, room))
    await only_the_register(ada, gazette.member("Bo"))
    sent = await cy.send(room, "not for Bo", wait=0.5)
    assert sent.state is MessageState.QUEUED
    assert "Bo" in sent.reason
    assert cy.room(room).state is RoomState.HELD
    assert [held.room for held in cy.status().held_rooms] == [room]
    assert len(gazette.stored(ada, room)) == before
    async with running(cy):
        await until(cy, lambda: cy.status().outbox == 0)
    assert cy.room(room).state is RoomState.ACTIVE
    await settle(ada, cy)
    await ada.send(room, "nor is this")
    await cy.sync()
    assert texts(ada, room) == texts(cy, room) == ["for all three", "not for Bo", "nor is this"]
    assert readable_by(bo, room, gazette.stored(ada, room)[before:]) == 0
    assert gazette.member("Bo") not in cy.room(room).members


async def test_removed_device_is_turned_away_everywhere(gazette: Newsroom) -> None:
    bo = gazette["Bo"]
    with pytest.raises(NotInForce):
        await connect(bo._state)
    for attempt in (bo.sync(), bo.create_invite(), bo.set_profile("Bob")):
        with pytest.raises(NotInForce) as refused:
            await attempt
        assert "removed" in refused.value.hint


async def test_old_tokens_and_keys_do_nothing_through_an_accomplice(gazette: Newsroom) -> None:
    """Cy lends Bo a connection, and nothing else."""
    ada, bo, cy = gazette["Ada"], gazette["Bo"], gazette["Cy"]
    room = bo.rooms()[0].room
    row = bo._state.group_of(room)
    mls = bo._state.groups.get(row.group)
    connection = await connect(cy._state)
    answer = await connection.request(
        frames.Post, queue=row.queue, token=bytes(post_token(mls)), epoch=mls.epoch, key=bytes(16), payload=b"let me in"
    )
    assert isinstance(answer, frames.Stale)
    with pytest.raises(ServerRefused):
        await connection.request(
            frames.Post,
            queue=row.queue,
            token=bytes(post_token(mls)),
            epoch=mls.epoch + 1,
            key=bytes(16),
            payload=b"let me in",
        )
    read = await connection.request(
        frames.Read, queue=row.queue, token=bytes(read_token(mls)), after=row.cursor, limit=100
    )
    assert isinstance(read, frames.Entries)
    assert read.ended is not None
    assert [entry.n for entry in read.entries][-1:] == [read.ended.n] != [read.last]

    # the inbox: signed by Bo's device, by a token that Cy knows, about a register that is not Ada's
    bundles = await connection.request(frames.GetBundles, devices=[ada.status().device])
    assert bundles.bundles[0] is not None
    bundle = check_bundle(cy._state, ada.status().device, bundles.bundles[0])
    own = bo._state.own
    false_head = HeadNotice(ada.status().register_seq, bytes(32), b"")
    generation = cy._state.register.state.generation
    for key_generation, outcome in ((0, frames.Stale), (generation, frames.Posted)):
        key = cy._state.register.coterie_keys()[key_generation]
        posted = await connection.request(
            frames.Post,
            queue=bundle.inbox_queue,
            token=bytes(inbox_post_token(key, ada.status().device)),
            epoch=key_generation,
            key=cy._state.random(16),
            payload=seal_entry(own.coterie, own.key, bundle, false_head, bytes(16), bo._state.now()),
        )
        assert isinstance(posted, outcome)

    # the register
    entry = remove_device(bo._state.register.state, bo._state.own.key, bo.status().device, now_ms=bo._state.now())
    refused = await connection.request(frames.RegisterAppend, entry=entry)
    assert isinstance(refused, frames.RegisterMoved)
    await connection.close()
    await ada.sync()
    assert ada.alarms() == []


async def test_new_key_reaches_those_who_stay_and_later_names_are_closed_to_the_removed(gazette: Newsroom) -> None:
    ada, bo, cy, di = (gazette[name] for name in ("Ada", "Bo", "Cy", "Di"))
    await settle(ada, cy, di)
    generation = ada._state.register.state.generation
    assert generation == 1
    for device in (ada, cy, di):
        assert set(device._state.register.coterie_keys()) == {0, 1}
        assert [facts.name for facts in device.members()] == ["Ada", "Bo", "Cy", "Di"]
    await cy.set_profile("Cyrus")
    await settle(ada, di)
    assert di.find_member("Cyrus") == gazette.member("Cy")
    # Bo's device, were it given every entry there is
    entries = ada._state.store.register.entries(after=bo._state.register.seq)
    verified = bo._state.register.verify(entries)
    assert verified
    with bo._state.register.learning(verified):
        names = bo._state.register.names.members
    assert names.get(gazette.member("Cy")) is None
    assert names[gazette.member("Ada")] == "Ada"
    await cy.set_profile("Cy")


async def test_newcomer_whose_packet_is_older_than_the_key_reads_every_name(gazette: Newsroom) -> None:
    ada, cy = gazette["Ada"], gazette["Cy"]
    invite = await cy.create_invite()
    assert invite.link is not None
    await settle(ada, cy)
    await ada.remove_member(gazette.member("Di"))
    await settle(ada, cy)
    assert ada._state.register.state.generation == 2
    await Device.join(gazette.home("Ed"), PASSPHRASE, invite.link, "Ed")
    ed = gazette.open("Ed")
    assert not ed.status().confirmed
    await settle(cy, ada, ed)
    assert ed.status().confirmed
    assert set(ed._state.register.coterie_keys()) == {0, 1, 2}
    assert [facts.name for facts in ed.members()] == ["Ada", "Bo", "Cy", "Di", "Ed"]
    assert ada.find_member("Ed") == ed.status().member
    room = await gazette.room("with Ed", "Ada", "Ed")
    await ed.send(room, "hello")
    await ada.sync()
    assert texts(ada, room) == ["hello"]


async def test_who_removes_a_member_takes_them_out_of_every_room(gazette: Newsroom) -> None:
    ada, cy = gazette["Ada"], gazette["Cy"]
    rooms = [await gazette.room(f"room {number}", "Ada", "Cy", "Ed") for number in range(2)]
    await ada.remove_member(gazette.member("Ed"))
    await cy.sync()
    for room in rooms:
        for device in (ada, cy):
            assert gazette.member("Ed") not in device.room(room).members
            assert device.room(room).state is RoomState.ACTIVE
