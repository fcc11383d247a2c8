"""Heads: how far a register has come, and the server's word for it (docs/protocol/register.md, "Heads").

Two signed heads that contradict each other prove that the server split the view. Pure.
"""

from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta

from coterie.errors import PeerError
from coterie.ids import CoterieId, EntryHash, PublicKey
from coterie.trust import canonical
from coterie.trust.canonical import NotCanonical
from coterie.trust.keys import Purpose, SigningKey, verify
from coterie.trust.kinds import LARGEST_AT_MS, Hash


@dataclass(frozen=True, slots=True)
class RegisterHead:
    """The sequence number and hash of the last entry."""

    seq: int
    hash: EntryHash


class MalformedHead(PeerError):
    code = "malformed_head"

    def __init__(self) -> None:
        super().__init__("a signed register head is malformed", "it came from the server or through another member")


class _Claim(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    generation: int
    seq: int
    hash: bytes


class SignedHead(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A head as the service key signed it, in one generation of the log. Unverified: see `verify_head`."""

    generation: Annotated[int, Meta(ge=0, le=LARGEST_AT_MS)]
    seq: Annotated[int, Meta(ge=0, le=LARGEST_AT_MS)]
    hash: Hash
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]

    @property
    def head(self) -> RegisterHead:
        return RegisterHead(self.seq, EntryHash(self.hash))


@dataclass(frozen=True, slots=True)
class VerifiedHead:
    """A head whose signature was verified; only `verify_head` makes one. `signed` is the evidence to show others."""

    generation: int
    head: RegisterHead
    signed: SignedHead


_heads = msgspec.msgpack.Decoder(SignedHead)


def sign_head(service: SigningKey, coterie: CoterieId, generation: int, head: RegisterHead) -> SignedHead:
    body = canonical.encode(_Claim(generation, head.seq, head.hash))
    return SignedHead(generation, head.seq, head.hash, service.sign(Purpose.HEAD, coterie, body))


def encode_head(head: SignedHead) -> bytes:
    return canonical.encode(head)


def decode_head_untrusted(encoded: bytes) -> SignedHead:
    """Raises MalformedHead and nothing else."""
    try:
        return canonical.decode_untrusted(encoded, _heads)
    except NotCanonical:
        raise MalformedHead from None


def verify_head(service_key: PublicKey, coterie: CoterieId, signed: SignedHead) -> VerifiedHead:
    """Raises ForgedSignature."""
    body = canonical.encode(_Claim(signed.generation, signed.seq, signed.hash))
    verify(service_key, Purpose.HEAD, coterie, body, signed.signature)
    return VerifiedHead(signed.generation, signed.head, signed)


def contradict(one: VerifiedHead, other: VerifiedHead) -> bool:
    """Whether the two prove a split: the same place in the same log generation, two different entries.

    Heads at different places prove nothing without the entries between them.
    """
    return one.generation == other.generation and one.head.seq == other.head.seq and one.head.hash != other.head.hash
