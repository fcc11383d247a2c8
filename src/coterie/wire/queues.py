"""What a queue is opened with, and the id that commits to it (docs/protocol/queues.md). Pure."""

import hashlib
from enum import IntEnum
from typing import Annotated

from msgspec import Meta, Struct

from coterie.ids import ClosingSecret, PostToken, QueueId, ReadToken
from coterie.wire.fields import Hash, HashOrNone


class QueuePurpose(IntEnum):
    """Who may advance and close differs: a room's queue is advanced with the post token of its epoch and never closed;
    an inbox and a call are closed, and an inbox is advanced, with the closing secret, which only the owner has. A link
    queue is never advanced; its closing secret is the public key of whoever may come to it without being a device."""

    ROOM = 1
    INBOX = 2
    CALL = 3
    LINK = 4


class QueueTerms(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """SHA-256 of the first post token, the first read token, the closing secret (empty: none), and 16 random bytes."""

    purpose: QueuePurpose
    post: Hash
    read: Hash
    close: HashOrNone
    nonce: Annotated[bytes, Meta(min_length=16, max_length=16)]


def token_hash(token: PostToken | ReadToken | ClosingSecret | bytes) -> bytes:
    """What the server keeps of a token; 32 bytes."""
    return hashlib.sha256(bytes(token)).digest()


def queue_id(terms: QueueTerms) -> QueueId:
    """SHA-256 over label, purpose (one byte), post, read and close hash (32 zero bytes if none), nonce; 32 bytes."""
    close = terms.close or bytes(32)
    parts = b"".join((bytes([terms.purpose]), terms.post, terms.read, close, terms.nonce))
    return QueueId(hashlib.sha256(b"coterie/1 queue\0" + parts).digest())


def chain_next(chain: bytes, n: int, entry_hash: bytes) -> bytes:
    """The queue's chain after entry `n`: SHA-256(chain ‖ n as 8 bytes, big end first ‖ SHA-256 of the entry)."""
    return hashlib.sha256(chain + n.to_bytes(8, "big") + entry_hash).digest()


CHAIN_START = bytes(32)
"""The chain before entry 1."""
