"""The server is away, or dies; a device is away: nothing is lost, nothing comes twice, the order stays."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from coterie.client import MessageState, RoomState
from coterie.client.rooms.outgoing import queue_text
from coterie.errors import OfflineError
from tests.client.newsroom import Newsroom, newsroom, next_text, running, texts, until

pytestmark = pytest.mark.asyncio(loop_scope="module")
EPOCHS = 10
MESSAGES = 500


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gazette(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Newsroom]:
    async with newsroom(tmp_path_factory.mktemp("gazette"), "Bo", "Cy") as gazette:
        yield gazette
        assert [device.alarms() for device in gazette.devices] == [[], [], []]


async def test_room_made_offline_opens_when_the_server_is_back(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    await gazette.server.stop()
    with pytest.raises(OfflineError):
        await ada.create_room("from the train", [gazette.member("Bo")])
    room = ada.find_room("from the train")
    assert ada.room(room).state is RoomState.ACTIVE
    sent = await ada.send(room, "written offline", wait=0.1)
    assert (sent.state, bool(sent.reason)) == (MessageState.QUEUED, True)
    assert ada.status().outbox == 1
    await gazette.server.restart()
    await gazette.sync("Ada", "Bo", "Ada", "Bo")
    assert ada.status().outbox == 0
    await bo.send(room, "read at the desk")
    await ada.sync()
    # whether the message or Bo went in first is the queue's order; Bo reads what came after
    assert texts(ada, room) == ["written offline", "read at the desk"]
    assert texts(bo, room) in (["written offline", "read at the desk"], ["read at the desk"])


async def test_what_was_written_offline_goes_out_in_order(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("in order", "Ada", "Bo")
    await gazette.server.stop()
    written = [f"line {number}" for number in range(150)]
    for text in written[:3]:
        assert (await ada.send(room, text)).state is MessageState.QUEUED
    for text in written[3:]:
        queue_text(ada._state, room, text)
    assert texts(ada, room) == written
    await gazette.server.restart()
    assert (await ada.sync()).sent == len(written)
    assert (await bo.sync()).received == len(written)
    assert texts(ada, room) == texts(bo, room) == written


async def test_server_killed_in_the_middle_loses_and_repeats_nothing(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("crash", "Ada", "Bo")
    async with running(ada, bo):
        for number in range(3):
            sending = [
                asyncio.create_task(device.send(room, f"{name} {number}.{part}", wait=60))
                for device, name in ((ada, "Ada"), (bo, "Bo"))
                for part in range(20)
            ]
            await next_text(bo, room, f"Ada {number}.0")
            await gazette.server.kill()
            await gazette.server.restart()
            await asyncio.gather(*sending)
        await until(ada, lambda: ada.status().outbox == 0 and len(texts(ada, room)) == 120)
        await until(bo, lambda: bo.status().outbox == 0 and len(texts(bo, room)) == 120)
    await gazette.sync("Ada", "Bo")
    assert texts(ada, room) == texts(bo, room)
    assert sorted(texts(bo, room)) == sorted(
        f"{name} {number}.{part}" for name in ("Ada", "Bo") for number in range(3) for part in range(20)
    )


async def test_device_away_for_many_messages_and_epochs_catches_up_through_each(gazette: Newsroom) -> None:
    ada, bo, cy = gazette["Ada"], gazette["Bo"], gazette["Cy"]
    room = await gazette.room("long away", "Ada", "Bo", "Cy")
    before = cy._state.groups.get(cy._state.group_of(room).group).epoch
    written = []
    for epoch in range(EPOCHS):
        await ada.rename_room(room, name=f"day {epoch}")
        await bo.sync()
        for number in range(MESSAGES // EPOCHS):
            device, text = (ada, bo)[number % 2], f"{epoch}.{number}"
            queue_text(device._state, room, text)
            written.append(text)
        await asyncio.gather(ada.sync(), bo.sync())
    caught_up = await cy.sync()
    assert caught_up.received == MESSAGES
    assert sorted(texts(cy, room)) == sorted(written)
    await gazette.sync("Ada", "Bo")
    assert texts(cy, room) == texts(ada, room) == texts(bo, room)
    assert cy._state.groups.get(cy._state.group_of(room).group).epoch >= before + EPOCHS
    assert cy.room(room).name == f"day {EPOCHS - 1}"
    await cy.send(room, "I am back")
    await ada.sync()
    assert texts(ada, room)[-1] == "I am back"


async def test_reopened_device_has_everything_and_goes_on(gazette: Newsroom) -> None:
    ada = gazette["Ada"]
    room = await gazette.room("next morning", "Ada", "Bo")
    await ada.send(room, "good night")
    shown = ada.messages(room, notices=True)
    gazette.close("Bo")
    gazette.open("Bo")
    gazette.close("Ada")
    ada = gazette.open("Ada")
    assert ada.messages(room, notices=True) == shown
    await ada.send(room, "good morning")
    await gazette.sync("Bo")
    assert texts(gazette["Bo"], room) == ["good night", "good morning"]


@pytest.mark.parametrize("wait_ms", [-1, 3_600_000], ids=["for long", "for a moment"])
async def test_device_that_was_away_while_it_was_removed_and_added_twice_is_back_in(
    gazette: Newsroom, monkeypatch: pytest.MonkeyPatch, wait_ms: int
) -> None:
    """All of it waits in queue and inbox; each Base belongs to its Welcome, and none is given up before its turn."""
    monkeypatch.setattr("coterie.client.inbox.inbox._WAIT_MS", wait_ms)
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room(f"in and out {wait_ms}", "Ada", "Bo")
    for number in range(2):
        await ada.send(room, f"with Bo {number}")
        await ada.remove_from_room(room, gazette.member("Bo"))
        await ada.send(room, f"without Bo {number}")
        await ada.add_to_room(room, gazette.member("Bo"))
    await ada.send(room, "welcome back")
    await gazette.sync("Bo")
    assert texts(bo, room) == ["with Bo 0", "with Bo 1", "welcome back"]
    row = bo._state.group_of(room)
    assert (row.chain, row.leaving) == (ada._state.group_of(room).chain, frozenset())
    assert (await bo.send(room, "what did I miss?")).state is MessageState.SENT


async def test_member_taken_back_while_their_removal_waits_stays_in(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("taken back", "Ada", "Bo")
    await gazette.server.stop()
    with pytest.raises(OfflineError):
        await ada.remove_from_room(room, gazette.member("Bo"))
    with pytest.raises(OfflineError):
        await ada.add_to_room(room, gazette.member("Bo"))
    await gazette.server.restart()
    await gazette.sync("Ada", "Bo", "Ada", "Bo")
    assert [(await device.send(room, "still here")).state for device in (ada, bo)] == [MessageState.SENT] * 2
    assert bo.room(room).state is RoomState.ACTIVE


async def test_what_was_not_sent_before_the_removal_stays_before_it(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("too late", "Ada", "Bo")
    await ada.remove_from_room(room, gazette.member("Bo"))
    queue_text(bo._state, room, "too late")
    await ada.add_to_room(room, gazette.member("Bo"))
    await ada.send(room, "welcome back")
    await gazette.sync("Bo")
    shown = [(message.text, message.state) for message in bo.messages(room)]
    assert shown == [("too late", MessageState.UNSENT), ("welcome back", MessageState.RECEIVED)]
