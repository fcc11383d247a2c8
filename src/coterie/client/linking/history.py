"""History for a device that was linked here: messages in order, room by room, as sealed blobs named in its inbox.

A room's history is packed once the new device is in the room: from its adding on it reads the room itself, so nothing
is missing between; what comes both ways is shown once, by its id.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from coterie.client.chores import ChoreKind
from coterie.client.connection import Connection
from coterie.client.facts import MessageState, RoomState
from coterie.client.rooms.blobs import get_blob, put_blob
from coterie.client.state import LIVE_STATES, DeviceState
from coterie.errors import PeerError
from coterie.group.inbox import VerifiedEntry
from coterie.group.inbox_bodies import HistoryPart
from coterie.group.sealed_blob import BlobKey, open_blob_untrusted, seal_blob
from coterie.ids import DeviceId, GroupId, MemberId, MessageId, RoomId
from coterie.store.facts import Fact
from coterie.store.messages import MessageRow
from coterie.store.rooms import RoomRow
from coterie.trust.kinds import DeviceAdded

PART_BYTES: Final = 512 * 1024
LOOK_AGAIN_MS: Final = 1_000
ENOUGH_TRIES: Final = 400
"""An hour or more; a room that the new device is still not in is then packed as it is."""
_KINDS_KEPT: Final = 32

Number = Annotated[int, Meta(ge=-(2**62), le=2**62)]
Time = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Id = Annotated[bytes, Meta(min_length=16, max_length=16)]
Word = Annotated[str, Meta(min_length=1, max_length=_KINDS_KEPT)]


class BadHistory(PeerError):
    """A part of history is not what an own device packs."""

    code = "bad_history"


class PackedMessage(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """As in the store; `evidence` is empty or (tbs, key, signature)."""

    message: Id
    place: Number
    n: Number
    member: Id
    device: Id
    sent_at: Time
    received_at: Time
    kind: Word
    text: str
    content: bytes
    state: Word
    evidence: Annotated[list[bytes], Meta(max_length=3)]
    named: bytes
    reply_to: bytes | None
    edited_at: Time | None
    gone: Annotated[str, Meta(max_length=_KINDS_KEPT)]
    gone_by: bytes | None
    expires_at: Time | None
    expires_after: Time | None


_packed: Final[msgspec.msgpack.Decoder[list[PackedMessage]]] = msgspec.msgpack.Decoder(list[PackedMessage])


# The old device


async def send_history(state: DeviceState, connection: Connection, device: DeviceId, tries: int) -> None:
    """One look: pack the rooms that are ready; look again until all are. A crash repeats at most one room."""
    promise = state.store.linking.promised(device)
    if promise is None or promise.kept or not state.register.state.device_in_force(device):
        _end(state, device)
        return
    waiting = moved = False
    for room in state.store.rooms.all():
        if room.room in state.store.linking.sent_rooms(device):
            continue
        if tries < ENOUGH_TRIES and room.state in LIVE_STATES and device not in state.roster(room.group).devices:
            waiting = True
            continue
        await _send_room(state, connection, device, room, promise.since)
        moved = True
    if not waiting:
        _end(state, device)
        return
    with state.groups.changing():
        wait = LOOK_AGAIN_MS if moved else min(LOOK_AGAIN_MS * 2 ** min(tries, 4), ChoreKind.HISTORY.every_ms)
        state.store.chores.plan(ChoreKind.HISTORY, device, state.now() + wait, tries + 1)


def _end(state: DeviceState, device: DeviceId) -> None:
    with state.groups.changing():
        if state.register.state.device_in_force(device):
            state.store.linking.keep(device)
        else:
            state.store.linking.forget(device)
        state.store.chores.finish(ChoreKind.HISTORY, device)
    state.changed()


async def _send_room(state: DeviceState, connection: Connection, device: DeviceId, room: RoomRow, since: int) -> None:
    """Blobs first, then the posts and the mark that they are done, in one transaction."""
    group = state.store.groups.get(room.group)
    place = 0 if group is None else group.place
    over = room.state in (RoomState.LEFT, RoomState.REMOVED)
    bodies: list[HistoryPart] = []
    for content in _parts(state, room.room, since):
        sealed = seal_blob(content, BlobKey(state.random(32)))
        await put_blob(connection, sealed.ref.id, sealed.ciphertext)
        bodies.append(
            HistoryPart(
                *(room.room, room.group, room.name, room.topic, room.made_at, place),
                room.state if over else "",
                room.reason,
                sealed.ref,
            )
        )
    with state.groups.changing():
        for body in bodies:
            state.post(device, body)
        state.store.linking.sent(device, room.room, len(bodies))


def _parts(state: DeviceState, room: RoomId, since: int) -> Iterator[bytes]:
    """The room's messages that have a number, in order, encoded in pieces. A room without any is one empty part."""
    part: list[PackedMessage] = []
    size = made = 0
    for row in state.store.messages.of_room(room):
        # what is still queued reaches the new device by the room itself
        if row.n is None or row.sent_at < since:
            continue
        packed = _pack(row, state.store.messages.evidence(row.message))
        weight = len(row.content) + len(row.text) * 4 + sum(map(len, packed.evidence)) + 200
        if part and size + weight > PART_BYTES:
            yield msgspec.msgpack.encode(part)
            part, size, made = [], 0, made + 1
        part.append(packed)
        size += weight
    if part or not made:
        yield msgspec.msgpack.encode(part)


def _pack(row: MessageRow, evidence: tuple[bytes, bytes, bytes] | None) -> PackedMessage:
    return PackedMessage(
        *(row.message, row.place, row.n or 0, row.member, row.device, row.sent_at, row.received_at),
        *(row.kind, row.text, row.content, row.state),
        evidence=list(evidence or ()),
        named=row.named,
        reply_to=row.reply_to,
        edited_at=row.edited_at,
        gone=row.gone,
        gone_by=row.gone_by,
        expires_at=row.expires_at,
        expires_after=row.expires_after,
    )


# The new device


def may_send_history(state: DeviceState, entry: VerifiedEntry) -> bool:
    """Only the device that linked this one: another own device that was stolen must not fill it with inventions."""
    seq = state.register.joined_seq(state.own.device)
    if seq is None or entry.member != state.own.member:
        return False
    added = state.register.entry_at(seq)
    return isinstance(added.public, DeviceAdded) and added.author == entry.sender


def too_early(state: DeviceState, part: HistoryPart) -> bool:
    """A living room's history waits until this device is in the room, so that it comes to stand in front."""
    return not part.over and state.store.rooms.get(RoomId(part.room)) is None


async def take_history(state: DeviceState, connection: Connection, entry: VerifiedEntry, part: HistoryPart) -> None:
    """Fetch, open and keep one part, in one transaction. Raises BadHistory, BadBlob, BlobWrong, ServerRefused."""
    plain = open_blob_untrusted(part.blob, await get_blob(connection, part.blob))
    try:
        packed = _packed.decode(plain)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadHistory("a part of the history does not decode", "the other parts are kept") from None
    with state.groups.changing():
        state.store.inbox.see(entry.id, entry.at)
        _keep(state, part, packed)
        parts = state.store.facts.number(Fact.HISTORY_PARTS)
        state.store.facts.put_number(Fact.HISTORY_PARTS, parts + 1)
    state.changed()


def _keep(state: DeviceState, part: HistoryPart, packed: Sequence[PackedMessage]) -> None:
    room = RoomId(part.room)
    here = state.store.rooms.get(room)
    if here is None:
        over = part.over or RoomState.REMOVED
        reason = part.reason or "this device is not in it; another of your devices is to add it"
        here = RoomRow(room, part.name, part.topic, over, reason, GroupId(part.group), part.made_at)
        state.store.rooms.put(here)
    known = state.store.groups.get(GroupId(part.group))
    # what this device reads by itself stands at its own places: history in front of it, or with it in the same group
    shift = (known.place if known is not None and known.room == room else -1) - part.place
    for one in packed:
        message = MessageId(one.message)
        fresh = state.store.messages.add(
            MessageRow(
                id=0,
                message=message,
                room=room,
                place=one.place + shift,
                n=one.n,
                member=MemberId(one.member),
                device=DeviceId(one.device),
                sent_at=one.sent_at,
                received_at=one.received_at,
                kind=one.kind,
                text=one.text,
                content=one.content,
                state=one.state if one.state in _STATES else MessageState.RECEIVED,
                named=one.named,
                reply_to=one.reply_to,
                edited_at=one.edited_at,
                gone=one.gone,
                gone_by=one.gone_by,
                expires_at=one.expires_at,
                expires_after=one.expires_after,
            )
        )
        if fresh and len(one.evidence) == 3:
            state.store.messages.put_evidence(message, *one.evidence)


_STATES: Final = frozenset(MessageState) - {MessageState.QUEUED}
