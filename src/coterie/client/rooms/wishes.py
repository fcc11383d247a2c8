"""What this device wants to change in a room.

A wish stays in the store until the room is as wished, whoever's commit made it so; a commit that lost its race is built
again from the wishes that are left. The removals that the register demands are wishes too.
"""

from enum import StrEnum
from typing import Final

import msgspec

from coterie.client.state import DeviceState
from coterie.group.roster import Roster
from coterie.ids import RoomId


class Action(StrEnum):
    ADD = "add"
    """subject: a member; all their devices come in."""
    REMOVE = "remove"
    """subject: a member, by an admin's will."""
    REMOVE_LEAVING = "remove leaving"
    """subject: a member who said that they leave."""
    REMOVE_REFUSED = "remove refused"
    """subject: a device that the register refuses."""
    ADD_AGAIN = "add again"
    """subject: a device of the room that lost its state."""
    ADD_BACK = "add back"
    """subject: a member of the room who came back with a new device, by their recovery phrase."""
    RENAME = "rename"
    """subject: MessagePack of [name or nil, topic or nil]."""
    POLICY = "policy"
    """subject: MessagePack of [receipts or nil, seconds of expiry, 0 for never, or nil]."""
    RENEW = "renew"
    """no subject: the same, before anything is written: another copy of this device may have used its ratchet."""
    UPDATE = "update"
    """no subject: fresh keys on this device's path."""


_OPPOSITE: Final = {Action.ADD: Action.REMOVE, Action.REMOVE: Action.ADD}


def wish_by_will(state: DeviceState, room: RoomId, action: Action, subject: bytes) -> None:
    """What a person wants, in a transaction: it comes after all that they wanted before, and takes the place of the
    same and of its opposite where they still wait."""
    for earlier in (action, _OPPOSITE.get(action)):
        if earlier is not None:
            state.store.rooms.withdraw_wish(room, earlier, subject)
    state.store.rooms.wish(room, action, subject, state.now())


def encode_rename(name: str | None, topic: str | None) -> bytes:
    return msgspec.msgpack.encode([name, topic])


def decode_rename(subject: bytes) -> tuple[str | None, str | None]:
    name, topic = msgspec.msgpack.decode(subject, type=tuple[str | None, str | None])
    return name, topic


def encode_policy(receipts: bool | None, expiry: int | None) -> bytes:
    return msgspec.msgpack.encode([receipts, expiry])


def decode_policy(subject: bytes) -> tuple[bool | None, int | None]:
    receipts, expiry = msgspec.msgpack.decode(subject, type=tuple[bool | None, int | None])
    return receipts, expiry


def wish_refused_out(state: DeviceState, room: RoomId, roster: Roster) -> bool:
    """Wish out what the register refuses; in a transaction. True while there is such a leaf: the room is held."""
    refused = roster.refused(state.register.state)
    for leaf in refused:
        state.store.rooms.wish(room, Action.REMOVE_REFUSED, leaf.leaf.device, state.now())
    return bool(refused)
