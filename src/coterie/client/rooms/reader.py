"""Following one room's queue: under which epoch, what has arrived, and what stops the next entry."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from coterie.client.chores import ChoreKind
from coterie.client.connection import Connection, ServerRefused
from coterie.client.facts import RoomState
from coterie.client.rooms.arrived import Arrived, WaitForBase, WaitForBlob, WaitForEnd, WaitForRegister
from coterie.client.rooms.blobs import BlobWrong, get_blob
from coterie.client.rooms.incoming import Incoming
from coterie.client.state import DeviceState
from coterie.group.exports import read_token
from coterie.group.sealed_blob import BadBlob, BlobRef, open_blob_untrusted
from coterie.ids import GroupId, QueueId
from coterie.store.groups import GroupRow
from coterie.trust.apply import CLOCKS_APART_MS
from coterie.wire import frames


class RoomReader:
    """`need_register` is called with a seq that an entry names and that is not here yet."""

    def __init__(self, state: DeviceState, connection: Connection, need_register: Callable[[int], None]) -> None:
        self.received = 0
        self._state = state
        self._connection = connection
        self._need_register = need_register
        self._incoming = Incoming(state)
        self._followed: tuple[GroupId, int] | None = None
        self._arrived: deque[Arrived] = deque()
        self._ended: frames.EpochEnd | None = None
        self._live_at: int | None = None
        self._open_until: int | None = None
        """The last entry when the server said that the epoch was still open; None: it said that it is over."""
        self._missing: int | None = None
        self._queue: QueueId | None = None
        self._deciding = False

    def pushed(self, push: frames.Pushed) -> None:
        if self._followed is None:
            return
        for index, payload in enumerate(push.payloads):
            entry_hash = push.hashes[index] if index < len(push.hashes) else b""
            at = min(push.at[index] if index < len(push.at) else 0, self._state.now() + CLOCKS_APART_MS)
            self._arrived.append(Arrived(push.after + 1 + index, at, payload, entry_hash))

    def follow_ended(self, push: frames.FollowEnded) -> None:
        if push.reason == "epoch" and push.ended is not None:
            self._ended = push.ended
        else:
            self._followed = None

    def behind(self, row: GroupRow) -> bool:
        """The queue is known to hold more than was taken."""
        return self._live_at is not None and row.cursor < self._live_at

    def caught_up(self, row: GroupRow) -> bool:
        """Nothing that was seen is still to be taken: only then is anything written."""
        taken = not self._arrived and self._ended is None
        return self._live_at is not None and row.cursor >= self._live_at and taken

    async def step(self, row: GroupRow) -> None:
        """Follow, and take what has arrived, until nothing more can be taken now."""
        current: GroupRow | None = row
        while current is not None:
            if not await self._follow(current) or not await self._take(current):
                return
            current = self._live(current)

    def _live(self, row: GroupRow) -> GroupRow | None:
        room = self._state.room(row.room)
        live = room.state in (RoomState.ACTIVE, RoomState.HELD) and room.group == row.group
        return self._state.store.groups.get(row.group) if live else None

    async def _follow(self, row: GroupRow) -> bool:
        """Follow from where the group stands, under its present epoch. False if the server cannot go on from there."""
        mls = self._state.groups.get(row.group)
        here = (row.group, mls.epoch)
        if self._followed == here:
            return True
        self._arrived.clear()
        self._ended = None
        self._followed = here
        self._queue = row.queue
        token = bytes(read_token(mls))
        try:
            answer = await self._connection.request(frames.Follow, queue=row.queue, token=token, after=row.cursor)
        except BaseException:
            self._followed = None
            raise
        # the Base may have come meanwhile, or a Welcome: then what was asked is about a membership that is over
        now = self._live(row)
        if now is None:
            return False
        if self._state.groups.get(now.group).epoch != here[1]:
            return await self._follow(now)
        if isinstance(answer, frames.Behind):
            self._server_is_behind(row, answer)
            return False
        self._live_at = answer.last
        self._open_until = answer.last if answer.epoch == here[1] else None
        if self._ended is not None and self._ended.n <= answer.after:
            self._ended = None
        if now.chain is None and now.cursor == 0 and answer.after > 0:
            with self._state.groups.changing():
                self._state.store.groups.put(replace(now, first=answer.after, cursor=answer.after))
            # a Base may wait for that
            self._state.wake_home()
        return True

    def _server_is_behind(self, row: GroupRow, answer: frames.Behind) -> None:
        """An alarm: without a restore that the server owns up to, this is a rollback."""
        state = self._state
        with state.groups.changing():
            name = state.room(row.room).name
            state.alarm(
                "server behind",
                row.group.hex(),
                f"the server has lost entries of the room {name!r}: it has {answer.n}, this device read {row.cursor}",
                "what was read here is kept; tell a steward: the server may have been set back",
            )

    async def _take(self, row: GroupRow) -> bool:
        """True if there may be more to take at once."""
        if self._ended is not None and self._ended.n <= row.cursor:
            # an earlier follow's word on an epoch that is behind already
            self._ended = None
        if not self._arrived and self._ended is None:
            return False
        arrived, ended = list(self._arrived), self._ended
        if ended is not None and arrived and arrived[-1].n < ended.n:
            ended = None
        taken = self._incoming.take(row.group, arrived, ended, self._open_until or 0)
        self.received += taken.messages
        moved = self._state.store.groups.get(row.group) or row
        while self._arrived and self._arrived[0].n <= moved.cursor:
            self._arrived.popleft()
        if taken.wait is None and self._deciding:
            self._deciding = False
            with self._state.groups.changing():
                self._state.store.chores.finish(ChoreKind.DECIDE, row.group)
        if taken.ended:
            self._followed = None
            if self._live(row) is None:
                # a Welcome back may have waited for that
                self._state.wake_home()
            return True
        match taken.wait:
            case WaitForBlob(ref):
                return await self._fetch(ref)
            case WaitForEnd() if self._open_until is not None:
                # it looks like a commit and came while the epoch was open: ask whether it still is
                self._followed = None
                return True
            case WaitForRegister(seq):
                self._plan_to_decide(row)
                self._need_register(seq)
                return False
            case WaitForBase():
                self._plan_to_decide(row)
                return False
            case None if self._arrived and self._arrived[0].n > moved.cursor + 1:
                return self._ask_for_missing(moved)
        return False

    def _ask_for_missing(self, row: GroupRow) -> bool:
        """A hole: what is missing is asked for once more; left out again, it is an alarm, and the room waits."""
        self._arrived.clear()
        if self._missing != row.cursor + 1:
            self._missing = row.cursor + 1
            self._followed = None
            return True
        state = self._state
        with state.groups.changing():
            state.alarm(
                "withheld",
                f"{row.group.hex()}/{row.cursor + 1}",
                f"the server leaves out entry {row.cursor + 1} of the room {state.room(row.room).name!r}",
                "what comes after it is not shown before it; the other rooms go on; tell a steward",
            )
        state.changed()
        return False

    def _plan_to_decide(self, row: GroupRow) -> None:
        """What an entry names is not here: it waits, for ten minutes."""
        self._deciding = True
        chores = self._state.store.chores
        if chores.planned(ChoreKind.DECIDE, row.group) is None:
            with self._state.groups.changing():
                chores.plan(ChoreKind.DECIDE, row.group, self._state.now() + ChoreKind.DECIDE.every_ms)

    async def _fetch(self, ref: BlobRef) -> bool:
        """Get what an entry names; False while it cannot be had. What does not open leaves its entry unreadable."""
        self._incoming.blobs.clear()
        try:
            content = open_blob_untrusted(ref, await get_blob(self._connection, ref))
        except BadBlob:
            content = b""
        except (BlobWrong, ServerRefused):
            row = self._state.store.groups.by_queue(self._queue) if self._queue is not None else None
            if row is not None and row.group not in self._state.undecidable:
                self._plan_to_decide(row)
                return False
            content = b""
        self._incoming.blobs[ref.id] = content
        return True
