"""The device's facts as JSON objects: what programs read (docs/guide/commands.md). Ids are hex, times RFC 3339 UTC.

Pure. The names and meanings of the fields are a contract: they are added to, never changed.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, TypeAlias

from coterie.client.facts import (
    AlarmFacts,
    Identity,
    InviteFacts,
    MemberFacts,
    MessageFacts,
    RoomFacts,
    Sent,
    Status,
    Synced,
)
from coterie.client.linking.events import CodeMade, DeviceIn, Linked, WordsShown

Row: TypeAlias = dict[str, object]
END_OF_9999_MS: Final = 253_402_300_799_999


def when(at_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds: 2026-11-23T06:17:30.123Z. What is beyond the year 9999 is shown as its end."""
    seconds, milliseconds = divmod(min(at_ms, END_OF_9999_MS), 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"


def _when_or_none(at_ms: int | None) -> str | None:
    return None if at_ms is None else when(at_ms)


def identity_row(identity: Identity) -> Row:
    return {"coterie": identity.coterie.hex(), "member": identity.member.hex(), "device": identity.device.hex()}


def link_event_row(event: CodeMade | WordsShown | DeviceIn | Linked) -> Row:
    match event:
        case CodeMade(code):
            return {"event": "code", "code": code}
        case WordsShown(words):
            return {"event": "words", "words": list(words)}
        case DeviceIn(device):
            return {"event": "added", "device": device.hex()}
        case Linked(device=device):
            return {"event": "linked", "device": device.hex()}


def invite_row(invite: InviteFacts) -> Row:
    return {
        "invite": invite.invite.hex(),
        "link": invite.link,
        "role": invite.role,
        "seat_seconds": invite.seat_seconds,
        "expires_at": when(invite.expires_at),
        "issued_by": invite.issued_by.hex(),
        "state": invite.state,
    }


def member_row(member: MemberFacts) -> Row:
    return {
        "member": member.member.hex(),
        "name": member.name,
        "role": member.role,
        "invited_by": None if member.invited_by is None else member.invited_by.hex(),
        "joined_at": when(member.joined_at),
        "seat_expires_at": _when_or_none(member.seat_expires_at),
        "state": member.state,
        "devices": [device.hex() for device in member.devices],
        "verified": member.verified,
    }


def room_row(room: RoomFacts) -> Row:
    return {
        "room": room.room.hex(),
        "name": room.name,
        "topic": room.topic,
        "state": room.state.value,
        "reason": room.reason,
        "members": [member.hex() for member in room.members],
        "admins": [admin.hex() for admin in room.admins],
        "unread": room.unread,
        "receipts": room.receipts,
        "expiry_seconds": room.expiry_seconds,
        "muted_until": _when_or_none(room.muted_until),
        "archived": room.archived,
        "draft": room.draft,
    }


def message_row(message: MessageFacts) -> Row:
    return {
        "message": message.message.hex(),
        "room": message.room.hex(),
        "from": message.sender,
        "from_member": message.sender_member.hex(),
        "sent_at": when(message.sent_at),
        "received_at": when(message.received_at),
        "kind": message.kind,
        "text": message.text,
        "state": message.state.value,
        "reply_to": None if message.reply_to is None else message.reply_to.hex(),
        "reactions": [{"emoji": reaction.emoji, "members": _hex(reaction.members)} for reaction in message.reactions],
        "edited": message.edited,
        "deleted": message.deleted,
        "expired": message.expired,
        "expires_at": _when_or_none(message.expires_at),
        "mentions": _hex(message.mentions),
        "pinned": message.pinned,
        "options": [{"text": option.text, "members": _hex(option.members)} for option in message.options],
        "read_by": _hex(message.read_by),
        "unread": message.unread,
    }


def _hex(ids: Sequence[bytes]) -> list[str]:
    return [one.hex() for one in ids]


def sent_row(sent: Sent) -> Row:
    row: Row = {"message": sent.message.hex(), "state": sent.state.value}
    return {**row, "reason": sent.reason} if sent.reason else row


def synced_row(synced: Synced) -> Row:
    return {"rooms": synced.rooms, "received": synced.received, "sent": synced.sent}


def alarm_row(alarm: AlarmFacts) -> Row:
    return {
        "alarm": alarm.alarm,
        "kind": alarm.kind,
        "subject": alarm.subject,
        "fact": alarm.fact,
        "hint": alarm.hint,
        "raised_at": when(alarm.raised_at),
        "resolved_at": _when_or_none(alarm.resolved_at),
        "resolved_by": None if alarm.resolved_by is None else alarm.resolved_by.hex(),
    }


def status_row(status: Status) -> Row:
    return {
        "coterie": status.coterie.hex(),
        "coterie_name": status.coterie_name,
        "member": status.member.hex(),
        "device": status.device.hex(),
        "server": status.server,
        "connected": status.connected,
        "confirmed": status.confirmed,
        "phrase_confirmed": status.phrase_confirmed,
        "history_only": status.history_only,
        "outbox": status.outbox,
        "register": {"seq": status.register_seq, "hash": status.register_hash.hex()},
        "held_rooms": [room_row(room) for room in status.held_rooms],
        "alarms": [alarm_row(alarm) for alarm in status.alarms],
    }
