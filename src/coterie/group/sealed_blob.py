"""Sealed blobs: ratchet trees, commits and Welcomes too large for an entry (docs/protocol/groups.md, "Blobs").

A fresh key seals one blob, in 64 KiB chunks as in age's STREAM, so that any part can be checked as it arrives and none
can be cut off. Pure; the key is passed in.
"""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from msgspec import Meta, Struct

from coterie.errors import PeerError
from coterie.group.padding import BadPadding, pad, unpad_untrusted
from coterie.ids import BlobId, Secret

CHUNK_BYTES: Final = 64 * 1024
TAG_BYTES: Final = 16
_SEALED_CHUNK: Final = CHUNK_BYTES + TAG_BYTES
LARGEST_BLOB: Final = 64 * 1024 * 1024


class BadBlob(PeerError):
    code = "bad_blob"

    def __init__(self, what: str) -> None:
        super().__init__(f"a sealed blob {what}", "it is fetched again, or asked for anew")


class BlobKey(Secret):
    """Seals one blob, once; 32 bytes."""


class BlobRef(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where a blob is and what opens it. `size` is the ciphertext's. Holds a key: shows its id only."""

    id: Annotated[BlobId, Meta(min_length=32, max_length=32)]
    key: Annotated[bytes, Meta(min_length=32, max_length=32)]
    size: Annotated[int, Meta(ge=1, le=LARGEST_BLOB)]

    def __repr__(self) -> str:
        return f"BlobRef({self.id.hex()[:8]}…, {self.size} bytes)"


@dataclass(frozen=True, slots=True)
class SealedBlob:
    ref: BlobRef
    ciphertext: bytes


def seal_blob(content: bytes, key: BlobKey) -> SealedBlob:
    """`key` is 32 fresh random bytes, for this content only."""
    plain = pad(content)
    aead = ChaCha20Poly1305(bytes(key))
    chunks = [plain[start : start + CHUNK_BYTES] for start in range(0, len(plain), CHUNK_BYTES)]
    ciphertext = b"".join(
        aead.encrypt(_nonce(number, last=number == len(chunks) - 1), chunk, None) for number, chunk in enumerate(chunks)
    )
    if len(ciphertext) > LARGEST_BLOB:
        raise ValueError(f"a blob of more than {LARGEST_BLOB} bytes")
    ref = BlobRef(BlobId(hashlib.sha256(ciphertext).digest()), bytes(key), len(ciphertext))
    return SealedBlob(ref, ciphertext)


def open_blob_untrusted(ref: BlobRef, ciphertext: bytes) -> bytes:
    """What `seal_blob` sealed. Raises BadBlob if it is not the blob of `ref`, or was not sealed so."""
    if len(ciphertext) != ref.size or hashlib.sha256(ciphertext).digest() != ref.id:
        raise BadBlob("is not the one that was named")
    aead = ChaCha20Poly1305(ref.key)
    chunks = [ciphertext[start : start + _SEALED_CHUNK] for start in range(0, len(ciphertext), _SEALED_CHUNK)]
    try:
        plain = b"".join(
            aead.decrypt(_nonce(number, last=number == len(chunks) - 1), chunk, None)
            for number, chunk in enumerate(chunks)
        )
        return unpad_untrusted(plain)
    except (InvalidTag, BadPadding):
        raise BadBlob("does not open with its key") from None


def _nonce(number: int, *, last: bool) -> bytes:
    """age's STREAM: 11 bytes of counter, one that marks the last chunk."""
    return number.to_bytes(11, "big") + bytes([last])
