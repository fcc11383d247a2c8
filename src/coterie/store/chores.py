"""What is due later, the reports of devices that are stuck, and the groups founded because of them."""

from dataclasses import dataclass

from coterie.ids import DeviceId, GroupId, MemberId, QueueId, RoomId
from coterie.store.database import Database


@dataclass(frozen=True)
class Chore:
    """`kind` is a client.chores.ChoreKind; `subject` the id it is about (may be empty); `tries` so far."""

    kind: str
    subject: bytes
    due_at: int
    tries: int


@dataclass(frozen=True)
class SuccessionRow:
    """`successor`, whose queue is `queue`, was founded by `author` to carry the room on in place of `group`; the lower
    `rank` stays."""

    room: RoomId
    group: GroupId
    successor: GroupId
    epoch: int
    entry_hash: bytes
    rank: bytes
    queue: QueueId
    author: MemberId


@dataclass(frozen=True)
class StuckReport:
    """`device` said that it cannot process the entry with `entry_hash` at `epoch`; empty reason: it merged it."""

    device: DeviceId
    entry_hash: bytes
    reason: str
    at: int


class ChoreTable:
    """Writing needs an open transaction."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def plan(self, kind: str, subject: bytes, due_at: int, tries: int = 0) -> None:
        """One chore of a kind for a subject; planned again, it moves."""
        self._db.execute("INSERT OR REPLACE INTO chore VALUES (?, ?, ?, ?)", (kind, subject, due_at, tries))

    def planned(self, kind: str, subject: bytes) -> Chore | None:
        row = self._db.row(
            "SELECT kind, subject, due_at, tries FROM chore WHERE kind = ? AND subject = ?", (kind, subject)
        )
        return None if row is None else Chore(row[0], bytes(row[1]), row[2], row[3])

    def due(self, now: int) -> list[Chore]:
        rows = self._db.rows(
            "SELECT kind, subject, due_at, tries FROM chore WHERE due_at <= ? ORDER BY due_at, kind, subject", (now,)
        )
        return [Chore(r[0], bytes(r[1]), r[2], r[3]) for r in rows]

    def next_due(self) -> int | None:
        row = self._db.row("SELECT min(due_at) FROM chore", ())
        return None if row is None else row[0]

    def finish(self, kind: str, subject: bytes) -> None:
        self._db.execute("DELETE FROM chore WHERE kind = ? AND subject = ?", (kind, subject))

    def report_stuck(self, group: GroupId, epoch: int, report: StuckReport) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO stuck_report VALUES (?, ?, ?, ?, ?, ?)",
            (group, epoch, report.device, report.entry_hash, report.reason, report.at),
        )

    def stuck_reports(self, group: GroupId, epoch: int) -> list[StuckReport]:
        rows = self._db.rows(
            "SELECT device, entry_hash, reason, at FROM stuck_report WHERE grp = ? AND epoch = ? ORDER BY at, device",
            (group, epoch),
        )
        return [StuckReport(DeviceId(bytes(r[0])), bytes(r[1]), r[2], r[3]) for r in rows]

    def put_succession(self, row: SuccessionRow) -> None:
        self._db.execute(
            "INSERT OR IGNORE INTO succession VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (row.room, row.group, row.successor, row.epoch, row.entry_hash, row.rank, row.queue, row.author),
        )

    def successions(self, room: RoomId) -> list[SuccessionRow]:
        """Lowest rank first."""
        rows = self._db.rows(
            "SELECT room, grp, successor, epoch, entry_hash, rank, queue, author FROM succession"
            " WHERE room = ? ORDER BY rank",
            (room,),
        )
        return [
            SuccessionRow(
                *(RoomId(bytes(r[0])), GroupId(bytes(r[1])), GroupId(bytes(r[2])), r[3], bytes(r[4]), bytes(r[5])),
                *(QueueId(bytes(r[6])), MemberId(bytes(r[7]))),
            )
            for r in rows
        ]
