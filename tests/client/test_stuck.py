"""A member who breaks the rules of a room: what each device shows, and how the room goes on."""

import hashlib
from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio

from coterie.client import Device, RoomState
from coterie.client.chores import ChoreKind
from coterie.client.online.session import connect
from coterie.client.rooms import commits, stuck
from coterie.client.rooms.outgoing import encrypt_waiting, queue_text
from coterie.client.rooms.plan import CommitPlan, plan_commit
from coterie.client.rooms.stuck import NotStuck
from coterie.client.rooms.wishes import Action
from coterie.client.talking import RoomNotLive
from coterie.group import entry
from coterie.group.exports import post_token
from coterie.group.inbox_bodies import Stuck, Succession
from coterie.ids import GroupId, RoomId
from coterie.wire import frames
from tests.client.newsroom import (
    Newsroom,
    appoint,
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
    """Di is the vandal."""
    async with newsroom(tmp_path_factory.mktemp("gazette"), "Bo", "Cy", "Di") as gazette:
        yield gazette


async def advance_to(vandal: Device, room: RoomId, payload: bytes) -> bytes:
    """End the room's epoch with any bytes, as whoever has the token can. Returns the entry's hash."""
    state = vandal._state
    row = state.group_of(room)
    mls = state.groups.get(row.group)
    connection = await connect(state)
    answer = await connection.request(
        frames.Advance,
        queue=row.queue,
        token=bytes(post_token(mls)),
        epoch=mls.epoch,
        key=state.random(16),
        payload=payload,
        next_post=state.random(32),
        next_read=state.random(32),
    )
    await connection.close()
    assert isinstance(answer, frames.Advanced)
    return hashlib.sha256(payload).digest()


async def post_to(vandal: Device, room: RoomId, payload: bytes) -> None:
    state = vandal._state
    row = state.group_of(room)
    mls = state.groups.get(row.group)
    connection = await connect(state)
    token = bytes(post_token(mls))
    fields = {"queue": row.queue, "token": token, "epoch": mls.epoch, "key": state.random(16), "payload": payload}
    assert isinstance(await connection.request(frames.Post, **fields), frames.Posted)
    await connection.close()


def alarms(device: Device, room: RoomId) -> list[str]:
    """The kinds of alarms that name the room or its groups."""
    subjects = {room.hex(), *(row.group.hex() for row in device._state.store.groups.of_room(room))}
    return [alarm.kind for alarm in device.alarms() if alarm.subject.split("/")[0] in subjects]


async def test_garbage_message_is_passed_over_and_named(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("litter", "Ada", "Bo", "Di")
    await ada.send(room, "before")
    await gazette["Di"].sync()
    for garbage in (b"", b"\0", b"\0not MLS at all", b"\1not a reference", b"\7", b"\0" + bytes(5000)):
        await post_to(gazette["Di"], room, garbage)
    await ada.send(room, "after")
    await gazette.sync("Bo")
    assert texts(bo, room) == ["before", "after"]
    assert alarms(bo, room) == ["unreadable entry"] * 6
    assert bo.room(room).state is RoomState.ACTIVE


async def test_commit_that_was_posted_as_a_message_changes_nothing(gazette: Newsroom) -> None:
    ada, bo, di = gazette["Ada"], gazette["Bo"], gazette["Di"]
    room = await gazette.room("smuggled", "Ada", "Bo", "Di")
    state = di._state
    group = state.group_of(room).group
    commits.make_commit(state, group, CommitPlan(path=True), {})
    pending = state.store.groups.commit(group)
    assert pending is not None
    await post_to(di, room, msgspec.msgpack.decode(pending.frame, type=frames.Advance).payload)
    before = epoch(bo, room)
    await bo.send(room, "nothing happened")
    await gazette.sync("Ada", "Bo")
    assert texts(ada, room) == texts(bo, room) == ["nothing happened"]
    assert epoch(bo, room) == before
    assert "unreadable entry" in alarms(ada, room)


async def test_garbage_commit_holds_the_room_until_an_admin_founds_it_again(gazette: Newsroom) -> None:
    ada, bo, cy, di = (gazette[name] for name in ("Ada", "Bo", "Cy", "Di"))
    room = await gazette.room("vandalised", "Ada", "Bo", "Cy", "Di")
    other = await gazette.room("untouched", "Ada", "Bo")
    await ada.send(room, "before the storm")
    await gazette.sync()
    await advance_to(di, room, b"\0garbage")
    await gazette.sync()
    for device in (ada, bo, cy, di):
        assert device.room(room).state is RoomState.STUCK
        assert "waiting to be added again" in device.room(room).reason
        assert room in [held.room for held in device.status().held_rooms]
        assert texts(device, room) == ["before the storm"]
    with pytest.raises(RoomNotLive):
        await bo.send(room, "anybody?")
    await bo.send(other, "the other room goes on")
    with pytest.raises(NotStuck):
        await bo.found_successor(room)
    await ada.found_successor(room)
    await settle(*gazette.devices)
    for device in (ada, bo, cy, di):
        assert device.room(room).state is RoomState.ACTIVE
        assert alarms(device, room) == []
    assert set(bo.room(room).members) == {gazette.member(name) for name in ("Ada", "Bo", "Cy", "Di")}
    assert bo.room(room).admins == (gazette.member("Ada"),)
    await cy.send(room, "after the storm")
    await gazette.sync()
    for device in (ada, bo, cy, di):
        assert texts(device, room) == ["before the storm", "after the storm"]
    assert [known.room for known in bo.rooms()].count(room) == 1
    assert "Ada founded this room again, because a change could not be processed" in notices(cy, room)
    with pytest.raises(NotStuck):
        await ada.found_successor(room)


async def test_room_that_nobody_can_follow_is_founded_again_by_itself_after_ten_minutes(gazette: Newsroom) -> None:
    ada, bo, di = gazette["Ada"], gazette["Bo"], gazette["Di"]
    room = await gazette.room("by itself", "Ada", "Bo", "Di")
    await advance_to(di, room, b"\0garbage again")
    await gazette.sync("Ada", "Bo", "Di", "Ada", "Bo")
    assert ada.room(room).state is bo.room(room).state is RoomState.STUCK
    gazette.clocks["Ada"].ahead_ms += ChoreKind.STUCK_ROOM.every_ms - 60_000
    await gazette.sync("Ada", "Bo")
    assert ada.room(room).state is RoomState.STUCK
    gazette.clocks["Ada"].ahead_ms += 120_000
    await settle(ada, bo, di)
    gazette.clocks["Ada"].ahead_ms = 0
    assert ada.room(room).state is bo.room(room).state is RoomState.ACTIVE
    await bo.send(room, "and on we go")
    await ada.sync()
    assert texts(ada, room) == ["and on we go"]


async def test_one_stuck_device_alone_founds_nothing_by_itself(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("not alone", "Ada", "Bo")
    stuck.get_stuck(ada._state, ada._state.group_of(room).group, bytes(32), "cannot-decrypt")
    gazette.clocks["Ada"].ahead_ms += 2 * ChoreKind.STUCK_ROOM.every_ms
    await settle(ada, bo)
    gazette.clocks["Ada"].ahead_ms = 0
    assert ada.room(room).state is RoomState.STUCK


async def test_commit_with_wrong_next_tokens_is_followed_by_nobody(gazette: Newsroom) -> None:
    ada, bo, di = gazette["Ada"], gazette["Bo"], gazette["Di"]
    room = await gazette.room("wrong tokens", "Ada", "Bo", "Di")
    state = di._state
    row = state.group_of(room)
    wish(di, room, Action.UPDATE)
    commits.make_commit(state, row.group, plan_commit(state, row), {})
    pending = state.store.groups.commit(row.group)
    assert pending is not None
    honest = msgspec.msgpack.decode(pending.frame, type=frames.Advance)
    connection = await connect(state)
    await connection.request(lambda number: msgspec.structs.replace(honest, id=number, next_read=bytes(32)))
    await connection.close()
    await gazette.sync("Ada", "Bo")
    for device in (ada, bo):
        assert device.room(room).state is RoomState.STUCK
        assert "wrong-tokens" in device.room(room).reason
    await ada.found_successor(room)
    await settle(ada, bo)
    await bo.send(room, "without that")
    await ada.sync()
    assert texts(ada, room) == ["without that"]


async def test_stuck_device_is_added_again_by_who_merged(gazette: Newsroom) -> None:
    ada, bo, cy = gazette["Ada"], gazette["Bo"], gazette["Cy"]
    room = await gazette.room("left behind", "Ada", "Bo", "Cy")
    await ada.send(room, "all here")
    await gazette.sync()
    before = epoch(ada, room)
    await ada.rename_room(room, name="gone ahead")
    ended_by = ada._state.store.groups.epoch_ended_by(ada._state.group_of(room).group, before)
    assert ended_by is not None
    stuck.get_stuck(cy._state, cy._state.group_of(room).group, ended_by, "cannot-decrypt")
    await ada.send(room, "missed by Cy")
    await settle(cy, ada, bo)
    assert cy.room(room).state is RoomState.ACTIVE
    assert cy.room(room).name == "gone ahead"
    assert "Ada added this device again; what was said in between is missing" in notices(cy, room)
    await ada.send(room, "together again")
    await cy.send(room, "thanks")
    await gazette.sync()
    assert texts(cy, room) == ["all here", "together again", "thanks"]
    assert texts(bo, room) == ["all here", "missed by Cy", "together again", "thanks"]
    assert [device.room(room).state for device in (ada, bo, cy)] == [RoomState.ACTIVE] * 3
    assert alarms(ada, room) == alarms(bo, room) == alarms(cy, room) == []


async def test_who_asks_to_join_anew_is_added_again_once(gazette: Newsroom) -> None:
    ada, bo, cy = gazette["Ada"], gazette["Bo"], gazette["Cy"]
    room = await gazette.room("anew", "Ada", "Bo", "Cy")
    async with running(ada, bo, cy):
        await cy.rejoin(room)
        await until(cy, lambda: cy.room(room).state is RoomState.ACTIVE)
        await cy.send(room, "here I am")
        await until(bo, lambda: texts(bo, room) == ["here I am"])
    assert len([line for line in notices(cy, room) if "added this device again" in line]) == 1
    assert alarms(ada, room) == alarms(bo, room) == alarms(cy, room) == []


async def test_message_stored_before_its_author_was_added_again_is_not_repeated(gazette: Newsroom) -> None:
    ada, cy = gazette["Ada"], gazette["Cy"]
    room = await gazette.room("echo lost", "Ada", "Cy")
    queue_text(cy._state, room, "once only")
    (post,) = encrypt_waiting(cy._state, cy._state.group_of(room).group)
    connection = await connect(cy._state)
    await connection.request(lambda number: msgspec.structs.replace(post, id=number))
    await connection.close()
    await cy.rejoin(room)
    await settle(ada, cy)
    assert cy.room(room).state is RoomState.ACTIVE
    await cy.sync()
    assert cy.status().outbox == 0
    assert texts(ada, room) == texts(cy, room) == ["once only"]


async def test_other_entry_at_the_same_place_is_a_room_split(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("split", "Ada", "Bo")
    before = epoch(ada, room)
    await ada.rename_room(room, name="split in two")
    group = ada._state.group_of(room).group
    with bo._state.groups.changing():
        bo._state.post(ada.status().device, Stuck(group, before, bytes(32), "cannot-decrypt"))
    await gazette.sync("Bo", "Ada")
    assert alarms(ada, room) == ["room split"]


async def test_succession_of_what_was_merged_is_ignored_with_an_alarm(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("no succession", "Ada", "Bo")
    before = epoch(ada, room)
    await ada.rename_room(room, name="merged")
    await bo.sync()
    group = ada._state.group_of(room).group
    with ada._state.groups.changing():
        said = Succession(room, group, before, bytes(32), GroupId(bytes(16)), ada._state.group_of(room).queue)
        ada._state.post(bo.status().device, said)
    await gazette.sync("Ada", "Bo")
    assert alarms(bo, room) == ["room split"]
    assert bo.room(room).state is RoomState.ACTIVE
    assert bo._state.room(room).group == group


async def test_of_two_successors_one_stays_and_what_was_said_in_both_is_kept(gazette: Newsroom) -> None:
    ada, bo, cy, di = (gazette[name] for name in ("Ada", "Bo", "Cy", "Di"))
    room = await gazette.room("two heirs", "Ada", "Bo", "Cy", "Di")
    await appoint(ada, room, gazette.member("Ada"), gazette.member("Bo"))
    await gazette.sync()
    await advance_to(di, room, b"\0more garbage")
    await gazette.sync()
    for device in (ada, bo):
        stuck.found_successor(device._state, room)
    with pytest.raises(RoomNotLive):
        await cy.send(room, "who are we?")
    await ada.send(room, "from Ada's", wait=0.1)
    await bo.send(room, "from Bo's", wait=0.1)
    await settle(*gazette.devices, rounds=4)
    groups = {device._state.room(room).group for device in gazette.devices}
    assert len(groups) == 1
    assert groups == {ada._state.store.chores.successions(room)[0].successor}
    await cy.send(room, "one room")
    await gazette.sync()
    for device in gazette.devices:
        assert device.room(room).state is RoomState.ACTIVE
        assert texts(device, room)[-1] == "one room"
        assert alarms(device, room) == []
    assert sorted(texts(ada, room)[:-1]) in (["from Ada's", "from Bo's"], ["from Ada's"])
    assert sorted(texts(bo, room)[:-1]) in (["from Ada's", "from Bo's"], ["from Bo's"])


async def test_commit_too_large_for_an_entry_travels_as_a_blob(
    gazette: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("large", "Ada", "Bo")
    with monkeypatch.context() as small_entries:
        small_entries.setattr(entry, "LARGEST_INLINE", 64)
        await ada.rename_room(room, name="very large")
    assert ada.room(room).name == "very large"
    await bo.sync()
    assert bo.room(room).name == "very large"
    await bo.send(room, "got it")
    await ada.sync()
    assert texts(ada, room) == ["got it"]
    assert ada._state.store.groups.blobs_out(ada._state.group_of(room).group) == []
