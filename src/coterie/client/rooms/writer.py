"""What one room sends: its commit under way, the next commit that its wishes ask for, its messages."""

import asyncio
from collections.abc import Sequence

import msgspec

from coterie.client.connection import Connection
from coterie.client.inbox.packages import NoKeyPackage, claim
from coterie.client.rooms import commits, outgoing
from coterie.client.rooms.after_commit import decode_plan
from coterie.client.rooms.blobs import put_blob
from coterie.client.rooms.plan import CommitPlan, plan_commit
from coterie.client.rooms.wishes import Action
from coterie.client.state import DeviceState
from coterie.errors import CoterieError
from coterie.group.inbox_bodies import Kind, decode_body_untrusted
from coterie.ids import DeviceId, GroupId, MemberId
from coterie.store.groups import GroupRow, PendingRow
from coterie.store.rooms import Wish
from coterie.wire import frames

PUT_OFF_MS = 60_000
BACK_WITHIN_MS = 30_000
BACK_AGAIN_MS = 3_000
_BY_WILL = frozenset({Action.ADD, Action.REMOVE, Action.RENAME, Action.POLICY})
"""The wishes that a person made and can be told about."""


class RoomWriter:
    """`failures`: what a wish of a person failed with, by (action, subject), for whoever waits for it."""

    def __init__(self, state: DeviceState, connection: Connection) -> None:
        self.failures: dict[tuple[str, bytes], CoterieError] = {}
        self.sent = 0
        self._state = state
        self._connection = connection
        self._advanced: bytes | None = None
        self._beaten_at: dict[GroupId, int] = {}
        self._claimed: dict[DeviceId, commits.Claimed] = {}
        self._claim_keys: dict[DeviceId, bytes] = {}

    # the commit under way

    async def send_pending(self, row: GroupRow) -> None:
        """Send the stored commit, once a connection; the queue tells who won. Blobs go first."""
        pending = self._state.store.groups.commit(row.group)
        if pending is None or self._advanced == pending.hash:
            return
        for blob, ciphertext in self._state.store.groups.blobs_out(row.group):
            await put_blob(self._connection, blob, ciphertext)
        stored = msgspec.msgpack.decode(pending.frame, type=frames.Advance)
        answer = await self._connection.request(lambda number: msgspec.structs.replace(stored, id=number))
        self._advanced = pending.hash
        if isinstance(answer, frames.Advanced):
            self._post_undelivered(pending, answer.undelivered)
        else:
            self._beaten_at[row.group] = pending.epoch

    def _post_undelivered(self, pending: PendingRow, undelivered: Sequence[int]) -> None:
        """Welcomes that an inbox did not take go as posts of their own, until they are taken. After a crash the server
        says it again."""
        joiners = decode_plan(pending.plan).joiners
        with self._state.groups.changing():
            for index in sorted(set(undelivered) & set(range(len(joiners)))):
                device, encoded = joiners[index]
                body = decode_body_untrusted(Kind.WELCOME, encoded)
                if body is not None:
                    self._state.post(DeviceId(device), body, pending.hash)

    # the next commit

    async def commit(self, row: GroupRow) -> int | None:
        """Make and send the next commit if there is one to make. Returns when some wish becomes ripe, in ms."""
        state = self._state
        mls = state.groups.get(row.group)
        if state.store.groups.commit(row.group) is not None or mls.epoch <= self._beaten_at.get(row.group, -1):
            return None
        judged_by = state.register.seq
        plan = plan_commit(state, row)
        if plan.fulfilled:
            with state.groups.changing():
                for wish in plan.fulfilled:
                    state.store.rooms.finish_wish(wish.id)
            state.changed()
        if plan.empty:
            return plan.ripe_at
        if not await self._claim_for(row, plan):
            return state.now()
        if state.groups.get(row.group).epoch != mls.epoch or state.register.seq != judged_by:
            return state.now()
        try:
            commits.make_commit(state, row.group, plan, self._claimed)
        except commits.CommitMustWait:
            return None
        except commits.CommitRefused as refused:
            self._give_up(row, refused, state.store.rooms.wishes(row.room))
            return state.now() + PUT_OFF_MS
        for device in plan.add:
            self._claimed.pop(device, None)
            self._claim_keys.pop(device, None)
        await self.send_pending(row)
        return plan.ripe_at

    async def _claim_for(self, row: GroupRow, plan: CommitPlan) -> bool:
        """Claim what the plan adds. False if a device cannot be had: its wish is given up; plan anew."""
        for device in plan.add:
            if device in self._claimed:
                continue
            key = self._claim_keys.setdefault(device, self._state.random(16))
            try:
                self._claimed[device] = await claim(self._state, self._connection, device, row.suite, key)
            except NoKeyPackage as failure:
                member = self._state.register.state.device(device).member
                wishes = self._state.store.rooms.wishes(row.room)
                if self._comes_back_soon(member, wishes):
                    return False
                self._give_up(row, failure, [wish for wish in wishes if wish.subject in (device, member)])
                return False
        return True

    def _comes_back_soon(self, member: MemberId, wishes: Sequence[Wish]) -> bool:
        """A device that came back a moment ago has left no packages yet: its member's old devices stay a little longer,
        so that the commit that removes them can bring it in, whoever makes it."""
        now, register = self._state.now(), self._state.register.state
        awaited = [
            wish
            for wish in wishes
            if wish.action == Action.ADD_BACK
            and wish.subject == member
            and wish.made_at <= now < wish.made_at + BACK_WITHIN_MS
        ]
        old = set(register.member(member).devices)
        with self._state.groups.changing():
            for wish in wishes if awaited else ():
                if wish in awaited or (wish.action == Action.REMOVE_REFUSED and wish.subject in old):
                    self._state.store.rooms.put_off(wish.id, now + BACK_AGAIN_MS)
        return bool(awaited)

    def _give_up(self, row: GroupRow, failure: CoterieError, wishes: Sequence[Wish]) -> None:
        """The wishes of people are told and forgotten; if there were none, the others are put off for a while."""
        by_will = [wish for wish in wishes if wish.action in _BY_WILL]
        with self._state.groups.changing():
            for wish in by_will:
                self._state.store.rooms.finish_wish(wish.id)
                self.failures[wish.action, wish.subject] = failure
            for wish in () if by_will else wishes:
                self._state.store.rooms.put_off(wish.id, self._state.now() + PUT_OFF_MS)
        self._state.changed()

    # messages

    async def post(self, row: GroupRow) -> bool:
        """Encrypt and post what waits. True if more waits than one batch took."""
        state = self._state
        epoch = state.groups.get(row.group).epoch
        if epoch <= self._beaten_at.get(row.group, -1):
            return False
        if any(wish.action == Action.RENEW for wish in state.store.rooms.wishes(row.room)):
            return False
        posts = outgoing.encrypt_waiting(state, row.group)
        if not posts:
            return False
        answers = await asyncio.gather(*(self._post(post) for post in posts))
        both = zip(posts, answers, strict=True)
        stored = [(post.key, answer.n) for post, answer in both if isinstance(answer, frames.Posted)]
        if stored:
            self.sent += outgoing.note_posted(state, row.room, stored)
        if len(stored) < len(posts):
            self._beaten_at[row.group] = epoch
        return len(posts) == outgoing.BATCH

    async def _post(self, post: frames.Post) -> frames.Posted | frames.Stale:
        return await self._connection.request(lambda number: msgspec.structs.replace(post, id=number))
