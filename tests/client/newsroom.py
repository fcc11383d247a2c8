"""A coterie for tests: a real server in its own process, people with real devices, each opened once.

`Newsroom.found` and `welcome` make members; a device's home is `folder / name`. Argon2 makes each opening cost a fifth
of a second, so a module shares one newsroom and each of its tests makes a room of its own.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Final

import apsw

from coterie.client import Device, MessageFacts, Passphrase
from coterie.client.chores import ChoreKind
from coterie.client.online.session import NotSettled, connect
from coterie.client.rooms import commits
from coterie.client.rooms.plan import CommitPlan, plan_commit
from coterie.client.rooms.wishes import Action
from coterie.client.rooms.writer import RoomWriter
from coterie.group.context import with_admins
from coterie.ids import MemberId, RoomId
from tests.serving import RunningServer, running_server

PASSPHRASE: Final = Passphrase(b"three rivers and a bridge")
SECONDS: Final = 30.0
SYNC_SECONDS: Final = 10.0


class FakeClock:
    """The real time, and what a test adds to it."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms


class Newsroom:
    def __init__(self, folder: Path, server: RunningServer) -> None:
        self.folder = folder
        self.server = server
        self.clocks: dict[str, FakeClock] = {}
        self._open: dict[str, Device] = {}

    def __getitem__(self, name: str) -> Device:
        """The open device of a person."""
        return self._open[name]

    @property
    def devices(self) -> list[Device]:
        return list(self._open.values())

    def home(self, name: str) -> Path:
        return self.folder / name

    def member(self, name: str) -> MemberId:
        return self._open[name].status().member

    def open(self, name: str) -> Device:
        clock = self.clocks.setdefault(name, FakeClock())
        self._open[name] = Device.open(self.home(name), PASSPHRASE, clock=clock)
        return self._open[name]

    def close(self, name: str) -> None:
        self._open.pop(name).close()

    async def found(self, name: str = "Ada") -> Device:
        assert self.server.found_link is not None
        await Device.found(self.home(name), PASSPHRASE, self.server.found_link, "The Gazette", name)
        return self.open(name)

    async def welcome(self, inviter: str, name: str, role: str = "member") -> Device:
        """`name` joins by an invite of `inviter`, and both know it."""
        invite = await self._open[inviter].create_invite(role)
        assert invite.link is not None
        await Device.join(self.home(name), PASSPHRASE, invite.link, name)
        device = self.open(name)
        await self.sync(inviter, name)
        return device

    async def sync(self, *names: str) -> None:
        """One after the other; everybody if nobody is named."""
        for name in names or tuple(self._open):
            await self._open[name].sync(SYNC_SECONDS)

    async def room(self, name: str, *people: str) -> RoomId:
        """A room founded by the first of `people`; all of them are in and know it."""
        founder, *others = people
        made = await self._open[founder].create_room(name, [self.member(other) for other in others])
        await self.sync(*others, founder, *others)
        for person in people:
            not_yet(self._open[person], made.room)
        return made.room

    def stored(self, device: Device, room: RoomId) -> list[bytes]:
        """What a copy of the whole server gives of a room's queue."""
        view = apsw.Connection(str(self.server.data / "view.db"), flags=apsw.SQLITE_OPEN_READONLY)
        rows = view.execute(
            "SELECT payload FROM entries JOIN queues ON queues.number = entries.queue WHERE queues.id = ? ORDER BY n",
            (device._state.group_of(room).queue,),
        ).fetchall()
        view.close()
        return [row[0] for row in rows if isinstance(row[0], bytes)]

    def close_all(self) -> None:
        for name in list(self._open):
            self.close(name)


@contextlib.asynccontextmanager
async def newsroom(folder: Path, *people: str) -> AsyncIterator[Newsroom]:
    """Ada founds it; the others joined by her invites."""
    async with running_server(folder, name="server") as server:
        here = Newsroom(folder, server)
        try:
            await here.found("Ada")
            for name in people:
                await here.welcome("Ada", name)
            await here.sync()
            yield here
        finally:
            here.close_all()


def texts(device: Device, room: RoomId) -> list[str]:
    """What people wrote in a room, in its order."""
    return [message.text for message in device.messages(room) if message.kind == "text"]


def notices(device: Device, room: RoomId) -> list[str]:
    return [message.text for message in device.messages(room, notices=True) if message.kind == "notice"]


@contextlib.asynccontextmanager
async def running(*devices: Device) -> AsyncIterator[None]:
    """The devices are kept online during the block; one whose `run` ends fails the test."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(device.run()) for device in devices]
        async with asyncio.timeout(SECONDS):
            for device in devices:
                await until(device, partial(_is_online, device))
        yield
        for task in tasks:
            task.cancel()


def _is_online(device: Device) -> bool:
    return device.status().connected


async def until(device: Device, done: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Wait until `done`, looking whenever the device says that something changed."""
    changed = device._state.watch()
    try:
        async with asyncio.timeout(seconds):
            while not done():
                changed.clear()
                await changed.wait()
    finally:
        device._state.unwatch(changed)


async def next_text(device: Device, room: RoomId, text: str) -> MessageFacts:
    """Wait until a message with this text has arrived."""
    async with asyncio.timeout(SECONDS):
        async for message in device.follow(room):
            if message.text == text:
                return message
    raise AssertionError("follow ended")


async def settle(*devices: Device, rounds: int = 3) -> None:
    """Sync the devices in turn, so that what one posts the others take in and answer."""
    for _ in range(rounds):
        for device in devices:
            with contextlib.suppress(NotSettled):
                await device.sync(SYNC_SECONDS)


def epoch(device: Device, room: RoomId) -> int:
    return device._state.groups.get(device._state.group_of(room).group).epoch


def not_yet(device: Device, room: RoomId) -> None:
    """Put off the update of keys that follows joining by up to a minute: a test counts epochs."""
    state, kind = device._state, ChoreKind.UPDATE_PATH
    with state.groups.changing():
        state.store.chores.plan(kind, state.room(room).group, state.now() + kind.every_ms)


async def appoint(device: Device, room: RoomId, *admins: MemberId) -> None:
    """Make these the admins of a room; there is no command for it yet."""
    state = device._state
    group = state.group_of(room).group
    commits.make_commit(
        state, group, CommitPlan(context=with_admins(state.context(group), frozenset(admins)), path=True), {}
    )
    await device.sync()


async def commit_and_vanish(device: Device, room: RoomId) -> None:
    """Send the commit that the wishes ask for, and lose the connection before its echo comes."""
    state = device._state
    row = state.group_of(room)
    commits.make_commit(state, row.group, plan_commit(state, row), {})
    connection = await connect(state)
    await RoomWriter(state, connection).send_pending(row)
    await connection.close()


def wish(device: Device, room: RoomId, action: Action, subject: bytes = b"") -> None:
    """What the device's next step in this room shall bring about."""
    state = device._state
    with state.groups.changing():
        state.store.rooms.wish(room, action, subject, state.now())
