"""What one record changes, before any of it is stored: rows over the view's rows (docs/protocol/log.md, "Applying").

Thrown away whole when a rule raises or the storage fails; stored whole in one transaction otherwise.
"""

from collections.abc import Callable
from copy import copy
from typing import Final, Generic, TypeVar

from coterie.ids import BlobId, DeviceId, InviteId, QueueId
from coterie.server.rules.applied import EpochEnd, Run, Superseded
from coterie.server.rules.base import Base
from coterie.server.rules.keys import place_key
from coterie.server.rules.limits import IDLE_SLACK, SECOND_MS
from coterie.server.rules.record import LogOpened
from coterie.server.rules.rows import BlobRow, ClaimRow, HubRow, PacketRow, PutRow, QueueRow, SessionRow, StockRow
from coterie.trust.register import Register

K = TypeVar("K")
V = TypeVar("V")

NewEntry = tuple[int, int, int, int, int, bytes, int, bytes, int]
"""id, queue number, n, at, expires, key, kind, payload, number of blobs."""
NEVER: Final = 2**62


class Rows(Generic[K, V]):
    """One table: the changed rows (None: deleted) over the view's. Changes keep the order in which they came."""

    __slots__ = ("_read", "changed")

    def __init__(self, read: Callable[[K], V | None]) -> None:
        self._read = read
        self.changed: dict[K, V | None] = {}

    def get(self, key: K) -> V | None:
        try:
            return self.changed[key]
        except KeyError:
            return self._read(key)

    def put(self, key: K, row: V) -> None:
        self.changed[key] = row

    def drop(self, key: K) -> None:
        self.changed[key] = None


class Draft:
    """Rows by table, lists in log order. `time` is the log's time for every rule."""

    def __init__(self, base: Base, seq: int, time: int, hubs: dict[bytes, HubRow], incarnation: bytes) -> None:
        self.base = base
        self.seq = seq
        self.index = 0
        """Of the operation being applied."""
        self.incarnation = incarnation
        self.time = time
        self.hubs = hubs
        """All incarnations, as they are after this record."""
        self.fenced: list[bytes] = []
        self.log: LogOpened | None = base.log
        self.register: Register | None = base.register
        self.register_entries: list[tuple[int, bytes, bytes]] = []
        """seq, hash, entry"""
        self.next_queue = base.next_queue
        self.next_entry = base.next_entry
        self.key_floor = base.keys.floor(time, base.next_entry)
        self.keys: dict[bytes, int] = {}
        self.entries: list[NewEntry] = []
        self.runs: dict[QueueId, Run] = {}
        self.answers: dict[int, tuple[int, ...]] = {}
        """Entry of a commit → its undelivered, where there are any."""
        self.queues: dict[QueueId, QueueRow] = {}
        self.new_queues: dict[int, QueueRow] = {}
        self.moved_queues: dict[int, QueueRow] = {}
        """Rows of which more changed than their counts."""
        self.ended_queues: dict[QueueId, int] = {}
        self.closed: list[QueueId] = []
        self.dead: list[int] = []
        self.buried: list[int] = []
        """Ended queues that have no entries left."""
        self.new_epochs: list[tuple[int, int, bytes, bytes, int]] = []
        """queue number, epoch, post, read, first n"""
        self.ended_epochs: list[tuple[int, int, int]] = []
        """last n, queue number, epoch"""
        self.forgotten_epochs: list[tuple[int, int]] = []
        """queue number, last n"""
        self.epoch_ends: list[EpochEnd] = []
        self.blanked: list[tuple[bytes, int, int]] = []
        """hash, expires, entry: the payload goes, the hash stays."""
        self.deleted: list[tuple[int]] = []
        self.new_refs: list[tuple[int, BlobId]] = []
        self.lost_refs: list[tuple[int]] = []
        self.dropped_blobs: list[BlobId] = []
        self.sessions: Rows[DeviceId, SessionRow] = Rows(base.session)
        self.stocks: Rows[tuple[DeviceId, int], StockRow] = Rows(base.stock)
        self.bundles: Rows[DeviceId, bytes] = Rows(base.bundle)
        self.packages: Rows[tuple[DeviceId, int, int], bytes] = Rows(base.package)
        self.claims: Rows[tuple[DeviceId, int, bytes], ClaimRow] = Rows(base.claim)
        self.puts: Rows[tuple[DeviceId, bytes], PutRow] = Rows(base.put)
        self.blobs: Rows[BlobId, BlobRow] = Rows(base.blob)
        self.packets: Rows[InviteId, PacketRow] = Rows(base.packet)
        self.removed: list[DeviceId] = []
        self.superseded: list[Superseded] = []
        self.soonest = NEVER
        """The earliest expiry among the new rows."""
        self.purged = False

    def stored_queue(self, queue: QueueId) -> QueueRow | None:
        """The queue's row in this draft, to be changed in place; also one that has aged out."""
        row = self.queues.get(queue)
        if row is None:
            stored = self.base.queue_row(queue)
            if stored is None or self.ended_queues.get(queue) == stored.number:
                return None
            row = self.queues[queue] = copy(stored)
        return row

    def queue(self, queue: QueueId) -> QueueRow | None:
        """The same; None if it was never opened, is closed, or has aged out."""
        row = self.queues.get(queue) or self.stored_queue(queue)
        return None if row is None or row.idle_at <= self.time else row

    def known(self, row: QueueRow, key: bytes, kind: int) -> int | None:
        """Where the same key was answered before in this queue (see `keys.entry_of`, `keys.n_of`)."""
        placed = place_key(row.number, key, kind)
        return self.keys.get(placed) or self.base.keys.find(placed, self.key_floor)

    def used(self, row: QueueRow) -> None:
        """The queue was used now: its end is put off."""
        ttl = row.ttl * SECOND_MS
        if self.time + ttl > row.idle_at:
            row.idle_at = self.time + ttl + ttl // IDLE_SLACK
            self.moved_queues[row.number] = row

    def end_queue(self, row: QueueRow) -> None:
        """The queue is gone at once; its entries follow by and by."""
        del self.queues[row.id]
        if self.new_queues.pop(row.number, None) is None:
            self.ended_queues[row.id] = row.number
        self.moved_queues.pop(row.number, None)
        self.dead.append(row.number)
        self.closed.append(row.id)

    def expires(self, at: int) -> int:
        """Note that a row written now expires at `at`."""
        if at < self.soonest:
            self.soonest = at
        return at
