"""What every machine of the device shares: the store, the register, the groups, the clock, and who is told of changes.

Everything here is synchronous: what changes state does so in one transaction (`groups.changing()`), never across an
await.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import coterie_mls

from coterie.client.facts import RoomState
from coterie.client.group_keeper import GroupKeeper
from coterie.client.membership.register import RegisterKeeper
from coterie.client.own import Own
from coterie.group import chain
from coterie.group.context import RoomContext, decode_context_untrusted
from coterie.group.heads import NONCE_BYTES, Head, seal_head
from coterie.group.inbox_bodies import Body, encode_body, kind_of
from coterie.group.roster import Roster
from coterie.ids import DeviceId, GroupId, MessageId, RoomId
from coterie.store.groups import GroupRow
from coterie.store.messages import MessageRow
from coterie.store.rooms import RoomRow
from coterie.store.store import Store
from coterie.trust.kinds import Role

Clock = Callable[[], int]
"""Milliseconds since the epoch."""

LIVE_STATES = frozenset({RoomState.ACTIVE, RoomState.HELD})
"""The states in which a room's queue is followed."""


def nobody_home() -> None:
    """While the device is offline its own work waits in the store."""


class DeviceState:
    def __init__(self, home: Path, store: Store, own: Own, clock: Clock) -> None:
        self.home = home
        self.store = store
        self.own = own
        self.now = clock
        self.register = RegisterKeeper(store.register)
        self.groups = GroupKeeper(store, own)
        self.clock_apart = False
        """At the last connection this device's clock was too far from the log's time to sign register entries."""
        self.undecidable: set[GroupId] = set()
        """Groups whose next entry waited ten minutes for what it names."""
        self.wake_home: Callable[[], None] = nobody_home
        """Called when a room made work for the device's own worker: a post to an inbox, an entry that can be dealt with
        now."""
        self._watchers: set[asyncio.Event] = set()

    @staticmethod
    def random(length: int) -> bytes:
        return secrets.token_bytes(length)

    # rooms

    def room(self, room: RoomId) -> RoomRow:
        """Raises KeyError for a room that was never here."""
        row = self.store.rooms.get(room)
        if row is None:
            raise KeyError(room)
        return row

    def group_of(self, room: RoomId) -> GroupRow:
        """The newest group of the room."""
        row = self.store.groups.get(self.room(room).group)
        if row is None:
            raise KeyError(room)
        return row

    def live_groups(self) -> list[GroupRow]:
        """The groups whose queues are to be followed."""
        rooms = [room for room in self.store.rooms.all() if room.state in LIVE_STATES]
        rows = [self.store.groups.get(room.group) for room in rooms]
        return [row for row in rows if row is not None]

    def roster(self, group: GroupId) -> Roster:
        return Roster.of(self.groups.get(group).members())

    def context(self, group: GroupId) -> RoomContext:
        mls = self.groups.get(group)
        return decode_context_untrusted(mls.extension, mls.suite)

    def sealed_head(self, mls: coterie_mls.Group, row: GroupRow) -> bytes:
        """The authenticated data for a message or commit made now."""
        n, value = chain.claim(chain.Chain(row.cursor, row.chain))
        head = Head(self.register.state.head, n, value)
        return seal_head(mls, row.queue, head, self.random(NONCE_BYTES))

    # telling

    def notice(self, room: RoomId, place: int, n: int | None, text: str) -> None:
        """A fact of membership as a line in the room; in a transaction."""
        now = self.now()
        self.store.messages.add(
            MessageRow(
                id=0,
                message=MessageId(self.random(16)),
                room=room,
                place=place,
                n=n,
                member=self.own.member,
                device=self.own.device,
                sent_at=now,
                received_at=now,
                kind="notice",
                text=text,
                content=b"",
                state="received",
            )
        )

    def alarm(self, kind: str, subject: str, fact: str, hint: str) -> None:
        """What a person must see, once for each subject until they resolve it; in a transaction. client.alarm_guide
        tells what the kind means."""
        self.store.alarms.add(kind, subject, fact, hint, self.now())

    def post(self, device: DeviceId, body: Body, cause: bytes = b"") -> None:
        """Put an entry on its way to a device's inbox; in a transaction. For one `cause` it arrives once, however often
        it is put: the inbox knows it by its key."""
        if device == self.own.device:
            return
        name = hashlib.sha256(cause + device).digest() if cause else self.random(32)
        entry_id, key = name[:16], name[16:]
        self.store.inbox.add_post(device, int(kind_of(body)), encode_body(body), entry_id, key, self.now())
        self.wake_home()

    def steward_devices(self) -> Iterator[DeviceId]:
        """The devices in force of the founder and the stewards."""
        register = self.register.state
        for member in register.members_in_force():
            if member.role in (Role.FOUNDER, Role.STEWARD):
                yield from (device.id for device in register.devices_of(member.id) if device.removed is None)

    # watching

    def watch(self) -> asyncio.Event:
        """An event that is set at every change; `unwatch` it."""
        event = asyncio.Event()
        self._watchers.add(event)
        return event

    def unwatch(self, event: asyncio.Event) -> None:
        self._watchers.discard(event)

    def changed(self) -> None:
        """Tell whoever watches that the store has something new."""
        for event in self._watchers:
            event.set()
