"""What a coterie's log takes, by order: the same for every hub (docs/protocol/queues.md, "Limits"). Times in ms."""

from dataclasses import dataclass
from typing import Final

from coterie.wire import limits
from coterie.wire.queues import QueuePurpose

SECOND_MS: Final = 1000
HOUR_MS: Final = 3600 * SECOND_MS
DAY_MS: Final = 24 * HOUR_MS

MESSAGE_TTL_MS: Final = limits.MESSAGE_TTL_SECONDS * SECOND_MS
COMMIT_TTL_MS: Final = limits.COMMIT_TTL_SECONDS * SECOND_MS
"""Also how long the hash of an expired entry stays, or the chains of those who were away would break."""
UNREFERENCED_BLOB_MS: Final = limits.UNREFERENCED_BLOB_SECONDS * SECOND_MS
KEY_HOURS: Final = limits.KEY_SECONDS // 3600
KEY_MS: Final = limits.KEY_SECONDS * SECOND_MS
KEYS_KEPT: Final = limits.KEYS_KEPT

LARGEST_FIRST_EPOCH: Final = 2**61
"""A queue cannot be opened so late that its epochs would outgrow the view's numbers."""
IDLE_SLACK: Final = 32
"""The end of an unused queue is put off only when it moves by more than a 32nd of its ttl: then the row is written."""
PURGED_PER_RECORD: Final = 500
"""Rows that one record deletes because they expired; they are hidden from the moment they do."""

PACKAGES_PER_DEVICE: Final = 200
"""One-time key packages of one device and suite."""
CLAIMS_PER_DAY: Final = 200
"""Key packages claimed of one device and suite in one day of log time."""
JOIN_GRACE_MS: Final = 7 * DAY_MS
"""How long a newcomer can still fetch the packet of the invite they used."""


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """Posts stop at `entries` and `size` (bytes); commits, and what is delivered with them, only at the larger two."""

    entries: int
    size: int
    commit_entries: int
    commit_size: int


_MIB: Final = 1024 * 1024
QUEUE_LIMITS: Final[dict[QueuePurpose, QueueLimits]] = {
    QueuePurpose.ROOM: QueueLimits(200_000, 1024 * _MIB, 210_000, 1088 * _MIB),
    QueuePurpose.INBOX: QueueLimits(19_000, 56 * _MIB, 20_000, 64 * _MIB),
    QueuePurpose.CALL: QueueLimits(20_000, 56 * _MIB, 21_000, 64 * _MIB),
    QueuePurpose.LINK: QueueLimits(32, 1 * _MIB, 32, 1 * _MIB),
}
