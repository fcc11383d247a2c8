"""What an entry of a room's queue is: an MLS message, or the name of a blob (docs/protocol/groups.md, "Entries").

One tag byte, then the PrivateMessage as it is (0), or MessagePack of a reference (1) whose key is sealed under the
epoch, because the server sees the entry and holds the blob. Pure; key and nonce are passed in.
"""

from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from msgspec import Meta, Struct

from coterie.errors import PeerError
from coterie.group.exports import Epoch, blob_key, place
from coterie.group.sealed_blob import LARGEST_BLOB, BlobKey, BlobRef, SealedBlob, seal_blob
from coterie.ids import BlobId
from coterie.wire.limits import PAYLOAD_BYTES

MLS_MESSAGE: Final = 0
MLS_MESSAGE_IN_BLOB: Final = 1
LARGEST_INLINE: Final = PAYLOAD_BYTES - 1
_NONCE_BYTES: Final = 12


class BadEntry(PeerError):
    code = "bad_entry"

    def __init__(self, what: str = "an entry of the room's queue is malformed") -> None:
        super().__init__(what, "it is passed over; if it ends an epoch, this device is stuck and says so")


class _Reference(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    id: Annotated[BlobId, Meta(min_length=32, max_length=32)]
    sealed_key: Annotated[bytes, Meta(min_length=_NONCE_BYTES + 48, max_length=_NONCE_BYTES + 48)]
    size: Annotated[int, Meta(ge=1, le=LARGEST_BLOB)]


@dataclass(frozen=True, slots=True)
class Inline:
    """An MLS message that stands in the entry."""

    message: bytes


@dataclass(frozen=True, slots=True)
class InBlob:
    """An MLS message that stands in a blob. `open_reference` gives what fetches and opens it."""

    id: BlobId
    size: int
    sealed_key: bytes


@dataclass(frozen=True, slots=True)
class OutgoingEntry:
    """`payload` is posted; `blob`, if there is one, is put first, and its id declared with the post."""

    payload: bytes
    blob: SealedBlob | None = None


_references = msgspec.msgpack.Decoder(_Reference)


def make_entry(epoch: Epoch, message: bytes, key: BlobKey, nonce: bytes, most: int = LARGEST_INLINE) -> OutgoingEntry:
    """The entry for an MLS message of `epoch`. `key` (32 bytes) and `nonce` (12) are fresh and random; they are
    used only if the message is larger than `most` bytes."""
    if len(message) <= most:
        return OutgoingEntry(bytes([MLS_MESSAGE]) + message)
    if len(nonce) != _NONCE_BYTES:
        raise ValueError("a nonce has 12 bytes")
    blob = seal_blob(message, key)
    bound = place(epoch) + blob.ref.id
    sealed_key = nonce + ChaCha20Poly1305(bytes(blob_key(epoch))).encrypt(nonce, blob.ref.key, bound)
    reference = _Reference(blob.ref.id, sealed_key, blob.ref.size)
    return OutgoingEntry(bytes([MLS_MESSAGE_IN_BLOB]) + msgspec.msgpack.encode(reference), blob)


def decode_entry_untrusted(payload: bytes) -> Inline | InBlob:
    """Raises BadEntry."""
    if not 2 <= len(payload) <= PAYLOAD_BYTES:
        raise BadEntry
    tag, rest = payload[0], bytes(payload[1:])
    if tag == MLS_MESSAGE:
        return Inline(rest)
    if tag != MLS_MESSAGE_IN_BLOB:
        raise BadEntry("an entry of the room's queue is of an unknown form")
    try:
        reference = _references.decode(rest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadEntry from None
    return InBlob(reference.id, reference.size, reference.sealed_key)


def open_reference(epoch: Epoch, entry: InBlob) -> BlobRef:
    """Raises BadEntry if no member of `epoch` sealed it."""
    nonce, sealed = entry.sealed_key[:_NONCE_BYTES], entry.sealed_key[_NONCE_BYTES:]
    try:
        key = ChaCha20Poly1305(bytes(blob_key(epoch))).decrypt(nonce, sealed, place(epoch) + entry.id)
    except InvalidTag:
        raise BadEntry("an entry names a blob whose key does not open") from None
    return BlobRef(entry.id, key, entry.size)
