"""What the two devices say in their link queue (docs/protocol/link.md, "Entries"). Pure; canonical MessagePack."""

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from msgspec import Meta

from coterie.errors import PeerError
from coterie.ids import QueueId
from coterie.trust import canonical
from coterie.trust.bundle import INBOX_KEY_BYTES
from coterie.trust.canonical import NotCanonical
from coterie.trust.entry import LARGEST_ENTRY
from coterie.trust.kinds import Hash, Key, ShortId
from coterie.trust.link import RelayKey

NONCE_BYTES: Final = 12
LARGEST_SEALED: Final = 64 * 1024
MOST_ROOMS: Final = 2_000
"""Of which the old device says that the new one is in them; with more it does not wait."""

HpkeKey = Annotated[bytes, Meta(min_length=INBOX_KEY_BYTES, max_length=INBOX_KEY_BYTES)]
Signature = Annotated[bytes, Meta(min_length=64, max_length=64)]
Generation = Annotated[int, Meta(ge=0, le=2**32 - 1)]
Count = Annotated[int, Meta(ge=0, le=2**32 - 1)]


class LinkBroken(PeerError):
    """What came through the link queue is not what the other device says there."""

    code = "link_broken"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"the two devices do not understand each other: {what}",
            "begin again with a new code; if it happens again, somebody may stand in between",
        )


class Entry(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One entry of the queue, sealed under the code's relay key only: who has the code can read and write it."""


class Offer(Entry, tag=1, frozen=True):
    """The old device commits to its `Reveal` before it has seen the new one's keys."""

    commitment: Hash


class Keys(Entry, tag=2, frozen=True):
    """The new device: X-Wing and Ed25519 keys for this linking, and the two keys it will have in the register."""

    hpke: HpkeKey
    session: Key
    device: Key
    leaf: Key
    nonce: Hash


class Reveal(Entry, tag=3, frozen=True):
    """The old device: its keys for this linking, and which device it is."""

    hpke: HpkeKey
    session: Key
    device: ShortId
    nonce: Hash


class Sealed(Entry, tag=4, frozen=True):
    """Something for the other device alone; sent only after a person said yes. `side` is 1 for the old device, 2 for
    the new one; `number` counts what each has said from 1."""

    side: Literal[1, 2]
    number: Annotated[int, Meta(ge=1, le=1000)]
    sealed: Annotated[bytes, Meta(max_length=LARGEST_SEALED)]
    signature: Signature


class End(Entry, tag=5, frozen=True):
    """The old device gives up; `declined`: the person said no."""

    declined: bool


class Said(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What is inside a `Sealed`. Its `repr` shows the type only: some hold keys."""

    def __repr__(self) -> str:
        return type(self).__name__


class Grant(Said, tag=1, frozen=True):
    """All that the new device needs, and the body of the entry that will let it in, for its signatures."""

    body: Annotated[bytes, Meta(max_length=LARGEST_ENTRY)]
    member: ShortId
    generation: Generation
    key: Hash
    confirmed: bool


class Countersigned(Said, tag=2, frozen=True):
    """The new device's two signatures under `Grant.body`."""

    device: Signature
    leaf: Signature


class Added(Said, tag=3, frozen=True):
    """The entry is in the register."""


class AtHome(Said, tag=4, frozen=True):
    """The new device has its inbox and key packages at the server: rooms can add it."""


class HandedOver(Said, tag=5, frozen=True):
    """The new device is in these rooms, and so many parts of history wait in its inbox."""

    rooms: Annotated[list[ShortId], Meta(max_length=MOST_ROOMS)]
    parts: Count


AnyEntry: TypeAlias = Offer | Keys | Reveal | Sealed | End
AnySaid: TypeAlias = Grant | Countersigned | Added | AtHome | HandedOver

_entries: Final[msgspec.msgpack.Decoder[AnyEntry]] = msgspec.msgpack.Decoder(AnyEntry)
_said: Final[msgspec.msgpack.Decoder[AnySaid]] = msgspec.msgpack.Decoder(AnySaid)


def seal_entry(relay: RelayKey, queue: QueueId, entry: AnyEntry, nonce: bytes) -> bytes:
    """The payload to post: nonce ‖ ciphertext. `nonce` is 12 fresh random bytes."""
    return nonce + ChaCha20Poly1305(bytes(relay)).encrypt(nonce, canonical.encode(entry), queue)


def open_entry_untrusted(relay: RelayKey, queue: QueueId, payload: bytes) -> AnyEntry:
    """Raises LinkBroken and nothing else."""
    try:
        plain = ChaCha20Poly1305(bytes(relay)).decrypt(payload[:NONCE_BYTES], payload[NONCE_BYTES:], queue)
        return canonical.decode_untrusted(plain, _entries)
    except (InvalidTag, ValueError, NotCanonical):
        raise LinkBroken("an entry that does not open") from None


def decode_said_untrusted(plain: bytes) -> AnySaid:
    """Raises LinkBroken and nothing else."""
    try:
        return canonical.decode_untrusted(plain, _said)
    except NotCanonical:
        raise LinkBroken("a sealed part that does not decode") from None
