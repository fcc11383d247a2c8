"""Several change a room at once: the queue takes one commit, the others are built again; every wish is fulfilled."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import msgspec
import pytest
import pytest_asyncio

from coterie.client import Device
from coterie.client.device import NoMember, OwnMember
from coterie.client.inbox.packages import claim
from coterie.client.inbox.posts import send_posts
from coterie.client.online.session import connect
from coterie.client.rooms import commits
from coterie.client.rooms.blobs import put_blob
from coterie.client.rooms.plan import CommitPlan
from coterie.client.rooms.wishes import Action, encode_rename
from coterie.client.rooms.writer import RoomWriter
from coterie.ids import RoomId
from coterie.wire import frames
from tests.client.newsroom import (
    Newsroom,
    appoint,
    commit_and_vanish,
    epoch,
    newsroom,
    notices,
    running,
    settle,
    texts,
    until,
    wish,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gazette(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Newsroom]:
    async with newsroom(tmp_path_factory.mktemp("gazette"), "Bo", "Cy", "Di") as gazette:
        yield gazette
        assert [device.alarms() for device in gazette.devices] == [[], [], [], []]


def is_called(device: Device, room: RoomId, name: str, topic: str) -> bool:
    facts = device.room(room)
    return (facts.name, facts.topic) == (name, topic)


async def test_two_admins_who_change_the_room_at_once_both_get_their_way(gazette: Newsroom) -> None:
    ada, bo, cy = gazette["Ada"], gazette["Bo"], gazette["Cy"]
    room = await gazette.room("two admins", "Ada", "Bo", "Cy")
    await appoint(ada, room, gazette.member("Ada"), gazette.member("Bo"))
    await gazette.sync()
    async with running(ada, bo, cy):
        for number in range(4):
            before = epoch(ada, room)
            await asyncio.gather(
                ada.rename_room(room, name=f"name {number}"), bo.rename_room(room, topic=f"topic {number}")
            )
            assert epoch(ada, room) >= before + 1
            await cy.send(room, f"said at {number}")
            for device in (ada, bo, cy):
                await until(device, partial(is_called, device, room, f"name {number}", f"topic {number}"))
    await gazette.sync()
    assert texts(ada, room) == texts(bo, room) == texts(cy, room) == [f"said at {number}" for number in range(4)]
    assert epoch(ada, room) == epoch(bo, room) == epoch(cy, room)


async def test_admins_who_add_and_remove_at_once_end_with_one_roster(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("tug of war", "Ada", "Bo", "Cy")
    await appoint(ada, room, gazette.member("Ada"), gazette.member("Bo"))
    await gazette.sync()
    async with running(ada, bo):
        await asyncio.gather(
            ada.add_to_room(room, gazette.member("Di")), bo.remove_from_room(room, gazette.member("Cy"))
        )
    await gazette.sync()
    left = {gazette.member(name) for name in ("Ada", "Bo", "Di")}
    assert set(ada.room(room).members) == set(bo.room(room).members) == set(gazette["Di"].room(room).members) == left


async def test_everybody_updates_their_keys_at_once(gazette: Newsroom) -> None:
    people = ("Ada", "Bo", "Cy", "Di")
    room = await gazette.room("fresh keys", *people)
    before = epoch(gazette["Ada"], room)
    for _ in range(2):
        for name in people:
            wish(gazette[name], room, Action.UPDATE)
        await asyncio.gather(*(gazette[name].sync() for name in people))
    await settle(*gazette.devices)
    assert [epoch(gazette[name], room) for name in people] == [before + 8] * 4
    for name in people:
        assert gazette[name]._state.store.rooms.wishes(room) == []
        await gazette[name].send(room, f"{name} with fresh keys")
    await gazette.sync()
    assert len({tuple(texts(gazette[name], room)) for name in people}) == 1
    assert len(texts(gazette["Di"], room)) == 4


async def test_messages_sent_while_others_commit_are_encrypted_again_and_come_once(gazette: Newsroom) -> None:
    ada, bo, cy = gazette["Ada"], gazette["Bo"], gazette["Cy"]
    room = await gazette.room("busy", "Ada", "Bo", "Cy")
    async with running(ada, bo, cy):
        sending = [asyncio.create_task(bo.send(room, f"Bo {number}")) for number in range(30)]
        for number in range(6):
            await ada.rename_room(room, name=f"busy {number}")
            sending += [asyncio.create_task(cy.send(room, f"Cy {number}.{part}")) for part in range(5)]
        await asyncio.gather(*sending)
    await gazette.sync()
    said = [f"Bo {number}" for number in range(30)] + [
        f"Cy {number}.{part}" for number in range(6) for part in range(5)
    ]
    assert texts(ada, room) == texts(bo, room) == texts(cy, room)
    assert sorted(texts(ada, room)) == sorted(said)


async def test_a_wish_that_another_undid_is_not_wished_again(gazette: Newsroom) -> None:
    """Bo renames, Ada renames after him before his device looks again: Ada's name stays."""
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("whose name", "Ada", "Bo")
    await appoint(ada, room, gazette.member("Ada"), gazette.member("Bo"))
    await gazette.sync()
    wish(bo, room, Action.RENAME, encode_rename("Bo's name", None))
    await commit_and_vanish(bo, room)
    await ada.sync()
    assert ada.room(room).name == "Bo's name"
    await ada.rename_room(room, name="Ada's name")
    await gazette.sync("Bo", "Ada", "Bo")
    assert bo.room(room).name == ada.room(room).name == "Ada's name"
    assert notices(ada, room).count('Bo named the room "Bo\'s name"') == 1


async def test_one_who_is_removed_from_the_coterie_cannot_be_added(gazette: Newsroom) -> None:
    await gazette.welcome("Ada", "Ed")
    gone = gazette.member("Ed")
    gazette.close("Ed")
    await gazette["Ada"].remove_member(gone)
    room = await gazette.room("without Ed", "Ada", "Bo")
    with pytest.raises(NoMember) as refused:
        await gazette["Ada"].add_to_room(room, gone)
    assert "Ed" in refused.value.fact
    with pytest.raises(NoMember):
        await gazette["Ada"].create_room("with Ed", [gone])
    with pytest.raises(OwnMember):
        await gazette["Ada"].remove_from_room(room, gazette.member("Ada"))


async def test_welcome_that_no_inbox_took_comes_later_and_once(gazette: Newsroom) -> None:
    """The server says it twice, because the adder's device crashed after the first time."""
    ada, cy = gazette["Ada"], gazette["Cy"]
    room = await gazette.room("full inbox", "Ada", "Bo")
    state, row = ada._state, ada._state.group_of(room)
    connection = await connect(state)
    claimed = await claim(state, connection, cy.status().device, row.suite, state.random(16))
    commits.make_commit(state, row.group, CommitPlan(add=(cy.status().device,)), {cy.status().device: claimed})
    pending = state.store.groups.commit(row.group)
    assert pending is not None
    for blob, ciphertext in state.store.groups.blobs_out(row.group):
        await put_blob(connection, blob, ciphertext)
    frame = msgspec.msgpack.decode(pending.frame, type=frames.Advance)
    answer = await connection.request(lambda number: msgspec.structs.replace(frame, id=number, deliveries=[]))
    assert isinstance(answer, frames.Advanced)
    for _ in range(2):
        RoomWriter(state, connection)._post_undelivered(pending, [0])
        await send_posts(state, connection)
    await connection.close()
    await settle(ada, cy)
    await cy.send(room, "I got in")
    await ada.sync()
    assert texts(ada, room) == ["I got in"]
    assert cy.alarms() == []
