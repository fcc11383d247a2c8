"""What this person set for a room on this device, and nobody else learns: mute, archive, a draft."""

from dataclasses import dataclass

from coterie.ids import RoomId
from coterie.store.database import Database


@dataclass(frozen=True)
class RoomMark:
    """`muted_until`: None, or ms since the epoch."""

    muted_until: int | None = None
    archived: bool = False
    draft: str = ""


class RoomMarks:
    """Writing needs an open transaction."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def get(self, room: RoomId) -> RoomMark:
        row = self._db.row("SELECT muted_until, archived, draft FROM room_mark WHERE room = ?", (room,))
        return RoomMark() if row is None else RoomMark(row[0], bool(row[1]), row[2])

    def put(self, room: RoomId, mark: RoomMark) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO room_mark VALUES (?, ?, ?, ?)", (room, mark.muted_until, mark.archived, mark.draft)
        )
