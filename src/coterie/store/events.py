"""What was said about messages: edits, deletions, reactions, pins, votes; each once, perhaps before its message."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from coterie.ids import MemberId, MessageId, RoomId
from coterie.store.database import Database, Row

_MOST_BOUND = 500


@dataclass(frozen=True)
class EventRow:
    """`named` is the draft's id of the event, `target` of what it is about; `n` is None while ours is queued. Of one
    that is spent the content is empty: it is remembered, and says nothing."""

    id: int
    named: bytes
    message: MessageId
    room: RoomId
    target: bytes
    place: int
    n: int | None
    member: MemberId
    at: int
    content: bytes = field(repr=False)
    by_admin: bool = False
    expires_at: int | None = None


class EventTable:
    """Writing needs an open transaction."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, row: EventRow) -> bool:
        """False if it is there already."""
        return bool(
            self._db.execute(
                "INSERT OR IGNORE INTO event (named, message, room, target, place, n, member, at, content, by_admin,"
                " expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(row.named, row.message, row.room, row.target, row.place),
                    *(row.n, row.member, row.at, row.content, row.by_admin, row.expires_at),
                ),
            )
        )

    def named(self, room: RoomId, named: bytes) -> EventRow | None:
        row = self._db.row(f"SELECT {_COLUMNS} FROM event WHERE named = ? AND room = ?", (named, room))  # noqa: S608
        return None if row is None else _event(row)

    def of_message(self, message: MessageId) -> EventRow | None:
        """One of ours, by its salt."""
        row = self._db.row(f"SELECT {_COLUMNS} FROM event WHERE message = ?", (message,))  # noqa: S608 - a constant
        return None if row is None else _event(row)

    def about(self, room: RoomId, targets: Sequence[bytes]) -> list[EventRow]:
        """What still says something about these, and about what was said about them."""
        first = self._about(room, targets)
        return first + self._about(room, [row.named for row in first])

    def _about(self, room: RoomId, targets: Sequence[bytes]) -> list[EventRow]:
        found: list[EventRow] = []
        for start in range(0, len(targets), _MOST_BOUND):
            some = targets[start : start + _MOST_BOUND]
            rows = self._db.rows(
                f"SELECT {_COLUMNS} FROM event WHERE room = ? AND content <> x''"  # noqa: S608 - constants
                f" AND target IN ({', '.join('?' * len(some))}) ORDER BY id",
                (room, *some),
            )
            found += [_event(row) for row in rows]
        return found

    def place(self, named: bytes, place: int, n: int, *, by_admin: bool) -> None:
        """Ours has its number now."""
        self._db.execute("UPDATE event SET place = ?, n = ?, by_admin = ? WHERE named = ?", (place, n, by_admin, named))

    def spend(self, events: Iterable[bytes]) -> None:
        """They say nothing any more, and nothing of what they said is kept."""
        for named in events:
            self._db.execute(
                "UPDATE event SET content = x'', expires_at = NULL WHERE named = ? AND content <> x''", (named,)
            )

    def expire(self, now: int) -> int:
        """Those that waited for their message in vain say nothing any more. How many."""
        return self._db.execute("UPDATE event SET content = x'', expires_at = NULL WHERE expires_at <= ?", (now,))

    def next_expiry(self) -> int | None:
        row = self._db.row("SELECT min(expires_at) FROM event WHERE expires_at IS NOT NULL", ())
        return None if row is None else row[0]


_COLUMNS = "id, named, message, room, target, place, n, member, at, content, by_admin, expires_at"


def _event(row: Row) -> EventRow:
    number, named, message, room, target, place, n, member, at, content, by_admin, expires_at = row
    ids = (number, bytes(named), MessageId(bytes(message)), RoomId(bytes(room)), bytes(target))
    return EventRow(*ids, place, n, MemberId(bytes(member)), at, bytes(content), bool(by_admin), expires_at)
