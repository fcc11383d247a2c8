"""Taking the entries of a room's queue, in order: one entry, one verdict, one transaction (many messages share one).

The server's order is the room's order. A commit counts only if the server says that it ended the epoch and installed
the tokens that the commit's exporter gives; what cannot be decided yet waits; what cannot be processed at all makes
this device stuck, and it says so. A room's trouble never stops another room.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import coterie_mls
import msgspec
from coterie_mls import MlsError

from coterie.client.facts import MessageState, RoomState
from coterie.client.rooms import stuck
from coterie.client.rooms.after_commit import commit_merged, commit_won, keep_unsent
from coterie.client.rooms.content_row import readable
from coterie.client.rooms.wishes import Action
from coterie.client.state import LIVE_STATES, DeviceState
from coterie.group import chain
from coterie.group.commit import commit_of
from coterie.group.credential import claim_untrusted
from coterie.group.entry import BadEntry, InBlob, decode_entry_untrusted, open_reference
from coterie.group.exports import post_token, read_token
from coterie.group.heads import BadHead, Head, open_head_untrusted
from coterie.group.judge import RoomState as JudgedRoom
from coterie.group.judge import judge
from coterie.group.sealed_blob import BlobRef
from coterie.group.verdict import Refused, Waiting
from coterie.ids import BlobId, GroupId, MemberId, MessageId
from coterie.store.groups import GroupRow
from coterie.store.messages import MessageRow, OutboxRow
from coterie.wire.frames import Advance, EpochEnd
from coterie.wire.queues import token_hash


@dataclass(frozen=True)
class Arrived:
    """Entry `n` as the server gave it; `payload` is None if it expired, `hash` is then the server's word."""

    n: int
    at: int
    payload: bytes | None
    hash: bytes


@dataclass(frozen=True)
class WaitForRegister:
    """An entry names a register head that is not here yet."""

    seq: int


@dataclass(frozen=True)
class WaitForBlob:
    """An entry stands in a blob that is not here yet."""

    ref: BlobRef


@dataclass(frozen=True)
class WaitForEnd:
    """The last entry looks like a commit, and the server has not said whether it ended the epoch."""


@dataclass(frozen=True)
class WaitForBase:
    """This device joined lately and does not know yet who asked to leave before."""


Wait = WaitForRegister | WaitForBlob | WaitForEnd | WaitForBase


@dataclass(frozen=True)
class Taken:
    """`messages` came in; `ended` is True once the epoch was left behind; `wait` says what stops the next entry."""

    messages: int = 0
    ended: bool = False
    wait: Wait | None = None


class _Undo(Exception):
    """Inside this module: the entry waits, and nothing that MLS did to look at it may stay."""

    def __init__(self, wait: Wait) -> None:
        super().__init__(wait)
        self.wait = wait


class _Unprocessable(Exception):
    """Inside this module: this entry cannot be processed; `reason` as in `Stuck`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


LARGEST_COMMIT: Final = 16 * 1024 * 1024
"""A sealed blob that an entry may stand in; a commit with a full path among thousands of devices is far below."""


class Incoming:
    """`blobs` are the contents fetched for entries that waited for them, by id."""

    def __init__(self, state: DeviceState) -> None:
        self._state = state
        self.blobs: dict[BlobId, bytes] = {}

    def take(self, group: GroupId, arrived: Sequence[Arrived], ended: EpochEnd | None, open_until: int) -> Taken:
        """Process what follows the group's cursor. Entries from before it are passed over; a hole stops before it.
        `open_until`: the server says that no entry up to there ended the epoch.

        Returns after what it took is on disk.
        """
        messages = 0
        waiting = list(arrived)
        while waiting:
            end = ended.n if ended is not None else None
            batch = next((at for at, entry in enumerate(waiting) if entry.n == end), len(waiting))
            if batch:
                got, wait = self._take_messages(group, waiting[:batch], open_until, is_last=batch == len(waiting))
                messages += got
                if wait is not None:
                    return Taken(messages, wait=wait)
                waiting = waiting[batch:]
            elif ended is not None:
                return replace(self._take_end(group, waiting[0], ended), messages=messages)
        return Taken(messages)

    # messages

    def _take_messages(
        self, group: GroupId, batch: Sequence[Arrived], open_until: int, *, is_last: bool
    ) -> tuple[int, Wait | None]:
        state, got, expired = self._state, 0, 0
        wait: Wait | None = None
        with state.groups.changing():
            row = self._row(group)
            for entry in batch:
                if entry.n <= row.cursor:
                    continue
                if entry.n != row.cursor + 1:
                    break
                try:
                    got += self._message(row, entry, may_end=is_last and entry is batch[-1] and entry.n > open_until)
                except _Undo as undo:
                    wait = undo.wait
                    break
                except _Unprocessable as bad:
                    self._pass_over(row, entry, bad.reason)
                row = self._moved(self._row(group), entry)
                state.store.groups.put(row)
                expired += entry.payload is None
                if state.room(row.room).state not in LIVE_STATES:
                    break
            if expired:
                messages = "1 message" if expired == 1 else f"{expired} messages"
                state.notice(row.room, row.place, row.cursor, f"{messages} expired before this device could read it")
        state.changed()
        return got, wait

    def _message(self, row: GroupRow, entry: Arrived, *, may_end: bool) -> int:
        """1 if a message was shown. Raises _Undo before MLS was asked, _Unprocessable with MLS as it was."""
        state = self._state
        entry_hash = entry.hash if entry.payload is None else hashlib.sha256(entry.payload).digest()
        own = state.store.outbox.by_hash(entry_hash)
        if own is not None and own.group == row.group:
            self._own_message(row, entry, own)
            return 0
        if entry.payload is None:
            return 0
        mls = state.groups.get(row.group)
        # only commits travel in blobs: nothing is fetched for what is none
        message = self._inline(entry.payload)
        envelope = None if message is None else self._envelope(mls, message)
        if message is None or envelope is None or envelope.content == "commit":
            if may_end:
                raise _Undo(WaitForEnd())
            raise _Unprocessable("commit-not-taken")
        head = self._head(mls, row, envelope.aad)
        if row.group not in state.undecidable:
            self._wait_for_register(head)
        try:
            result = mls.process(message)
        except MlsError as error:
            raise _Unprocessable(error.code) from None
        if isinstance(result, coterie_mls.Own):
            # another copy of this device may have written it: no generation of this epoch is used again
            state.store.rooms.wish(row.room, Action.RENEW, b"", state.now())
            raise _Unprocessable("own-message")
        if not isinstance(result, coterie_mls.Application):
            raise _Unprocessable("proposal")
        sender = claim_untrusted(result.sender)
        self._compare(row, head, state.register.name(sender.member))
        return self._store_message(row, entry, result)

    def _store_message(self, row: GroupRow, entry: Arrived, message: coterie_mls.Application) -> int:
        state = self._state
        sender = claim_untrusted(message.sender)
        shown = readable(message.plaintext)
        if shown.leaves:
            self._somebody_leaves(row, sender.member, entry.n)
            return 0
        fresh = state.store.messages.add(
            MessageRow(
                id=0,
                message=shown.message or MessageId(hashlib.sha256(message.plaintext).digest()[:16]),
                room=row.room,
                place=row.place,
                n=entry.n,
                member=sender.member,
                device=sender.device,
                sent_at=entry.at,
                received_at=state.now(),
                kind=shown.kind,
                text=shown.text,
                content=message.plaintext,
                state=MessageState.RECEIVED,
            )
        )
        if fresh and state.context(row.group).policy.evidence and shown.message is not None:
            proof = message.evidence
            state.store.messages.put_evidence(shown.message, proof.tbs, proof.key, proof.signature)
        return int(fresh)

    def _own_message(self, row: GroupRow, entry: Arrived, own: OutboxRow) -> None:
        """The echo of what this device posted: it is stored, and it has its place."""
        state = self._state
        state.store.messages.place(own.message, row.place, entry.n, MessageState.SENT)
        state.store.outbox.finish(own.id)
        if readable(own.content).leaves:
            state.store.rooms.set_state(row.room, RoomState.LEFT, "you left this room")
            keep_unsent(state, row.room)
            state.groups.drop(row.group)

    def _somebody_leaves(self, row: GroupRow, member: MemberId, n: int) -> None:
        state = self._state
        if row.leaving is not None:
            state.store.groups.put(replace(row, leaving=row.leaving | {member}))
        state.store.rooms.wish(row.room, Action.REMOVE_LEAVING, member, state.now())
        state.notice(row.room, row.place, n, f"{state.register.name(member)} is leaving")

    def _pass_over(self, row: GroupRow, entry: Arrived, reason: str) -> None:
        self._state.alarm(
            "unreadable entry",
            f"{row.group.hex()}/{entry.n}",
            f"an entry of the room cannot be read ({reason}); it was passed over",
            "somebody in the room, or the server, sent what no member's app makes; the other messages are complete",
        )

    # the end of an epoch

    def _take_end(self, group: GroupId, entry: Arrived, ended: EpochEnd) -> Taken:
        state = self._state
        try:
            with state.groups.changing():
                row = self._row(group)
                if entry.n != row.cursor + 1:
                    return Taken()
                self._commit(row, entry, ended)
        except _Undo as undo:
            return Taken(wait=undo.wait)
        except _Unprocessable as bad:
            entry_hash = entry.hash if entry.payload is None else hashlib.sha256(entry.payload).digest()
            stuck.get_stuck(state, group, entry_hash, bad.reason)
        state.changed()
        return Taken(ended=True)

    def _commit(self, row: GroupRow, entry: Arrived, ended: EpochEnd) -> None:
        """Merge the commit, or raise with everything as it was (the transaction is undone)."""
        state = self._state
        if entry.payload is None:
            raise _Unprocessable("expired")
        entry_hash = hashlib.sha256(entry.payload).digest()
        mls = state.groups.get(row.group)
        epoch = mls.epoch
        moved = self._moved(row, entry)
        pending = state.store.groups.commit(row.group)
        if pending is not None and pending.hash == entry_hash:
            sent = msgspec.msgpack.decode(pending.frame, type=Advance)
            # a server may have installed others: nobody else would merge it then
            if (sent.next_post, sent.next_read) != (ended.next_post, ended.next_read):
                raise _Unprocessable("wrong-tokens")
            mls.merge_pending()
            commit_won(state, moved, pending, entry.at)
        else:
            moved = self._others_commit(mls, row, moved, entry, ended)
        state.store.groups.end_epoch(row.group, epoch, entry_hash)
        stuck.epoch_left(state, row.group, epoch, entry_hash)

    def _others_commit(
        self, mls: coterie_mls.Group, row: GroupRow, moved: GroupRow, entry: Arrived, ended: EpochEnd
    ) -> GroupRow:
        state = self._state
        message = self._mls_message(mls, entry.payload or b"")
        envelope = self._envelope(mls, message)
        if envelope.content != "commit":
            raise _Unprocessable("no-commit")
        head = self._head(mls, row, envelope.aad)
        if head.register.seq > state.register.seq:
            self._may_wait(row)
        self._wait_for_register(head)
        register = state.register.state_at(head.register.seq)
        if register is None or register.head.hash != head.register.hash:
            self._register_forked(head, "a commit")
            raise _Unprocessable("other-register")
        try:
            staged = mls.process(message)
        except MlsError as error:
            raise _Unprocessable(error.code) from None
        if not isinstance(staged, coterie_mls.StagedCommit):
            raise _Unprocessable("own-commit-unknown")
        room = JudgedRoom(state.roster(row.group), state.context(row.group), row.register_floor, row.leaving)
        verdict = judge(room, register, commit_of(staged))
        if isinstance(verdict, Waiting):
            self._may_wait(row)
            raise _Undo(WaitForBase())
        if isinstance(verdict, Refused):
            raise _Unprocessable(verdict.refusal.value)
        if not staged.removes_me:
            tokens = token_hash(post_token(staged)), token_hash(read_token(staged))
            if tokens != (ended.next_post, ended.next_read):
                raise _Unprocessable("wrong-tokens")
        committer = claim_untrusted(staged.sender)
        self._compare(row, head, state.register.name(committer.member))
        removes_me = staged.removes_me
        mls.merge(staged)
        moved = replace(moved, register_floor=head.register.seq)
        commit_merged(state, moved, verdict, committer.member, entry.at, removes_me=removes_me)
        return moved

    # what both need

    def _row(self, group: GroupId) -> GroupRow:
        row = self._state.store.groups.get(group)
        if row is None:
            raise KeyError(group)
        return row

    def _moved(self, row: GroupRow, entry: Arrived) -> GroupRow:
        """The row with this entry behind it, its chain extended and kept."""
        entry_hash = entry.hash if entry.payload is None else hashlib.sha256(entry.payload).digest()
        following = chain.Chain(row.cursor, row.chain).after(entry_hash)
        self._state.store.groups.add_chain(row.group, entry.n, entry_hash, following.value)
        return replace(row, cursor=following.n, chain=following.value)

    def _inline(self, payload: bytes) -> bytes | None:
        """The MLS message that stands in the entry itself; None if it names a blob."""
        try:
            entry = decode_entry_untrusted(payload)
        except BadEntry:
            raise _Unprocessable("bad-entry") from None
        return None if isinstance(entry, InBlob) else entry.message

    def _mls_message(self, mls: coterie_mls.Group, payload: bytes) -> bytes:
        try:
            entry = decode_entry_untrusted(payload)
            if not isinstance(entry, InBlob):
                return entry.message
            if entry.size > LARGEST_COMMIT:
                raise _Unprocessable("too-large")
            if entry.id in self.blobs:
                return self.blobs[entry.id]
            raise _Undo(WaitForBlob(open_reference(mls, entry)))
        except BadEntry:
            raise _Unprocessable("bad-entry") from None

    def _envelope(self, mls: coterie_mls.Group, message: bytes) -> coterie_mls.Envelope:
        try:
            envelope = coterie_mls.peek(message)
        except MlsError as error:
            raise _Unprocessable(error.code) from None
        if envelope.group_id != mls.group_id or envelope.epoch != mls.epoch:
            raise _Unprocessable("another-epoch")
        return envelope

    def _head(self, mls: coterie_mls.Group, row: GroupRow, sealed: bytes) -> Head:
        try:
            return open_head_untrusted(mls, row.queue, sealed)
        except BadHead:
            raise _Unprocessable("bad-head") from None

    def _wait_for_register(self, head: Head) -> None:
        if head.register.seq > self._state.register.seq:
            raise _Undo(WaitForRegister(head.register.seq))

    def _may_wait(self, row: GroupRow) -> None:
        """A commit waits for what it names, but not for ever: then this device is stuck and says so."""
        if row.group in self._state.undecidable:
            raise _Unprocessable("waited-too-long")

    def _compare(self, row: GroupRow, head: Head, who: str) -> None:
        """Hold the sender's claim against what this device saw; a difference is an alarm."""
        here = self._state.register.hash_at(head.register.seq)
        if here is None and head.register.seq > self._state.register.seq:
            self._state.alarm(
                "register withheld",
                f"{who}/{head.register.seq}",
                f"{who} names entry {head.register.seq} of the register, which the server does not show",
                "either the server keeps entries from you, or they claim what is not so: compare over another channel",
            )
        elif here != head.register.hash:
            self._register_forked(head, who)
        # who has seen more before an entry than there is before it here was shown something else
        beyond = head.n > row.cursor
        seen = None if beyond else self._state.store.groups.chain_at(row.group, head.n)
        if beyond or chain.compare(head, None if seen is None else seen[1]) is chain.Agreement.DIFFERENT:
            name = self._state.room(row.room).name
            self._state.alarm(
                "split queue",
                f"{row.group.hex()}/{who}/{head.n}",
                f"{who} and you were shown two histories of the room {name!r}, up to entry {head.n}",
                "compare the messages with them over another channel; the server may have dropped or inserted some",
            )

    def _register_forked(self, head: Head, who: str) -> None:
        self._state.alarm(
            "forked register",
            str(head.register.seq),
            f"{who} has another register than you, at entry {head.register.seq}",
            "the server may show different members to different people: compare safety numbers with a steward",
        )
