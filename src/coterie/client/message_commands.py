"""The commands about messages, and about what is set for those of a room: a part of the table in `commands`."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any, Final

from msgspec import Meta

from coterie.client.params import InRoom, Name, Params
from coterie.client.rows import Row, room_row, sent_row

if TYPE_CHECKING:
    from coterie.client.device import Device


class OneMessage(Params, frozen=True):
    message: Name


class WithText(OneMessage, frozen=True):
    text: str


class React(OneMessage, frozen=True):
    emoji: Name
    remove: bool = False


class Delete(OneMessage, frozen=True):
    for_me: bool = False


class SetPin(OneMessage, frozen=True):
    remove: bool = False


class NewPoll(InRoom, frozen=True):
    question: str
    options: tuple[str, ...]
    many: bool = False


class CastVote(OneMessage, frozen=True):
    options: tuple[Annotated[int, Meta(ge=1)], ...] = ()


class RoomExpiry(InRoom, frozen=True):
    """0: never."""

    seconds: Annotated[int, Meta(ge=0, le=2**32 - 1)]


class RoomReceipts(InRoom, frozen=True):
    receipts: bool


class RoomMute(InRoom, frozen=True):
    """0: not any more."""

    seconds: Annotated[int, Meta(ge=0, le=2**32 - 1)]


class RoomArchive(InRoom, frozen=True):
    archived: bool = True


async def _reply(device: "Device", params: WithText) -> AsyncIterator[Row]:
    yield sent_row(await device.reply(device.find_message(params.message), params.text))


async def _edit(device: "Device", params: WithText) -> AsyncIterator[Row]:
    yield sent_row(await device.edit(device.find_message(params.message), params.text))


async def _react(device: "Device", params: React) -> AsyncIterator[Row]:
    yield sent_row(await device.react(device.find_message(params.message), params.emoji, remove=params.remove))


async def _delete(device: "Device", params: Delete) -> AsyncIterator[Row]:
    yield sent_row(await device.delete(device.find_message(params.message), for_me=params.for_me))


async def _pin(device: "Device", params: SetPin) -> AsyncIterator[Row]:
    yield sent_row(await device.pin(device.find_message(params.message), pinned=not params.remove))


async def _poll(device: "Device", params: NewPoll) -> AsyncIterator[Row]:
    room = await device.seek_room(params.room)
    yield sent_row(await device.poll(room, params.question, params.options, many=params.many))


async def _vote(device: "Device", params: CastVote) -> AsyncIterator[Row]:
    options = [option - 1 for option in params.options]
    yield sent_row(await device.vote(device.find_message(params.message), options))


async def _room_expire(device: "Device", params: RoomExpiry) -> AsyncIterator[Row]:
    room = await device.seek_room(params.room)
    await device.set_policy(room, expiry_seconds=params.seconds)
    yield room_row(device.room(room))


async def _room_receipts(device: "Device", params: RoomReceipts) -> AsyncIterator[Row]:
    room = await device.seek_room(params.room)
    await device.set_policy(room, receipts=params.receipts)
    yield room_row(device.room(room))


async def _room_mute(device: "Device", params: RoomMute) -> AsyncIterator[Row]:
    room = await device.seek_room(params.room)
    device.mute(room, params.seconds)
    yield room_row(device.room(room))


async def _room_archive(device: "Device", params: RoomArchive) -> AsyncIterator[Row]:
    room = await device.seek_room(params.room)
    device.archive(room, archived=params.archived)
    yield room_row(device.room(room))


async def _room_notes(device: "Device", params: Params) -> AsyncIterator[Row]:
    yield room_row(device.notes())


MESSAGE_COMMANDS: Final[dict[str, tuple[type[Any], Any]]] = {
    "reply": (WithText, _reply),
    "edit": (WithText, _edit),
    "react": (React, _react),
    "delete": (Delete, _delete),
    "pin": (SetPin, _pin),
    "poll": (NewPoll, _poll),
    "vote": (CastVote, _vote),
    "room expire": (RoomExpiry, _room_expire),
    "room receipts": (RoomReceipts, _room_receipts),
    "room mute": (RoomMute, _room_mute),
    "room archive": (RoomArchive, _room_archive),
    "room notes": (Params, _room_notes),
}
"""Command → the form of its values, and what it does."""
