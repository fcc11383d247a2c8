"""The device's own work while it is online: the register, the inbox, key packages, the key's rotation, posts."""

import asyncio
from collections import deque
from collections.abc import Callable

from coterie.client.chores import ChoreKind
from coterie.client.connection import Connection, ServerRefused, ServerUnavailable
from coterie.client.facts import RoomState
from coterie.client.inbox import packages
from coterie.client.inbox.inbox import Inbox
from coterie.client.inbox.posts import send_posts
from coterie.client.membership.profile import publish_name
from coterie.client.membership.registration import Registration
from coterie.client.membership.rotation import rotate
from coterie.client.online.activity import Activity, Worker
from coterie.client.rooms import stuck
from coterie.client.rooms.wishes import Action
from coterie.client.state import DeviceState
from coterie.errors import CoterieError, RefusedError
from coterie.group.inbox import INBOX_TTL_MS
from coterie.group.inbox_bodies import KeyWanted
from coterie.ids import GroupId, QueueId
from coterie.store.chores import Chore
from coterie.store.facts import Fact
from coterie.trust.apply import CLOCKS_APART_MS
from coterie.trust.kinds import Role
from coterie.trust.powers import Action as TrustAction
from coterie.trust.powers import may
from coterie.wire import frames

RETRY_SECONDS = 5.0
RETRY_MS = 10_000
REFUSED_SECONDS = 60.0
ASKED_ENOUGH = 6
"""So often the stewards were asked for a key, ten minutes apart, before one who may rotates it."""
MOST_SLEEP_SECONDS = 3600.0
NOT_LOOKED_YET = 2**63 - 1
"""As an entry's number: all there are until the inbox was asked for its end."""
_EVER = 2**62
CHAIN_KEPT = 100_000
"""So many entries back a peer's head can be held against what was seen here."""


class HomeWorker(Worker):
    """`moved` is called when the register or the rooms may have changed: the rooms' workers then look again."""

    def __init__(
        self, state: DeviceState, connection: Connection, activity: Activity, moved: Callable[[], None]
    ) -> None:
        super().__init__(activity)
        self.registration = Registration(state, connection)
        self._state = state
        self._connection = connection
        self._moved = moved
        self._inbox = Inbox(state, lambda: not activity.others_busy(self))
        self._register_pushes: deque[frames.RegisterPushed] = deque()
        self._needed_seq = 0
        self._started = False
        self._followed = False
        self._live_at = 0
        self._later: asyncio.TimerHandle | None = None

    # what the connection hands over

    def register_pushed(self, push: frames.RegisterPushed) -> None:
        self._register_pushes.append(push)
        self.wake()

    def need_register(self, seq: int) -> None:
        if seq > self._needed_seq:
            self._needed_seq = seq
            self.wake()

    def pushed(self, push: frames.Pushed) -> None:
        """Entries of the inbox: on disk before anything is done about them."""
        facts = self._state.store.facts
        with self._state.groups.changing():
            cursor = facts.number(Fact.INBOX_CURSOR)
            for index, payload in enumerate(push.payloads):
                n = push.after + 1 + index
                if n <= cursor:
                    continue
                if payload:
                    at = min(push.at[index] if index < len(push.at) else 0, self._state.now() + CLOCKS_APART_MS)
                    self._state.store.inbox.add_entry(n, at, payload)
                cursor = n
            facts.put_number(Fact.INBOX_CURSOR, cursor)
        self.wake()

    def follow_ended(self, push: frames.FollowEnded) -> None:
        self._followed = False
        self.wake()

    def expecting(self) -> bool:
        return self._followed and self._state.store.facts.number(Fact.INBOX_CURSOR) < self._live_at

    def stop(self) -> None:
        if self._later is not None:
            self._later.cancel()

    # the step

    async def step(self) -> None:
        before = self._state.register.seq
        try:
            await self._step()
        except ServerUnavailable as unavailable:
            self._wake_in(unavailable.retry_after or RETRY_SECONDS)
        except ServerRefused as refused:
            self._refused(refused)
        if self._state.register.seq != before:
            self._moved()

    def _refused(self, refused: ServerRefused) -> None:
        """The rooms go on; what was refused is tried again."""
        with self._state.groups.changing():
            self._state.alarm("server refused", refused.server_code, refused.fact, "it is tried again; tell a steward")
        self._wake_in(REFUSED_SECONDS)

    async def _step(self) -> None:
        state = self._state
        await self._read_register()
        await packages.open_inbox(state, self._connection)
        await publish_name(state, self.registration)
        if not self._started:
            self._started = True
            self._plan_standing_chores()
        await self._follow_inbox()
        while await packages.advance_inbox(state, self._connection):
            pass
        waiting = await self._deal_with_inbox()
        if waiting and self._activity.others_busy(self):
            self._activity.when_quiet(self.wake)
        await self._do_chores()
        posts = await send_posts(state, self._connection)
        next_due = state.store.chores.next_due()
        until_due = MOST_SLEEP_SECONDS if next_due is None else max(0.1, (next_due - state.now()) / 1000)
        self._wake_in(min(until_due, RETRY_SECONDS if waiting or posts.waiting else MOST_SLEEP_SECONDS))

    async def _read_register(self) -> None:
        looked = not self._started or bool(self._register_pushes) or self._needed_seq > self._state.register.seq
        if not self._started:
            await self.registration.sync()
        while self._register_pushes:
            await self.registration.take(self._register_pushes.popleft())
        if self._needed_seq > self._state.register.seq:
            await self.registration.sync()
            if self._needed_seq > self._state.register.seq:
                self._register_withheld(self._needed_seq)
            self._needed_seq = self._state.register.seq
        if looked:
            self._moved()

    def _register_withheld(self, named: int) -> None:
        """A member's head is beyond what the server shows here: what names it waits, and people are told."""
        state = self._state
        with state.groups.changing():
            state.alarm(
                "register withheld",
                str(named),
                f"a member names entry {named} of the register, but the server shows this device "
                f"{state.register.seq} entries only; what names it waits",
                "compare with the others over another channel: the server may keep entries from you",
            )
        state.changed()

    async def _follow_inbox(self) -> None:
        facts = self._state.store.facts
        queue = facts.get(Fact.INBOX_QUEUE)
        if queue is None or self._followed:
            return
        self._followed = True
        try:
            answer = await self._connection.request(
                frames.Follow,
                queue=QueueId(queue),
                token=facts.need(Fact.INBOX_READ),
                after=facts.number(Fact.INBOX_CURSOR),
            )
        except BaseException:
            self._followed = False
            raise
        if isinstance(answer, frames.Following):
            self._live_at = answer.last
            if facts.number(Fact.OTHER_COPY) == NOT_LOOKED_YET:
                # the other copy was cut off when this connection was made: what comes later is for this one alone
                with self._state.groups.changing():
                    facts.put_number(Fact.OTHER_COPY, answer.last)
            return
        with self._state.groups.changing():
            facts.put_number(Fact.INBOX_CURSOR, answer.n)
            self._state.alarm(
                "server behind",
                "inbox",
                "the server has lost entries of this device's inbox",
                "tell a steward: the server may have been set back",
            )

    async def _deal_with_inbox(self) -> int:
        """What waits may have waited for what came behind it: look until nothing more is dealt with."""
        while True:
            dealt, waiting = await self._inbox.deal(self._connection)
            if not dealt:
                return waiting
            self._moved()

    # chores

    def _plan_standing_chores(self) -> None:
        chores, now = self._state.store.chores, self._state.now()
        with self._state.groups.changing():
            for chore in [] if self._state.clock_apart else chores.due(_EVER):
                # planned while this device's clock was ahead
                if chore.due_at > now + ChoreKind(chore.kind).every_ms:
                    chores.plan(chore.kind, chore.subject, now, chore.tries)
            for kind in (ChoreKind.REFILL, ChoreKind.SWEEP):
                if chores.planned(kind, b"") is None:
                    chores.plan(kind, b"", self._state.now())

    async def _do_chores(self) -> None:
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
                await rotate(state, self.registration)
                self._moved()
                return
            case ChoreKind.REFILL:
                await packages.refill(state, self._connection)
            case ChoreKind.STUCK_ROOM:
                self._look_at_stuck(GroupId(chore.subject), chore.tries)
                return
            case ChoreKind.KEY_WANTED if chore.tries >= ASKED_ENOUGH and self._may_rotate():
                await rotate(state, self.registration, lost=True)
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
        for device in self._state.steward_devices():
            self._state.post(device, KeyWanted(self._state.register.state.generation))
        return True

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

    def _wake_in(self, seconds: float) -> None:
        self.stop()
        self._later = asyncio.get_running_loop().call_later(max(0.0, seconds), self.wake)
