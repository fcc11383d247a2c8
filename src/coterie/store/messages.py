"""Messages as people read them, each id once; and the outbox of our own that are not stored by the server yet."""

import hashlib
from dataclasses import astuple, dataclass, field, replace
from enum import StrEnum

from coterie.ids import DeviceId, GroupId, MemberId, MessageId, RoomId
from coterie.store.database import Database, Row


@dataclass(frozen=True)
class MessageRow:
    """`place` and `n` order a room's messages: the group's place in the room, the queue's number; n is None while ours
    is queued. `id` is the order of arrival at this device (0 before it is stored).

    `named` is the draft's message id, `reply_to` that of the message it answers. `text` and `content` are the last
    edit's (`edited_at`); of a message that is `gone` they are empty. `expires_after` are seconds from reading on."""

    id: int
    message: MessageId
    room: RoomId
    place: int
    n: int | None
    member: MemberId
    device: DeviceId
    sent_at: int
    received_at: int
    kind: str
    text: str
    content: bytes = field(repr=False)
    state: str
    named: bytes = b""
    reply_to: bytes | None = None
    edited_at: int | None = None
    gone: str = ""
    gone_by: bytes | None = None
    expires_at: int | None = None
    expires_after: int | None = None
    unread: bool = False


class Gone(StrEnum):
    """Why nothing but its place is left of a message."""

    DELETED = "deleted"
    EXPIRED = "expired"
    HIDDEN = "hidden"
    """Deleted on this device only: it is not listed."""


@dataclass(frozen=True)
class OutboxRow:
    """One of our messages. `key` stays over retries; `ciphertext` is what is posted at `epoch` of `group`, again and
    again until its fate is known; `posted` is its n once answered, while its echo has not come."""

    id: int
    room: RoomId
    message: MessageId
    key: bytes
    content: bytes = field(repr=False)
    group: GroupId | None
    epoch: int | None
    ciphertext: bytes | None = field(repr=False)
    posted: int | None


class MessageTable:
    """Writing needs an open transaction."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, row: MessageRow) -> bool:
        """False if the message is there already: it is shown once, whatever arrives twice. An id that another room or
        device has used is replaced by one of its own, so that nobody keeps another's words from being shown."""
        for message in (row.message, _own_id(row)):
            known = self._db.row("SELECT room, device FROM message WHERE message = ?", (message,))
            if known is None:
                row = replace(row, message=message)
                break
            if (bytes(known[0]), bytes(known[1])) == (row.room, row.device):
                return False
        else:
            return False
        self._db.execute(
            f"INSERT INTO message ({_COLUMNS.removeprefix('id, ')}) VALUES ({', '.join('?' * 20)})",  # noqa: S608
            astuple(row)[1:],
        )
        return True

    def get(self, message: MessageId) -> MessageRow | None:
        row = self._db.row(f"SELECT {_COLUMNS} FROM message WHERE message = ?", (message,))  # noqa: S608 - a constant
        return None if row is None else _message(row)

    def named(self, room: RoomId, named: bytes) -> MessageRow | None:
        """By the draft's id."""
        row = self._db.row(f"SELECT {_COLUMNS} FROM message WHERE room = ? AND named = ?", (room, named))  # noqa: S608
        return None if row is None else _message(row)

    def begins_with(self, prefix: bytes) -> list[MessageRow]:
        """Those whose id begins so; at most two: more is ambiguous all the same."""
        rows = self._db.rows(
            f"SELECT {_COLUMNS} FROM message WHERE message >= ? AND substr(message, 1, ?) = ? ORDER BY message LIMIT 2",  # noqa: S608
            (prefix, len(prefix), prefix),
        )
        return [_message(row) for row in rows]

    def of_room(
        self, room: RoomId, after: MessageRow | None = None, limit: int | None = None, *, notices: bool = True
    ) -> list[MessageRow]:
        """In the room's order: as its queue has them, ours queued last. With `limit` and no `after`, the newest."""
        last = _QUEUED_LAST
        most = -1 if limit is None else limit
        if after is not None:
            rows = self._db.rows(
                f"SELECT {_COLUMNS} FROM message WHERE room = ? AND (place, coalesce(n, {last}), id) > (?, ?, ?)"  # noqa: S608
                f" AND (? OR kind <> 'notice') AND gone <> 'hidden' ORDER BY place, coalesce(n, {last}), id LIMIT ?",
                (room, after.place, last if after.n is None else after.n, after.id, notices, most),
            )
            return [_message(row) for row in rows]
        rows = self._db.rows(
            f"SELECT {_COLUMNS} FROM message WHERE room = ? AND (? OR kind <> 'notice') AND gone <> 'hidden'"  # noqa: S608 - constants
            f" ORDER BY place DESC, coalesce(n, {last}) DESC, id DESC LIMIT ?",
            (room, notices, most),
        )
        return [_message(row) for row in reversed(rows)]

    def arrived_after(self, position: int, room: RoomId | None = None, *, notices: bool = True) -> list[MessageRow]:
        """In order of arrival at this device."""
        rows = self._db.rows(
            f"SELECT {_COLUMNS} FROM message WHERE id > ? AND (? IS NULL OR room = ?)"  # noqa: S608 - a constant
            " AND (? OR kind <> 'notice') AND gone <> 'hidden' ORDER BY id",
            (position, room, room, notices),
        )
        return [_message(row) for row in rows]

    def last_position(self) -> int:
        row = self._db.row("SELECT max(id) FROM message", ())
        return 0 if row is None or row[0] is None else int(row[0])

    def place(self, message: MessageId, place: int, n: int, state: str) -> None:
        """Ours has its number now."""
        self._db.execute("UPDATE message SET place = ?, n = ?, state = ? WHERE message = ?", (place, n, state, message))

    def set_state(self, message: MessageId, state: str) -> None:
        self._db.execute("UPDATE message SET state = ? WHERE message = ?", (state, message))

    def rewrite(self, message: MessageId, text: str, content: bytes, edited_at: int) -> None:
        """An edit stands in its place; what stood there before is overwritten, its proof too."""
        self._db.execute(
            "UPDATE message SET text = ?, content = ?, edited_at = ? WHERE message = ?",
            (text, content, edited_at, message),
        )
        self._db.execute("DELETE FROM evidence WHERE message = ?", (message,))

    def clear(self, message: MessageId, gone: Gone, by: MemberId | None = None) -> None:
        """Nothing of it is kept but its id and its place."""
        self._db.execute(
            "UPDATE message SET text = '', content = x'', gone = ?, gone_by = ?, reply_to = NULL, expires_at = NULL,"
            " expires_after = NULL, unread = 0 WHERE message = ?",
            (gone, by, message),
        )
        self._db.execute("DELETE FROM evidence WHERE message = ?", (message,))

    def expired(self, now: int) -> list[MessageRow]:
        rows = self._db.rows(
            f"SELECT {_COLUMNS} FROM message WHERE expires_at <= ? ORDER BY expires_at",  # noqa: S608 - a constant
            (now,),
        )
        return [_message(row) for row in rows]

    def next_expiry(self) -> int | None:
        row = self._db.row("SELECT min(expires_at) FROM message WHERE expires_at IS NOT NULL", ())
        return None if row is None else row[0]

    def unread(self, room: RoomId) -> int:
        row = self._db.row("SELECT count(*) FROM message WHERE room = ? AND unread", (room,))
        return 0 if row is None else int(row[0])

    def unread_up_to(self, room: RoomId, last: MessageRow) -> list[MessageRow]:
        """What nobody read yet, up to `last` in the room's order."""
        rows = self._db.rows(
            f"SELECT {_COLUMNS} FROM message WHERE room = ? AND unread AND (place, coalesce(n, {_QUEUED_LAST}), id)"  # noqa: S608
            " <= (?, ?, ?) ORDER BY place, n, id",
            (room, last.place, _QUEUED_LAST if last.n is None else last.n, last.id),
        )
        return [_message(row) for row in rows]

    def mark_read(self, message: MessageId, now: int) -> None:
        """What expires after reading expires from now on."""
        self._db.execute(
            "UPDATE message SET unread = 0, expires_at = CASE WHEN expires_after IS NULL THEN expires_at"
            " ELSE coalesce(expires_at, ? + expires_after * 1000) END WHERE message = ?",
            (now, message),
        )

    def put_evidence(self, message: MessageId, tbs: bytes, key: bytes, signature: bytes) -> None:
        self._db.execute("INSERT OR IGNORE INTO evidence VALUES (?, ?, ?, ?)", (message, tbs, key, signature))

    def evidence(self, message: MessageId) -> tuple[bytes, bytes, bytes] | None:
        """tbs, key, signature."""
        row = self._db.row("SELECT tbs, key, signature FROM evidence WHERE message = ?", (message,))
        return None if row is None else (bytes(row[0]), bytes(row[1]), bytes(row[2]))


class Outbox:
    """Writing needs an open transaction."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, room: RoomId, message: MessageId, key: bytes, content: bytes) -> None:
        self._db.execute(
            "INSERT INTO outbox (room, message, key, content) VALUES (?, ?, ?, ?)", (room, message, key, content)
        )

    def of_room(self, room: RoomId) -> list[OutboxRow]:
        """Oldest first, those that wait for their echo too."""
        rows = self._db.rows(f"SELECT {_OUT} FROM outbox WHERE room = ? ORDER BY id", (room,))  # noqa: S608 - a constant
        return [_out(row) for row in rows]

    def of_message(self, message: MessageId) -> OutboxRow | None:
        row = self._db.row(f"SELECT {_OUT} FROM outbox WHERE message = ?", (message,))  # noqa: S608 - a constant
        return None if row is None else _out(row)

    def by_hash(self, ciphertext_hash: bytes) -> OutboxRow | None:
        row = self._db.row(f"SELECT {_OUT} FROM outbox WHERE hash = ?", (ciphertext_hash,))  # noqa: S608 - a constant
        return None if row is None else _out(row)

    def encrypted(self, row: int, group: GroupId, epoch: int, ciphertext: bytes, ciphertext_hash: bytes) -> None:
        self._db.execute(
            "UPDATE outbox SET grp = ?, epoch = ?, ciphertext = ?, hash = ?, posted = NULL WHERE id = ?",
            (group, epoch, ciphertext, ciphertext_hash, row),
        )

    def not_accepted(self, row: int) -> None:
        """The epoch ended without it: it will be encrypted again, with the same key."""
        self._db.execute(
            "UPDATE outbox SET grp = NULL, epoch = NULL, ciphertext = NULL, hash = NULL, posted = NULL WHERE id = ?",
            (row,),
        )

    def posted(self, row: int, n: int) -> None:
        self._db.execute("UPDATE outbox SET posted = ? WHERE id = ?", (n, row))

    def finish(self, row: int) -> None:
        self._db.execute("DELETE FROM outbox WHERE id = ?", (row,))

    def unsent(self) -> int:
        """How many are not stored by the server."""
        row = self._db.row("SELECT count(*) FROM outbox WHERE posted IS NULL", ())
        return 0 if row is None else int(row[0])


_QUEUED_LAST = 2**62


def _own_id(row: MessageRow) -> MessageId:
    return MessageId(hashlib.sha256(row.room + row.device + row.message).digest()[:16])


_COLUMNS = (
    "id, message, room, place, n, member, device, sent_at, received_at, kind, text, content, state, named, reply_to,"
    " edited_at, gone, gone_by, expires_at, expires_after, unread"
)
_OUT = "id, room, message, key, content, grp, epoch, ciphertext, posted"

_OutTuple = tuple[int, bytes, bytes, bytes, bytes, bytes | None, int | None, bytes | None, int | None]


def _message(row: Row) -> MessageRow:
    position, message, room, place, n, member, device, sent_at, received_at, kind, text, content, state = row[:13]
    named, reply_to, edited_at, gone, gone_by, expires_at, expires_after, unread = row[13:]
    return MessageRow(
        id=position,
        message=MessageId(bytes(message)),
        room=RoomId(bytes(room)),
        place=place,
        n=n,
        member=MemberId(bytes(member)),
        device=DeviceId(bytes(device)),
        sent_at=sent_at,
        received_at=received_at,
        kind=kind,
        text=text,
        content=bytes(content),
        state=state,
        named=bytes(named),
        reply_to=_bytes(reply_to),
        edited_at=edited_at,
        gone=gone,
        gone_by=_bytes(gone_by),
        expires_at=expires_at,
        expires_after=expires_after,
        unread=bool(unread),
    )


def _bytes(value: bytes | None) -> bytes | None:
    return None if value is None else bytes(value)


def _out(row: _OutTuple) -> OutboxRow:
    position, room, message, key, content, group, epoch, ciphertext, posted = row
    ids = (position, RoomId(bytes(room)), MessageId(bytes(message)), bytes(key), bytes(content))
    known = None if group is None else GroupId(bytes(group))
    return OutboxRow(*ids, known, epoch, None if ciphertext is None else bytes(ciphertext), posted)
