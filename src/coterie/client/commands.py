"""What a device can be told to do, by name: one table, used by a running device for what comes over its socket and by
the command line when nobody runs the device (docs/guide/commands.md).

Takes plain values, checks them, finds rooms and members by what people call them, answers with JSON objects. Does
nothing itself: each command is one call of `Device`.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Generic, Literal, TypeVar

import msgspec
from msgspec import Meta

from coterie.client.linking.old_device import History
from coterie.client.message_commands import MESSAGE_COMMANDS
from coterie.client.params import InRoom, Name, Params, Seconds
from coterie.client.rows import (
    Row,
    alarm_row,
    invite_row,
    link_event_row,
    member_row,
    message_row,
    room_row,
    sent_row,
    status_row,
    synced_row,
)
from coterie.errors import CallerError
from coterie.ids import DeviceId, MemberId, MessageId
from coterie.store import Passphrase
from coterie.trust.safety_number import parse_number_untrusted

if TYPE_CHECKING:
    from coterie.client.device import Device  # it serves this table

DEFAULT_SEAT_SECONDS: Final = 180 * 24 * 3600
DEFAULT_EXPIRES_SECONDS: Final = 7 * 24 * 3600
SEND_WAIT_SECONDS: Final = 10.0
_ID_BYTES: Final = 16
_PREFIX_CHARS: Final = 6


class BadParameter(CallerError):
    """A command's value has the wrong form."""

    code: ClassVar[str] = "usage"


class UnknownCommand(CallerError):
    """No command of this name."""

    code: ClassVar[str] = "usage"


class RoomAndMember(InRoom, frozen=True):
    member: Name


class NewRoom(Params, frozen=True):
    name: Name
    members: tuple[Name, ...] = ()


class Rename(InRoom, frozen=True):
    name: Name | None = None
    topic: str | None = None


class Send(InRoom, frozen=True):
    text: str
    expires_seconds: Seconds | None = None
    wait: Annotated[float, Meta(ge=0, le=3600)] = SEND_WAIT_SECONDS


class Read(Params, frozen=True):
    room: Name | None = None
    after: Name | None = None
    limit: Annotated[int, Meta(ge=1)] | None = None
    follow: bool = False
    notices: bool = False


class Sync(Params, frozen=True):
    timeout: Annotated[float, Meta(gt=0, le=3600)] = 30.0


class CreateInvite(Params, frozen=True):
    role: Literal["steward", "member", "guest", "bot"] = "member"
    seat_seconds: Seconds | None = DEFAULT_SEAT_SECONDS
    expires_seconds: Seconds = DEFAULT_EXPIRES_SECONDS


class Alarms(Params, frozen=True):
    resolved: bool = False


class OneAlarm(Params, frozen=True):
    alarm: Annotated[int, Meta(ge=1, le=2**63 - 1)]


class OneInvite(Params, frozen=True):
    invite: Name


class OneMember(Params, frozen=True):
    member: Name


class Verify(OneMember, frozen=True):
    shown: str | None = None
    mark: bool = False
    unmark: bool = False


class OneDevice(Params, frozen=True):
    device: Name


class Backup(Params, frozen=True):
    file: Name
    """An absolute path."""
    passphrase: Annotated[str, Meta(min_length=1, max_length=64 * 1024)] | None = None


class Words(Params, frozen=True):
    words: dict[Annotated[str, Meta(pattern="^[1-9][0-9]?$")], Annotated[str, Meta(max_length=32)]]
    """Words of the phrase, by their place from 1 on."""


class AddDevice(Params, frozen=True):
    history: Literal["all", "30d", "none"] = "all"


class Answer(Params, frozen=True):
    yes: bool


class Profile(Params, frozen=True):
    name: Name


async def _status(device: "Device", params: Params) -> AsyncIterator[Row]:
    yield status_row(device.status())


async def _show_phrase(device: "Device", params: Params) -> AsyncIterator[Row]:
    yield {"phrase": list(device.phrase().words), "server": device.server_link().text}


async def _confirm_phrase(device: "Device", params: Words) -> AsyncIterator[Row]:
    device.confirm_phrase({int(place): word for place, word in params.words.items()})
    yield {"phrase_confirmed": device.status().phrase_confirmed}


async def _server_link(device: "Device", params: Params) -> AsyncIterator[Row]:
    yield {"server": device.server_link().text}


async def _backup(device: "Device", params: Backup) -> AsyncIterator[Row]:
    passphrase = None if params.passphrase is None else Passphrase.of(params.passphrase)
    async for written in device.backup(Path(params.file), passphrase):
        if written.size is None:
            yield {"event": "progress", "done": written.done, "total": written.total}
        else:
            yield {"event": "written", "file": params.file, "messages": written.done, "bytes": written.size}


async def _sync(device: "Device", params: Sync) -> AsyncIterator[Row]:
    yield synced_row(await device.sync(timeout=params.timeout))


async def _alarms(device: "Device", params: Alarms) -> AsyncIterator[Row]:
    for alarm in device.alarms(resolved=params.resolved):
        yield alarm_row(alarm)


async def _alarm(device: "Device", params: OneAlarm) -> AsyncIterator[Row]:
    shown = device.alarm(params.alarm)
    yield alarm_row(shown.facts) | {"means": shown.guide.means, "steps": list(shown.guide.steps)}


async def _resolve_alarm(device: "Device", params: OneAlarm) -> AsyncIterator[Row]:
    yield alarm_row(device.resolve_alarm(params.alarm))


async def _members(device: "Device", params: Params) -> AsyncIterator[Row]:
    for member in device.members():
        yield member_row(member)


def _member_now(device: "Device", member: MemberId) -> Row:
    return next(member_row(facts) for facts in device.members() if facts.member == member)


async def _remove_member(device: "Device", params: OneMember) -> AsyncIterator[Row]:
    member = await device.seek_member(params.member)
    await device.remove_member(member)
    yield _member_now(device, member)


async def _verify(device: "Device", params: Verify) -> AsyncIterator[Row]:
    member = await device.seek_member(params.member)
    number = device.safety_number(member)
    agrees = None if params.shown is None else number.agrees(parse_number_untrusted(params.shown))
    if agrees is not False and params.mark != params.unmark:
        device.set_verified(member, params.mark)
    yield _member_now(device, member) | {
        "number": " ".join(number.groups),
        "words": " ".join(number.words),
        "qr": number.qr,
        "agrees": agrees,
    }


async def _set_profile(device: "Device", params: Profile) -> AsyncIterator[Row]:
    await device.set_profile(params.name)
    yield _member_now(device, device.status().member)


async def _devices(device: "Device", params: Params) -> AsyncIterator[Row]:
    here = device.status().device
    for member in device.members():
        for one in member.devices:
            yield {
                "device": one.hex(),
                "member": member.member.hex(),
                "name": member.name,
                "this_device": one == here,
            }


def _find_device(device: "Device", text: str) -> DeviceId:
    known: list[DeviceId] = [one for member in device.members() for one in member.devices]
    found = [one for one in known if one.hex() == text] or [
        one for one in known if len(text) >= _PREFIX_CHARS and one.hex().startswith(text)
    ]
    if not found:
        raise BadParameter(f"no device is called {text}", "device list shows them")
    if len(found) > 1:
        raise BadParameter(f"{text} could be {', '.join(one.hex() for one in found)}", "give more of the id")
    return found[0]


async def _remove_device(device: "Device", params: OneDevice) -> AsyncIterator[Row]:
    found = _find_device(device, params.device)
    await device.remove_device(found)
    yield {"device": found.hex(), "state": "removed"}


async def _add_device(device: "Device", params: AddDevice) -> AsyncIterator[Row]:
    async for event in device.linking.add(History(params.history)):
        yield link_event_row(event)


async def _answer_linking(device: "Device", params: Answer) -> AsyncIterator[Row]:
    device.linking.answer(params.yes)
    yield {"yes": params.yes}


async def _create_invite(device: "Device", params: CreateInvite) -> AsyncIterator[Row]:
    yield invite_row(
        await device.create_invite(
            role=params.role, seat_seconds=params.seat_seconds, expires_seconds=params.expires_seconds
        )
    )


async def _invites(device: "Device", params: Params) -> AsyncIterator[Row]:
    for invite in device.invites():
        yield invite_row(invite)


async def _revoke_invite(device: "Device", params: OneInvite) -> AsyncIterator[Row]:
    invite = device.find_invite(params.invite)
    await device.revoke_invite(invite)
    yield next(invite_row(facts) for facts in device.invites() if facts.invite == invite)


async def _new_room(device: "Device", params: NewRoom) -> AsyncIterator[Row]:
    members = [await device.seek_member(member) for member in params.members]
    yield room_row(await device.create_room(params.name, members))


async def _rooms(device: "Device", params: Params) -> AsyncIterator[Row]:
    for room in device.rooms():
        yield room_row(room)


async def _add_to_room(device: "Device", params: RoomAndMember) -> AsyncIterator[Row]:
    room = await device.seek_room(params.room)
    await device.add_to_room(room, await device.seek_member(params.member))
    yield room_row(device.room(room))


async def _remove_from_room(device: "Device", params: RoomAndMember) -> AsyncIterator[Row]:
    room = await device.seek_room(params.room)
    await device.remove_from_room(room, await device.seek_member(params.member))
    yield room_row(device.room(room))


async def _leave_room(device: "Device", params: InRoom) -> AsyncIterator[Row]:
    room = await device.seek_room(params.room)
    await device.leave_room(room)
    yield room_row(device.room(room))


async def _room_members(device: "Device", params: InRoom) -> AsyncIterator[Row]:
    room = device.room(await device.seek_room(params.room))
    everyone = {facts.member: facts for facts in device.members()}
    for member in room.members:
        known = everyone.get(member)
        yield {
            "room": room.room.hex(),
            "member": member.hex(),
            "name": known.name if known else None,
            "role": known.role if known else None,
            "admin": member in room.admins,
            "state": known.state if known else "unknown",
        }


async def _rename_room(device: "Device", params: Rename) -> AsyncIterator[Row]:
    if params.name is None and params.topic is None:
        raise BadParameter("nothing to change was given", "give the new name, --topic, or both")
    room = await device.seek_room(params.room)
    await device.rename_room(room, name=params.name, topic=params.topic)
    yield room_row(device.room(room))


async def _found_successor(device: "Device", params: InRoom) -> AsyncIterator[Row]:
    room = await device.seek_room(params.room)
    await device.found_successor(room)
    yield room_row(device.room(room))


async def _rejoin(device: "Device", params: InRoom) -> AsyncIterator[Row]:
    room = await device.seek_room(params.room)
    await device.rejoin(room)
    yield room_row(device.room(room))


async def _send(device: "Device", params: Send) -> AsyncIterator[Row]:
    room = await device.seek_room(params.room)
    yield sent_row(await device.send(room, params.text, wait=params.wait, expires_seconds=params.expires_seconds))


def _message_id(text: str) -> MessageId:
    try:
        message = bytes.fromhex(text)
    except ValueError:
        message = b""
    if len(message) != _ID_BYTES:
        raise BadParameter(f"{text} is not a message's id", "ids stand in what read --json prints: 32 hex digits")
    return MessageId(message)


async def _read(device: "Device", params: Read) -> AsyncIterator[Row]:
    room = None if params.room is None else await device.seek_room(params.room)
    after = None if params.after is None else _message_id(params.after)
    if not params.follow:
        messages = device.messages(room, after=after, limit=params.limit, notices=params.notices)
        for message in messages:
            yield message_row(message)
        # what stands further down in a room is the newer
        for last in {message.room: message.message for message in messages if message.unread}.values():
            device.mark_read(last)
        return
    shown = 0
    async for message in device.follow(room, after=after, notices=params.notices):
        yield message_row(message)
        if message.unread:
            device.mark_read(message.message)
        shown += 1
        if shown == params.limit:
            return


P = TypeVar("P", bound=Params)


@dataclass(frozen=True)
class Command(Generic[P]):
    """The form of a command's values, and what it does with a device."""

    params: type[P]
    run: Callable[["Device", P], AsyncIterator[Row]]


COMMANDS: Final[dict[str, Command[Any]]] = {
    "status": Command(Params, _status),
    "phrase show": Command(Params, _show_phrase),
    "phrase confirm": Command(Words, _confirm_phrase),
    "server-link": Command(Params, _server_link),
    "backup create": Command(Backup, _backup),
    "sync": Command(Sync, _sync),
    "alarm list": Command(Alarms, _alarms),
    "alarm show": Command(OneAlarm, _alarm),
    "alarm resolve": Command(OneAlarm, _resolve_alarm),
    "members": Command(Params, _members),
    "member remove": Command(OneMember, _remove_member),
    "verify": Command(Verify, _verify),
    "profile set": Command(Profile, _set_profile),
    "device list": Command(Params, _devices),
    "device remove": Command(OneDevice, _remove_device),
    "device add": Command(AddDevice, _add_device),
    "device add answer": Command(Answer, _answer_linking),
    "invite create": Command(CreateInvite, _create_invite),
    "invite list": Command(Params, _invites),
    "invite revoke": Command(OneInvite, _revoke_invite),
    "room new": Command(NewRoom, _new_room),
    "room list": Command(Params, _rooms),
    "room add": Command(RoomAndMember, _add_to_room),
    "room remove": Command(RoomAndMember, _remove_from_room),
    "room leave": Command(InRoom, _leave_room),
    "room members": Command(InRoom, _room_members),
    "room rename": Command(Rename, _rename_room),
    "room successor": Command(InRoom, _found_successor),
    "room rejoin": Command(InRoom, _rejoin),
    "send": Command(Send, _send),
    **{name: Command(params, run) for name, (params, run) in MESSAGE_COMMANDS.items()},
    "read": Command(Read, _read),
}
"""Command → the form of its values, and what it does."""


async def run_command(device: "Device", name: str, params: Mapping[str, object]) -> AsyncIterator[Row]:
    """Do one command; its answer comes as JSON objects, one or a stream.

    Raises UnknownCommand or BadParameter before anything is done, and what the device raises.
    """
    command = COMMANDS.get(name)
    if command is None:
        raise UnknownCommand(f"this device does not know the command {name}", "is the running device an older Coterie?")
    try:
        checked = msgspec.convert(dict(params), command.params)
        msgspec.json.encode(checked)  # what is not Unicode would be refused deeper, less clearly
    except msgspec.ValidationError as error:
        raise BadParameter(f"{name}: {error}") from None
    except UnicodeEncodeError:
        raise BadParameter(f"{name}: a value is not valid UTF-8 text") from None
    async for row in command.run(device, checked):
        yield row
