"""A queue: opened, appended to, moved on to its next epoch, closed (docs/protocol/queues.md)."""

from typing import Annotated

from msgspec import Meta, field

from coterie.wire import limits
from coterie.wire.fields import Blobs, Hash, Key, Number, Payload, Queue, Token, Ttl
from coterie.wire.frames.frame import Frame, Part
from coterie.wire.queues import QueueTerms


class OpenQueue(Frame, tag=16, frozen=True):
    """Create a queue at `epoch`. Opened again with the same terms: the same answer. → Opened"""

    id: Number
    queue: Queue
    terms: QueueTerms
    epoch: Number
    ttl: Ttl


class Opened(Frame, tag=66, frozen=True):
    id: Number


class Post(Frame, tag=17, frozen=True):
    """Append if the queue is still at `epoch`; the same `key` again answers the first n. → Posted | Stale"""

    id: Number
    queue: Queue
    token: Token
    epoch: Number
    key: Key
    payload: Payload
    blobs: Blobs = field(default_factory=list)
    ttl: Ttl | None = None


class Posted(Frame, tag=67, frozen=True):
    id: Number
    n: Number


class Stale(Frame, tag=68, frozen=True):
    id: Number
    epoch: Number


class Delivery(Part, frozen=True):
    """An inbox post that goes with a commit, or not at all."""

    queue: Queue
    token: Token
    epoch: Number
    key: Key
    payload: Payload
    blobs: Blobs = field(default_factory=list)


class Advance(Frame, tag=18, frozen=True):
    """Append a commit iff the queue is still at `epoch`, and go to `epoch` + 1 with the next tokens (as SHA-256).
    `token` is the post token; in an inbox, the closing secret. → Advanced | Conflict"""

    id: Number
    queue: Queue
    token: Token
    epoch: Number
    key: Key
    payload: Payload
    next_post: Hash
    next_read: Hash
    blobs: Blobs = field(default_factory=list)
    deliveries: Annotated[list[Delivery], Meta(max_length=limits.DELIVERIES_PER_COMMIT)] = field(default_factory=list)


class Advanced(Frame, tag=69, frozen=True):
    """`undelivered` are indices into `deliveries` whose inbox did not take them (gone or another epoch)."""

    id: Number
    n: Number
    undelivered: list[int]


class Conflict(Frame, tag=70, frozen=True):
    id: Number
    epoch: Number


class CloseQueue(Frame, tag=22, frozen=True):
    """→ Done, also if it is closed already."""

    id: Number
    queue: Queue
    secret: Token
