"""A coterie on the day before the attack: Ada founded it, Bo and Cy joined, two rooms are in use.

It is made once a run, for real, and copied for each test: data folder, engine store, three homes. In a test everybody
reaches the server through a twin of their own, honest until the test gives it a trick.
"""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from coterie.client import Device
from coterie.client.device import system_clock
from coterie.client.facts import MessageFacts, RoomFacts
from coterie.client.own import load_own
from coterie.client.owner import DeviceLock
from coterie.client.state import DeviceState
from coterie.errors import CoterieError
from coterie.ids import MemberId, RoomId, Secret
from coterie.store import wrap
from coterie.store.facts import Fact
from coterie.store.passphrase import Passphrase
from coterie.store.store import Store
from tests.hostile.twin import SECONDS, Twin
from tests.serving import serving_here

NAMES: Final = ("ada", "bo", "cy")
UNLOCK: Final = Passphrase(b"correct horse")
MINUTE_MS: Final = 60_000
NOT_COPIED: Final = shutil.ignore_patterns("*.lock", "*.sock", "port", "view.db*")


@dataclass
class Watch:
    """A device's clock: the machine's, set by `ahead` ms."""

    ahead: int = 0

    def __call__(self) -> int:
        return system_clock() + self.ahead


@dataclass
class Person:
    """One device, held by the test. `state` is the same store that `device` works on: what a thief would have."""

    name: str
    home: Path
    twin: Twin
    device: Device
    state: DeviceState
    watch: Watch

    @property
    def member(self) -> MemberId:
        return self.state.own.member

    def go_to(self, twin: Twin) -> None:
        """From the next connection on, this is where the device finds its server."""
        self.twin = twin
        self.state.own = replace(self.state.own, addresses=(twin.address,))

    def texts(self, room: RoomId) -> list[str]:
        return [message.text for message in self.messages(room)]

    def messages(self, room: RoomId) -> list[MessageFacts]:
        return [message for message in self.device.messages(room) if message.kind != "notice"]

    def notices(self, room: RoomId) -> list[str]:
        return [line.text for line in self.device.messages(room, notices=True) if line.kind == "notice"]

    def alarms(self, kind: str) -> list[str]:
        """What the person is shown: each alarm's fact and hint."""
        return [f"{alarm.fact}; {alarm.hint}" for alarm in self.device.alarms() if alarm.kind == kind]

    def all_alarms(self) -> list[str]:
        return [f"{alarm.kind}: {alarm.fact}" for alarm in self.device.alarms()]

    def room(self, room: RoomId) -> RoomFacts:
        return self.device.room(room)

    async def sync(self, seconds: float = SECONDS) -> None:
        await self.device.sync(seconds)

    async def sync_as_far_as_it_goes(self, seconds: float = 1.0) -> CoterieError | None:
        """What `sync` raised, if the server would not let it end."""
        try:
            await self.device.sync(seconds)
        except CoterieError as error:
            return error
        return None

    @contextlib.asynccontextmanager
    async def online(self) -> AsyncIterator[None]:
        """Kept online for the block; ends with what `run` raised."""
        running = asyncio.create_task(self.device.run())
        try:
            await self.until(lambda: self.device.status().connected or running.done())
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def until(self, seen: Callable[[], bool]) -> None:
        """Wait for what the store will say."""
        changed = self.state.watch()
        try:
            async with asyncio.timeout(SECONDS):
                while not seen():
                    changed.clear()
                    await changed.wait()
        finally:
            self.state.unwatch(changed)


@dataclass
class Scene:
    """`data` is the server's folder: all of it belongs to the attacker."""

    folder: Path
    data: Path
    hub: str
    ada: Person
    bo: Person
    cy: Person
    crew: RoomId
    pair: RoomId
    stack: contextlib.AsyncExitStack = field(repr=False)

    @property
    def people(self) -> tuple[Person, Person, Person]:
        return self.ada, self.bo, self.cy

    async def newcomer_twin(self) -> Twin:
        return await self.stack.enter_async_context(Twin(self.data, self.hub).standing())

    async def fork(self) -> str:
        """A second hub, on a copy of all that the server has; from here on each goes its own way. Its HOST:PORT."""
        other = self.folder / "other"
        shutil.copytree(self.data, other / "data", ignore=NOT_COPIED)
        ready = await self.stack.enter_async_context(serving_here(other))
        return ready.url.removeprefix("wss://")


@dataclass(frozen=True)
class Template:
    folder: Path
    keys: dict[str, Secret]


async def make_template(folder: Path) -> Template:
    """Found, join, talk once; everybody's paths are fresh, so that nothing is due for a week."""
    watch = Watch(-2 * MINUTE_MS)
    homes = {name: folder / name for name in NAMES}
    async with serving_here(folder) as ready:
        assert ready.founding_link is not None
        await Device.found(homes["ada"], UNLOCK, ready.founding_link, "Harbour", "Ada", clock=watch)
        async with Device.open(homes["ada"], UNLOCK, clock=watch) as ada:
            for name in ("bo", "cy"):
                invite = await ada.create_invite()
                assert invite.link is not None
                await Device.join(homes[name], UNLOCK, invite.link, name.title(), clock=watch)
                await ada.sync()
            async with (
                Device.open(homes["bo"], UNLOCK, clock=watch) as bo,
                Device.open(homes["cy"], UNLOCK, clock=watch) as cy,
            ):
                everybody = (ada, bo, cy)
                for device in everybody:
                    await device.sync()
                crew = await ada.create_room("Crew", [ada.find_member("Bo"), ada.find_member("Cy")])
                pair = await ada.create_room("Pair", [ada.find_member("Bo")])
                for device in everybody:
                    await device.sync()
                # the minute within which everybody renews their path after joining is over
                watch.ahead = 0
                for device in everybody * 2:
                    await device.sync()
                await ada.send(crew.room, "good morning")
                await ada.send(pair.room, "just us")
                for device in everybody:
                    await device.sync()
    keys = {name: wrap.unlock(homes[name], UNLOCK) for name in NAMES}
    return Template(folder, keys)


def person(name: str, home: Path, key: Secret, twin: Twin) -> Person:
    """Open the device of `home`, with the twin in place of its server."""
    watch = Watch()
    lock = DeviceLock.acquire(home)
    store = Store(home, key)
    with store.transaction():
        store.facts.put(Fact.ADDRESSES, twin.address.encode())
    state = DeviceState(home, store, load_own(store.facts), watch)
    return Person(name, home, twin, Device(lock, state), state, watch)


@contextlib.asynccontextmanager
async def played(template: Template, folder: Path, **settings: Any) -> AsyncIterator[Scene]:
    """A copy of the template in `folder`, its server running, everybody's device open and offline."""
    shutil.copytree(template.folder, folder, dirs_exist_ok=True, ignore=NOT_COPIED)
    async with contextlib.AsyncExitStack() as stack:
        ready = await stack.enter_async_context(serving_here(folder, **settings))
        data, hub = folder / "data", ready.url.removeprefix("wss://")
        people = []
        for name in NAMES:
            twin = await stack.enter_async_context(Twin(data, hub).standing())
            people.append(person(name, folder / name, template.keys[name], twin))
            stack.callback(people[-1].device.close)
        ada, bo, cy = people
        rooms = ada.device.find_room("Crew"), ada.device.find_room("Pair")
        yield Scene(folder, data, hub, ada, bo, cy, *rooms, stack)
