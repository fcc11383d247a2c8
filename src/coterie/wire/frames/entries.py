"""What is in a queue: read, and followed from the past into the present."""

from typing import Annotated

from msgspec import Meta, field

from coterie.wire import limits
from coterie.wire.fields import Hash, HashOrNone, Number, Payload, Queue, Token
from coterie.wire.frames.frame import Frame, Part


class Read(Frame, tag=19, frozen=True):
    """Entries after `after`, from the begin of the token's first epoch to the end of its last. → Entries | Behind"""

    id: Number
    queue: Queue
    token: Token
    after: Number
    limit: Annotated[int, Meta(ge=1, le=limits.READ_ENTRIES)]


class Follow(Frame, tag=20, frozen=True):
    """The same, then live: `Pushed` frames without gap or repeat, until the entry that ends the token's epoch.
    Following a queue again replaces the earlier follow. → Following | Behind"""

    id: Number
    queue: Queue
    token: Token
    after: Number


class Unfollow(Frame, tag=21, frozen=True):
    """→ Done"""

    id: Number
    queue: Queue


class QueueEntry(Part, frozen=True):
    """Entry `n`, appended at log time `at` (ms). `payload` is None if it expired: `hash` (SHA-256) stands for it."""

    n: Number
    at: Number
    payload: Payload | None
    hash: HashOrNone = b""


class EpochEnd(Part, frozen=True):
    """The epoch a token reads ended with entry `n`, the commit; these are the next tokens (SHA-256) that it installed.
    A reader compares them with what the commit's exporter gives, and merges only if they are equal."""

    n: Number
    next_post: Hash
    next_read: Hash


class Entries(Frame, tag=71, frozen=True):
    """What follows entry `after`: the one asked for, or the last before the token's first epoch if that is later (a
    joiner starts there). `end`: nothing more now for this token. `last` and `epoch` are the queue's present end;
    `ended` says how the token's last epoch ended, None while it is the present one."""

    id: Number
    after: Number
    entries: list[QueueEntry]
    end: bool
    last: Number
    epoch: Number
    ended: EpochEnd | None


class Following(Frame, tag=72, frozen=True):
    """Everything after `after` (as in `Entries`) follows as `Pushed`."""

    id: Number
    after: Number
    last: Number
    epoch: Number


class Behind(Frame, tag=73, frozen=True):
    """The device asked for what comes after an n that this log never had: the queue ends at `n`, at `epoch`."""

    id: Number
    n: Number
    epoch: Number


class Pushed(Frame, tag=96, frozen=True):
    """Entries `after` + 1, + 2, … of a followed queue. None: expired; `hashes` then holds its SHA-256 (else empty). The
    lists go together: they are equally long, or there are no `hashes`."""

    queue: Queue
    after: Number
    at: list[Number]
    payloads: list[bytes | None]
    hashes: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        entries = len(self.payloads)
        if len(self.at) != entries or len(self.hashes) not in (0, entries):
            raise ValueError(f"{entries} entries with {len(self.at)} times and {len(self.hashes)} hashes")


class FollowEnded(Frame, tag=97, frozen=True):
    """No more of this queue will be pushed. `reason` is `epoch` (the token's last epoch ended: `ended` says how, all of
    it was pushed; present the next read token), `slow` (more than 256 KiB waited; read on) or `closed`."""

    queue: Queue
    reason: str
    ended: EpochEnd | None
