"""Long reads, on a connection and in a thread of their own. Each is one short transaction: one page, then out."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

import apsw

from coterie.ids import BlobId, DeviceId, InviteId, QueueId
from coterie.server.view.failure import storage_failure
from coterie.server.view.lookup import Lookup
from coterie.server.view.pages import Beyond, Page, PageEntry
from coterie.server.view.schema import open_reader
from coterie.server.view.state_hash import state_hash
from coterie.wire.limits import FRAME_BYTES

PAGE_BYTES: Final = FRAME_BYTES - 8 * 1024
"""Entries of one page with their framing; a single one is given whatever its size."""
_ENTRY_FRAMING: Final = 64


class Reader:
    """One thread at a time. Every method raises StorageFailed."""

    def __init__(self, path: Path) -> None:
        self._db = open_reader(path)
        self._look = Lookup(self._db)

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> "Reader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def entries(
        self,
        queue: QueueId,
        token_hash: bytes,
        after: int,
        limit: int,
        most_bytes: int = PAGE_BYTES,
    ) -> Page | Beyond | None:
        """Entries after `after` that the read token reads: from its first epoch to the end of its last. None: no such
        queue, or the token does not fit it. An `n` that is missing was deleted with its hash."""
        with _Snapshot(self._db):
            time = self._time()
            row = self._look.queue_row(queue)
            if row is None or row.idle_at <= time:
                return None
            token_end = self._look.read_end(row, token_hash)
            if token_end is None:
                return None
            if after > row.last:
                return Beyond(row.last, row.epoch)
            start = max(after, self._look.before_first(row, token_hash))
            entries, whole = self._page(row.number, start, token_end or row.last, limit, most_bytes, time)
            ended = self._look.epoch_end(row, token_end)
        return Page(start, entries, whole, row.last, row.epoch, token_end, ended)

    def _page(
        self, number: int, after: int, stop: int, limit: int, most_bytes: int, time: int
    ) -> tuple[list[PageEntry], bool]:
        """The entries, and whether they reach `stop`."""
        found: list[PageEntry] = []
        size = 0
        try:
            cursor = self._db.execute(
                "SELECT n, at, expires, payload, hash FROM entries"
                " WHERE queue = ? AND n > ? AND n <= ? ORDER BY n LIMIT ?",
                (number, after, stop, limit + 1),
            )
            for n, at, expires, payload, digest in cursor:
                expired = payload is None or expires <= time
                size += _ENTRY_FRAMING + (0 if expired else len(payload))
                if len(found) == limit or (found and size > most_bytes):
                    cursor.close(True)
                    return found, False
                if expired:
                    found.append(PageEntry(n, at, None, digest or hashlib.sha256(payload).digest()))
                else:
                    found.append(PageEntry(n, at, payload, b""))
        except apsw.Error as error:
            raise storage_failure(error) from error
        return found, True

    def register_entries(self, after: int, most_bytes: int = PAGE_BYTES) -> list[bytes]:
        """Entries with seq above `after`, in order, as many as fit; at least one if there is one."""
        found: list[bytes] = []
        size = 0
        # no entry is larger than a fraction of a page: a bounded number of rows is enough
        for (entry,) in self._look.rows("SELECT entry FROM register WHERE seq > ? ORDER BY seq LIMIT 2000", (after,)):
            size += len(entry) + _ENTRY_FRAMING
            if found and size > most_bytes:
                break
            found.append(entry)
        return found

    def stock(self, device: DeviceId, suite: int) -> tuple[int, bool]:
        """How many one-time packages are left, and whether there is a last resort."""
        row = self._look.stock((device, suite))
        return (0, False) if row is None else (row.end - row.first, bool(row.last_resort))

    def bundles(self, devices: Sequence[DeviceId]) -> list[bytes | None]:
        return [self._look.bundle(device) for device in devices]

    def packet(self, invite: InviteId) -> bytes | None:
        """None: never put, fetched for good, or ended with its invite."""
        with _Snapshot(self._db):
            row = self._look.packet(invite)
            return None if row is None or not row.packet or row.expires <= self._time() else row.packet

    def blob_size(self, blob: BlobId) -> int | None:
        """None: not in the log, or expired."""
        with _Snapshot(self._db):
            return self._look.blob_size_at(blob, self._time())

    def state_hash(self) -> bytes:
        """SHA-256 over all tables in logical order: equal on every hub that applied the same log. Reads everything."""
        with _Snapshot(self._db):
            try:
                return state_hash(self._db)
            except apsw.Error as error:
                raise storage_failure(error) from error

    def _time(self) -> int:
        row = self._look.row("SELECT time FROM log WHERE one = 1")
        return 0 if row is None else int(row[0])


class _Snapshot:
    """One read transaction."""

    __slots__ = ("_db",)

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._run("BEGIN")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._db.get_autocommit():
            self._run("ROLLBACK")

    def _run(self, sql: str) -> None:
        try:
            self._db.execute(sql)
        except apsw.Error as error:
            raise storage_failure(error) from error
