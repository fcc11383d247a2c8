"""Inbox entries: what one device tells another outside every room (docs/protocol/inbox.md).

Signed inside, sealed outside: the signature names sender, recipient, the recipient's key, the queue, the kind and the
body, so that an entry means something in one place only. `SealedEntry` (bytes) → `OpenedEntry` → `VerifiedEntry`; only
the last is to be acted on. No clock and no randomness of its own, but HPKE's.
"""

import hashlib
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from coterie_mls import MlsError, hpke_open, hpke_seal
from msgspec import Meta, Struct

from coterie.errors import CallerError, PeerError
from coterie.group.inbox_bodies import Body, MalformedBody, decode_body_untrusted, encode_body, kind_of
from coterie.group.inbox_key import InboxKey, inbox_key_hash
from coterie.group.padding import BadPadding, pad, unpad_untrusted
from coterie.ids import CoterieId, DeviceId, MemberId, QueueId
from coterie.trust.bundle import VerifiedBundle
from coterie.trust.keys import ForgedSignature, Purpose, SigningKey, device_id, verify
from coterie.trust.register import Register
from coterie.wire.limits import MESSAGE_TTL_SECONDS, PAYLOAD_BYTES

ENTRY_ID_BYTES: Final = 16
INBOX_TTL_MS: Final = MESSAGE_TTL_SECONDS * 1000
"""How long the ids of entries are kept; an older entry is refused, because it could be a replay."""
_INFO: Final = b"coterie/1 inbox\0"


class InboxRefusal(StrEnum):
    CANNOT_OPEN = "cannot-open"
    MALFORMED = "malformed"
    OTHER_RECIPIENT = "other-recipient"
    OTHER_QUEUE = "other-queue"
    OTHER_KEY = "other-key"
    UNKNOWN_SENDER = "unknown-sender"
    """Perhaps the register here is behind: sync, and try once more."""
    SENDER_NOT_IN_FORCE = "sender-not-in-force"
    FORGED = "forged"
    REPLAYED = "replayed"
    TOO_OLD = "too-old"


_SENTENCES: Final[dict[InboxRefusal, str]] = {
    InboxRefusal.CANNOT_OPEN: "it is sealed to no key that this device has",
    InboxRefusal.MALFORMED: "it is malformed",
    InboxRefusal.OTHER_RECIPIENT: "it was signed for another device",
    InboxRefusal.OTHER_QUEUE: "it was signed for another inbox",
    InboxRefusal.OTHER_KEY: "it was signed for another key of this device",
    InboxRefusal.UNKNOWN_SENDER: "the register does not know its sender",
    InboxRefusal.SENDER_NOT_IN_FORCE: "its sender was removed",
    InboxRefusal.FORGED: "its signature does not verify",
    InboxRefusal.REPLAYED: "it came before",
    InboxRefusal.TOO_OLD: "it is older than an inbox keeps anything",
}


class BadInboxEntry(PeerError):
    """`refusal` is what programs compare."""

    code = "bad_inbox_entry"

    def __init__(self, refusal: InboxRefusal) -> None:
        super().__init__(f"an inbox entry was refused: {_SENTENCES[refusal]}", "nothing in it was acted on")
        self.refusal = refusal


class InboxEntryTooLarge(CallerError):
    code = "inbox_entry_too_large"


class _Header(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What is signed."""

    sender: Annotated[DeviceId, Meta(min_length=16, max_length=16)]
    recipient: Annotated[DeviceId, Meta(min_length=16, max_length=16)]
    recipient_key: Annotated[bytes, Meta(min_length=32, max_length=32)]
    queue: Annotated[QueueId, Meta(min_length=32, max_length=32)]
    kind: Annotated[int, Meta(ge=1, le=0xFFFF)]
    id: Annotated[bytes, Meta(min_length=ENTRY_ID_BYTES, max_length=ENTRY_ID_BYTES)]
    at: Annotated[int, Meta(ge=0, le=2**53 - 1)]
    body_hash: Annotated[bytes, Meta(min_length=32, max_length=32)]


class _Envelope(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    header: bytes
    body: bytes
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


_headers = msgspec.msgpack.Decoder(_Header)
_envelopes = msgspec.msgpack.Decoder(_Envelope)


@dataclass(frozen=True, slots=True)
class OpenedEntry:
    """Unsealed and well-formed; whoever knows the public inbox key could have made it."""

    header: _Header
    signed: bytes
    body: bytes = field(repr=False)
    signature: bytes
    owner: DeviceId
    queue: QueueId
    key_hash: bytes
    """Of the key that opened it."""


@dataclass(frozen=True, slots=True)
class VerifiedEntry:
    """Said by `sender`, a device in force of `member`, to this device; only `verify_entry` makes one.

    `body` is None for a `kind` that needs a newer Coterie: keep `encoded_body`, do nothing.
    """

    sender: DeviceId
    member: MemberId
    id: bytes
    at: int
    kind: int
    body: Body | None
    encoded_body: bytes = field(repr=False)


def seal_entry(
    coterie: CoterieId, sender: SigningKey, recipient: VerifiedBundle, body: Body, entry_id: bytes, at: int
) -> bytes:
    """The payload to post to `recipient.inbox_queue`. `entry_id`: 16 random bytes; `at`: now, in ms.

    Raises InboxEntryTooLarge for what no queue takes: put the Welcome into a blob.
    """
    return _seal(coterie, sender, recipient, kind_of(body), encode_body(body), entry_id, at)


def _seal(
    coterie: CoterieId, sender: SigningKey, recipient: VerifiedBundle, kind: int, body: bytes, entry_id: bytes, at: int
) -> bytes:
    header = msgspec.msgpack.encode(
        _Header(
            sender=device_id(sender.public),
            recipient=recipient.device,
            recipient_key=inbox_key_hash(recipient.inbox_key),
            queue=recipient.inbox_queue,
            kind=int(kind),
            id=entry_id,
            at=at,
            body_hash=hashlib.sha256(body).digest(),
        )
    )
    envelope = _Envelope(header, body, sender.sign(Purpose.INBOX, coterie, header))
    return seal_envelope(coterie, recipient, msgspec.msgpack.encode(envelope))


def seal_envelope(coterie: CoterieId, recipient: VerifiedBundle, envelope: bytes) -> bytes:
    """The outer half: padding and HPKE. Raises InboxEntryTooLarge."""
    sealed = hpke_seal(recipient.inbox_key, _INFO + coterie, recipient.inbox_queue, pad(envelope))
    if len(sealed) > PAYLOAD_BYTES:
        raise InboxEntryTooLarge(f"an inbox entry of {len(sealed)} bytes; the most is {PAYLOAD_BYTES}")
    return sealed


def open_entry_untrusted(
    coterie: CoterieId, owner: DeviceId, queue: QueueId, keys: Sequence[InboxKey], sealed: bytes
) -> OpenedEntry:
    """`owner` is this device, `queue` the inbox it was read from, `keys` those not yet deleted, the newest first.

    Raises BadInboxEntry(CANNOT_OPEN | MALFORMED)."""
    for key in keys:
        try:
            padded = hpke_open(bytes(key.private), _INFO + coterie, queue, sealed)
        except MlsError:
            continue
        return _decode(padded, owner, queue, inbox_key_hash(key.public))
    raise BadInboxEntry(InboxRefusal.CANNOT_OPEN)


def _decode(padded: bytes, owner: DeviceId, queue: QueueId, key_hash: bytes) -> OpenedEntry:
    try:
        envelope = _envelopes.decode(unpad_untrusted(padded))
        header = _headers.decode(envelope.header)
    except (BadPadding, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadInboxEntry(InboxRefusal.MALFORMED) from None
    return OpenedEntry(header, envelope.header, envelope.body, envelope.signature, owner, queue, key_hash)


def verify_entry(opened: OpenedEntry, register: Register, seen: Container[bytes], log_at: int) -> VerifiedEntry:
    """`seen`: ids of entries taken before; `log_at`: the log's time of this entry, in ms.

    Raises BadInboxEntry; nothing in the body was decoded before the signature stood.
    """
    header = opened.header
    for wrong, refusal in (
        (header.recipient != opened.owner, InboxRefusal.OTHER_RECIPIENT),
        (header.queue != opened.queue, InboxRefusal.OTHER_QUEUE),
        (header.recipient_key != opened.key_hash, InboxRefusal.OTHER_KEY),
        (header.sender not in register.devices, InboxRefusal.UNKNOWN_SENDER),
        (not register.device_in_force(header.sender), InboxRefusal.SENDER_NOT_IN_FORCE),
        (header.body_hash != hashlib.sha256(opened.body).digest(), InboxRefusal.FORGED),
    ):
        if wrong:
            raise BadInboxEntry(refusal)
    device = register.device(header.sender)
    try:
        verify(device.key, Purpose.INBOX, register.coterie, opened.signed, opened.signature)
    except ForgedSignature:
        raise BadInboxEntry(InboxRefusal.FORGED) from None
    if header.id in seen:
        raise BadInboxEntry(InboxRefusal.REPLAYED)
    if header.at < log_at - INBOX_TTL_MS:
        raise BadInboxEntry(InboxRefusal.TOO_OLD)
    try:
        body = decode_body_untrusted(header.kind, opened.body)
    except MalformedBody:
        raise BadInboxEntry(InboxRefusal.MALFORMED) from None
    return VerifiedEntry(header.sender, device.member, header.id, header.at, header.kind, body, opened.body)
