"""What people do in rooms, between real devices over a real server."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from coterie.client import MessageState, RoomState
from coterie.client.rooms.commits import CommitRefused
from coterie.client.talking import RoomNotLive
from coterie.errors import CallerError
from tests.client.newsroom import Newsroom, newsroom, next_text, notices, running, texts, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gazette(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Newsroom]:
    async with newsroom(tmp_path_factory.mktemp("gazette"), "Bo", "Cy") as gazette:
        yield gazette
        assert [device.alarms() for device in gazette.devices] == [[], [], []]


async def test_two_people_write_to_each_other(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("plans", "Ada", "Bo")
    sent = await ada.send(room, "hello Bo")
    assert sent.state is MessageState.SENT
    assert (await bo.sync()).received == 1
    answer = await bo.send(room, "hello Ada")
    assert (await ada.sync()).received == 1
    for device in (ada, bo):
        assert texts(device, room) == ["hello Bo", "hello Ada"]
    first, second = [message for message in ada.messages(room) if message.kind == "text"]
    assert (first.message, first.sender, first.state) == (sent.message, "Ada", MessageState.SENT)
    assert (second.message, second.sender, second.state) == (answer.message, "Bo", MessageState.RECEIVED)
    assert second.sender_member == gazette.member("Bo")


async def test_three_people_see_one_order(gazette: Newsroom) -> None:
    room = await gazette.room("three", "Ada", "Bo", "Cy")
    people = ("Ada", "Bo", "Cy")
    for number in range(3):
        await asyncio.gather(*(gazette[name].send(room, f"{name} {number}") for name in people))
    await gazette.sync()
    orders = [texts(gazette[name], room) for name in people]
    assert orders[0] == orders[1] == orders[2]
    assert sorted(orders[0]) == sorted(f"{name} {number}" for name in people for number in range(3))
    for name in people:
        own = [text for text in orders[0] if text.startswith(name)]
        assert own == sorted(own)


async def test_direct_room_is_a_room_of_two(gazette: Newsroom) -> None:
    room = await gazette.room("Bo and Cy", "Bo", "Cy")
    assert set(gazette["Cy"].room(room).members) == {gazette.member("Bo"), gazette.member("Cy")}
    assert gazette["Cy"].room(room).admins == (gazette.member("Bo"),)
    await gazette["Cy"].send(room, "between us")
    await gazette.sync()
    assert texts(gazette["Bo"], room) == ["between us"]
    assert room not in [known.room for known in gazette["Ada"].rooms()]


async def test_new_name_and_topic_reach_everybody(gazette: Newsroom) -> None:
    room = await gazette.room("working title", "Ada", "Bo")
    await gazette["Ada"].rename_room(room, name="The Story", topic="due on Friday")
    assert gazette["Ada"].room(room).name == "The Story"
    await gazette["Bo"].sync()
    seen = gazette["Bo"].room(room)
    assert (seen.name, seen.topic) == ("The Story", "due on Friday")
    assert notices(gazette["Bo"], room)[-2:] == ["Ada named the room 'The Story'", "Ada set the topic: due on Friday"]
    assert gazette["Bo"].find_room("The Story") == room


async def test_newcomer_reads_from_where_they_came_in(gazette: Newsroom) -> None:
    ada, cy = gazette["Ada"], gazette["Cy"]
    room = await gazette.room("growing", "Ada", "Bo")
    await ada.send(room, "before Cy")
    await ada.add_to_room(room, gazette.member("Cy"))
    await ada.send(room, "after Cy")
    await gazette.sync()
    assert texts(cy, room) == ["after Cy"]
    assert texts(gazette["Bo"], room) == ["before Cy", "after Cy"]
    assert set(gazette["Bo"].room(room).members) == {gazette.member(name) for name in ("Ada", "Bo", "Cy")}
    assert "Ada added Cy" in notices(gazette["Bo"], room)
    assert "Ada added you" in notices(cy, room)


async def test_who_is_no_admin_may_not_add(gazette: Newsroom) -> None:
    room = await gazette.room("not Bo's", "Ada", "Bo")
    with pytest.raises(CommitRefused) as refused:
        await gazette["Bo"].add_to_room(room, gazette.member("Cy"))
    assert "may not do this in this room" in refused.value.fact
    with pytest.raises(CommitRefused):
        await gazette["Bo"].rename_room(room, name="mine")
    with pytest.raises(CommitRefused):
        await gazette["Bo"].remove_from_room(room, gazette.member("Ada"))
    await gazette["Bo"].send(room, "still here")
    await gazette.sync()
    assert texts(gazette["Ada"], room) == ["still here"]
    assert gazette["Ada"].room(room).name == "not Bo's"


async def test_admin_removes_a_member_who_keeps_the_history(gazette: Newsroom) -> None:
    ada, bo, cy = gazette["Ada"], gazette["Bo"], gazette["Cy"]
    room = await gazette.room("shrinking", "Ada", "Bo", "Cy")
    await ada.send(room, "for all")
    await gazette.sync()
    await ada.remove_from_room(room, gazette.member("Bo"))
    await ada.send(room, "for two")
    await gazette.sync()
    assert bo.room(room).state is RoomState.REMOVED
    assert texts(bo, room) == ["for all"]
    assert texts(cy, room) == ["for all", "for two"]
    assert gazette.member("Bo") not in ada.room(room).members
    with pytest.raises(RoomNotLive):
        await bo.send(room, "let me in")


async def test_removed_member_is_added_again_and_goes_on(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("in and out", "Ada", "Bo")
    await ada.remove_from_room(room, gazette.member("Bo"))
    await bo.sync()
    await ada.send(room, "not for Bo")
    await ada.add_to_room(room, gazette.member("Bo"))
    await gazette.sync()
    assert bo.room(room).state is RoomState.ACTIVE
    await bo.send(room, "back again")
    await gazette.sync()
    assert texts(bo, room) == ["back again"]
    assert texts(ada, room) == ["not for Bo", "back again"]


async def test_who_leaves_is_taken_out_by_another(gazette: Newsroom) -> None:
    ada, bo, cy = gazette["Ada"], gazette["Bo"], gazette["Cy"]
    room = await gazette.room("leaving", "Ada", "Bo", "Cy")
    await bo.leave_room(room)
    assert bo.room(room).state is RoomState.LEFT
    with pytest.raises(RoomNotLive):
        await bo.send(room, "too late")
    async with running(ada, cy):
        await until(ada, lambda: len(ada.room(room).members) == 2)
        await until(cy, lambda: len(cy.room(room).members) == 2)
    assert "Bo left" in notices(cy, room)
    await ada.send(room, "without Bo")
    await gazette.sync()
    assert texts(bo, room) == []
    assert texts(cy, room) == ["without Bo"]


async def test_creator_who_leaves_hands_the_room_on(gazette: Newsroom) -> None:
    ada, bo, cy = gazette["Ada"], gazette["Bo"], gazette["Cy"]
    room = await gazette.room("handed on", "Ada", "Bo", "Cy")
    await ada.leave_room(room)
    async with running(bo, cy):
        await until(bo, lambda: len(bo.room(room).members) == 2)
        await until(cy, lambda: len(cy.room(room).members) == 2)
    assert bo.room(room).admins == cy.room(room).admins == (gazette.member("Bo"),)
    await bo.rename_room(room, name="Bo's now")
    await gazette.sync()
    assert cy.room(room).name == "Bo's now"


async def test_room_and_member_that_nobody_has_are_usage_errors(gazette: Newsroom) -> None:
    for named in ("nowhere", "ffffffff"):
        with pytest.raises(CallerError) as unknown:
            gazette["Ada"].find_room(named)
        assert named in unknown.value.fact
    with pytest.raises(CallerError):
        gazette["Ada"].find_member("Zoe")


async def test_two_rooms_of_one_name_are_told_apart_by_their_ids(gazette: Newsroom) -> None:
    ada = gazette["Ada"]
    first, second = [await gazette.room("twins", "Ada", "Bo") for _ in range(2)]
    with pytest.raises(CallerError) as ambiguous:
        ada.find_room("twins")
    assert first.hex() in ambiguous.value.fact
    assert second.hex() in ambiguous.value.fact
    assert ada.find_room(second.hex()[:12]) == second


async def test_members_and_status_say_how_things_stand(gazette: Newsroom) -> None:
    members = {facts.name: facts for facts in gazette["Bo"].members()}
    assert set(members) == {"Ada", "Bo", "Cy"}
    assert (members["Ada"].role, members["Ada"].invited_by) == ("founder", None)
    assert (members["Cy"].role, members["Cy"].invited_by) == ("member", gazette.member("Ada"))
    assert all(facts.state == "active" for facts in members.values())
    status = gazette["Bo"].status()
    assert (status.coterie_name, status.confirmed, status.outbox) == ("The Gazette", True, 0)
    assert not status.connected
    assert status.register_seq == gazette["Ada"].status().register_seq
    assert status.register_hash == gazette["Ada"].status().register_hash
    assert "three rivers" not in repr(status)


async def test_new_name_of_a_member_reaches_the_others(gazette: Newsroom) -> None:
    await gazette["Cy"].set_profile("Cyrus")
    await gazette["Ada"].sync()
    assert gazette["Ada"].find_member("Cyrus") == gazette.member("Cy")
    await gazette["Cy"].set_profile("Cy")
    await gazette.sync()


async def test_send_works_beside_run_and_follow(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("live", "Ada", "Bo")
    async with running(ada, bo):
        arrived = asyncio.create_task(next_text(bo, room, "live from the scene"))
        await asyncio.gather(*(ada.send(room, f"{number}") for number in range(5)))
        sent = await ada.send(room, "live from the scene")
        assert (await arrived).message == sent.message
        assert ada.status().connected
        await bo.send(room, "seen")
        await next_text(ada, room, "seen")
    assert not ada.status().connected
    assert sorted(texts(bo, room)[:5]) == [str(number) for number in range(5)]
    assert texts(ada, room) == texts(bo, room)


async def test_room_made_alone_opens_on_a_device_that_is_online(gazette: Newsroom) -> None:
    ada = gazette["Ada"]
    async with running(ada):
        made = await ada.create_room("notes to myself")
        assert (await ada.send(made.room, "open")).state is MessageState.SENT


async def test_several_at_once_share_one_connection(gazette: Newsroom) -> None:
    """Nobody keeps the device online; the first to end must not take the connection from the others."""
    ada = gazette["Ada"]
    room = await gazette.room("at once", "Ada", "Bo")
    sending = asyncio.gather(*(ada.send(room, f"{number}") for number in range(8)))
    await asyncio.gather(ada.sync(), ada.sync())
    assert {one.state for one in await sending} == {MessageState.SENT}
    await gazette["Bo"].sync()
    assert sorted(texts(gazette["Bo"], room)) == [str(number) for number in range(8)]


async def test_what_follows_from_a_command_goes_out_with_it(gazette: Newsroom) -> None:
    """The adder's word on the chain reaches a newcomer without a further command of the adder's."""
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = (await ada.create_room("base", [gazette.member("Bo")])).room
    await bo.sync()
    assert bo._state.group_of(room).chain == ada._state.group_of(room).chain is not None


async def test_posts_of_a_running_device_do_not_wait_for_its_next_chore(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    async with running(ada, bo):
        room = (await ada.create_room("base, live", [gazette.member("Bo")])).room
        await until(bo, lambda: room in [known.room for known in bo.rooms()])
        await until(bo, lambda: bo._state.group_of(room).chain is not None)
