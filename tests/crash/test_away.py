"""A device that was away, by a crash or on a journey, while its rooms went on without it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from coterie.client.rooms.outgoing import queue_text
from tests.client.newsroom import Newsroom, newsroom, texts
from tests.crash.victim import run_device

pytestmark = pytest.mark.asyncio(loop_scope="module")
EPOCHS = 50
PER_EPOCH = 100
MOST_SECONDS = 60.0
MOST_MIB = 400


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gazette(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Newsroom]:
    async with newsroom(tmp_path_factory.mktemp("gazette"), "Bo", "Cy") as gazette:
        yield gazette


async def test_who_was_removed_and_added_again_while_away_goes_on_behind_the_gap(gazette: Newsroom) -> None:
    ada, bo_member = gazette["Ada"], gazette.member("Bo")
    for journey in range(3):
        room = await gazette.room(f"journey {journey}", "Ada", "Bo")
        gazette.close("Bo")
        await ada.remove_from_room(room, bo_member)
        await ada.send(room, "without Bo")
        await ada.add_to_room(room, bo_member)
        await ada.send(room, "after")
        bo = gazette.open("Bo")
        await gazette.sync("Bo", "Ada", "Bo")
        await bo.send(room, "back")
        await ada.sync()
        assert texts(bo, room) == ["after", "back"]
        assert texts(ada, room) == ["without Bo", "after", "back"]
        assert bo.alarms() == ada.alarms() == []


@pytest.mark.slow
async def test_device_away_for_5000_messages_and_50_epochs_catches_up(
    gazette: Newsroom, record_property: Callable[[str, object], None]
) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("long away", "Ada", "Bo", "Cy")
    gazette.close("Cy")
    written = []
    for epoch in range(EPOCHS):
        await ada.rename_room(room, name=f"day {epoch}")
        await bo.sync()
        for number in range(PER_EPOCH):
            written.append(f"{epoch}.{number}")
            queue_text((ada, bo)[number % 2]._state, room, written[-1])
        await asyncio.gather(ada.sync(), bo.sync())
    ended = await run_device(gazette, "Cy", "sync", {"timeout": 300.0}, None)
    assert ended.code == 0, ended.said
    synced, cost = (json.loads(line) for line in ended.out.splitlines())
    print(cost)
    for figure in ("seconds", "peak_mib"):
        record_property(figure, cost[figure])
    assert synced["row"]["received"] == len(written)
    assert (cost["seconds"] < MOST_SECONDS, cost["peak_mib"] < MOST_MIB) == (True, True), cost
    cy = gazette.open("Cy")
    await gazette.sync("Ada", "Bo")
    assert sorted(texts(cy, room)) == sorted(written)
    assert texts(cy, room) == texts(ada, room) == texts(bo, room)
    assert cy.room(room).name == f"day {EPOCHS - 1}"
    assert cy.alarms() == []
