"""One room's work while the device is online: one step at a time, reading before writing, so that nothing is encrypted
before everything known was taken in. What fails here stops this room only."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from coterie_mls import MlsError

from coterie.client.connection import Connection, ServerRefused, ServerUnavailable
from coterie.client.online.activity import Activity, Worker
from coterie.client.rooms import outgoing, receipts
from coterie.client.rooms.blobs import BlobWrong
from coterie.client.rooms.new_group import room_terms
from coterie.client.rooms.reader import RoomReader
from coterie.client.rooms.writer import RoomWriter
from coterie.client.state import LIVE_STATES, DeviceState
from coterie.group.suites import NeedsAnotherCoterie
from coterie.ids import RoomId
from coterie.store.groups import GroupRow
from coterie.wire import frames
from coterie.wire.limits import QUEUE_IDLE_SECONDS

RETRY_SECONDS = 2.0


class RoomWorker(Worker):
    def __init__(
        self,
        state: DeviceState,
        connection: Connection,
        activity: Activity,
        room: RoomId,
        need_register: Callable[[int], None],
    ) -> None:
        super().__init__(activity)
        self.room = room
        self.reader = RoomReader(state, connection, need_register)
        self.writer = RoomWriter(state, connection)
        self._state = state
        self._connection = connection
        self._need_register = need_register
        self._later: asyncio.TimerHandle | None = None
        self._stopped = False

    def pushed(self, push: frames.Pushed) -> None:
        self.reader.pushed(push)
        self.wake()

    def follow_ended(self, push: frames.FollowEnded) -> None:
        self.reader.follow_ended(push)
        self.wake()

    def expecting(self) -> bool:
        """The server owes something: entries up to where the queue stood, the echo of a post, the end of a race."""
        row = self._row()
        if row is None or self._stopped:
            return False
        echo = any(out.ciphertext is not None for out in self._state.store.outbox.of_room(self.room))
        return echo or self.reader.behind(row) or self._state.store.groups.commit(row.group) is not None

    def stop(self) -> None:
        if self._later is not None:
            self._later.cancel()

    async def step(self) -> None:
        row = self._row()
        if row is None or self._stopped:
            return
        try:
            await self._step(row)
        except ServerUnavailable as unavailable:
            self._wake_in(unavailable.retry_after or RETRY_SECONDS)
        except ServerRefused as refused:
            self._stop_room(f"the server refuses it: {refused.fact}")
        except (NeedsAnotherCoterie, BlobWrong) as wrong:
            self._stop_room(wrong.fact)
        except MlsError as broken:
            self._stop_room(f"its state cannot be used ({broken.code})")

    async def _step(self, row: GroupRow) -> None:
        state = self._state
        if not row.opened:
            await self._open(row)
        await self.writer.send_pending(row)
        await self.reader.step(row)
        current = self._row()
        if current is None or not self.reader.caught_up(current) or not self._knows_the_register():
            return
        outgoing.hold_if_refused(state, current.group)
        ripe_at = await self.writer.commit(current)
        if ripe_at is not None:
            self._wake_in((ripe_at - state.now()) / 1000)
        # the room and the register may have moved while the commit was under way
        now = self._row()
        if now is None or not self.reader.caught_up(now) or outgoing.hold_if_refused(state, now.group):
            return
        receipts.report(state, now.room)
        if await self.writer.post(now):
            self.wake()

    def _knows_the_register(self) -> bool:
        """Nothing is encrypted before the removals that the server has signed for are known here."""
        head = self._connection.ready.head
        if head is None or head.seq <= self._state.register.seq:
            return True
        self._need_register(head.seq)
        return False

    async def _open(self, row: GroupRow) -> None:
        """A group founded here has no queue until the server has heard of it."""
        terms = room_terms(row.group, self._state.groups.get(row.group))
        await self._connection.request(frames.OpenQueue, queue=row.queue, terms=terms, epoch=0, ttl=QUEUE_IDLE_SECONDS)
        now = self._row()
        if now is not None and now.group == row.group:
            with self._state.groups.changing():
                self._state.store.groups.put(replace(now, opened=True))
            self._state.changed()

    def _row(self) -> GroupRow | None:
        """The group to work on, or None while the room is not live."""
        room = self._state.store.rooms.get(self.room)
        if room is None or room.state not in LIVE_STATES:
            return None
        return self._state.store.groups.get(room.group)

    def _wake_in(self, seconds: float) -> None:
        self.stop()
        self._later = asyncio.get_running_loop().call_later(max(0.0, seconds), self.wake)

    def _stop_room(self, why: str) -> None:
        """Nothing more is done for this room on this connection; the others go on."""
        self._stopped = True
        with self._state.groups.changing():
            name = self._state.room(self.room).name
            self._state.alarm(
                "room stopped",
                self.room.hex(),
                f"the room {name!r} does not go on: {why}",
                "the other rooms do; sync again, or ask to be added to the room again",
            )
        self._state.changed()
