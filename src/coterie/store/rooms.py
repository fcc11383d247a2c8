"""The rooms people see, and the wishes: what this device wants to change in a room and has not yet."""

from dataclasses import dataclass

from coterie.ids import GroupId, RoomId
from coterie.store.database import Database


@dataclass(frozen=True)
class RoomRow:
    """`state` and `reason` as in client.facts.RoomState; `group` is the newest group of the room."""

    room: RoomId
    name: str
    topic: str
    state: str
    reason: str
    group: GroupId
    made_at: int


@dataclass(frozen=True)
class Wish:
    """`action` is a client.rooms.wishes.Action; `subject` a member id, a device id or the encoded new context."""

    id: int
    room: RoomId
    action: str
    subject: bytes
    made_at: int
    not_before: int = 0


class RoomTable:
    """Writing needs an open transaction."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def put(self, row: RoomRow) -> None:
        self._db.execute(
            "INSERT INTO room VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET name = excluded.name,"
            " topic = excluded.topic, state = excluded.state, reason = excluded.reason, grp = excluded.grp",
            (row.room, row.name, row.topic, row.state, row.reason, row.group, row.made_at),
        )

    def get(self, room: RoomId) -> RoomRow | None:
        row = self._db.row("SELECT room, name, topic, state, reason, grp, made_at FROM room WHERE room = ?", (room,))
        return None if row is None else _room(row)

    def all(self) -> list[RoomRow]:
        """Oldest first."""
        rows = self._db.rows(
            "SELECT room, name, topic, state, reason, grp, made_at FROM room ORDER BY made_at, room", ()
        )
        return [_room(row) for row in rows]

    def set_state(self, room: RoomId, state: str, reason: str) -> None:
        self._db.execute("UPDATE room SET state = ?, reason = ? WHERE room = ?", (state, reason, room))

    def wish(self, room: RoomId, action: str, subject: bytes, now: int) -> None:
        """The same wish twice is one."""
        self._db.execute(
            "INSERT OR IGNORE INTO wish (room, action, subject, made_at) VALUES (?, ?, ?, ?)",
            (room, action, subject, now),
        )

    def withdraw_wish(self, room: RoomId, action: str, subject: bytes) -> None:
        self._db.execute("DELETE FROM wish WHERE room = ? AND action = ? AND subject = ?", (room, action, subject))

    def wishes(self, room: RoomId) -> list[Wish]:
        rows = self._db.rows(
            "SELECT id, room, action, subject, made_at, not_before FROM wish WHERE room = ? ORDER BY id", (room,)
        )
        return [Wish(r[0], RoomId(bytes(r[1])), r[2], bytes(r[3]), r[4], r[5]) for r in rows]

    def put_off(self, wish: int, until: int) -> None:
        """Nothing is tried for it before then."""
        self._db.execute("UPDATE wish SET not_before = ? WHERE id = ?", (until, wish))

    def finish_wish(self, wish: int) -> None:
        self._db.execute("DELETE FROM wish WHERE id = ?", (wish,))


def _room(row: tuple[bytes, str, str, str, str, bytes, int]) -> RoomRow:
    room, name, topic, state, reason, group, made_at = row
    return RoomRow(RoomId(bytes(room)), name, topic, state, reason, GroupId(bytes(group)), made_at)
