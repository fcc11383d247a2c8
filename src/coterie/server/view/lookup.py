"""Rows by their keys, and rows that are due, on one connection. SQLite's failures come out as StorageFailed."""

from collections.abc import Sequence
from typing import Any

import apsw
import msgspec

from coterie.ids import BlobId, DeviceId, InviteId, QueueId
from coterie.server.rules.base import EntryRow
from coterie.server.rules.rows import BlobRow, ClaimRow, HubRow, PacketRow, PutRow, QueueRow, SessionRow, StockRow
from coterie.server.view.failure import storage_failure
from coterie.wire.frames import EpochEnd
from coterie.wire.queues import QueuePurpose

Value = int | bytes | None
_NUMBERS = msgspec.msgpack.Decoder(tuple[int, ...])


class Lookup:
    def __init__(self, db: apsw.Connection) -> None:
        self._db = db

    def rows(self, sql: str, values: Sequence[Value] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(sql, tuple(values)).fetchall()
        except apsw.Error as error:
            raise storage_failure(error) from error

    def row(self, sql: str, values: Sequence[Value] = ()) -> tuple[Any, ...] | None:
        found = self.rows(sql, values)
        return found[0] if found else None

    def queue_row(self, queue: QueueId) -> QueueRow | None:
        found = self.row(
            "SELECT number, id, purpose, close, epoch, post, read, last, live, size, ttl, idle_at"
            " FROM queues WHERE id = ?",
            (queue,),
        )
        if found is None:
            return None
        number, id_, purpose, *rest = found
        return QueueRow(number, id_, QueuePurpose(purpose), *rest)

    def queue_numbered(self, number: int) -> QueueId | None:
        found = self.row("SELECT id FROM queues WHERE number = ?", (number,))
        return None if found is None else found[0]

    def post_hash(self, number: int, epoch: int) -> bytes | None:
        found = self.row("SELECT post FROM epochs WHERE queue = ? AND epoch = ?", (number, epoch))
        return None if found is None else found[0]

    def read_end(self, row: QueueRow, token_hash: bytes) -> int | None:
        """The entry that ends the last epoch with this read token (0: not yet); None: no epoch has it."""
        if token_hash == row.read:
            return 0
        found = self.row(
            "SELECT last FROM epochs WHERE queue = ? AND read = ? ORDER BY epoch DESC LIMIT 1",
            (row.number, token_hash),
        )
        return None if found is None else found[0]

    def before_first(self, row: QueueRow, token_hash: bytes) -> int:
        """The entry before the first epoch that has this read token; 0 if none has it."""
        found = self.row("SELECT min(first) FROM epochs WHERE queue = ? AND read = ?", (row.number, token_hash))
        return 0 if found is None or found[0] is None else int(found[0]) - 1

    def epoch_end(self, row: QueueRow, n: int) -> EpochEnd | None:
        """How commit `n` ended its epoch: what it installed. None for n = 0, the epoch that has not ended."""
        if n == 0:
            return None
        found = self.row("SELECT post, read FROM epochs WHERE queue = ? AND first = ?", (row.number, n + 1))
        return None if found is None else EpochEnd(n, found[0], found[1])

    def undelivered(self, entry: int) -> tuple[int, ...]:
        found = self.row("SELECT undelivered FROM answers WHERE entry = ?", (entry,))
        return () if found is None else _NUMBERS.decode(found[0])

    def register_seq(self, entry_hash: bytes) -> int | None:
        found = self.row("SELECT seq FROM register WHERE hash = ?", (entry_hash,))
        return None if found is None else found[0]

    def stored_hubs(self) -> dict[bytes, HubRow]:
        sql = "SELECT incarnation, hub, last, at, rules, blob_store, in_force FROM hubs ORDER BY incarnation"
        return {row[0]: HubRow(row[0], row[1], row[2], row[3], row[4], row[5], bool(row[6])) for row in self.rows(sql)}

    def session(self, device: DeviceId) -> SessionRow | None:
        found = self.row("SELECT counter, incarnation, seq, place FROM sessions WHERE device = ?", (device,))
        return None if found is None else SessionRow(*found)

    def stock(self, place: tuple[DeviceId, int]) -> StockRow | None:
        found = self.row(
            "SELECT first, end, last_resort, day, claims FROM stocks WHERE device = ? AND suite = ?", place
        )
        return None if found is None else StockRow(*found)

    def bundle(self, device: DeviceId) -> bytes | None:
        found = self.row("SELECT bundle FROM bundles WHERE device = ?", (device,))
        return None if found is None else found[0]

    def package(self, place: tuple[DeviceId, int, int]) -> bytes | None:
        found = self.row("SELECT package FROM packages WHERE device = ? AND suite = ? AND number = ?", place)
        return None if found is None else found[0]

    def claim(self, place: tuple[DeviceId, int, bytes]) -> ClaimRow | None:
        found = self.row(
            "SELECT package, bundle, last_resort, at, expires FROM claims WHERE device = ? AND suite = ? AND key = ?",
            place,
        )
        if found is None:
            return None
        package, bundle, last_resort, at, expires = found
        return ClaimRow(package, bundle, bool(last_resort), at, expires)

    def put(self, place: tuple[DeviceId, bytes]) -> PutRow | None:
        found = self.row("SELECT one_time, last_resort, expires FROM puts WHERE device = ? AND key = ?", place)
        return None if found is None else PutRow(found[0], bool(found[1]), found[2])

    def blob(self, blob: BlobId) -> BlobRow | None:
        found = self.row("SELECT size, refs, expires FROM blobs WHERE blob = ?", (blob,))
        return None if found is None else BlobRow(*found)

    def blob_size_at(self, blob: BlobId, time: int) -> int | None:
        """None: not in the log, or expired."""
        found = self.blob(blob)
        return None if found is None or (found.refs == 0 and found.expires <= time) else found.size

    def blobs_of(self, entry: int) -> list[BlobId]:
        return [blob for (blob,) in self.rows("SELECT blob FROM blob_refs WHERE entry = ? ORDER BY blob", (entry,))]

    def packet(self, invite: InviteId) -> PacketRow | None:
        found = self.row("SELECT packet, expires FROM packets WHERE invite = ?", (invite,))
        return None if found is None else PacketRow(*found)

    def due_entries(self, time: int, limit: int) -> list[EntryRow]:
        sql = (
            "SELECT id, queue, n, at, kind, payload, blobs FROM entries WHERE expires <= ? ORDER BY expires, id LIMIT ?"
        )
        return [EntryRow(*row) for row in self.rows(sql, (time, limit))]

    def due_queues(self, time: int, limit: int) -> list[QueueId]:
        sql = "SELECT id FROM queues WHERE idle_at <= ? ORDER BY idle_at, number LIMIT ?"
        return [row[0] for row in self.rows(sql, (time, limit))]

    def due_claims(self, time: int, limit: int) -> list[tuple[DeviceId, int, bytes]]:
        sql = "SELECT device, suite, key FROM claims WHERE expires <= ? ORDER BY expires, device, suite, key LIMIT ?"
        return [(device, suite, key) for device, suite, key in self.rows(sql, (time, limit))]

    def due_puts(self, time: int, limit: int) -> list[tuple[DeviceId, bytes]]:
        sql = "SELECT device, key FROM puts WHERE expires <= ? ORDER BY expires, device, key LIMIT ?"
        return [(device, key) for device, key in self.rows(sql, (time, limit))]

    def due_blobs(self, time: int, limit: int) -> list[BlobId]:
        sql = "SELECT blob FROM blobs WHERE refs = 0 AND expires <= ? ORDER BY expires, blob LIMIT ?"
        return [row[0] for row in self.rows(sql, (time, limit))]

    def due_packets(self, time: int, limit: int) -> list[InviteId]:
        sql = "SELECT invite FROM packets WHERE expires <= ? ORDER BY expires, invite LIMIT ?"
        return [row[0] for row in self.rows(sql, (time, limit))]

    def lowest_dead(self) -> int | None:
        found = self.row("SELECT min(number) FROM dead")
        return None if found is None else found[0]

    def dead_entries(self, number: int, limit: int) -> list[EntryRow]:
        sql = "SELECT id, queue, n, at, kind, payload, blobs FROM entries WHERE queue = ? ORDER BY n LIMIT ?"
        return [EntryRow(*row) for row in self.rows(sql, (number, limit))]

    def first_expiry(self, never: int) -> int:
        """When the first row of any table expires (ms)."""
        found = self.row(
            "SELECT min((SELECT coalesce(min(expires), ?1) FROM entries),"
            " (SELECT coalesce(min(idle_at), ?1) FROM queues), (SELECT coalesce(min(expires), ?1) FROM claims),"
            " (SELECT coalesce(min(expires), ?1) FROM puts), (SELECT coalesce(min(expires), ?1) FROM packets),"
            " (SELECT coalesce(min(expires), ?1) FROM blobs WHERE refs = 0))",
            (never,),
        )
        return never if found is None else found[0]
