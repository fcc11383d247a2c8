"""Receipts: what this device reports to a room, and what others report of ours (docs/protocol/content.md).

Only where the room's policy allows it. Reports are gathered and go out together when the room has been brought up to
date; nobody reports on a report.
"""

from collections.abc import Sequence
from typing import Final

from coterie.client.facts import MessageState
from coterie.client.rooms import expiry
from coterie.client.state import DeviceState
from coterie.content import MessageStatus, MimiId, encode_status
from coterie.content.limits import MOST_STATUSES
from coterie.ids import MemberId, MessageId, RoomId
from coterie.store.messages import MessageRow

MOST_DELIVERED_TO: Final = 50
"""In rooms of more members only what was read is reported: each report goes to everybody."""
_RISING: Final = (MessageState.SENT, MessageState.DELIVERED, MessageState.READ)


def owe_delivered(state: DeviceState, room: RoomId, named: bytes) -> None:
    """A message of another came in; in a transaction."""
    group = state.room(room).group
    if state.context(group).policy.receipts and len(state.roster(group).members) <= MOST_DELIVERED_TO:
        state.store.receipts.owe(room, named, MessageStatus.DELIVERED)


def mark_read(state: DeviceState, room: RoomId, last: MessageRow) -> int:
    """The person has read up to `last`. How many were new to them; in a transaction."""
    rows = state.store.messages.unread_up_to(room, last)
    allowed = state.store.groups.has_state(state.room(room).group)
    allowed = allowed and state.context(state.room(room).group).policy.receipts
    for row in rows:
        state.store.messages.mark_read(row.message, state.now())
        if allowed and row.kind in ("text", "poll"):
            state.store.receipts.owe(room, row.named, MessageStatus.READ)
    if any(row.expires_after is not None for row in rows):
        expiry.plan(state)
    return len(rows)


def report(state: DeviceState, room: RoomId) -> None:
    """Put what is owed into the outbox, in a transaction of its own if there is any."""
    owed = state.store.receipts.owed(room, MOST_STATUSES)
    if not owed:
        return
    with state.groups.changing():
        if not state.context(state.room(room).group).policy.receipts:
            state.store.receipts.settle_all(room)
            return
        message = MessageId(state.random(16))
        content = encode_status(message, [(MimiId(named), MessageStatus(status)) for named, status in owed])
        state.store.outbox.add(room, message, state.random(16), content)
        for named, _ in owed:
            state.store.receipts.settle(room, named)


def take(
    state: DeviceState, room: RoomId, member: MemberId, statuses: Sequence[tuple[MimiId, MessageStatus]], at: int
) -> None:
    """`member` reports; in a transaction. Of others' messages only what this person read on another device counts."""
    others = state.roster(state.room(room).group).members - {state.own.member}
    for named, status in statuses:
        row = state.store.messages.named(room, named)
        if row is None or row.gone or status not in (MessageStatus.DELIVERED, MessageStatus.READ):
            continue
        if member == state.own.member:
            if status is MessageStatus.READ and row.unread:
                state.store.messages.mark_read(row.message, state.now())
                state.store.receipts.settle(room, named)
        elif row.member == state.own.member and state.store.receipts.note(room, named, member, status, at):
            _rise(state, row, others)


def _rise(state: DeviceState, row: MessageRow, others: frozenset[MemberId] | set[MemberId]) -> None:
    """Delivered is what everybody else in the room has, read what everybody else has read."""
    known = state.store.receipts.of_target(row.room, row.named)
    least = min((known.get(other, 0) for other in others), default=0)
    reached = {1: MessageState.DELIVERED, 2: MessageState.READ}.get(least)
    if reached is not None and row.state in _RISING and _RISING.index(reached) > _RISING.index(MessageState(row.state)):
        state.store.messages.set_state(row.message, reached)
