"""What applying one record gave: the hub answers, pushes and closes by it (docs/protocol/log.md)."""

from dataclasses import dataclass, field
from enum import StrEnum

from coterie.ids import BlobId, DeviceId, Incarnation, QueueId
from coterie.server.rules.outcomes import Outcome


class RecordFate(StrEnum):
    """Only an applied record has outcomes, an effect or a time."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    """Its number was applied before."""
    GAP = "gap"
    """A number before it is missing: send again from there, in order."""
    NOT_IN_FORCE = "not-in-force"
    """Its incarnation never came up, or was fenced or put down."""
    MALFORMED = "malformed"


@dataclass(slots=True)
class Run:
    """Entries `after` + 1, + 2, … of one queue; all appended at the record's time."""

    after: int
    payloads: list[bytes]


@dataclass(frozen=True, slots=True)
class EpochEnd:
    """Entry `n` ended `epoch` and installed the next tokens (SHA-256). Who follows with its read token gets nothing
    after `n`, unless the next epoch has the same read token (`read_again`)."""

    queue: QueueId
    epoch: int
    n: int
    next_post: bytes
    next_read: bytes
    read_again: bool


@dataclass(frozen=True, slots=True)
class Superseded:
    """A session that ended because the device opened another: `seq` and `index` name the Session operation that it was
    opened by; it is at the hub of `incarnation`."""

    device: DeviceId
    incarnation: Incarnation
    seq: int
    index: int


@dataclass(slots=True)
class Applied:
    """`outcomes` are in the order of the operations. `time` (ms) and `digest` are the log's after this record;
    `record_hash` is the SHA-256 of its bytes."""

    seq: int
    fate: RecordFate
    record_hash: bytes
    hub: bytes = b""
    incarnation: bytes = b""
    n: int = 0
    time: int = 0
    digest: bytes = b""
    outcomes: list[Outcome] = field(default_factory=list)
    appended: dict[QueueId, Run] = field(default_factory=dict)
    epoch_ends: list[EpochEnd] = field(default_factory=list)
    closed: list[QueueId] = field(default_factory=list)
    """Closed or aged out: follows of them end."""
    register: list[bytes] = field(default_factory=list)
    """Entries that the register accepted, in order."""
    removed: list[DeviceId] = field(default_factory=list)
    """Devices that are no longer in force: their connections close."""
    superseded: list[Superseded] = field(default_factory=list)
    fenced: list[Incarnation] = field(default_factory=list)
    """Incarnations no longer in force; if the hub's own is among them, it stops answering and comes up anew."""
    dropped_blobs: list[BlobId] = field(default_factory=list)
    """Blobs that no entry names any more (also listed by `View.dropped_blobs`)."""
    faults: list[str] = field(default_factory=list)
    """For the operator: rules that raised. No content, no ids of people."""
