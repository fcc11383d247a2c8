"""Who has what of ours, and what this device has still to report to others."""

from coterie.ids import MemberId, RoomId
from coterie.store.database import Database


class ReceiptTable:
    """`status` is a content.MessageStatus; it only grows. Writing needs an open transaction."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def note(self, room: RoomId, target: bytes, member: MemberId, status: int, at: int) -> bool:
        """False if as much was known."""
        return bool(
            self._db.execute(
                "INSERT INTO receipt VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET status = excluded.status,"
                " at = excluded.at WHERE excluded.status > status",
                (room, target, member, status, at),
            )
        )

    def of_target(self, room: RoomId, target: bytes) -> dict[MemberId, int]:
        rows = self._db.rows(
            "SELECT member, status FROM receipt WHERE room = ? AND target = ? ORDER BY at", (room, target)
        )
        return {MemberId(bytes(member)): status for member, status in rows}

    def owe(self, room: RoomId, target: bytes, status: int) -> None:
        """To be reported with the next report."""
        self._db.execute(
            "INSERT INTO receipt_due VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET status = max(status, excluded.status)",
            (room, target, status),
        )

    def owed(self, room: RoomId, most: int) -> list[tuple[bytes, int]]:
        rows = self._db.rows(
            "SELECT target, status FROM receipt_due WHERE room = ? ORDER BY target LIMIT ?", (room, most)
        )
        return [(bytes(target), status) for target, status in rows]

    def settle(self, room: RoomId, target: bytes) -> None:
        """It is reported, or nobody is to be told."""
        self._db.execute("DELETE FROM receipt_due WHERE room = ? AND target = ?", (room, target))

    def settle_all(self, room: RoomId) -> None:
        self._db.execute("DELETE FROM receipt_due WHERE room = ?", (room,))

    def forget(self, room: RoomId, target: bytes) -> None:
        """The message is gone."""
        self._db.execute("DELETE FROM receipt WHERE room = ? AND target = ?", (room, target))
        self.settle(room, target)
