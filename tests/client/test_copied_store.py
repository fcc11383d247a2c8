"""A device's folder was copied and both copies run: no ratchet is used twice, history stays, the person is told."""

import hashlib
import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from coterie.client import Device, RoomState
from coterie.client.connection import Superseded
from coterie.client.rooms.outgoing import queue_text
from tests.client.newsroom import Newsroom, epoch, newsroom, not_yet, settle, texts

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gazette(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Newsroom]:
    async with newsroom(tmp_path_factory.mktemp("gazette"), "Bo", "Cy") as gazette:
        yield gazette


def copy(gazette: Newsroom, name: str, copy_name: str) -> Device:
    gazette.close(name)
    shutil.copytree(gazette.home(name), gazette.home(copy_name))
    gazette.open(name)
    return gazette.open(copy_name)


async def test_clone_sends_nothing_by_the_old_ratchets_and_is_added_again(gazette: Newsroom) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room("copied", "Ada", "Bo", "Cy")
    await bo.send(room, "before the copy")
    await ada.sync()
    queue_text(bo._state, room, "unsent in both")
    clone = copy(gazette, "Bo", "Bo's clone")
    bo = gazette["Bo"]
    await bo.sync()
    await bo.send(room, "by the first")
    before = epoch(ada, room)
    await clone.sync()
    assert clone.room(room).state is RoomState.STUCK
    assert [alarm.kind for alarm in clone.alarms()] == ["store copied"]
    await settle(ada, clone)
    not_yet(clone, room)
    sent_before = len(gazette.stored(ada, room))
    assert epoch(ada, room) > before
    assert clone.room(room).state is RoomState.ACTIVE
    await clone.send(room, "by the clone")
    await gazette.sync("Ada")
    assert texts(ada, room) == ["before the copy", "unsent in both", "by the first", "by the clone"]
    assert texts(clone, room)[:2] == ["before the copy", "unsent in both"]
    assert len(gazette.stored(ada, room)) == sent_before + 1
    # and now the first is the one that is behind
    await bo.sync()
    assert bo.room(room).state is RoomState.STUCK
    await settle(ada, bo)
    await bo.send(room, "by the first again")
    await gazette.sync("Ada")
    assert texts(ada, room)[-1] == "by the first again"
    assert [alarm.kind for alarm in ada.alarms()] == []
    gazette.close("Bo's clone")


async def test_welcome_that_the_other_copy_used_is_not_used_again(gazette: Newsroom) -> None:
    """Both copies hold the private half of a waiting key package; only who was asked for last may use what it opens."""
    ada = gazette["Ada"]
    clone = copy(gazette, "Cy", "Cy's clone")
    cy = gazette["Cy"]
    room = (await ada.create_room("after the copy", [gazette.member("Cy")])).room
    await cy.sync()
    await cy.send(room, "by the first")
    await clone.sync()
    assert room not in [known.room for known in clone.rooms()]
    await settle(ada, clone)
    assert clone.room(room).state is RoomState.ACTIVE
    roster = ada._state.roster(ada._state.group_of(room).group)
    assert roster.devices == {ada.status().device, clone.status().device}
    assert epoch(clone, room) == epoch(ada, room)
    await clone.send(room, "by the clone")
    await gazette.sync("Ada")
    assert texts(ada, room) == ["by the first", "by the clone"]
    hashes = [hashlib.sha256(payload).digest() for payload in gazette.stored(ada, room)]
    assert len(set(hashes)) == len(hashes)
    gazette.close("Cy's clone")


async def test_running_device_that_is_superseded_by_a_copy_says_so(gazette: Newsroom) -> None:
    clone = copy(gazette, "Bo", "Bo's second clone")
    bo = gazette["Bo"]
    with pytest.raises(Superseded) as superseded:
        async with bo._sessions.use() as session:
            await clone.sync()
            await session.ended()
    assert "copy of this device" in superseded.value.hint
    gazette.close("Bo's second clone")
