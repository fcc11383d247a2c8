"""From what a person or the operating system keeps to the key that wraps the database key.

Argon2id for a passphrase (RFC 9106), nothing to stretch for a keyring's random secret; then one seal with key
commitment for both (docs/protocol/device-store.md, "Key wrapping"). No files here.
"""

import hmac
import unicodedata
from dataclasses import dataclass
from typing import Annotated, Final, Self

import argon2.exceptions
import argon2.low_level
import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from msgspec import Meta

from coterie.errors import CallerError, DeviceError
from coterie.ids import Secret

KIB: Final = 1024
LEAST_MEMORY_KIB: Final = 64 * KIB
MOST_MEMORY_KIB: Final = 1024 * KIB
LEAST_PASSES: Final = 3
MOST_PASSES: Final = 16
MOST_LANES: Final = 4


class EmptyPassphrase(CallerError):
    code = "empty_passphrase"

    def __init__(self) -> None:
        super().__init__("the passphrase is empty", "choose several words that nobody else would put together")


class NotEnoughMemory(DeviceError):
    code = "not_enough_memory"


class Passphrase(Secret):
    """What a person types, as UTF-8 in Unicode's form NFC, so that every keyboard gives the same bytes."""

    @classmethod
    def of(cls, text: str) -> Self:
        """Raises EmptyPassphrase. Nothing is stripped."""
        if not text:
            raise EmptyPassphrase
        return cls(unicodedata.normalize("NFC", text).encode())


class Argon2id(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a passphrase was stretched. Bounded both ways: a file cannot ask for a terabyte, nor for next to nothing."""

    salt: Annotated[bytes, Meta(min_length=16, max_length=64)]
    memory_kib: Annotated[int, Meta(ge=LEAST_MEMORY_KIB, le=MOST_MEMORY_KIB)] = LEAST_MEMORY_KIB
    passes: Annotated[int, Meta(ge=LEAST_PASSES, le=MOST_PASSES)] = LEAST_PASSES
    lanes: Annotated[int, Meta(ge=1, le=MOST_LANES)] = MOST_LANES


class Sealed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The database key under a wrapping key. The commitment tells a wrong key from damaged bytes."""

    commitment: Annotated[bytes, Meta(min_length=32, max_length=32)]
    nonce: Annotated[bytes, Meta(min_length=12, max_length=12)]
    ciphertext: Annotated[bytes, Meta(min_length=48, max_length=48)]


class WrongKey(Exception):
    """The commitment does not fit: this is not the key the seal was made with."""


class BrokenSeal(Exception):
    """The right key, but not the bytes that were sealed."""


@dataclass(frozen=True, slots=True)
class WrappingKey:
    """Seals one database key; `root` is 32 bytes."""

    root: Secret

    def seal(self, database_key: Secret, nonce: bytes, bound: bytes) -> Sealed:
        """`bound` is what stands around the seal in the file; it must be the same to open it."""
        ciphertext = ChaCha20Poly1305(self._derive(b"seal")).encrypt(nonce, bytes(database_key), bound)
        return Sealed(self._derive(b"commitment"), nonce, ciphertext)

    def open(self, sealed: Sealed, bound: bytes) -> Secret:
        """Raises WrongKey or BrokenSeal."""
        if not hmac.compare_digest(self._derive(b"commitment"), sealed.commitment):
            raise WrongKey
        try:
            return Secret(ChaCha20Poly1305(self._derive(b"seal")).decrypt(sealed.nonce, sealed.ciphertext, bound))
        except InvalidTag:
            raise BrokenSeal from None

    def _derive(self, use: bytes) -> bytes:
        return HKDFExpand(SHA256(), 32, b"coterie/1 device key " + use).derive(bytes(self.root))


def stretch(passphrase: Passphrase, how: Argon2id) -> WrappingKey:
    """Takes a tenth of a second or more, and `memory_kib` of memory. Raises NotEnoughMemory."""
    try:
        root = argon2.low_level.hash_secret_raw(
            bytes(passphrase),
            how.salt,
            time_cost=how.passes,
            memory_cost=how.memory_kib,
            parallelism=how.lanes,
            hash_len=32,
            type=argon2.low_level.Type.ID,
            version=19,
        )
    except argon2.exceptions.HashingError as error:
        raise NotEnoughMemory(f"the passphrase needs {how.memory_kib // KIB} MiB of memory to check: {error}") from None
    return WrappingKey(Secret(root))
