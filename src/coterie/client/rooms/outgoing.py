"""Our own messages on their way: stored, shown, encrypted when they can be posted, posted until their fate is known.

What becomes of an outbox row, as a table (`NEXT`): a row's state follows from what is stored with it.
"""

import hashlib
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from coterie.client.facts import MessageState, RoomState
from coterie.client.rooms.content_row import understood
from coterie.client.rooms.said import Said, is_admin, keep, landed
from coterie.client.rooms.wishes import wish_refused_out
from coterie.client.state import DeviceState
from coterie.content import Expiry, MimiId, StatusReport, encode_leave, encode_text
from coterie.group.entry import make_entry
from coterie.group.exports import post_token
from coterie.group.sealed_blob import BlobKey
from coterie.ids import GroupId, MessageId, RoomId
from coterie.store.messages import MessageRow, OutboxRow
from coterie.wire.frames import Post

BATCH: Final = 64


class Outgoing(StrEnum):
    QUEUED = "queued"
    """In the outbox and on screen; not encrypted."""
    ENCRYPTED = "encrypted"
    """Ciphertext and ratchet are on disk; it may be at the server or not."""
    POSTED = "posted"
    """The server answered its number; its echo is to come."""
    DONE = "done"
    """Its echo came: the row is gone."""


class Event(StrEnum):
    ENCRYPT = "encrypt"
    POSTED = "posted"
    POSTED_BEFORE = "posted before"
    ECHO = "echo"
    EPOCH_ENDED = "epoch ended"


NEXT: Final[dict[tuple[Outgoing, Event], Outgoing]] = {
    (Outgoing.QUEUED, Event.ENCRYPT): Outgoing.ENCRYPTED,
    (Outgoing.ENCRYPTED, Event.POSTED): Outgoing.POSTED,
    # the connection may break between the server's append and its answer
    (Outgoing.ENCRYPTED, Event.ECHO): Outgoing.DONE,
    (Outgoing.POSTED, Event.ECHO): Outgoing.DONE,
    # posted before this device was added again: the server answers the number of then
    (Outgoing.ENCRYPTED, Event.POSTED_BEFORE): Outgoing.DONE,
    # the queue is ordered: what did not come back before the epoch's end was not accepted
    (Outgoing.ENCRYPTED, Event.EPOCH_ENDED): Outgoing.QUEUED,
    # not even if the server said so: then it is asked again under the same key, and answers the number of then
    (Outgoing.POSTED, Event.EPOCH_ENDED): Outgoing.QUEUED,
}


def state_of(row: OutboxRow) -> Outgoing:
    if row.ciphertext is None:
        return Outgoing.QUEUED
    return Outgoing.ENCRYPTED if row.posted is None else Outgoing.POSTED


def queue_text(
    state: DeviceState, room: RoomId, text: str, *, reply_to: MimiId | None = None, expires: Expiry | None = None
) -> MessageId:
    """Put a message into the outbox and on screen. Returns after it is on disk. Raises TextTooLong, NotText."""
    message = MessageId(state.random(16))
    queue_content(state, room, message, encode_text(message, text, reply_to=reply_to, expires=expires))
    return message


def queue_leave(state: DeviceState, room: RoomId) -> MessageId:
    """Say in the room that this member leaves."""
    now, message = state.now(), MessageId(state.random(16))
    with state.groups.changing():
        row = MessageRow(
            id=0,
            message=message,
            room=room,
            place=state.group_of(room).place,
            n=None,
            member=state.own.member,
            device=state.own.device,
            sent_at=now,
            received_at=now,
            kind="notice",
            text="you are leaving",
            content=b"",
            state=MessageState.QUEUED,
        )
        state.store.messages.add(row)
        state.store.outbox.add(room, message, state.random(16), encode_leave(message))
    state.changed()
    return message


def queue_content(state: DeviceState, room: RoomId, message: MessageId, content: bytes) -> None:
    """Put what is said into the outbox, and show what it brings about. Returns after it is on disk."""
    with state.groups.changing():
        group, own = state.group_of(room), state.own
        by_admin = is_admin(state, group, own.member)
        keep(state, Said(room, group.place, None, state.now(), own.member, own.device, content, by_admin))
        state.store.outbox.add(room, message, state.random(16), content)
    state.changed()


def hold_if_refused(state: DeviceState, group: GroupId) -> bool:
    """True if nothing may be encrypted now: the roster holds a device that the register refuses. Keeps the room's state
    and the wish to remove it up to date; in a transaction of its own."""
    with state.groups.changing():
        row = state.store.groups.get(group)
        if row is None:
            raise KeyError(group)
        refused = state.roster(group).refused(state.register.state)
        here = state.room(row.room)
        if refused:
            wish_refused_out(state, row.room, state.roster(group))
            whom = state.register.name(refused[0].leaf.member)
            reason = f"waiting until a device of {whom} is out: {refused[0].sentence}"
            if (here.state, here.reason) != (RoomState.HELD, reason):
                state.store.rooms.set_state(row.room, RoomState.HELD, reason)
        elif here.state == RoomState.HELD:
            state.store.rooms.set_state(row.room, RoomState.ACTIVE, "")
    return bool(refused)


def encrypt_waiting(state: DeviceState, group: GroupId) -> list[Post]:
    """Encrypt what waits under the present epoch and give the posts to make, those encrypted earlier too, oldest first.

    Ratchet and ciphertext are on disk when this returns. The caller has found that the room is not held.
    """
    posts: list[Post] = []
    with state.groups.changing():
        row = state.store.groups.get(group)
        if row is None:
            raise KeyError(group)
        mls = state.groups.get(group)
        token = bytes(post_token(mls))
        for out in state.store.outbox.of_room(row.room)[:BATCH]:
            match state_of(out):
                case Outgoing.POSTED:
                    continue
                case Outgoing.ENCRYPTED if out.ciphertext is not None and out.group == group:
                    payload = out.ciphertext
                case _:
                    made = mls.encrypt(out.content, state.sealed_head(mls, row))
                    payload = make_entry(mls, made.wire, BlobKey(state.random(32)), state.random(12)).payload
                    entry_hash = hashlib.sha256(payload).digest()
                    state.store.outbox.encrypted(out.id, group, mls.epoch, payload, entry_hash)
                    if state.context(group).policy.evidence:
                        proof = made.evidence
                        state.store.messages.put_evidence(out.message, proof.tbs, proof.key, proof.signature)
            posts.append(Post(id=0, queue=row.queue, token=token, epoch=mls.epoch, key=out.key, payload=payload))
    return posts


def note_posted(state: DeviceState, room: RoomId, answers: Sequence[tuple[bytes, int]]) -> int:
    """The server stored these: (key, n). Returns how many of them people said themselves."""
    numbers, said = dict(answers), 0
    with state.groups.changing():
        row = state.group_of(room)
        for out in state.store.outbox.of_room(room):
            if out.key in numbers and state_of(out) is Outgoing.ENCRYPTED:
                n = numbers[out.key]
                landed(state, row, out.message, n)
                said += not isinstance(understood(out.content), StatusReport)
                if n <= row.cursor:
                    # stored under an epoch that this device has since lost: no echo will come
                    state.store.outbox.finish(out.id)
                else:
                    state.store.outbox.posted(out.id, n)
    state.changed()
    return said
