"""The end of an epoch: the commit that the server says ended it is judged and merged, or this device is stuck."""

from collections.abc import Mapping
from dataclasses import replace

import coterie_mls
import msgspec
from coterie_mls import MlsError

from coterie.client.rooms import stuck
from coterie.client.rooms.after_commit import commit_merged, commit_won
from coterie.client.rooms.arrived import Arrived, EntryWaits, Taken, Unprocessable, WaitForBase
from coterie.client.rooms.opening import envelope_of, head_of, mls_message
from coterie.client.rooms.seen import compare_head, moved_behind, register_forked, row_of, wait_for_register
from coterie.client.state import DeviceState
from coterie.group.commit import commit_of
from coterie.group.credential import claim_untrusted
from coterie.group.exports import post_token, read_token
from coterie.group.judge import RoomState as JudgedRoom
from coterie.group.judge import judge
from coterie.group.verdict import Refused, Waiting
from coterie.ids import BlobId, GroupId
from coterie.store.groups import GroupRow
from coterie.wire.frames import Advance, EpochEnd
from coterie.wire.queues import token_hash


class EpochEnding:
    """`blobs` are the contents fetched for entries that waited for them, by id."""

    def __init__(self, state: DeviceState, blobs: Mapping[BlobId, bytes]) -> None:
        self._state = state
        self._blobs = blobs

    def take(self, group: GroupId, entry: Arrived, ended: EpochEnd) -> Taken:
        """`entry` ended the epoch, the server says, and installed the tokens of `ended`."""
        state = self._state
        try:
            with state.groups.changing():
                row = row_of(state, group)
                if entry.n != row.cursor + 1:
                    return Taken()
                self._commit(row, entry, ended)
        except EntryWaits as undo:
            return Taken(wait=undo.wait)
        except Unprocessable as bad:
            stuck.get_stuck(state, group, entry.entry_hash, bad.reason)
        state.changed()
        return Taken(ended=True)

    def _commit(self, row: GroupRow, entry: Arrived, ended: EpochEnd) -> None:
        """Merge the commit, or raise with everything as it was (the transaction is undone)."""
        state = self._state
        if entry.payload is None:
            raise Unprocessable("expired")
        mls = state.groups.get(row.group)
        epoch = mls.epoch
        moved = moved_behind(state, row, entry)
        pending = state.store.groups.commit(row.group)
        if pending is not None and pending.hash == entry.entry_hash:
            sent = msgspec.msgpack.decode(pending.frame, type=Advance)
            # a server may have installed others: nobody else would merge it then
            if (sent.next_post, sent.next_read) != (ended.next_post, ended.next_read):
                raise Unprocessable("wrong-tokens")
            mls.merge_pending()
            commit_won(state, moved, pending, entry.at)
        else:
            moved = self._others_commit(mls, row, moved, entry, ended)
        state.store.groups.end_epoch(row.group, epoch, entry.entry_hash)
        stuck.epoch_left(state, row.group, epoch, entry.entry_hash)

    def _others_commit(
        self, mls: coterie_mls.Group, row: GroupRow, moved: GroupRow, entry: Arrived, ended: EpochEnd
    ) -> GroupRow:
        state = self._state
        message = mls_message(mls, entry.payload or b"", self._blobs)
        envelope = envelope_of(mls, message)
        if envelope.content != "commit":
            raise Unprocessable("no-commit")
        head = head_of(mls, row, envelope.aad)
        if head.register.seq > state.register.seq:
            self._may_wait(row)
        wait_for_register(state, head)
        register = state.register.state_at(head.register.seq)
        if register is None or register.head.hash != head.register.hash:
            register_forked(state, head, "a commit")
            raise Unprocessable("other-register")
        try:
            staged = mls.process(message)
        except MlsError as error:
            raise Unprocessable(error.code) from None
        if not isinstance(staged, coterie_mls.StagedCommit):
            raise Unprocessable("own-commit-unknown")
        room = JudgedRoom(state.roster(row.group), state.context(row.group), row.register_floor, row.leaving)
        verdict = judge(room, register, commit_of(staged))
        if isinstance(verdict, Waiting):
            self._may_wait(row)
            raise EntryWaits(WaitForBase())
        if isinstance(verdict, Refused):
            raise Unprocessable(verdict.refusal.value)
        if not staged.removes_me:
            tokens = token_hash(post_token(staged)), token_hash(read_token(staged))
            if tokens != (ended.next_post, ended.next_read):
                raise Unprocessable("wrong-tokens")
        committer = claim_untrusted(staged.sender)
        compare_head(state, row, head, state.register.name(committer.member))
        removes_me = staged.removes_me
        mls.merge(staged)
        moved = replace(moved, register_floor=head.register.seq)
        commit_merged(state, moved, verdict, committer.member, entry.at, removes_me=removes_me)
        return moved

    def _may_wait(self, row: GroupRow) -> None:
        """A commit waits for what it names, but not for ever: then this device is stuck and says so."""
        if row.group in self._state.undecidable:
            raise Unprocessable("waited-too-long")
