"""The device while it is connected: one connection, its workers, and what is pushed given to whom it concerns."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, Final, Self

from coterie.client.connection import Connection, DeviceProof, MalformedAnswer, StoreWasCopied
from coterie.client.online.activity import Activity
from coterie.client.online.home_worker import NOT_LOOKED_YET, HomeWorker
from coterie.client.rooms import stuck
from coterie.client.rooms.worker import RoomWorker
from coterie.client.state import LIVE_STATES, DeviceState, nobody_home
from coterie.errors import OfflineError
from coterie.ids import QueueId, RoomId
from coterie.store.database import StoreBusy
from coterie.store.facts import Fact
from coterie.trust.apply import CLOCKS_APART_MS
from coterie.wire import frames

CUT_LOG_SECONDS: Final = 10.0
MOST_COPIES: Final = 2**32
"""Further ahead than this no store counter is believed: the next one would have to fit a frame."""


class NotSettled(OfflineError):
    """The server still owed something when the time was over; what is stored goes on next time."""

    code = "not_settled"


async def connect(state: DeviceState) -> Connection:
    """A proven connection. The store counter is raised, on disk, before each proof. Another copy of this store: its
    ratchets are dropped, the rooms are asked for anew, and it connects again. Raises what `Connection.open` raises."""
    own, facts = state.own, state.store.facts
    proof = DeviceProof(own.device, own.key, lambda: _raise_counter(state))
    position = facts.get(Fact.POSITION) or b""
    try:
        connection = await Connection.open(own.addresses, own.service_key, own.coterie, proof, position=position)
    except StoreWasCopied as copied:
        if copied.highest > facts.number(Fact.STORE_COUNTER) + MOST_COPIES:
            raise MalformedAnswer("it names a store counter that no copy can have reached") from None
        # one transaction, the counter in it: a crash must not leave a counter that is let in with ratchets that are not
        with state.groups.changing():
            stuck.drop_ratchets(state, "another copy of this device was in use; waiting to be added again")
            facts.put_number(Fact.OTHER_COPY, NOT_LOOKED_YET)
            facts.put_number(Fact.STORE_COUNTER, copied.highest)
            state.alarm("store copied", str(copied.highest), copied.fact, copied.hint)
        state.changed()
        connection = await Connection.open(own.addresses, own.service_key, own.coterie, proof, position=position)
    state.clock_apart = abs(connection.ready.time - state.now()) > CLOCKS_APART_MS
    with state.groups.changing():
        if state.clock_apart:
            state.alarm(
                "clock",
                "",
                "this device's clock is more than five minutes from the server's",
                "messages go on; set the clock: until then this device can invite, remove and rename nobody",
            )
        else:
            state.store.alarms.forget("clock", "")
    return connection


def _raise_counter(state: DeviceState) -> int:
    with state.groups.changing():
        counter = state.store.facts.number(Fact.STORE_COUNTER) + 1
        state.store.facts.put_number(Fact.STORE_COUNTER, counter)
    return counter


class Online:
    """Made by `go_online`. Ends when the connection does, or when a worker meets what it cannot go on from."""

    def __init__(self, state: DeviceState, connection: Connection) -> None:
        self.connection = connection
        self.activity = Activity()
        self.home = HomeWorker(state, connection, self.activity, self.look_again)
        self._state = state
        self._rooms: dict[RoomId, RoomWorker] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def start(self) -> Self:
        """Raises RegisterAlarm if the hub's signed head contradicts what is here."""
        head = self.home.registration.check_head(self.connection.ready.head)
        if head is not None:
            self._note_generation(head.generation)
        self._state.wake_home = self.home.wake
        self.home.wake()
        self._start(self.home.run())
        self._start(self._dispatch())
        self._start(self._keep_log_short())
        self.look_again()
        return self

    def _note_generation(self, generation: int) -> None:
        """The server says, under its key, how often its log was restored."""
        facts = self._state.store.facts
        with self._state.groups.changing():
            if generation > facts.number(Fact.GENERATION):
                self._state.alarm(
                    "server restored",
                    str(generation),
                    "the server was restored from a backup",
                    "what was sent since then may be missing for others; your own messages are sent again",
                )
                facts.put_number(Fact.GENERATION, generation)

    def look_again(self) -> None:
        """Wake the workers of all rooms, new ones included."""
        for room in self._state.store.rooms.all():
            if room.room not in self._rooms and room.state in LIVE_STATES:
                worker = RoomWorker(self._state, self.connection, self.activity, room.room, self.home.need_register)
                self._rooms[room.room] = worker
                self._start(worker.run())
        for worker in self._rooms.values():
            worker.wake()

    def room(self, room: RoomId) -> RoomWorker | None:
        return self._rooms.get(room)

    @property
    def rooms(self) -> list[RoomWorker]:
        return list(self._rooms.values())

    @property
    def alive(self) -> bool:
        return not self._ended.done()

    async def ended(self) -> None:
        """Raises why, when it has ended."""
        await asyncio.shield(self._ended)

    async def settled(self, seconds: float) -> None:
        """Returns when everything known was done and the server owes nothing. Raises NotSettled, or why it ended."""
        await self.until(self.activity.settled(), seconds)
        # a worker that fails is not busy any more
        if self._ended.done():
            self._ended.result()

    async def until(self, done: Coroutine[Any, Any, None], seconds: float) -> None:
        """Wait for `done`. Raises NotSettled after `seconds`, or why the connection ended."""
        waiting = asyncio.ensure_future(done)
        try:
            await asyncio.wait({waiting, self._ended}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                waiting.result()
            elif self._ended.done():
                self._ended.result()
            else:
                raise NotSettled("the server did not answer everything in time", "what is stored goes out next time")
        finally:
            waiting.cancel()

    async def close(self) -> None:
        """Stop the workers at the end of their transaction and close the connection. Again: nothing."""
        if self._closed:
            return
        self._closed = True
        self._state.wake_home = nobody_home
        self.home.stop()
        for worker in self._rooms.values():
            worker.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.connection.position and not self._state.store.database.in_transaction:
            with self._state.groups.changing():
                self._state.store.facts.put(Fact.POSITION, self.connection.position)
        await self.connection.close()
        if not self._ended.done():
            self._ended.cancel()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self._ended.done():
            return
        failure = task.exception()
        if failure is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(failure)
            # whoever waits is told; if nobody does, closing tells nobody again
            self._ended.exception()

    async def _keep_log_short(self) -> None:
        """Consumed keys are deleted from the store; cutting its log deletes them from the disk."""
        while True:
            await asyncio.sleep(CUT_LOG_SECONDS)
            with contextlib.suppress(StoreBusy):
                self._state.store.database.truncate()

    async def _dispatch(self) -> None:
        async for push in self.connection.pushes:
            match push:
                case frames.RegisterPushed():
                    self.home.register_pushed(push)
                case frames.Pushed(queue=queue):
                    receiver = self._receiver(queue)
                    if receiver is not None:
                        receiver.pushed(push)
                case frames.FollowEnded(queue=queue):
                    receiver = self._receiver(queue)
                    if receiver is not None:
                        receiver.follow_ended(push)
        if self.connection.reason is not None:
            raise self.connection.reason

    def _receiver(self, queue: QueueId) -> HomeWorker | RoomWorker | None:
        """Whose queue it is; None for one that is no longer followed."""
        if queue == self._state.store.facts.get(Fact.INBOX_QUEUE):
            return self.home
        row = self._state.store.groups.by_queue(queue)
        return None if row is None else self._rooms.get(row.room)


async def go_online(state: DeviceState) -> Online:
    """Connect and work until `close`. Raises what `connect` raises, RegisterAlarm."""
    session = Online(state, await connect(state))
    try:
        return session.start()
    except BaseException:
        await session.close()
        raise
