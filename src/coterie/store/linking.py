"""What this device promised to the devices that were linked here: their history, room by room."""

from dataclasses import dataclass

from coterie.ids import DeviceId, RoomId
from coterie.store.database import Database


@dataclass(frozen=True)
class Promise:
    """`device` gets the messages sent since `since` (ms); `parts` of them were posted so far."""

    device: DeviceId
    since: int
    parts: int
    kept: bool


class LinkingTable:
    """Writing needs an open transaction."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def promise(self, device: DeviceId, since: int) -> None:
        self._db.execute("INSERT OR REPLACE INTO history_promise VALUES (?, ?, 0, 0)", (device, since))

    def promised(self, device: DeviceId) -> Promise | None:
        row = self._db.row("SELECT device, since, parts, kept FROM history_promise WHERE device = ?", (device,))
        return None if row is None else Promise(DeviceId(bytes(row[0])), row[1], row[2], bool(row[3]))

    def sent_rooms(self, device: DeviceId) -> set[RoomId]:
        rows = self._db.rows("SELECT room FROM history_sent WHERE device = ?", (device,))
        return {RoomId(bytes(row[0])) for row in rows}

    def sent(self, device: DeviceId, room: RoomId, parts: int) -> None:
        """A room's history is posted, in so many parts."""
        self._db.execute("INSERT OR IGNORE INTO history_sent VALUES (?, ?)", (device, room))
        self._db.execute("UPDATE history_promise SET parts = parts + ? WHERE device = ?", (parts, device))

    def keep(self, device: DeviceId) -> None:
        """All of it is posted."""
        self._db.execute("UPDATE history_promise SET kept = 1 WHERE device = ?", (device,))
        self._db.execute("DELETE FROM history_sent WHERE device = ?", (device,))

    def forget(self, device: DeviceId) -> None:
        self._db.execute("DELETE FROM history_promise WHERE device = ?", (device,))
        self._db.execute("DELETE FROM history_sent WHERE device = ?", (device,))
