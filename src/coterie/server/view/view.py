"""The writing side of the view: applies records, and answers the hub's intake (docs/protocol/log.md, "View").

One thread. What a record brought is on disk before `apply` returns, and the position with it; a power cut may lose a
tail of records, which the log brings again.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from pathlib import Path

import apsw

from coterie.ids import BlobId, DeviceId, QueueId
from coterie.server.rules.applied import Applied
from coterie.server.rules.apply import apply
from coterie.server.rules.draft import NEVER, Draft
from coterie.server.rules.keys import KeyWindow
from coterie.server.rules.limits import HOUR_MS, KEY_HOURS, KEYS_KEPT
from coterie.server.rules.record import LogOpened
from coterie.server.rules.rows import HubRow, QueueRow
from coterie.server.view.cache import QueueCache
from coterie.server.view.failure import NotNext, ViewDamaged, storage_failure
from coterie.server.view.lookup import Lookup
from coterie.server.view.reader import Reader
from coterie.server.view.schema import WAL_RESTART_BYTES, open_writer
from coterie.server.view.storing import store
from coterie.trust.apply import apply as apply_entry
from coterie.trust.entry import MalformedEntry
from coterie.trust.reasons import NewerCoterie, RegisterError
from coterie.trust.register import Register


class View(Lookup):
    """Also what the rules read (`rules.base.Base`): rows as they stand after the newest record."""

    def __init__(self, path: Path) -> None:
        """Opens the file, or makes an empty view. Raises ViewDamaged, StorageFailed."""
        self._path = path
        super().__init__(open_writer(path))
        self._wal_bytes = 0
        self._wal_most = WAL_RESTART_BYTES
        try:
            self._load()
            self._page_bytes: int = self.rows("PRAGMA page_size")[0][0]
            self._db.set_wal_hook(self._wal_grew)
        except BaseException:
            self._db.close()
            raise

    def _load(self) -> None:
        found = self.row(
            "SELECT log, service_key, founding_key, generation, position, digest, record_hash, time, next_queue,"
            " next_entry FROM log"
        )
        if found is None:
            raise ViewDamaged("the view does not say where it is", "it is rebuilt from the log")
        log, service_key, founding_key, self.generation, self.position, self.digest, self.record_hash = found[:7]
        self.time, self.next_queue, self.next_entry = found[7:]
        self.log: LogOpened | None = None if log is None else LogOpened(log, service_key, founding_key)
        self.hubs: Mapping[bytes, HubRow] = self.stored_hubs()
        self.register = self._load_register()
        self.keys = self._load_keys()
        self.soonest = self.first_expiry(NEVER)
        self._dead = self.lowest_dead()
        self._queues = QueueCache()

    def _load_register(self) -> Register | None:
        register: Register | None = None
        try:
            for (entry,) in self.rows("SELECT entry FROM register ORDER BY seq"):
                register = apply_entry(register, entry)
        except (RegisterError, MalformedEntry, NewerCoterie) as error:
            raise ViewDamaged(f"the view's register does not verify: {error}", "it is rebuilt from the log") from error
        return register

    def _load_keys(self) -> KeyWindow:
        window = KeyWindow()
        oldest = (self.time // HOUR_MS - KEY_HOURS) * HOUR_MS
        sql = "SELECT id, queue, n, at, kind, key FROM entries WHERE id >= ? AND at >= ? ORDER BY id"
        try:
            window.rebuild(self._db.execute(sql, (self.next_entry - KEYS_KEPT, oldest)))
        except apsw.Error as error:
            raise storage_failure(error) from error
        return window

    def close(self) -> None:
        self._db.close()

    # Applying

    def apply(self, seq: int, record: bytes) -> Applied:
        """Apply the next record. Returns when it is stored. Raises NotNext, NewerRules, StorageFailed, MemoryError,
        OSError; nothing has changed then."""
        if seq != self.position + 1:
            raise NotNext(f"record {seq} does not follow record {self.position}", "the view is rebuilt from the log")
        applied, draft = apply(self, seq, record)
        try:
            store(self._db, draft, applied)
        except apsw.Error as error:
            raise storage_failure(error) from error
        self.position, self.time = seq, applied.time
        self.digest, self.record_hash = applied.digest, applied.record_hash
        if draft is not None:
            self._take(draft)
        if self._wal_bytes > self._wal_most:
            self.restart_wal()
        return applied

    def _take(self, draft: Draft) -> None:
        self.log, self.register, self.hubs = draft.log, draft.register, draft.hubs
        self.next_queue, self.next_entry = draft.next_queue, draft.next_entry
        self.keys.add(draft.time, draft.keys)
        self.keys.forget(draft.key_floor)
        for queue in draft.ended_queues:
            self._queues.drop(queue)
        for row in draft.queues.values():
            self._queues.put(row)
        if draft.dead or draft.buried:
            self._dead = self.lowest_dead()
        self.soonest = self.first_expiry(NEVER) if draft.purged else min(self.soonest, draft.soonest)

    def fits(self, record: bytes | None) -> bool:
        """Whether this view belongs to the log: `record` is what the log holds at `position` (None: nothing)."""
        if self.position == 0:
            return True
        return record is not None and hashlib.sha256(record).digest() == self.record_hash

    # Intake

    def queue(self, queue: QueueId) -> QueueRow | None:
        """None: never opened, closed, or aged out. Do not change it."""
        row = self.queue_row(queue)
        return None if row is None or row.idle_at <= self.time else row

    def post_fits(self, row: QueueRow, epoch: int, token_hash: bytes) -> bool:
        """Whether it is the post token of that epoch, the present or a past one."""
        held = row.post if epoch == row.epoch else self.post_hash(row.number, epoch)
        return held is not None and hmac.compare_digest(held, token_hash)

    def highest_counter(self, device: DeviceId) -> int:
        """The highest store counter seen of this device; 0: it never connected."""
        row = self.session(device)
        return 0 if row is None else row.counter

    def blob_size(self, blob: BlobId) -> int | None:
        """None: not in the log, or expired."""
        return self.blob_size_at(blob, self.time)

    # Upkeep

    def reader(self) -> Reader:
        return Reader(self._path)

    def checkpointer(self) -> "Checkpointer":
        return Checkpointer(self._path)

    def wal_bytes(self) -> int:
        return self._wal_bytes

    def restart_wal(self) -> None:
        """Write the whole WAL back, so that the next record starts it anew; some tens of milliseconds. A page read at
        this moment puts it off."""
        try:
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
        except apsw.BusyError:
            self._wal_most = self._wal_bytes + WAL_RESTART_BYTES // 4
            return
        except apsw.Error as error:
            raise storage_failure(error) from error
        self._wal_bytes = 0
        self._wal_most = WAL_RESTART_BYTES

    def _wal_grew(self, _db: apsw.Connection, _name: str, pages: int) -> int:
        self._wal_bytes = pages * self._page_bytes
        return apsw.SQLITE_OK

    def dropped_blobs(self, limit: int) -> list[tuple[BlobId, int]]:
        """Blobs to delete from the blob store, with the log time at which they went. One put again is off the list."""
        rows = self.rows("SELECT blob, at FROM dropped_blobs ORDER BY at, blob LIMIT ?", (limit,))
        return [(blob, at) for blob, at in rows]

    def forget_dropped(self, blobs: Sequence[BlobId]) -> None:
        """They are deleted from the blob store."""
        try:
            self._db.executemany("DELETE FROM dropped_blobs WHERE blob = ?", [(blob,) for blob in blobs])
        except apsw.Error as error:
            raise storage_failure(error) from error

    # What the rules read, beside the rows of `Lookup`

    def queue_row(self, queue: QueueId) -> QueueRow | None:
        row = self._queues.get(queue)
        if row is None:
            row = super().queue_row(queue)
            if row is not None:
                self._queues.put(row)
        return row

    def dead_queue(self) -> int | None:
        return self._dead


class Checkpointer:
    """Writes the WAL back beside the writer and the readers, from a thread of its own."""

    def __init__(self, path: Path) -> None:
        try:
            self._db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
            self._db.execute("PRAGMA synchronous = NORMAL")
        except apsw.Error as error:
            raise storage_failure(error) from error

    def checkpoint(self) -> None:
        """As much as nobody is reading (PASSIVE). Raises StorageFailed."""
        try:
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.BusyError:
            return
        except apsw.Error as error:
            raise storage_failure(error) from error

    def close(self) -> None:
        self._db.close()
