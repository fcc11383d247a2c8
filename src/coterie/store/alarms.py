"""What a person must see: the alarms, and who resolved them.

An alarm stands until it is resolved, and stays readable afterwards. What happens again after that is a new alarm.
"""

from dataclasses import dataclass

from coterie.ids import DeviceId
from coterie.store.database import Database


@dataclass(frozen=True)
class AlarmRow:
    """`resolved_by` is the device on which a person did it."""

    id: int
    kind: str
    subject: str
    fact: str
    hint: str
    raised_at: int
    resolved_at: int | None = None
    resolved_by: DeviceId | None = None


class AlarmTable:
    """Writing needs an open transaction."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, kind: str, subject: str, fact: str, hint: str, now: int) -> bool:
        """False if an alarm of this kind about this subject stands already."""
        if self.standing(kind, subject) is not None:
            return False
        self._db.execute(
            "INSERT INTO alarm (kind, subject, fact, hint, raised_at) VALUES (?, ?, ?, ?, ?)",
            (kind, subject, fact, hint, now),
        )
        return True

    def standing(self, kind: str, subject: str) -> AlarmRow | None:
        row = self._db.row(
            "SELECT id, kind, subject, fact, hint, raised_at, resolved_at, resolved_by FROM alarm"
            " WHERE kind = ? AND subject = ? AND resolved_at IS NULL",
            (kind, subject),
        )
        return None if row is None else _alarm(row)

    def forget(self, kind: str, subject: str) -> None:
        """What it was about is over, or is said better by another; one that a person resolved stays."""
        self._db.execute("DELETE FROM alarm WHERE kind = ? AND subject = ? AND resolved_at IS NULL", (kind, subject))

    def resolve(self, alarm: int, now: int, device: DeviceId) -> None:
        """Resolved once is resolved: the first word on when and who stays."""
        self._db.execute(
            "UPDATE alarm SET resolved_at = ?, resolved_by = ? WHERE id = ? AND resolved_at IS NULL",
            (now, device, alarm),
        )

    def get(self, alarm: int) -> AlarmRow | None:
        row = self._db.row(
            "SELECT id, kind, subject, fact, hint, raised_at, resolved_at, resolved_by FROM alarm WHERE id = ?",
            (alarm,),
        )
        return None if row is None else _alarm(row)

    def all(self, *, resolved: bool = False) -> list[AlarmRow]:
        """Oldest first; those resolved only if asked for."""
        rows = self._db.rows(
            "SELECT id, kind, subject, fact, hint, raised_at, resolved_at, resolved_by FROM alarm"
            " WHERE resolved_at IS NULL OR ? ORDER BY id",
            (resolved,),
        )
        return [_alarm(row) for row in rows]


def _alarm(row: tuple[int, str, str, str, str, int, int | None, bytes | None]) -> AlarmRow:
    number, kind, subject, fact, hint, raised_at, resolved_at, by = row
    device = None if by is None else DeviceId(bytes(by))
    return AlarmRow(number, kind, subject, fact, hint, raised_at, resolved_at, device)
