"""A device killed at each sync of whatever it does: started again it goes on, nothing is lost, repeated or unread."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import pytest
import pytest_asyncio

from coterie.client import Device
from coterie.client.rooms.outgoing import queue_text
from coterie.ids import RoomId
from coterie.store.wrap import DeviceExists
from tests.client.newsroom import Newsroom, newsroom, texts
from tests.crash.device import PASSPHRASE
from tests.crash.strace import SYNCS, kill_at, needs_strace
from tests.crash.victim import Ended, assert_whole, run_device

pytestmark = [pytest.mark.asyncio(loop_scope="module"), needs_strace]
MOST_SYNCS = 120
_NEWCOMERS = itertools.count()
EPOCHS = 4
PER_EPOCH = 20

Round = Callable[[Newsroom, int | None], Awaitable[Ended]]
"""Prepare, do it killed at the nth sync (None: not killed), look; how the process ended."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gazette(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Newsroom]:
    async with newsroom(tmp_path_factory.mktemp("gazette"), "Bo", "Cy") as gazette:
        yield gazette


async def killed(gazette: Newsroom, name: str, command: str, params: object, nth: int | None) -> Ended:
    """Close the device, run the command in a process that dies at its nth sync, open the device again."""
    gazette.close(name)
    try:
        return await run_device(gazette, name, command, params, None if nth is None else kill_at(SYNCS, nth))
    finally:
        gazette.open(name)


async def sending(gazette: Newsroom, room: RoomId, nth: int | None) -> Ended:
    text = f"killed at {nth}"
    before = set(texts(gazette["Bo"], room))
    ended = await killed(gazette, "Ada", "send", {"room": room.hex(), "text": text}, nth)
    await gazette.sync("Ada", "Bo", "Ada")
    accepted = before | ({text} if b'"state"' in ended.out else set())
    assert_whole([gazette["Ada"], gazette["Bo"]], room, accepted, {text})
    return ended


async def receiving(gazette: Newsroom, room: RoomId, nth: int | None) -> Ended:
    sent = {f"for one killed at {nth}, {number}" for number in range(3)}
    for text in sorted(sent):
        await gazette["Bo"].send(room, text)
    before = set(texts(gazette["Bo"], room))
    ended = await killed(gazette, "Ada", "sync", {}, nth)
    await gazette.sync("Ada", "Bo")
    assert_whole([gazette["Ada"], gazette["Bo"]], room, before | sent, ())
    return ended


async def catching_up(gazette: Newsroom, room: RoomId, nth: int | None) -> Ended:
    ada, bo = gazette["Ada"], gazette["Bo"]
    written = set(texts(ada, room))
    for epoch in range(EPOCHS):
        await ada.rename_room(room, f"catching up {nth} {epoch}")
        await bo.sync()
        for number, name in itertools.product(range(PER_EPOCH // 2), ("Ada", "Bo")):
            written.add(f"{nth} {epoch} {number} {name}")
            queue_text(gazette[name]._state, room, f"{nth} {epoch} {number} {name}")
        await asyncio.gather(ada.sync(), bo.sync())
    ended = await killed(gazette, "Cy", "sync", {}, nth)
    await gazette.sync("Cy", "Ada", "Bo", "Cy")
    assert_whole([ada, bo, gazette["Cy"]], room, written, ())
    assert gazette["Cy"].room(room).name == f"catching up {nth} {EPOCHS - 1}"
    return ended


async def adding(gazette: Newsroom, room: RoomId, nth: int | None) -> Ended:
    ended = await killed(gazette, "Ada", "room add", {"room": room.hex(), "member": "Cy"}, nth)
    await gazette.sync("Ada", "Bo", "Cy", "Ada")
    cy_is_in = gazette.member("Cy") in gazette["Ada"].room(room).members
    await exchange(gazette, room, nth, ["Ada", "Bo", "Cy"] if cy_is_in else ["Ada", "Bo"])
    if cy_is_in:
        await gazette["Ada"].remove_from_room(room, gazette.member("Cy"))
        await gazette.sync("Bo", "Cy")
    return ended


async def removing(gazette: Newsroom, room: RoomId, nth: int | None) -> Ended:
    if gazette.member("Cy") not in gazette["Ada"].room(room).members:
        await gazette["Ada"].add_to_room(room, gazette.member("Cy"))
        await gazette.sync("Bo", "Cy", "Ada", "Cy")
    ended = await killed(gazette, "Ada", "room remove", {"room": room.hex(), "member": "Cy"}, nth)
    await gazette.sync("Ada", "Bo", "Cy")
    cy_is_in = gazette.member("Cy") in gazette["Ada"].room(room).members
    await exchange(gazette, room, nth, ["Ada", "Bo", "Cy"] if cy_is_in else ["Ada", "Bo"])
    return ended


async def renaming(gazette: Newsroom, room: RoomId, nth: int | None) -> Ended:
    before = gazette["Ada"].room(room).name
    ended = await killed(gazette, "Ada", "room rename", {"room": room.hex(), "name": f"name {nth}"}, nth)
    await gazette.sync("Ada", "Bo")
    assert gazette["Bo"].room(room).name == gazette["Ada"].room(room).name
    assert gazette["Bo"].room(room).name in (before, f"name {nth}")
    await exchange(gazette, room, nth, ["Ada", "Bo"])
    return ended


async def exchange(gazette: Newsroom, room: RoomId, nth: int | None, people: list[str]) -> None:
    """Each of `people` writes, and all of them read it: whatever was killed, their groups are one."""
    written = [f"{name} after {nth}" for name in people]
    for name, text in zip(people, written, strict=True):
        await gazette[name].sync()
        await gazette[name].send(room, text)
    await gazette.sync(*people)
    for name in people:
        assert texts(gazette[name], room)[-len(written) :] == written
        assert gazette[name].alarms() == []
    assert len({gazette[name].room(room).members for name in people}) == 1


async def joining(gazette: Newsroom, room: RoomId, nth: int | None) -> Ended:
    invite = await gazette["Ada"].create_invite()
    assert invite.link is not None
    name = f"joined {next(_NEWCOMERS)}"
    injection = None if nth is None else kill_at(SYNCS, nth)
    ended = await run_device(gazette, name, "join", {"link": invite.link, "name": name}, injection)
    if ended.killed and b'"end"' not in ended.out:
        with contextlib.suppress(DeviceExists):  # it was done but for closing its store
            await Device.join(gazette.home(name), PASSPHRASE, invite.link, name)
    gazette.open(name)
    await gazette.sync("Ada", name)
    await gazette["Ada"].add_to_room(room, gazette.member(name))
    await gazette.sync("Bo", name, "Ada", name)
    assert gazette["Ada"].room(room).members == gazette[name].room(room).members
    assert gazette.member(name) in {member.member for member in gazette["Ada"].members() if member.name == name}
    await exchange(gazette, room, nth, ["Ada", "Bo", name])
    await gazette["Ada"].remove_from_room(room, gazette.member(name))
    gazette.close(name)
    await gazette.sync("Bo")
    return ended


WORK = {
    "send": (sending, ("Ada", "Bo")),
    "receive": (receiving, ("Ada", "Bo")),
    "catch up": (catching_up, ("Ada", "Bo", "Cy")),
    "add": (adding, ("Ada", "Bo")),
    "remove": (removing, ("Ada", "Bo")),
    "rename": (renaming, ("Ada", "Bo")),
    "join": (joining, ("Ada", "Bo")),
}


async def prepared(gazette: Newsroom, work: str) -> Round:
    doing, people = WORK[work]
    room = await gazette.room(work, *people)

    async def one(gazette: Newsroom, nth: int | None) -> Ended:
        return await doing(gazette, room, nth)

    return one


@pytest.mark.parametrize("work", WORK)
async def test_device_killed_amid_its_work_goes_on_where_it_was(gazette: Newsroom, work: str) -> None:
    one = await prepared(gazette, work)
    assert (await one(gazette, 5)).killed
    assert (await one(gazette, None)).code == 0


@pytest.mark.slow
@pytest.mark.parametrize("work", WORK)
async def test_device_killed_at_each_sync_goes_on_where_it_was(gazette: Newsroom, work: str) -> None:
    one = partial(await prepared(gazette, f"{work}"), gazette)
    for nth in range(1, MOST_SYNCS):
        ended = await one(nth)
        if not ended.killed:
            assert (ended.code, nth > 5) == (0, True), ended
            return
    raise AssertionError(f"{work} still syncs after {MOST_SYNCS} syncs")
