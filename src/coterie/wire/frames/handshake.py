"""How a connection opens: who each side is, and where the log and the register stand.

Also `Position`, which comes later: it is kept for the next handshake.
"""

from typing import Annotated

from msgspec import Meta

from coterie.wire.fields import Coterie, Counter, Device, Invite, Member, Nonce, Number, Public, Queue, Signature
from coterie.wire.frames.frame import Frame, Part
from coterie.wire.frames.register import SignedHead


class Hello(Frame, tag=1, frozen=True):
    """First, from the device. `coterie` is zero for one that comes to found."""

    versions: Annotated[list[int], Meta(min_length=1, max_length=16)]
    coterie: Coterie
    nonce: Nonce


class Challenge(Frame, tag=2, frozen=True):
    """The hub's answer: `signature` by the service key (trust.prove)."""

    version: int
    nonce: Nonce
    service_key: Public
    signature: Signature


class Prove(Frame, tag=3, frozen=True):
    """A device in force proves its device key. `counter` is its store counter, raised and fsynced before connecting;
    `position` what a hub last gave it (opaque; empty at first)."""

    device: Device
    signature: Signature
    counter: Counter
    position: Annotated[bytes, Meta(max_length=256)] = b""


class ProveInvite(Frame, tag=4, frozen=True):
    """A newcomer proves the invite key: register and packet operations only."""

    invite: Invite
    signature: Signature


class ProveFounding(Frame, tag=5, frozen=True):
    """The founder-to-be proves the founding key: `RegisterAppend` of `Founded` only."""

    signature: Signature


class ProveLink(Frame, tag=8, frozen=True):
    """A device that is to be linked proves the key that a link queue commits to: that queue's posts only."""

    queue: Queue
    key: Public
    signature: Signature


class ProveIdentity(Frame, tag=9, frozen=True):
    """A member without a device proves the identity key: `RegisterAppend` of `IdentityRecovered` only."""

    member: Member
    signature: Signature


class Limits(Part, frozen=True):
    """What this hub takes. Bytes and counts."""

    frame: int
    payload: int
    waiting_operations: int
    waiting_bytes: int
    queue_entries: int
    inbox_entries: int


class Ready(Frame, tag=6, frozen=True):
    """The connection is open. `hubs` are addresses to try next; `head` is None before the coterie is founded;
    `generation` counts restores of the log; `time` is the log's time in ms."""

    limits: Limits
    hubs: list[str]
    head: SignedHead | None
    generation: Number
    time: Number
    position: bytes


class StoreCopied(Frame, tag=7, frozen=True):
    """Instead of `Ready`: the store counter was not above `highest`; another copy of this store has connected."""

    highest: Number


class Position(Frame, tag=99, frozen=True):
    """The log position so far, sealed among the hubs; the device hands the newest back in `Prove`."""

    position: bytes
