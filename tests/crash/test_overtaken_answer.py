"""The server's answer about a room arrives after a Welcome has made it another room: found by random kills."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from coterie.client import Device
from coterie.client.activity import Activity
from coterie.client.connection import Connection
from coterie.client.home_worker import HomeWorker
from coterie.client.online import connect
from coterie.client.room_reader import RoomReader
from coterie.store.facts import Fact
from coterie.wire import frames
from tests.client.newsroom import SECONDS, Newsroom, newsroom, texts


@pytest.fixture
async def gazette(tmp_path: Path) -> AsyncIterator[Newsroom]:
    async with newsroom(tmp_path, "Bo") as gazette:
        yield gazette


class HeldFollow:
    """A real connection whose first answer to `Follow` is given out when `go` is set."""

    def __init__(self, connection: Connection) -> None:
        self.answered, self.go = asyncio.Event(), asyncio.Event()
        self._connection = connection

    async def request(self, ask: Any, **fields: Any) -> Any:
        answer: Any = await self._connection.request(ask, **fields)
        if isinstance(answer, frames.Following) and not self.answered.is_set():
            self.answered.set()
            await self.go.wait()
        return answer


async def welcomed(device: Device, connection: Connection, epoch: int) -> None:
    """Take in the inbox's next entry, the Welcome that brings the device to another epoch; the Base behind it is late."""
    state = device._state
    home = HomeWorker(state, connection, Activity(), lambda: None)
    (room,) = state.store.rooms.all()

    async def dispatch() -> None:
        async for push in connection.pushes:
            if isinstance(push, frames.Pushed) and push.queue == state.store.facts.need(Fact.INBOX_QUEUE):
                home.pushed(frames.Pushed(push.queue, push.after, push.at[:1], push.payloads[:1], push.hashes[:1]))
                return

    dispatching = asyncio.create_task(dispatch())
    async with asyncio.timeout(SECONDS):
        while state.groups.get(room.group).epoch == epoch:
            await home.step()
            await asyncio.sleep(0)
    dispatching.cancel()
    home.stop()


async def test_answer_from_before_a_welcome_does_not_place_the_device_in_the_new_group(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("there and back", "Ada", "Bo")
    await ada.send(room, "before")
    await bo.sync()
    await ada.remove_from_room(room, gazette.member("Bo"))
    await ada.send(room, "without Bo")
    await ada.add_to_room(room, gazette.member("Bo"))
    await ada.send(room, "after")

    state = bo._state
    row = state.group_of(room)
    connection = await connect(state)
    held = HeldFollow(connection)
    reader = RoomReader(state, cast(Connection, held), lambda seq: None)
    reading = asyncio.create_task(reader.step(row))
    await asyncio.wait_for(held.answered.wait(), SECONDS)
    await welcomed(bo, connection, state.groups.get(row.group).epoch)
    held.go.set()
    await asyncio.wait_for(reading, SECONDS)
    await connection.close()

    await gazette.sync("Bo", "Ada")
    await bo.send(room, "back")
    await ada.sync()
    assert texts(bo, room) == ["before", "after", "back"]
    assert texts(ada, room)[-1] == "back"
    assert bo.alarms() == ada.alarms() == []
