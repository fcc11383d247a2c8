"""One record of the log and the operations in it, as bytes and back (docs/protocol/log.md, "Record").

What a device asked for, once a hub's intake has checked tokens, sizes and rates: so no operation holds a token, and
none on content holds a device. Tags and the order of fields are for ever.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from coterie.errors import PeerError
from coterie.wire import limits
from coterie.wire.fields import (
    Blob,
    Blobs,
    BundleBytes,
    Device,
    Entry,
    Hash,
    HashOrNone,
    Invite,
    Key,
    KeyPackageBytes,
    Number,
    Payload,
    Public,
    Queue,
    Suite,
    Ttl,
)
from coterie.wire.queues import QueuePurpose

RULES_VERSION: Final = 1
"""Every change of an outcome is a new version; old code stays until no kept snapshot precedes its end."""
RECORD_BYTES: Final = 256 * 1024
"""A record is at most this, or holds a single operation."""
LARGEST_AT_MS: Final = 2**53 - 1

Id16 = Annotated[bytes, Meta(min_length=16, max_length=16)]
Milliseconds = Annotated[int, Meta(ge=0, le=LARGEST_AT_MS)]
Packet = Annotated[bytes, Meta(min_length=1, max_length=limits.PACKET_BYTES)]


class MalformedRecord(PeerError):
    """Not a record: void for every hub."""

    code = "malformed_record"


class Operation(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
    """`repr` shows the kind alone: payloads never reach a log of ours by accident."""

    def __repr__(self) -> str:
        return type(self).__name__


# The log and its hubs


class LogOpened(Operation, tag=1, frozen=True):
    """Which log this is. Only the first one counts; nothing but HubUp has an effect before it."""

    log: Id16
    service_key: Public
    founding_key: Public


class HubUp(Operation, tag=2, frozen=True):
    """First operation of an incarnation's record 1: puts it in force and fences the hub's older ones."""

    hub: Id16
    incarnation: Id16
    rules: Number
    blob_store: Annotated[bytes, Meta(max_length=32)]


class HubDown(Operation, tag=3, frozen=True):
    """Any hub may say it of one that misses its ticks: the incarnation's further records are void, its sessions end."""

    incarnation: Id16


class Restored(Operation, tag=4, frozen=True):
    """A new generation of the log, from `position` of the old one. Void in version 1."""

    generation: Number
    position: Number


class SnapshotReady(Operation, tag=5, frozen=True):
    """A snapshot of the view at `position` is in the blob store. Void in version 1."""

    position: Number
    state_hash: Hash


class Cut(Operation, tag=6, frozen=True):
    """The log may be purged up to `position`. Void in version 1."""

    position: Number


# Devices and the register


class Session(Operation, tag=16, frozen=True):
    """A device connected with this store counter, at the hub of this incarnation. → SessionOpened | SessionCopied |
    NotInForce"""

    device: Device
    counter: Number
    incarnation: Id16


class RegisterAppend(Operation, tag=17, frozen=True):
    """→ RegisterAccepted | RegisterMoved | RegisterRefused"""

    entry: Entry


class PutPacket(Operation, tag=18, frozen=True):
    """→ Stored | Refused(no_packet)"""

    invite: Invite
    packet: Packet


class PacketDone(Operation, tag=19, frozen=True):
    """→ Stored, also if it is gone already."""

    invite: Invite


class PutKeyPackages(Operation, tag=20, frozen=True):
    """→ Stocked | Refused(limited) | NotInForce"""

    device: Device
    suite: Suite
    bundle: BundleBytes
    packages: Annotated[list[KeyPackageBytes], Meta(max_length=limits.PACKAGES_PER_PUT)]
    last_resort: KeyPackageBytes | None
    key: Key


class ClaimKeyPackage(Operation, tag=21, frozen=True):
    """→ Claimed | Refused(no_key_package, limited)"""

    device: Device
    suite: Suite
    key: Key


# Queues


class OpenQueue(Operation, tag=32, frozen=True):
    """Intake has checked that `queue` commits to the terms. `ttl`: seconds that the queue stays without use. → Opened |
    Refused(queue_exists, bad_terms)"""

    queue: Queue
    purpose: QueuePurpose
    post: Hash
    read: Hash
    close: HashOrNone
    epoch: Number
    ttl: Ttl


class Post(Operation, tag=33, frozen=True):
    """→ Posted | Stale | Refused(no_queue, queue_full, no_blob)"""

    queue: Queue
    epoch: Number
    key: Key
    payload: Payload
    blobs: Blobs = []
    ttl: Ttl | None = None


class Delivery(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An inbox post that goes with a commit, or not at all."""

    queue: Queue
    epoch: Number
    key: Key
    payload: Payload
    blobs: Blobs = []

    def __repr__(self) -> str:
        return "Delivery"


class Advance(Operation, tag=34, frozen=True):
    """→ Advanced | Conflict | Refused(no_queue, queue_full, no_blob)"""

    queue: Queue
    epoch: Number
    key: Key
    payload: Payload
    next_post: Hash
    next_read: Hash
    blobs: Blobs = []
    deliveries: Annotated[list[Delivery], Meta(max_length=limits.DELIVERIES_PER_COMMIT)] = []


class CloseQueue(Operation, tag=35, frozen=True):
    """Intake has checked the closing secret. → Stored, also if it is closed already."""

    queue: Queue


class BlobPut(Operation, tag=36, frozen=True):
    """The bytes are durable in the blob store. → Stored"""

    blob: Blob
    size: Number


class Unknown(Operation, tag=0, frozen=True):
    """Stands, decoded, for an operation that is malformed or unknown to these rules. No hub encodes it. → Void"""


AnyOperation = (
    LogOpened
    | HubUp
    | HubDown
    | Restored
    | SnapshotReady
    | Cut
    | Session
    | RegisterAppend
    | PutPacket
    | PacketDone
    | PutKeyPackages
    | ClaimKeyPackage
    | OpenQueue
    | Post
    | Advance
    | CloseQueue
    | BlobPut
    | Unknown
)


class _Header(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    hub: Id16
    incarnation: Id16
    n: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    at: Milliseconds
    rules: Annotated[int, Meta(ge=1, le=2**31)]
    position: Number
    digest: HashOrNone


class Record(_Header, frozen=True):
    """Record `n` (from 1) of one incarnation of a hub, at its clock's `at` (ms). `rules`: the version its operations
    need. `position` and `digest`: how far this hub's view was when it sent this (0 and empty: nothing yet)."""

    operations: list[AnyOperation]

    def __repr__(self) -> str:
        return f"Record(n={self.n}, operations={len(self.operations)})"


class _Envelope(_Header, frozen=True):
    operations: list[msgspec.Raw]


UNKNOWN: Final = Unknown()

_encoder: Final = msgspec.msgpack.Encoder()
_records: Final = msgspec.msgpack.Decoder(Record)
_envelopes: Final = msgspec.msgpack.Decoder(_Envelope)
_operations: Final = msgspec.msgpack.Decoder(AnyOperation)

# RecursionError: deeply nested input; UnicodeDecodeError: a bad string
_UNDECODABLE: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


def encode_record(record: Record) -> bytes:
    return _encoder.encode(record)


def encoded_size(operation: AnyOperation) -> int:
    """How many bytes the operation takes in a record."""
    return len(_encoder.encode(operation))


def decode_record_untrusted(encoded: bytes) -> Record:
    """An operation that is unknown or malformed comes out as `Unknown`, alone. Raises MalformedRecord, nothing else."""
    try:
        record = _records.decode(encoded)
    except _UNDECODABLE:
        record = _decode_one_by_one(encoded)
    if len(encoded) > RECORD_BYTES and len(record.operations) != 1:
        raise MalformedRecord(f"a record of {len(encoded)} bytes with {len(record.operations)} operations")
    return record


def _decode_one_by_one(encoded: bytes) -> Record:
    try:
        envelope = _envelopes.decode(encoded)
    except _UNDECODABLE as error:
        raise MalformedRecord(f"a record that does not decode: {error}") from None
    operations: list[AnyOperation] = []
    for raw in envelope.operations:
        try:
            operations.append(_operations.decode(raw))
        except _UNDECODABLE:
            operations.append(UNKNOWN)
    return Record(
        envelope.hub,
        envelope.incarnation,
        envelope.n,
        envelope.at,
        envelope.rules,
        envelope.position,
        envelope.digest,
        operations,
    )
