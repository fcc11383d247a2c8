"""MLS groups as rows: where each stands in its queue, its MLS state, its chain, and the commit it has under way."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from coterie.ids import BlobId, DeviceId, GroupId, MemberId, QueueId, RoomId
from coterie.store.database import Database

Write = tuple[bytes, bytes | None]


@dataclass(frozen=True)
class GroupRow:
    """`cursor` is the last entry dealt with, `first` the last before this device could read. `chain` is the queue's
    chain at `cursor`, None while it is relative. `place` orders the groups of a room. `register_floor` is the highest
    register seq that a merged commit named; `leaving` who asked to leave and is still in, None while a device that
    joined lately does not know. `opened`: the server has the queue. `epoch` is the newest seen here and `roster` its
    devices, also once the MLS state is dropped; `adder` is the device whose Welcome this is, into `joined_epoch`, None
    for the founder."""

    group: GroupId
    room: RoomId
    place: int
    queue: QueueId
    suite: int
    cursor: int
    first: int
    chain: bytes | None
    register_floor: int
    leaving: frozenset[MemberId] | None
    opened: bool
    joined_at: int
    joined_epoch: int
    epoch: int
    roster: frozenset[DeviceId]
    adder: DeviceId | None


@dataclass(frozen=True)
class PendingRow:
    """A commit that was made: `frame` is the encoded Advance but for its request id, `hash` that of its queue entry,
    `plan` what is to follow once it has won (client.rooms.commits)."""

    group: GroupId
    epoch: int
    hash: bytes
    frame: bytes = field(repr=False)
    plan: bytes = field(repr=False)


class GroupTable:
    """Writing needs an open transaction."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def put(self, row: GroupRow) -> None:
        leaving = None if row.leaving is None else b"".join(sorted(row.leaving))
        self._db.execute(
            f"INSERT INTO mls_group ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
            " ON CONFLICT (grp) DO UPDATE SET cursor = excluded.cursor, first = excluded.first, chain = excluded.chain,"
            " register_floor = excluded.register_floor, leaving = excluded.leaving, opened = excluded.opened,"
            " joined_at = excluded.joined_at, joined_epoch = excluded.joined_epoch, epoch = excluded.epoch,"
            " roster = excluded.roster, adder = excluded.adder",
            (
                *(row.group, row.room, row.place, row.queue, row.suite, row.cursor, row.first, row.chain),
                *(
                    row.register_floor,
                    leaving,
                    row.opened,
                    row.joined_at,
                    row.joined_epoch,
                    row.epoch,
                    b"".join(sorted(row.roster)),
                    row.adder,
                ),
            ),
        )

    def get(self, group: GroupId) -> GroupRow | None:
        row = self._db.row(f"SELECT {_COLUMNS} FROM mls_group WHERE grp = ?", (group,))  # noqa: S608 - a constant
        return None if row is None else _group(row)

    def by_queue(self, queue: QueueId) -> GroupRow | None:
        row = self._db.row(f"SELECT {_COLUMNS} FROM mls_group WHERE queue = ?", (queue,))  # noqa: S608 - a constant
        return None if row is None else _group(row)

    def of_room(self, room: RoomId) -> list[GroupRow]:
        """Oldest first."""
        rows = self._db.rows(f"SELECT {_COLUMNS} FROM mls_group WHERE room = ? ORDER BY place", (room,))  # noqa: S608
        return [_group(row) for row in rows]

    def succeeded_before(self, at: int) -> list[GroupId]:
        """The groups with MLS state whose rooms have gone on in another since before `at`."""
        rows = self._db.rows(
            "SELECT old.grp FROM mls_group AS old JOIN room USING (room) JOIN mls_group AS new ON new.grp = room.grp"
            " WHERE old.grp <> room.grp AND new.joined_at < ? AND old.grp IN (SELECT grp FROM group_row)",
            (at,),
        )
        return [GroupId(bytes(row[0])) for row in rows]

    def write_rows(self, group: GroupId, writes: Iterable[Write]) -> None:
        """Store what MLS changed; a deleted row is gone from the file (secure_delete)."""
        for key, value in writes:
            if value is None:
                self._db.execute("DELETE FROM group_row WHERE grp = ? AND key = ?", (group, key))
            else:
                self._db.execute("INSERT OR REPLACE INTO group_row VALUES (?, ?, ?)", (group, key, value))

    def rows(self, group: GroupId) -> list[tuple[bytes, bytes]]:
        rows = self._db.rows("SELECT key, value FROM group_row WHERE grp = ? ORDER BY key", (group,))
        return [(bytes(r[0]), bytes(r[1])) for r in rows]

    def has_state(self, group: GroupId) -> bool:
        return self._db.row("SELECT 1 FROM group_row WHERE grp = ? LIMIT 1", (group,)) is not None

    def drop_state(self, group: GroupId) -> None:
        """Forget the MLS state and the commit under way; the group's place and chain stay."""
        self._db.execute("DELETE FROM group_row WHERE grp = ?", (group,))
        self.finish_commit(group)

    def write_client_rows(self, writes: Iterable[Write]) -> None:
        for key, value in writes:
            if value is None:
                self._db.execute("DELETE FROM client_row WHERE key = ?", (key,))
            else:
                self._db.execute("INSERT OR REPLACE INTO client_row VALUES (?, ?)", (key, value))

    def client_rows(self) -> list[tuple[bytes, bytes]]:
        return [(bytes(r[0]), bytes(r[1])) for r in self._db.rows("SELECT key, value FROM client_row ORDER BY key", ())]

    def add_chain(self, group: GroupId, n: int, entry_hash: bytes, chain: bytes | None) -> None:
        self._db.execute("INSERT OR REPLACE INTO chain VALUES (?, ?, ?, ?)", (group, n, entry_hash, chain))

    def chain_at(self, group: GroupId, n: int) -> tuple[bytes, bytes | None] | None:
        """(hash of entry n, chain after it or None while relative); None if n was never seen."""
        row = self._db.row("SELECT hash, chain FROM chain WHERE grp = ? AND n = ?", (group, n))
        return None if row is None else (bytes(row[0]), None if row[1] is None else bytes(row[1]))

    def forget_chains(self, kept: int) -> None:
        """Keep only the newest entries of each group's chain."""
        self._db.execute(
            "DELETE FROM chain WHERE n < (SELECT cursor FROM mls_group WHERE mls_group.grp = chain.grp) - ?", (kept,)
        )

    def hashes_after(self, group: GroupId, n: int) -> list[tuple[int, bytes]]:
        rows = self._db.rows("SELECT n, hash FROM chain WHERE grp = ? AND n > ? ORDER BY n", (group, n))
        return [(r[0], bytes(r[1])) for r in rows]

    def end_epoch(self, group: GroupId, epoch: int, entry_hash: bytes) -> None:
        """This device merged the commit that is the entry with this hash."""
        self._db.execute("INSERT OR REPLACE INTO epoch_end VALUES (?, ?, ?)", (group, epoch, entry_hash))

    def epoch_ended_by(self, group: GroupId, epoch: int) -> bytes | None:
        row = self._db.row("SELECT hash FROM epoch_end WHERE grp = ? AND epoch = ?", (group, epoch))
        return None if row is None else bytes(row[0])

    def note_added_again(self, group: GroupId, device: DeviceId, at: int) -> None:
        """A commit of log time `at` added the device again: what it asked for before is done."""
        self._db.execute(
            "INSERT INTO added_again VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET at = excluded.at", (group, device, at)
        )

    def added_again_since(self, group: GroupId, device: DeviceId, at: int) -> bool:
        """True if that was at log time `at` or later."""
        row = self._db.row("SELECT at FROM added_again WHERE grp = ? AND device = ?", (group, device))
        return row is not None and bool(row[0] >= at)

    def put_commit(self, row: PendingRow, blobs: Iterable[tuple[BlobId, bytes]]) -> None:
        self._db.execute(
            "INSERT INTO pending_commit VALUES (?, ?, ?, ?, ?)",
            (row.group, row.epoch, row.hash, row.frame, row.plan),
        )
        for blob, content in blobs:
            self._db.execute("INSERT OR REPLACE INTO blob_out VALUES (?, ?, ?)", (blob, row.group, content))

    def commit(self, group: GroupId) -> PendingRow | None:
        row = self._db.row("SELECT grp, epoch, hash, frame, plan FROM pending_commit WHERE grp = ?", (group,))
        if row is None:
            return None
        return PendingRow(GroupId(bytes(row[0])), row[1], bytes(row[2]), bytes(row[3]), bytes(row[4]))

    def blobs_out(self, group: GroupId) -> list[tuple[BlobId, bytes]]:
        """The sealed blobs that must be at the server before the commit goes."""
        rows = self._db.rows("SELECT blob, bytes FROM blob_out WHERE grp = ? ORDER BY blob", (group,))
        return [(BlobId(bytes(r[0])), bytes(r[1])) for r in rows]

    def finish_commit(self, group: GroupId) -> None:
        self._db.execute("DELETE FROM pending_commit WHERE grp = ?", (group,))
        self._db.execute("DELETE FROM blob_out WHERE grp = ?", (group,))


_COLUMNS = (
    "grp, room, place, queue, suite, cursor, first, chain, register_floor, leaving, opened, joined_at,"
    " joined_epoch, epoch, roster, adder"
)
_ID_BYTES = 16
_Place = tuple[bytes, bytes, int, bytes, int, int, int, bytes | None]
_GroupTuple = tuple[*_Place, int, bytes | None, int, int, int, int, bytes, bytes | None]


def _group(row: _GroupTuple) -> GroupRow:
    group, room, place, queue, suite, cursor, first, chain, floor, leaving, opened = row[:11]
    joined_at, joined_epoch, epoch, roster, adder = row[11:]
    return GroupRow(
        group=GroupId(bytes(group)),
        room=RoomId(bytes(room)),
        place=place,
        queue=QueueId(bytes(queue)),
        suite=suite,
        cursor=cursor,
        first=first,
        chain=None if chain is None else bytes(chain),
        register_floor=floor,
        leaving=None if leaving is None else frozenset(map(MemberId, _ids(bytes(leaving)))),
        opened=bool(opened),
        joined_at=joined_at,
        joined_epoch=joined_epoch,
        epoch=epoch,
        roster=frozenset(map(DeviceId, _ids(bytes(roster)))),
        adder=None if adder is None else DeviceId(bytes(adder)),
    )


def _ids(joined: bytes) -> list[bytes]:
    return [joined[at : at + _ID_BYTES] for at in range(0, len(joined), _ID_BYTES)]
