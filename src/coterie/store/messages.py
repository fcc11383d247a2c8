"""Messages as people read them, each id once; and the outbox of our own that are not stored by the server yet."""

import hashlib
from dataclasses import astuple, dataclass, field, replace

from coterie.ids import DeviceId, GroupId, MemberId, MessageId, RoomId
from coterie.store.database import Database


@dataclass(frozen=True)
class MessageRow:
    """`place` and `n` order a room's messages: the group's place in the room, the queue's number; n is None while ours
    is queued. `id` is the order of arrival at this device (0 before it is stored)."""

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
            "INSERT INTO message (message, room, place, n, member, device, sent_at, received_at, kind, text, content,"
            " state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            astuple(row)[1:],
        )
        return True

    def get(self, message: MessageId) -> MessageRow | None:
        row = self._db.row(f"SELECT {_COLUMNS} FROM message WHERE message = ?", (message,))  # noqa: S608 - a constant
        return None if row is None else _message(row)

    def of_room(
        self, room: RoomId, after: MessageRow | None = None, limit: int | None = None, *, notices: bool = True
    ) -> list[MessageRow]:
        """In the room's order: as its queue has them, ours queued last. With `limit` and no `after`, the newest."""
        last = _QUEUED_LAST
        most = -1 if limit is None else limit
        if after is not None:
            rows = self._db.rows(
                f"SELECT {_COLUMNS} FROM message WHERE room = ? AND (place, coalesce(n, {last}), id) > (?, ?, ?)"  # noqa: S608
                f" AND (? OR kind <> 'notice') ORDER BY place, coalesce(n, {last}), id LIMIT ?",
                (room, after.place, last if after.n is None else after.n, after.id, notices, most),
            )
            return [_message(row) for row in rows]
        rows = self._db.rows(
            f"SELECT {_COLUMNS} FROM message WHERE room = ? AND (? OR kind <> 'notice')"  # noqa: S608 - constants
            f" ORDER BY place DESC, coalesce(n, {last}) DESC, id DESC LIMIT ?",
            (room, notices, most),
        )
        return [_message(row) for row in reversed(rows)]

    def arrived_after(self, position: int, room: RoomId | None = None, *, notices: bool = True) -> list[MessageRow]:
        """In order of arrival at this device."""
        rows = self._db.rows(
            f"SELECT {_COLUMNS} FROM message WHERE id > ? AND (? IS NULL OR room = ?)"  # noqa: S608 - a constant
            " AND (? OR kind <> 'notice') ORDER BY id",
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

    def put_evidence(self, message: MessageId, tbs: bytes, key: bytes, signature: bytes) -> None:
        self._db.execute("INSERT OR IGNORE INTO evidence VALUES (?, ?, ?, ?)", (message, tbs, key, signature))


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


_COLUMNS = "id, message, room, place, n, member, device, sent_at, received_at, kind, text, content, state"
_OUT = "id, room, message, key, content, grp, epoch, ciphertext, posted"

_MessageTuple = tuple[int, bytes, bytes, int, int | None, bytes, bytes, int, int, str, str, bytes, str]
_OutTuple = tuple[int, bytes, bytes, bytes, bytes, bytes | None, int | None, bytes | None, int | None]


def _message(row: _MessageTuple) -> MessageRow:
    position, message, room, place, n, member, device, sent_at, received_at, kind, text, content, state = row
    who = (MemberId(bytes(member)), DeviceId(bytes(device)))
    ids = (position, MessageId(bytes(message)), RoomId(bytes(room)))
    return MessageRow(*ids, place, n, *who, sent_at, received_at, kind, text, bytes(content), state)


def _out(row: _OutTuple) -> OutboxRow:
    position, room, message, key, content, group, epoch, ciphertext, posted = row
    ids = (position, RoomId(bytes(room)), MessageId(bytes(message)), bytes(key), bytes(content))
    known = None if group is None else GroupId(bytes(group))
    return OutboxRow(*ids, known, epoch, None if ciphertext is None else bytes(ciphertext), posted)
