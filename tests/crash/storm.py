"""Traffic among devices that are processes, with adds and removes going on, while devices, server, engine are killed.

By counts, not by the clock: a kill comes after so many accepted messages. What is done follows from the seed; what it
meets does not.
"""

import asyncio
import contextlib
import itertools
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from coterie.client import Device
from tests.crash.device import PASSPHRASE
from tests.crash.member import Gone, Member, Refused
from tests.crash.verdict import Line, Verdict, judge
from tests.serving import RunningServer

NAMES: Final = ("Ada", "Bo", "Cy", "Di", "Eve", "Fay", "Gus", "Hal", "Ida", "Jo")
WRITERS_EACH: Final = 4
"""So many messages of a member are on their way at once."""
CHANGES_PER_KILL: Final = 2
SETTLE_SECONDS: Final = 240.0
STEADY, CHANGING = "steady", "changing"


@dataclass(frozen=True)
class Plan:
    kills: int
    messages: int
    devices: int
    seed: int
    seconds: float


@dataclass
class Figures:
    """`faults`: what makes the run fail besides the verdicts."""

    accepted: int = 0
    unanswered: int = 0
    kills: dict[str, int] = field(default_factory=lambda: {"device": 0, "server": 0, "engine": 0})
    adds: int = 0
    removes: int = 0
    renames: int = 0
    seconds: float = 0.0
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def killed(self) -> int:
        return sum(self.kills.values())

    @property
    def whole(self) -> bool:
        return not self.faults and all(verdict.whole for verdict in self.verdicts.values())


class Storm:
    def __init__(self, plan: Plan, folder: Path) -> None:
        self.figures = Figures()
        self._plan = plan
        self._folder = folder
        self._chance = random.Random(plan.seed)
        self._server = RunningServer(folder / "server")
        self._members = [Member(name, folder / name) for name in NAMES[: plan.devices]]
        self._rooms: dict[str, str] = {}
        self._accepted: dict[str, set[str]] = {STEADY: set(), CHANGING: set()}
        self._perhaps: dict[str, set[str]] = {STEADY: set(), CHANGING: set()}
        self._in_changing: set[str] = set()
        self._counted = asyncio.Event()
        self._over = False

    async def run(self) -> Figures:
        """Everything, from an empty folder to the verdict."""
        await self._server.start()
        lives: list[asyncio.Task[None]] = []
        try:
            await self._gather()
            lives = [asyncio.create_task(member.live()) for member in self._members]
            await self._open_rooms()
            began = time.monotonic()
            await self._rage(began)
            self.figures.seconds = round(time.monotonic() - began, 1)
            if not any(member.faults for member in self._members):
                try:
                    await self._settle()
                except (TimeoutError, Gone, Refused) as error:
                    self.figures.faults.append(f"it did not come to rest: {type(error).__name__} {error}")
                await self._look()
        finally:
            for member in self._members:
                await member.stop()
            await asyncio.gather(*lives, return_exceptions=True)
            await self._server.stop()
        for member in self._members:
            self.figures.faults += member.faults
        return self.figures

    # before

    async def _gather(self) -> None:
        """Ada founds it and invites the others."""
        link = self._server.found_link
        assert link is not None
        founder, *others = self._members
        await Device.found(founder.home, PASSPHRASE, link, "The Gazette", founder.name)
        async with Device.open(founder.home, PASSPHRASE) as ada:
            for member in others:
                invite = await ada.create_invite()
                assert invite.link is not None
                await Device.join(member.home, PASSPHRASE, invite.link, member.name)
            await ada.sync()

    async def _open_rooms(self) -> None:
        founder, *others = self._members
        for name in (STEADY, CHANGING):
            members = [member.name for member in others] if name == STEADY else []
            (row,) = await founder.ask("room new", name=name, members=members)
            self._rooms[name] = str(row["room"])
        for member in others:
            await self._until_there(member, STEADY)

    async def _until_there(self, member: Member, room: str) -> None:
        async with asyncio.timeout(SETTLE_SECONDS):
            while self._rooms[room] not in {
                row["room"] for row in await member.ask("room list") if row["state"] == "active"
            }:
                await self._try(member, "sync")

    # the storm

    async def _rage(self, began: float) -> None:
        async with asyncio.TaskGroup() as tasks:
            work = [
                tasks.create_task(self._write(member, number))
                for member in self._members
                for number in range(WRITERS_EACH)
            ]
            work.append(tasks.create_task(self._change()))
            killing = tasks.create_task(self._kill())
            while not self._done() and time.monotonic() - began < self._plan.seconds:
                self._counted.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._counted.wait(), 1.0)
                if any(member.faults for member in self._members):
                    break
            self._over = True
            self._counted.set()
            await killing
            # a command under way ends by itself, within the time that it gives itself
            await asyncio.gather(*work)

    def _done(self) -> bool:
        return self.figures.accepted >= self._plan.messages and self.figures.killed >= self._plan.kills

    async def _write(self, member: Member, writer: int) -> None:
        for number in itertools.count():
            if self._over:
                return
            room = CHANGING if member.name in self._in_changing and number % 3 == 0 else STEADY
            text = f"{member.name} {writer}.{number}"
            self._perhaps[room].add(text)
            try:
                await member.ask("send", room=self._rooms[room], text=text, wait=20)
            except (Gone, TimeoutError):
                self.figures.unanswered += 1
            except Refused:
                continue  # removed from the room meanwhile
            else:
                self._accepted[room].add(text)
                self.figures.accepted += 1
                self._counted.set()

    async def _change(self) -> None:
        """Ada adds and removes, and names the rooms, about as often as somebody is killed."""
        founder, *others = self._members
        pace = max(1, self._plan.messages // max(1, self._plan.kills * CHANGES_PER_KILL))
        due = 0
        for number in itertools.count():
            await self._until_accepted(due)
            if self._over:
                return
            due = self.figures.accepted + pace
            member = self._chance.choice(others)
            if number % 5 == 4:
                if await self._try(founder, "room rename", room=self._rooms[STEADY], topic=f"topic {number}"):
                    self.figures.renames += 1
            elif member.name in self._in_changing:
                if await self._try(founder, "room remove", room=self._rooms[CHANGING], member=member.name):
                    self._in_changing.discard(member.name)
                    self.figures.removes += 1
            elif await self._try(founder, "room add", room=self._rooms[CHANGING], member=member.name):
                self._in_changing.add(member.name)
                self.figures.adds += 1

    async def _try(self, member: Member, command: str, /, **params: object) -> bool:
        """False if it was killed or refused amid: it may be done later, or not at all."""
        try:
            await member.ask(command, **params)
        except (Gone, Refused, TimeoutError):
            return False
        return True

    async def _until_accepted(self, due: int) -> None:
        while self.figures.accepted < due and not self._over:
            await self._counted.wait()
            await asyncio.sleep(0)  # so that `_rage` takes the event back

    async def _kill(self) -> None:
        each = max(1, self._plan.messages // max(1, self._plan.kills))
        due = self._chance.randrange(each) + 1
        while self.figures.killed < self._plan.kills:
            await self._until_accepted(due)
            if self._over:
                return
            due += self._chance.randrange(1, 2 * each)
            victim = self._chance.choices(("device", "server", "engine"), (14, 3, 3))[0]
            match victim:
                case "device":
                    self._chance.choice(self._members).kill()
                case "server":
                    await self._server.kill()
                    await self._server.start()
                case _:
                    try:
                        self._server.kill_engine()
                    except (OSError, TypeError, ValueError):
                        continue  # it is being started again
            self.figures.kills[victim] += 1

    # afterwards

    async def _settle(self) -> None:
        """Everybody is in both rooms, nothing waits, and a last line of Ada's has reached all."""
        founder, *others = self._members
        async with asyncio.timeout(SETTLE_SECONDS):
            for member in others:
                while not await self._try(founder, "room add", room=self._rooms[CHANGING], member=member.name):
                    if founder.faults:
                        return
            for member in self._members:
                await self._empty(member)
            for room, room_id in self._rooms.items():
                last = f"the last line of {room}"
                self._accepted[room].add(last)
                await founder.ask("send", room=room_id, text=last, wait=20)
                for member in others:
                    while last not in {row["text"] for row in await member.ask("read", room=room_id, limit=5)}:
                        await self._try(member, "sync")

    async def _empty(self, member: Member) -> None:
        while True:
            await self._try(member, "sync")
            (row,) = await member.ask("status")
            if not row["outbox"] and not row["held_rooms"]:
                return

    async def _look(self) -> None:
        founder, *others = self._members
        for room, room_id in self._rooms.items():
            witness = await self._lines(founder, room_id)
            reads = {member.name: await self._lines(member, room_id) for member in others}
            if room == STEADY and any(line.unsent for lines in reads.values() for line in lines):
                self.figures.faults.append("something was not sent, and nobody had been removed")
            self.figures.verdicts[room] = judge(witness, reads, self._accepted[room], self._perhaps[room])
        for member in self._members:
            for alarm in await member.ask("alarm list"):
                self.figures.faults.append(f"{member.name}: {alarm['kind']}: {alarm['fact']}")
            for row in await member.ask("room list"):
                if row["state"] != "active":
                    self.figures.faults.append(f"{member.name}: {row['name']} is {row['state']}: {row['reason']}")
        status: dict[str, Any] = self._server.status()
        if status["log"]["stalled"]:
            self.figures.faults.append("the log is stalled")

    async def _lines(self, member: Member, room: str) -> list[Line]:
        rows = await member.ask("read", room=room, notices=True)
        return [Line(row["kind"], row["text"], row["state"] == "unsent") for row in rows]
