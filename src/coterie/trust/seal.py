"""What an entry says to members only: names, notes, former keys (docs/protocol/register.md, "Seal").

A key per entry from the coterie key's generation in force, committed to, all public fields as associated data. A seal
never affects `apply`: what cannot be opened is shown as unknown.
"""

import hmac
from typing import Annotated, Final, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Meta

from coterie.errors import PeerError
from coterie.ids import NO_COTERIE, CoterieId, CoterieKey
from coterie.trust import canonical
from coterie.trust.canonical import NotCanonical
from coterie.trust.entry import Body, DecodedEntry
from coterie.trust.kinds import Founded, KeyRotated

NONCE_BYTES: Final = 12
COMMITMENT_BYTES: Final = 32
PAD_STEP: Final = 64
LARGEST_PLAINTEXT: Final = 1024
"""Padded."""
_LENGTH_BYTES: Final = 2
_TAG_BYTES: Final = 16
_LABEL: Final = b"coterie/1 seal\0"


class CannotOpen(PeerError):
    code = "cannot_open"

    def __init__(self) -> None:
        super().__init__(
            "a sealed part cannot be opened", "another generation of the coterie key, or garbage: shown as unknown"
        )


class Sealed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is sealed; one subclass a kind that seals something."""


class FoundingNames(Sealed, frozen=True):
    """In `Founded`: the coterie's name and the founder's."""

    coterie: str
    name: str


class ProfileName(Sealed, frozen=True):
    """In `ProfileSet`."""

    name: str


class InviteNote(Sealed, frozen=True):
    """In `InviteIssued`: what the inviter wants to remember; may be empty."""

    note: str


class FormerKey(Sealed, frozen=True):
    """In `KeyRotated`, sealed under the new key: the one before it."""

    previous: Annotated[bytes, Meta(min_length=32, max_length=32)]

    def __repr__(self) -> str:
        return "FormerKey(…)"


S = TypeVar("S", bound=Sealed)


def generation_for(entry: DecodedEntry, before: int) -> int:
    """The generation under which an entry is sealed; `before` is the one in force in front of it."""
    if isinstance(entry.public, Founded):
        return 0
    return entry.public.generation if isinstance(entry.public, KeyRotated) else before


def _entry_key(key: CoterieKey, body: Body) -> tuple[bytes, bytes]:
    info = _LABEL + body.prev + body.author + body.kind.encode()
    okm = HKDF(SHA256(), 64, salt=None, info=info).derive(bytes(key))
    return okm[:32], okm[32:]


def _associated(coterie: CoterieId, body: Body) -> bytes:
    named = NO_COTERIE if body.kind == Founded.__name__ else coterie
    return canonical.encode([named, body.seq, body.prev, body.at, body.author, body.kind, body.public])


def _pad(plaintext: bytes) -> bytes:
    framed = len(plaintext).to_bytes(_LENGTH_BYTES, "big") + plaintext
    return framed + bytes(-len(framed) % PAD_STEP)


def _unpad(padded: bytes) -> bytes:
    plaintext = padded[_LENGTH_BYTES:][: int.from_bytes(padded[:_LENGTH_BYTES], "big")]
    if _pad(plaintext) != padded:
        raise CannotOpen
    return plaintext


def seal(key: CoterieKey, coterie: CoterieId, body: Body, content: Sealed, nonce: bytes) -> bytes:
    """The `sealed` field for `body` (whose own is ignored). `nonce` is 12 random bytes.

    The result is commitment (32) ‖ nonce (12) ‖ ciphertext, padded so that it shows a name's length in 64-byte steps.
    """
    padded = _pad(canonical.encode(content))
    if len(nonce) != NONCE_BYTES or len(padded) > LARGEST_PLAINTEXT:
        raise ValueError("a nonce is 12 bytes, a plaintext at most 1,022")
    entry_key, commitment = _entry_key(key, body)
    return commitment + nonce + ChaCha20Poly1305(entry_key).encrypt(nonce, padded, _associated(coterie, body))


def open_sealed(key: CoterieKey, coterie: CoterieId, entry: DecodedEntry, content: type[S]) -> S:
    """What an entry seals, read under one generation of the coterie key. Raises CannotOpen and nothing else."""
    sealed, prefix = entry.sealed, COMMITMENT_BYTES + NONCE_BYTES
    if not prefix + PAD_STEP + _TAG_BYTES <= len(sealed) <= prefix + LARGEST_PLAINTEXT + _TAG_BYTES:
        raise CannotOpen
    body = entry.fields
    entry_key, commitment = _entry_key(key, body)
    if not hmac.compare_digest(commitment, sealed[:COMMITMENT_BYTES]):
        raise CannotOpen
    try:
        padded = ChaCha20Poly1305(entry_key).decrypt(
            sealed[COMMITMENT_BYTES:prefix], sealed[prefix:], _associated(coterie, body)
        )
        return canonical.decode_untrusted(_unpad(padded), msgspec.msgpack.Decoder(content))
    except (InvalidTag, NotCanonical):
        raise CannotOpen from None
