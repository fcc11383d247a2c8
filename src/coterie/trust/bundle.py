"""A device's bundle: its inbox key, signed by its device key (docs/protocol/register.md, "Bundles").

It travels beside the device's key packages, and says how fresh they are. Pure.
"""

from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from coterie.errors import PeerError
from coterie.ids import DeviceId, QueueId
from coterie.trust import canonical
from coterie.trust.canonical import NotCanonical
from coterie.trust.keys import Purpose, SigningKey, device_id, verify
from coterie.trust.kinds import Hash, Milliseconds, ShortId
from coterie.trust.reasons import Reason, RegisterError
from coterie.trust.register import Register

INBOX_KEY_BYTES: Final = 1216
"""X-Wing's public key (draft-connolly-cfrg-xwing-kem-06)."""
LARGEST_BUNDLE: Final = 2048


class MalformedBundle(PeerError):
    code = "malformed_bundle"

    def __init__(self) -> None:
        super().__init__("a device's bundle is malformed", "nothing is sent to that device until it publishes another")


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    device: ShortId
    inbox_key: Annotated[bytes, Meta(min_length=INBOX_KEY_BYTES, max_length=INBOX_KEY_BYTES)]
    inbox_queue: Hash
    previous: Annotated[bytes, Meta(max_length=32)]
    made_at: Milliseconds


class _Envelope(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    body: bytes
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


_bodies = msgspec.msgpack.Decoder(_Body)
_envelopes = msgspec.msgpack.Decoder(_Envelope)


@dataclass(frozen=True, slots=True)
class DecodedBundle:
    """Well-formed, its signature unverified."""

    device: DeviceId
    inbox_key: bytes
    inbox_queue: QueueId
    previous: bytes
    """SHA-256 of the inbox key before this one; empty for the first."""
    made_at: int
    body: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class VerifiedBundle:
    """Signed by a device in force; only `verify_bundle` makes one. How old `made_at` may be is the reader's to say."""

    device: DeviceId
    inbox_key: bytes
    inbox_queue: QueueId
    previous: bytes
    made_at: int


def make_bundle(
    register: Register, device: SigningKey, inbox_key: bytes, inbox_queue: QueueId, previous: bytes, made_at: int
) -> bytes:
    """`inbox_key` is the X-Wing public key, 1,216 bytes; `previous` the SHA-256 of the one before it, or empty."""
    body = canonical.encode(_Body(device_id(device.public), inbox_key, inbox_queue, previous, made_at))
    return canonical.encode(_Envelope(body, device.sign(Purpose.BUNDLE, register.coterie, body)))


def decode_bundle_untrusted(encoded: bytes) -> DecodedBundle:
    """Raises MalformedBundle and nothing else."""
    if len(encoded) > LARGEST_BUNDLE:
        raise MalformedBundle
    try:
        envelope = canonical.decode_untrusted(encoded, _envelopes)
        read = canonical.decode_untrusted(envelope.body, _bodies)
    except NotCanonical:
        raise MalformedBundle from None
    if len(read.previous) not in (0, 32):
        raise MalformedBundle
    return DecodedBundle(
        device=DeviceId(read.device),
        inbox_key=read.inbox_key,
        inbox_queue=QueueId(read.inbox_queue),
        previous=read.previous,
        made_at=read.made_at,
        body=envelope.body,
        signature=envelope.signature,
    )


def verify_bundle(register: Register, bundle: DecodedBundle) -> VerifiedBundle:
    """The caller compares `device` with the one it asked for.

    Raises ForgedSignature, RegisterError(UNKNOWN_DEVICE | DEVICE_GONE).
    """
    device = register.device(bundle.device)
    if not register.device_in_force(device.id):
        raise RegisterError(Reason.DEVICE_GONE)
    verify(device.key, Purpose.BUNDLE, register.coterie, bundle.body, bundle.signature)
    return VerifiedBundle(device.id, bundle.inbox_key, bundle.inbox_queue, bundle.previous, bundle.made_at)
