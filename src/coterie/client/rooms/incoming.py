"""Taking the entries of a room's queue, in order: one entry, one verdict, one transaction (many messages share one).

The server's order is the room's order. A commit counts only if the server says that it ended the epoch and installed
the tokens that the commit's exporter gives; what cannot be decided yet waits; what cannot be processed at all makes
this device stuck, and it says so. A room's trouble never stops another room.
"""

from collections.abc import Sequence
from dataclasses import replace

import coterie_mls
from coterie_mls import MlsError

from coterie.client.facts import RoomState
from coterie.client.rooms.after_commit import keep_unsent
from coterie.client.rooms.arrived import Arrived, EntryWaits, Taken, Unprocessable, Wait, WaitForEnd
from coterie.client.rooms.content_row import leaves
from coterie.client.rooms.epoch_end import EpochEnding
from coterie.client.rooms.opening import envelope_of, head_of, inline
from coterie.client.rooms.said import Said, is_admin, keep, landed
from coterie.client.rooms.seen import compare_head, moved_behind, row_of, wait_for_register
from coterie.client.rooms.wishes import Action
from coterie.client.state import LIVE_STATES, DeviceState
from coterie.group.credential import claim_untrusted
from coterie.ids import BlobId, GroupId, MemberId
from coterie.store.groups import GroupRow
from coterie.store.messages import OutboxRow
from coterie.wire.frames import EpochEnd


class Incoming:
    """`blobs` are the contents fetched for entries that waited for them, by id."""

    def __init__(self, state: DeviceState) -> None:
        self._state = state
        self.blobs: dict[BlobId, bytes] = {}
        self._ending = EpochEnding(state, self.blobs)

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
                return replace(self._ending.take(group, waiting[0], ended), messages=messages)
        return Taken(messages)

    def _take_messages(
        self, group: GroupId, batch: Sequence[Arrived], open_until: int, *, is_last: bool
    ) -> tuple[int, Wait | None]:
        state, got, expired = self._state, 0, 0
        wait: Wait | None = None
        with state.groups.changing():
            row = row_of(state, group)
            for entry in batch:
                if entry.n <= row.cursor:
                    continue
                if entry.n != row.cursor + 1:
                    break
                try:
                    got += self._message(row, entry, may_end=is_last and entry is batch[-1] and entry.n > open_until)
                except EntryWaits as undo:
                    wait = undo.wait
                    break
                except Unprocessable as bad:
                    self._pass_over(row, entry, bad.reason)
                row = moved_behind(state, row_of(state, group), entry)
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
        """1 if a message was shown. Raises EntryWaits before MLS was asked, Unprocessable with MLS as it was."""
        state = self._state
        own = state.store.outbox.by_hash(entry.entry_hash)
        if own is not None and own.group == row.group:
            self._own_message(row, entry, own)
            return 0
        if entry.payload is None:
            return 0
        mls = state.groups.get(row.group)
        # only commits travel in blobs: nothing is fetched for what is none
        message = inline(entry.payload)
        envelope = None if message is None else envelope_of(mls, message)
        if message is None or envelope is None or envelope.content == "commit":
            if may_end:
                raise EntryWaits(WaitForEnd())
            raise Unprocessable("commit-not-taken")
        head = head_of(mls, row, envelope.aad)
        if row.group not in state.undecidable:
            wait_for_register(state, head)
        try:
            result = mls.process(message)
        except MlsError as error:
            raise Unprocessable(error.code) from None
        if isinstance(result, coterie_mls.Own):
            # another copy of this device may have written it: no generation of this epoch is used again
            state.store.rooms.wish(row.room, Action.RENEW, b"", state.now())
            raise Unprocessable("own-message")
        if not isinstance(result, coterie_mls.Application):
            raise Unprocessable("proposal")
        sender = claim_untrusted(result.sender)
        compare_head(state, row, head, state.register.name(sender.member))
        return self._store_message(row, entry, result)

    def _store_message(self, row: GroupRow, entry: Arrived, message: coterie_mls.Application) -> int:
        state = self._state
        sender = claim_untrusted(message.sender)
        if leaves(message.plaintext) and sender.member == state.own.member:
            self._left(row)
            return 0
        if leaves(message.plaintext):
            self._somebody_leaves(row, sender.member, entry.n)
            return 0
        by_admin = is_admin(state, row, sender.member)
        said = Said(row.room, row.place, entry.n, entry.at, sender.member, sender.device, message.plaintext, by_admin)
        before = state.store.messages.last_position()
        kept = keep(state, said)
        if kept is not None and state.context(row.group).policy.evidence:
            proof = message.evidence
            state.store.messages.put_evidence(kept, proof.tbs, proof.key, proof.signature)
        return int(state.store.messages.last_position() > before)

    def _own_message(self, row: GroupRow, entry: Arrived, own: OutboxRow) -> None:
        """The echo of what this device posted: it is stored, and it has its place."""
        state = self._state
        landed(state, row, own.message, entry.n)
        state.store.outbox.finish(own.id)
        if leaves(own.content):
            self._left(row)

    def _left(self, row: GroupRow) -> None:
        """Said by whichever of one's devices: the room is left by all of them."""
        self._state.store.rooms.set_state(row.room, RoomState.LEFT, "you left this room")
        keep_unsent(self._state, row.room)
        self._state.groups.drop(row.group)

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
