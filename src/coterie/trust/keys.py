"""Ed25519 keys and what they may sign (docs/protocol/register.md, "Keys and purposes").

Every signature is over `"coterie/1 <purpose>\\0" ‖ coterie id ‖ body`, so that none can be offered to another verifier.
Acceptance is fixed here, before the library is asked, because OpenSSL versions differ at the edges.
"""

import hashlib
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from coterie.errors import PeerError
from coterie.ids import CoterieId, DeviceId, MemberId, PublicKey, Seed

KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64

_P: Final = 2**255 - 19
_L: Final = 2**252 + 27742317777372353535851937790883648493
_SIGN_BIT: Final = 1 << 255
_Y8: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
# The y coordinates of the eight points whose order divides 8: orders 1 and 2, order 4, order 8 (twice).
_SMALL_ORDER_Y: Final = frozenset({1, _P - 1, 0, _Y8, _P - _Y8})


class Purpose(StrEnum):
    """What a signature is for. A purpose is never reused for another kind of body."""

    ENTRY_FOUNDING = "entry founding"
    ENTRY_IDENTITY = "entry identity"
    ENTRY_DEVICE = "entry device"
    ENTRY_LEAF = "entry leaf"
    ENTRY_INVITE = "entry invite"
    CHALLENGE = "challenge"
    PROVE_DEVICE = "prove device"
    PROVE_INVITE = "prove invite"
    PROVE_FOUNDING = "prove founding"
    PROVE_IDENTITY = "prove identity"
    PROVE_LINK = "prove link"
    HEAD = "head"
    BUNDLE = "bundle"
    INBOX = "inbox"
    LINK = "link"


class MalformedKey(PeerError):
    code = "malformed_key"

    def __init__(self) -> None:
        super().__init__("a public key is malformed", "it came from another device or from the server; report it")


class ForgedSignature(PeerError):
    code = "forged_signature"

    def __init__(self, purpose: Purpose) -> None:
        super().__init__(f"a signature ({purpose.value}) does not verify", "nothing it signed was accepted")
        self.purpose = purpose


def public_key_untrusted(key: bytes) -> PublicKey:
    """A public key that may be verified with: 32 bytes, y canonical (RFC 8032 §5.1.3), not of small order.

    Whether the point is on the curve is left to the first signature, which a point off the curve cannot have.
    Raises MalformedKey.
    """
    if len(key) != KEY_BYTES:
        raise MalformedKey
    y = int.from_bytes(key, "little") & (_SIGN_BIT - 1)
    if y >= _P or y in _SMALL_ORDER_Y:
        raise MalformedKey
    return PublicKey(bytes(key))


def signed_bytes(purpose: Purpose, coterie: CoterieId, body: bytes) -> bytes:
    return b"coterie/1 " + purpose.value.encode() + b"\0" + coterie + body


def verify(public: PublicKey, purpose: Purpose, coterie: CoterieId, body: bytes, signature: bytes) -> None:
    """Raises ForgedSignature: for a wrong length, for S ≥ L (RFC 8032 §5.1.7), or when the equation does not hold."""
    if len(signature) != SIGNATURE_BYTES or int.from_bytes(signature[32:], "little") >= _L:
        raise ForgedSignature(purpose)
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, signed_bytes(purpose, coterie, body))
    except (InvalidSignature, ValueError):
        raise ForgedSignature(purpose) from None


class SigningKey:
    """An Ed25519 private key of any sort. It signs for a purpose only, never bare bytes."""

    __slots__ = ("_private", "public")

    def __init__(self, seed: Seed) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(bytes(seed))
        self.public = PublicKey(self._private.public_key().public_bytes_raw())

    def sign(self, purpose: Purpose, coterie: CoterieId, body: bytes) -> bytes:
        """64 bytes. The same arguments give the same signature."""
        return self._private.sign(signed_bytes(purpose, coterie, body))

    def __repr__(self) -> str:
        return f"SigningKey(public={self.public.hex()})"


def member_id(identity: PublicKey) -> MemberId:
    return MemberId(hashlib.sha256(b"coterie/1 member\0" + identity).digest()[:16])


def device_id(device: PublicKey) -> DeviceId:
    return DeviceId(hashlib.sha256(b"coterie/1 device\0" + device).digest()[:16])
