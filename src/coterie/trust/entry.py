"""A register entry as bytes (docs/protocol/register.md, "Entry"). Decodes and encodes; verifies nothing.

What comes out of `decode_entry_untrusted` is well-formed, no more: `trust.apply` alone turns it into membership.
"""

import hashlib
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from coterie.errors import PeerError
from coterie.ids import DeviceId, EntryHash
from coterie.trust import canonical
from coterie.trust.canonical import NotCanonical
from coterie.trust.keys import SIGNATURE_BYTES
from coterie.trust.kinds import KINDS, LARGEST_AT_MS, PROPOSABLE, Hash, Milliseconds, Proposed, Public, ShortId

LARGEST_ENTRY: Final = 16 * 1024
LARGEST_SEALED: Final = 2048
LARGEST_PUBLIC: Final = 8 * 1024
MOST_SIGNATURES: Final = 8
FIRST_PREV: Final = EntryHash(bytes(32))


class MalformedEntry(PeerError):
    code = "malformed_entry"

    def __init__(self) -> None:
        super().__init__("a register entry is malformed", "the register ends before it")


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is signed. `public` and `sealed` are opaque bytes here, so that an unknown kind decodes like any other."""

    seq: Annotated[int, Meta(ge=1, le=LARGEST_AT_MS)]
    prev: Hash
    at: Milliseconds
    author: ShortId
    kind: Annotated[str, Meta(pattern=r"\A[A-Za-z]{1,32}\Z")]
    public: Annotated[bytes, Meta(max_length=LARGEST_PUBLIC)]
    sealed: Annotated[bytes, Meta(max_length=LARGEST_SEALED)]


class _Envelope(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    body: bytes
    signatures: Annotated[
        list[Annotated[bytes, Meta(min_length=SIGNATURE_BYTES, max_length=SIGNATURE_BYTES)]],
        Meta(max_length=MOST_SIGNATURES),
    ]


@dataclass(frozen=True, slots=True)
class DecodedEntry:
    """A well-formed entry, its signatures unverified. `public` is None for a kind this Coterie does not know."""

    encoded: bytes
    hash: EntryHash
    body: bytes
    seq: int
    prev: EntryHash
    at: int
    author: DeviceId
    kind: str
    public: Public | None
    sealed: bytes
    signatures: tuple[bytes, ...]
    proposed: Public | None
    """What a `Proposed` is about; None for a kind that this Coterie does not know to be proposable."""
    fields: Body
    """The body's fields as decoded: `public` and `sealed` as bytes."""


_envelopes = msgspec.msgpack.Decoder(_Envelope)
_bodies = msgspec.msgpack.Decoder(Body)
_publics = {kind: msgspec.msgpack.Decoder(struct) for kind, struct in KINDS.items()}


def entry_hash(encoded: bytes) -> EntryHash:
    return EntryHash(hashlib.sha256(encoded).digest())


def encode_entry(body: bytes, signatures: tuple[bytes, ...]) -> bytes:
    return canonical.encode(_Envelope(body, list(signatures)))


def decode_body_untrusted(body: bytes) -> Body:
    """What a signature is asked for. Raises MalformedEntry and nothing else."""
    if len(body) > LARGEST_ENTRY:
        raise MalformedEntry
    try:
        return canonical.decode_untrusted(body, _bodies)
    except NotCanonical:
        raise MalformedEntry from None


def decode_entry_untrusted(encoded: bytes) -> DecodedEntry:
    """Raises MalformedEntry and nothing else."""
    if len(encoded) > LARGEST_ENTRY:
        raise MalformedEntry
    try:
        envelope = canonical.decode_untrusted(encoded, _envelopes)
        body = canonical.decode_untrusted(envelope.body, _bodies)
        publics = _publics.get(body.kind)
        public = canonical.decode_untrusted(body.public, publics) if publics is not None else None
        proposed = _proposed_untrusted(public) if isinstance(public, Proposed) else None
    except NotCanonical:
        raise MalformedEntry from None
    return DecodedEntry(
        encoded=bytes(encoded),
        hash=entry_hash(encoded),
        body=envelope.body,
        seq=body.seq,
        prev=EntryHash(body.prev),
        at=body.at,
        author=DeviceId(body.author),
        kind=body.kind,
        public=public,
        sealed=body.sealed,
        signatures=tuple(envelope.signatures),
        proposed=proposed,
        fields=body,
    )


def _proposed_untrusted(proposal: Proposed) -> Public | None:
    """Raises NotCanonical."""
    if proposal.kind not in PROPOSABLE:
        return None
    return canonical.decode_untrusted(proposal.public, _publics[proposal.kind])
