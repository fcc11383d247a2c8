"""What was said in a room, kept: messages as rows, and what was said about them as events that change what is shown.

Everything here is inside the transaction of the entry that brought it, or of the command that queued it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from coterie.client.facts import MessageState
from coterie.client.rooms import expiry, receipts
from coterie.client.rooms.content_row import understood, words
from coterie.client.state import DeviceState
from coterie.content import (
    Edit,
    MimiId,
    Pin,
    Poll,
    Reaction,
    Retract,
    StatusReport,
    Text,
    Unknown,
    Vote,
    mimi_id,
)
from coterie.content.projection import About, Event, Order, Original, Shown, project, target_of
from coterie.ids import DeviceId, MemberId, MessageId, RoomId
from coterie.store.events import EventRow
from coterie.store.groups import GroupRow
from coterie.store.messages import Gone, MessageRow

NOT_YET: Final = 2**62
"""The number of what has none: it comes last."""


@dataclass(frozen=True)
class Said:
    """Bytes that MLS says `member` wrote on `device`; `n` is None while they are ours and queued."""

    room: RoomId
    place: int
    n: int | None
    at: int
    member: MemberId
    device: DeviceId
    encoded: bytes
    by_admin: bool


def is_admin(state: DeviceState, row: GroupRow, member: MemberId) -> bool:
    return member in state.context(row.group).admins


def keep(state: DeviceState, said: Said) -> MessageId | None:
    """Keep what was said. Returns the message that is new, or whose text is new; None if nothing of the kind."""
    content = understood(said.encoded)
    named = mimi_id(state.own.coterie, said.member, said.room, said.encoded)
    match content:
        case Edit() | Retract() | Reaction() | Pin() | Vote():
            return _keep_event(state, said, content, named)
        case StatusReport(statuses=statuses):
            receipts.take(state, said.room, said.member, statuses, said.at)
            return None
        case Text() | Poll() | Unknown() | None:
            return _keep_message(state, said, content, named)
        case _:
            return None


def _keep_message(
    state: DeviceState, said: Said, content: Text | Poll | Unknown | None, named: MimiId
) -> MessageId | None:
    now, mine = state.now(), said.member == state.own.member
    kind, text = words(content)
    salt = content.message if content is not None else MessageId(hashlib.sha256(said.encoded).digest()[:16])
    expires = content.expires if isinstance(content, Text | Poll) else None
    queued = said.n is None
    row = MessageRow(
        id=0,
        message=salt,
        room=said.room,
        place=said.place,
        n=said.n,
        member=said.member,
        device=said.device,
        sent_at=said.at,
        received_at=now,
        kind=kind,
        text=text,
        content=said.encoded,
        state=MessageState.QUEUED if queued else MessageState.SENT if mine else MessageState.RECEIVED,
        named=named,
        reply_to=content.reply_to if isinstance(content, Text | Poll) else None,
        expires_at=expiry.at(expires, now if mine else None),
        expires_after=expires.seconds if expires is not None and expires.relative else None,
        unread=not mine,
    )
    if not state.store.messages.add(row):
        return None
    known = state.store.messages.named(said.room, named)
    if known is None:
        return None
    settle(state, said.room, [named])
    if known.expires_at is not None:
        expiry.plan(state)
    if not mine and kind in ("text", "poll"):
        receipts.owe_delivered(state, said.room, named)
    return known.message


def _keep_event(state: DeviceState, said: Said, content: About, named: MimiId) -> MessageId | None:
    target = target_of(content)
    about = state.store.messages.named(said.room, target)
    # of a message that is gone only its deletion is of interest: by whom
    if about is not None and about.gone and not (about.gone == Gone.DELETED and isinstance(content, Retract)):
        return None
    expires_at = expiry.at(content.expires, state.now()) if isinstance(content, Edit) else None
    row = EventRow(
        id=0,
        named=named,
        message=content.message,
        room=said.room,
        target=target,
        place=said.place,
        n=said.n,
        member=said.member,
        at=said.at,
        content=said.encoded,
        by_admin=said.by_admin,
        expires_at=expires_at,
    )
    if not state.store.events.add(row):
        return None
    if expires_at is not None:
        expiry.plan(state)
    reaction = state.store.events.named(said.room, target)
    rewritten = settle(state, said.room, [target] if reaction is None else [target, reaction.target])
    return about.message if about is not None and named in rewritten else None


def landed(state: DeviceState, row: GroupRow, message: MessageId, n: int) -> None:
    """What this device said has its number: a message its place, what is about a message its turn."""
    state.store.messages.place(message, row.place, n, MessageState.SENT)
    event = state.store.events.of_message(message)
    if event is not None and event.member == state.own.member and event.n is None:
        state.store.events.place(event.named, row.place, n, by_admin=is_admin(state, row, event.member))
        settle(state, row.room, [event.target])


def settle(state: DeviceState, room: RoomId, targets: Sequence[bytes]) -> set[bytes]:
    """Bring rows to what is said about them now; what is superseded leaves the disk. Returns the edits that are shown
    from now on."""
    rewritten: set[bytes] = set()
    for target in targets:
        row = state.store.messages.named(room, target)
        shown = _project(row, state.store.events.about(room, [target]))
        state.store.events.spend(shown.spent)
        if row is None:
            continue
        if shown.deleted_by is not None:
            state.store.messages.clear(row.message, Gone.DELETED, shown.deleted_by)
            state.store.receipts.forget(room, target)
        elif shown.edit is not None and isinstance(shown.edit.content, Edit) and not row.gone:
            event = state.store.events.named(room, shown.edit.id)
            if event is not None and event.content != row.content:
                state.store.messages.rewrite(row.message, shown.edit.content.text, event.content, event.at)
                rewritten.add(event.named)
    return rewritten


def shown(state: DeviceState, room: RoomId, rows: Sequence[MessageRow]) -> dict[MessageId, Shown]:
    """What stands at each of these messages of a room."""
    by_target: dict[bytes, list[EventRow]] = {}
    events = state.store.events.about(room, [row.named for row in rows if row.named and not row.gone])
    targets = {event.named: event.target for event in events}
    for event in events:
        by_target.setdefault(targets.get(event.target, event.target), []).append(event)
    return {row.message: _project(row, by_target.get(row.named, [])) for row in rows}


def _project(row: MessageRow | None, rows: Sequence[EventRow]) -> Shown:
    events = [event for event in map(_event, rows) if event is not None]
    return project(None if row is None else _original(row), events)


def _original(row: MessageRow) -> Original:
    content: Text | Poll | None = None
    if row.kind == "text":
        content = Text(row.message, row.text)
    elif row.kind == "poll" and not row.gone:
        known = understood(row.content)
        content = known if isinstance(known, Poll) else None
    return Original(MimiId(row.named), row.member, content)


def _event(row: EventRow) -> Event | None:
    content = understood(row.content)
    if not isinstance(content, Edit | Retract | Reaction | Pin | Vote):
        return None
    order = Order(row.place, NOT_YET if row.n is None else row.n, row.id)
    return Event(MimiId(row.named), row.member, order, content, row.by_admin)
