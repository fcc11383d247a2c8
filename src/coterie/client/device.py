"""The device: what programs and people do with it; what is about messages stands in `talking`. It composes the machines
of this folder and has none of its own.

Between `open` and `close` one process holds the device. What changes something at the server connects by itself unless
`run` keeps the device online; what was accepted before a connection broke is stored and goes out later.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from coterie.client import alarms, verification, views
from coterie.client.alarms import AlarmDetail
from coterie.client.backup import Openers, Written, write_backup
from coterie.client.connection import Backoff, MalformedAnswer, ServerUnavailable
from coterie.client.facts import (
    AlarmFacts,
    Identity,
    InviteFacts,
    MemberFacts,
    MessageState,
    RoomFacts,
    RoomState,
    Status,
    Synced,
)
from coterie.client.find import Id, Unknown, find
from coterie.client.linking.old_device import Linking
from coterie.client.membership import changes
from coterie.client.membership.entering import Step, entering
from coterie.client.online.session import NotSettled, Online
from coterie.client.online.shared_session import SharedSession
from coterie.client.own import load_own
from coterie.client.owner import DeviceLock
from coterie.client.recovery import keeping
from coterie.client.rooms import expiry, outgoing, stuck
from coterie.client.rooms.new_group import new_group
from coterie.client.rooms.wishes import Action, encode_policy, encode_rename, wish_by_will
from coterie.client.state import Clock, DeviceState
from coterie.client.talking import Talking
from coterie.errors import CallerError, OfflineError, RefusedError
from coterie.group.context import new_context, renamed
from coterie.group.suites import Suite
from coterie.ids import DeviceId, InviteId, MemberId, RoomId
from coterie.store import Passphrase, Unlock, forbid_core_dumps, wrap
from coterie.store.facts import Fact
from coterie.store.store import Store
from coterie.trust.kinds import DEFAULT_SEAT_S
from coterie.trust.names import clean_name
from coterie.trust.phrase import Phrase
from coterie.trust.safety_number import SafetyNumber
from coterie.trust.server_link import ServerLink

DEFAULT_EXPIRES_S: Final = 7 * 24 * 3600
WAIT_S: Final = 30.0


class NoMember(RefusedError):
    """They are no longer in the coterie."""

    code = "no_member"


class OwnMember(CallerError):
    code = "usage"


def system_clock() -> int:
    return time.time_ns() // 1_000_000


class Device(Talking):
    """Made by `open`; closes with `close` or as a context manager."""

    def __init__(self, lock: DeviceLock, state: DeviceState) -> None:
        self._lock = lock
        self._state = state
        self._sessions = SharedSession(state)
        self.linking = Linking(state, self._sessions)

    # coming and going

    @classmethod
    async def found(
        cls, home: Path, unlock: Unlock, link: str, coterie_name: str, name: str, *, clock: Clock = system_clock
    ) -> Identity:
        """Found a coterie with the server's founding link, and make `home` the founder's device. Resumes after a crash.

        Raises WrongLink, BadName, DeviceExists, AlreadyFounded, WrongPassphrase, and OfflineError's children.
        """
        with entering(home, unlock, clock) as way_in:
            return await way_in.found(link, coterie_name, name)

    @classmethod
    async def join(cls, home: Path, unlock: Unlock, link: str, name: str, *, clock: Clock = system_clock) -> Identity:
        """Join with an invite, and make `home` the new member's device. Resumes after a crash.

        Raises WrongLink, BadName, DeviceExists, NotInForce (the invite), WrongHistory, WrongPassphrase, and
        OfflineError's children.
        """
        with entering(home, unlock, clock) as way_in:
            return await way_in.join(link, name)

    @classmethod
    def open(cls, home: Path, unlock: Unlock, *, clock: Clock = system_clock) -> Self:
        """Hold the device of `home`. Raises NoDevice, WrongPassphrase, DeviceOwned, StoreDamaged, NewerStore."""
        forbid_core_dumps()
        wrap.opens_with(home)
        # the lock first: who has to wait for it does not stretch the passphrase at every try
        lock = DeviceLock.acquire(home)
        try:
            store = Store(home, wrap.unlock(home, unlock))
            try:
                own = load_own(store.facts)
                if store.facts.get(Fact.STEP) not in (Step.MEMBER.encode(), Step.RESTORED.encode()):
                    raise wrap.NoDevice("this device is not done joining", "run the same command again")
                device = cls(lock, DeviceState(home, store, own, clock))
                # what disappears while nobody has the device open
                expiry.expire_due(device._state)
                return device
            except BaseException:
                store.close()
                raise
        except BaseException:
            lock.release()
            raise

    def close(self) -> None:
        """Let go of the device. Again: nothing."""
        self._state.store.close()
        self._lock.release()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    async def run(self) -> None:
        """Stay online until cancelled; a broken connection is made again. Raises what no retry mends."""
        backoff = Backoff(random.random)
        while True:
            expiry.expire_due(self._state)
            try:
                async with self._sessions.use() as session:
                    self._state.changed()
                    with contextlib.suppress(NotSettled):
                        await session.settled(WAIT_S)
                    backoff.reset()
                    await session.ended()
            except (OfflineError, MalformedAnswer) as broken:
                self._state.changed()
                at_least = broken.retry_after if isinstance(broken, ServerUnavailable) else None
                await asyncio.sleep(backoff.next_wait(at_least))

    async def sync(self, timeout: float = WAIT_S) -> Synced:  # noqa: ASYNC109 - the contract of the command
        """Bring everything up to date, do every chore that is due, send what waits. Raises OfflineError's children."""
        before = self._state.store.messages.last_position()
        async with self._sessions.use() as session:
            await session.settled(timeout)
            sent = sum(worker.writer.sent for worker in session.rooms)
            received = [
                row for row in self._state.store.messages.arrived_after(before) if row.state == MessageState.RECEIVED
            ]
            return Synced(len(session.rooms), sum(row.kind != "notice" for row in received), sent)

    # facts

    def status(self) -> Status:
        return views.status(self._state, connected=self._sessions.connected)

    def members(self) -> list[MemberFacts]:
        return views.members(self._state)

    def invites(self) -> list[InviteFacts]:
        return views.invites(self._state)

    def rooms(self) -> list[RoomFacts]:
        return views.rooms(self._state)

    def room(self, room: RoomId) -> RoomFacts:
        return views.room_facts(self._state, self._state.room(room))

    def safety_number(self, member: MemberId) -> SafetyNumber:
        """What both this person and the member see. Raises OwnNumber."""
        return verification.number_with(self._state, member)

    def set_verified(self, member: MemberId, verified: bool) -> None:
        """Remember that the numbers were compared and agree, or forget it. Raises OwnNumber."""
        verification.set_verified(self._state, member, verified)

    def alarms(self, *, resolved: bool = False) -> list[AlarmFacts]:
        return alarms.alarms(self._state, resolved=resolved)

    def alarm(self, alarm: int) -> AlarmDetail:
        return alarms.alarm_detail(self._state, alarm)

    def resolve_alarm(self, alarm: int) -> AlarmFacts:
        """A person dealt with it; when and who is kept. Raises NoAlarm."""
        return alarms.resolve_alarm(self._state, alarm)

    def find_room(self, named: str) -> RoomId:
        """By exact id, exact name, or six characters of the id. Raises Unknown, Ambiguous."""
        return find("room", named, {row.room: row.name for row in self._state.store.rooms.all()})

    def find_member(self, named: str) -> MemberId:
        """As `find_room`; those in force go before those removed."""
        names = self._state.register.names.members
        in_force = {member.id: names.get(member.id) for member in self._state.register.state.members_in_force()}
        everybody = {member: names.get(member) for member in self._state.register.state.members}
        if any(name == named for name in in_force.values()):
            return find("member", named, in_force)
        return find("member", named, everybody)

    async def seek_room(self, named: str) -> RoomId:
        """As `find_room`, after a sync if the name is not known here. Raises Unknown, Ambiguous."""
        return await self._seek(lambda: self.find_room(named))

    async def seek_member(self, named: str) -> MemberId:
        """As `find_member`, after a sync if the name is not known here. Raises Unknown, Ambiguous."""
        return await self._seek(lambda: self.find_member(named))

    async def _seek(self, look: Callable[[], Id]) -> Id:
        try:
            return look()
        except Unknown:
            with contextlib.suppress(OfflineError):
                await self.sync()
            return look()

    def find_invite(self, named: str) -> InviteId:
        return find("invite", named, dict.fromkeys(self._state.register.state.invites))

    # the recovery phrase

    def phrase(self) -> Phrase:
        """While this device still has it. Raises PhraseGone."""
        return keeping.phrase_of(self._state.store.facts)

    def confirm_phrase(self, words: Mapping[int, str]) -> None:
        """The person has the phrase: three words of it at least, by place. The identity key is off the disk when this
        returns. Raises PhraseGone, WrongPhrase."""
        keeping.confirm_phrase(self._state, words)

    def server_link(self) -> ServerLink:
        """Where the coterie is: with the phrase, all that is needed to come back. No secret."""
        return keeping.server_link(self._state)

    async def backup(self, path: Path, passphrase: Passphrase | None = None) -> AsyncGenerator[Written, None]:
        """Write the history to a new file. It opens with the passphrase, and with the recovery phrase if this device
        knows its public key. What is yielded last has a size: the file was read back and is on disk by then."""
        openers = Openers(passphrase, keeping.backup_key(self._state.store.facts))
        async with contextlib.aclosing(write_backup(self._state.store, path, openers, self._state.now())) as writing:
            async for written in writing:
                yield written

    # the coterie

    async def create_invite(
        self,
        role: str = "member",
        seat_seconds: int | None = DEFAULT_SEAT_S,
        expires_seconds: int = DEFAULT_EXPIRES_S,
    ) -> InviteFacts:
        """Invite one person. Returns once the invite is in the register and the key waits for them at the server.
        Raises RegisterError (no power), OfflineError's children."""
        async with self._sessions.use() as session:
            await self._up_to_date(session)
            invite = await changes.create_invite(
                self._state, session.home.registration, session.connection, role, seat_seconds, expires_seconds
            )
        return views.invite_facts(self._state, invite)

    async def revoke_invite(self, invite: InviteId) -> None:
        """Returns once it is in the register: nobody can join with it any more. Raises RegisterError."""
        async with self._sessions.use() as session:
            await changes.revoke_invite(self._state, session.home.registration, invite)

    async def remove_member(self, member: MemberId) -> None:
        """Returns once it is in the register; the key's rotation and the rooms' removals follow, as far as they can in
        the time. Raises RegisterError."""
        async with self._sessions.use() as session:
            await changes.remove_member(self._state, session.home.registration, member)
            await self._follow_up(session)

    async def remove_device(self, device: DeviceId) -> None:
        """As `remove_member`, for one device."""
        async with self._sessions.use() as session:
            await changes.remove_device(self._state, session.home.registration, device)
            await self._follow_up(session)

    async def set_profile(self, name: str) -> None:
        """Returns once the name is in the register; without a connection it is published later. Raises BadName."""
        cleaned = clean_name(name)
        with self._state.groups.changing():
            self._state.store.facts.put(Fact.PROFILE_NAME, cleaned.encode())
        async with self._sessions.use() as session:
            session.home.wake()
            await self._wait(session, lambda: self._state.store.facts.get(Fact.PROFILE_NAME) is None, WAIT_S)

    # rooms

    async def create_room(self, name: str, members: Sequence[MemberId] = ()) -> RoomFacts:
        """A room with these members. It is here at once; returns once the members are in. Raises what an add failed
        with, and OfflineError's children if the server could not be reached (they are added later)."""
        state = self._state
        room = RoomId(state.random(16))
        for member in members:
            self._must_be_in_force(member)
        with state.groups.changing():
            new_group(state, new_context(room, name, state.own.member, Suite.XWING), 0)
            for member in members:
                if member != state.own.member:
                    wish_by_will(state, room, Action.ADD, member)
        state.changed()
        async with self._sessions.use() as session:
            session.look_again()
            for member in members:
                await self._wished(session, room, Action.ADD, member)
            await self._wait(session, lambda: state.group_of(room).opened, WAIT_S)
        return self.room(room)

    async def add_to_room(self, room: RoomId, member: MemberId) -> None:
        """Returns once all their devices are in. Raises NoMember, CommitRefused, NoKeyPackage, and OfflineError's
        children."""
        self._must_be_in_force(member)
        await self._wish(room, Action.ADD, member)

    async def remove_from_room(self, room: RoomId, member: MemberId) -> None:
        """Returns once they are out. Raises CommitRefused, OwnMember, OfflineError's children."""
        if member == self._state.own.member:
            raise OwnMember("nobody removes themselves from a room", "leave it instead: `coterie room leave`")
        await self._wish(room, Action.REMOVE, member)

    async def rename_room(self, room: RoomId, name: str | None = None, topic: str | None = None) -> None:
        """Raises BadRoomText, CommitRefused, OfflineError's children."""
        self._must_be_live(room)
        renamed(self._state.context(self._state.room(room).group), name=name, topic=topic)
        await self._wish(room, Action.RENAME, encode_rename(name, topic))

    async def set_policy(
        self, room: RoomId, *, receipts: bool | None = None, expiry_seconds: int | None = None
    ) -> None:
        """Whether devices report what was received and read; after how long messages disappear (0: never). Raises
        CommitRefused, OfflineError's children."""
        await self._wish(room, Action.POLICY, encode_policy(receipts, expiry_seconds))

    async def leave_room(self, room: RoomId) -> None:
        """Say that this member leaves; another device then commits the removal. Returns once it is said."""
        self._must_be_live(room)
        outgoing.queue_leave(self._state, room)
        async with self._sessions.use() as session:
            session.look_again()
            await self._wait(session, lambda: self._state.room(room).state == RoomState.LEFT, WAIT_S)

    async def found_successor(self, room: RoomId) -> None:
        """Carry a stuck room on in a new group. Raises NotStuck."""
        stuck.found_successor(self._state, room)
        async with self._sessions.use() as session:
            session.look_again()
            await session.settled(WAIT_S)

    async def rejoin(self, room: RoomId) -> None:
        """Give up this device's state of the room and ask its members to add it again; history stays."""
        self._state.room(room)
        stuck.ask_again(self._state, "you asked to be added again", room)
        async with self._sessions.use() as session:
            session.home.wake()
            await session.settled(WAIT_S)

    # inside

    def _must_be_in_force(self, member: MemberId) -> None:
        if self._state.register.state.member(member).removed is not None:
            name = self._state.register.name(member)
            raise NoMember(f"{name} is no longer a member of the coterie", "`coterie members` lists who is")

    async def _up_to_date(self, session: Online) -> None:
        await session.home.registration.sync()

    async def _follow_up(self, session: Online) -> None:
        session.home.wake()
        session.look_again()
        with contextlib.suppress(NotSettled):
            await session.settled(WAIT_S)

    async def _wish(self, room: RoomId, action: Action, subject: bytes) -> None:
        self._must_be_live(room)
        with self._state.groups.changing():
            wish_by_will(self._state, room, action, subject)
        async with self._sessions.use() as session:
            await self._wished(session, room, action, subject)

    async def _wished(self, session: Online, room: RoomId, action: Action, subject: bytes) -> None:
        """Wait until the wish is fulfilled, or a later one took its place; raise what it failed with."""
        session.look_again()

        def gone() -> bool:
            wishes = self._state.store.rooms.wishes(room)
            return not any((wish.action, wish.subject) == (action, subject) for wish in wishes)

        await self._wait(session, gone, WAIT_S)
        worker = session.room(room)
        failure = None if worker is None else worker.writer.failures.pop((action, subject), None)
        if failure is not None:
            raise failure
