"""The rows that the rules decide by, as the view keeps them (docs/protocol/log.md, "View").

A record works on copies in its draft; a row that the view has handed out is never changed.
"""

from msgspec import Struct

from coterie.ids import QueueId
from coterie.wire.queues import QueuePurpose


class QueueRow(Struct, gc=False):
    """One queue. `number` is its place among all queues ever opened; `post` and `read` are the hashes of the present
    epoch's tokens; `last` is the newest n; `live` and `size` count entries and bytes not yet deleted; it ends, unused,
    at `idle_at` (ms)."""

    number: int
    id: QueueId
    purpose: QueuePurpose
    close: bytes
    epoch: int
    post: bytes
    read: bytes
    last: int
    live: int
    size: int
    ttl: int
    idle_at: int

    def __repr__(self) -> str:
        return f"QueueRow(number={self.number}, epoch={self.epoch}, last={self.last})"


class HubRow(Struct, frozen=True, gc=False):
    """One incarnation of a hub: `last` is the number of its newest record, `at` the time that one gave."""

    incarnation: bytes
    hub: bytes
    last: int
    at: int
    rules: int
    blob_store: bytes
    in_force: bool


class SessionRow(Struct, frozen=True, gc=False):
    """The highest store counter seen of a device, and where its session is: `incarnation` is empty if it ended; `seq`
    and `index` name the operation that opened it."""

    counter: int
    incarnation: bytes
    seq: int
    index: int


class StockRow(Struct, frozen=True, gc=False):
    """Key packages of one device and suite: one-time ones numbered from `first` to before `end`; `claims` counts
    those of `day` (of log time)."""

    first: int
    end: int
    last_resort: bytes
    day: int
    claims: int


class ClaimRow(Struct, frozen=True, gc=False):
    """What a claim answered, for the same key again; forgotten at `expires` (ms)."""

    package: bytes
    bundle: bytes
    last_resort: bool
    at: int
    expires: int


class PutRow(Struct, frozen=True, gc=False):
    """What a PutKeyPackages answered, for the same key again; forgotten at `expires` (ms)."""

    one_time: int
    last_resort: bool
    expires: int


class BlobRow(Struct, frozen=True, gc=False):
    """`refs` entries name it; without any it goes at `expires` (ms)."""

    size: int
    refs: int
    expires: int


class PacketRow(Struct, frozen=True, gc=False):
    """`packet` is empty once it was fetched for good, or ended with its invite."""

    packet: bytes
    expires: int
