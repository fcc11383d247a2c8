"""Doing what is due (client.chores): each deadline's work, and when it comes round again."""

from collections.abc import Callable
from typing import Final

from coterie.client.chores import ChoreKind
from coterie.client.connection import Connection, ServerUnavailable
from coterie.client.facts import RoomState
from coterie.client.inbox import packages
from coterie.client.linking.history import send_history
from coterie.client.linking.own_devices import bring_in
from coterie.client.membership.registration import Registration
from coterie.client.membership.rotation import rotate
from coterie.client.rooms import expiry, stuck
from coterie.client.rooms.wishes import Action
from coterie.client.state import DeviceState
from coterie.errors import CoterieError, RefusedError
from coterie.group.inbox import INBOX_TTL_MS
from coterie.group.inbox_bodies import KeyWanted
from coterie.ids import DeviceId, GroupId
from coterie.store.chores import Chore
from coterie.trust.kinds import Role
from coterie.trust.powers import Action as TrustAction
from coterie.trust.powers import may

RETRY_MS: Final = 10_000
ASKED_ENOUGH: Final = 6
"""So often the stewards were asked for a key, ten minutes apart, before one who may rotates it."""
CHAIN_KEPT: Final = 100_000
"""So many entries back a peer's head can be held against what was seen here."""
_EVER: Final = 2**62


class DueChores:
    """`moved` is called when the register or the rooms may have changed."""

    def __init__(
        self, state: DeviceState, connection: Connection, registration: Registration, moved: Callable[[], None]
    ) -> None:
        self._state = state
        self._connection = connection
        self._registration = registration
        self._moved = moved

    def plan_standing(self) -> None:
        """Those that a device always has; once a connection."""
        chores, now = self._state.store.chores, self._state.now()
        with self._state.groups.changing():
            for chore in [] if self._state.clock_apart else chores.due(_EVER):
                # planned while this device's clock was ahead
                if chore.due_at > now + ChoreKind(chore.kind).every_ms:
                    chores.plan(chore.kind, chore.subject, now, chore.tries)
            for kind in (ChoreKind.REFILL, ChoreKind.SWEEP):
                if chores.planned(kind, b"") is None:
                    chores.plan(kind, b"", self._state.now())

    async def do(self) -> None:
        """All that are due now; what cannot be done is put off."""
        for chore in self._state.store.chores.due(self._state.now()):
            try:
                await self._do(chore)
            except (RefusedError, ServerUnavailable) as refused:
                self._put_off(chore, refused)

    def _put_off(self, chore: Chore, why: CoterieError) -> None:
        """What cannot be done now is tried again, later each time; a refusal is said once."""
        state, kind = self._state, ChoreKind(chore.kind)
        wait = min(RETRY_MS * 2**chore.tries, kind.every_ms)
        with state.groups.changing():
            state.store.chores.plan(kind, chore.subject, state.now() + wait, chore.tries + 1)
            if isinstance(why, RefusedError):
                state.alarm("chore", kind, f"{kind.value} is put off: {why.fact}", why.hint)

    async def _do(self, chore: Chore) -> None:
        state, kind = self._state, ChoreKind(chore.kind)
        match kind:
            case ChoreKind.ROTATE_KEY:
                await rotate(state, self._registration)
                self._moved()
                return
            case ChoreKind.REFILL:
                await packages.refill(state, self._connection)
            case ChoreKind.OWN_DEVICE:
                await bring_in(state, self._connection, DeviceId(chore.subject), chore.tries)
                self._moved()
                return
            case ChoreKind.HISTORY:
                await send_history(state, self._connection, DeviceId(chore.subject), chore.tries)
                return
            case ChoreKind.STUCK_ROOM:
                self._look_at_stuck(GroupId(chore.subject), chore.tries)
                return
            case ChoreKind.EXPIRE:
                expiry.expire_due(state)
                with state.groups.changing():
                    expiry.plan(state)
                return
            case ChoreKind.KEY_WANTED if self._may_rotate() and (chore.tries >= ASKED_ENOUGH or self._alone()):
                await rotate(state, self._registration, lost=True)
            case ChoreKind.DECIDE:
                state.undecidable.add(GroupId(chore.subject))
            case _:
                pass
        with state.groups.changing():
            if kind is ChoreKind.UPDATE_PATH and not self._wish_update(GroupId(chore.subject)):
                state.store.chores.finish(kind, chore.subject)
                return
            if kind is ChoreKind.KEY_WANTED:
                if not self._ask_for_key():
                    state.store.chores.finish(kind, chore.subject)
                    return
                state.store.chores.plan(kind, chore.subject, state.now() + kind.every_ms, chore.tries + 1)
                return
            if kind is ChoreKind.DECIDE:
                state.store.chores.finish(kind, chore.subject)
                self._moved()
                return
            if kind is ChoreKind.SWEEP:
                state.store.inbox.forget_seen(state.now() - INBOX_TTL_MS)
                state.store.groups.forget_chains(CHAIN_KEPT)
                for group in state.store.groups.succeeded_before(state.now() - INBOX_TTL_MS):
                    state.groups.drop(group)
            state.store.chores.plan(kind, chore.subject, state.now() + kind.every_ms)
        self._moved()

    def _wish_update(self, group: GroupId) -> bool:
        row = self._state.store.groups.get(group)
        if row is None or self._state.room(row.room).group != group:
            return False
        room = self._state.room(row.room)
        if room.state in (RoomState.ACTIVE, RoomState.HELD):
            self._state.store.rooms.wish(row.room, Action.UPDATE, b"", self._state.now())
        return room.state not in (RoomState.LEFT, RoomState.REMOVED)

    def _ask_for_key(self) -> bool:
        if self._state.register.current_key() is not None:
            return False
        for device in self._who_may_have_the_key():
            self._state.post(device, KeyWanted(self._state.register.state.generation))
        return True

    def _who_may_have_the_key(self) -> list[DeviceId]:
        """The stewards' devices; everybody's, if there is no other steward than this member."""
        register, own = self._state.register.state, self._state.own.device
        stewards = [device for device in self._state.steward_devices() if device != own]
        everybody = [device.id for member in register.members_in_force() for device in register.devices_of(member.id)]
        return stewards or [device for device in everybody if device != own]

    def _alone(self) -> bool:
        """There is nobody else who could send a key."""
        return not self._who_may_have_the_key()

    def _may_rotate(self) -> bool:
        own = self._state.register.state.member(self._state.own.member)
        return may(own.role, TrustAction.ROTATE_KEY, Role.MEMBER)

    def _look_at_stuck(self, group: GroupId, tries: int) -> None:
        """Ten minutes stuck: found a successor if two members' devices are and nobody merged it; else ask again, less
        and less often."""
        state = self._state
        row = state.store.groups.get(group)
        if row is not None and stuck.successor_is_due(state, row):
            stuck.found_successor(state, row.room)
            self._moved()
        with state.groups.changing():
            here = None if row is None else state.room(row.room)
            if row is not None and here is not None and here.state == RoomState.STUCK and here.group == group:
                stuck.still_stuck(state, row)
                wait = min(ChoreKind.STUCK_ROOM.every_ms * 2**tries, ChoreKind.REFILL.every_ms)
                state.store.chores.plan(ChoreKind.STUCK_ROOM, group, state.now() + wait, tries + 1)
            else:
                state.store.chores.finish(ChoreKind.STUCK_ROOM, group)
