"""The device's own work while it is online: the register, the inbox, its name, posts, chores."""

import asyncio
from collections import deque
from collections.abc import Callable

from coterie.client.connection import Connection, ServerRefused, ServerUnavailable
from coterie.client.inbox import packages
from coterie.client.inbox.inbox import Inbox
from coterie.client.inbox.posts import send_posts
from coterie.client.membership.profile import publish_name
from coterie.client.membership.registration import Registration
from coterie.client.online.activity import Activity, Worker
from coterie.client.online.due_chores import DueChores
from coterie.client.state import DeviceState
from coterie.ids import QueueId
from coterie.store.facts import Fact
from coterie.trust.apply import CLOCKS_APART_MS
from coterie.wire import frames

RETRY_SECONDS = 5.0
REFUSED_SECONDS = 60.0
MOST_SLEEP_SECONDS = 3600.0
NOT_LOOKED_YET = 2**63 - 1
"""As an entry's number: all there are until the inbox was asked for its end."""


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
        self._chores = DueChores(state, connection, self.registration, moved)
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
            self._chores.plan_standing()
        await self._follow_inbox()
        while await packages.advance_inbox(state, self._connection):
            pass
        waiting = await self._deal_with_inbox()
        if waiting and self._activity.others_busy(self):
            self._activity.when_quiet(self.wake)
        await self._chores.do()
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

    def _wake_in(self, seconds: float) -> None:
        self.stop()
        self._later = asyncio.get_running_loop().call_later(max(0.0, seconds), self.wake)
