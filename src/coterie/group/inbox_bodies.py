"""What can be said in an inbox entry: the kinds, and the body of each (docs/protocol/inbox.md, "Kinds").

Strict MessagePack arrays. An unknown kind is kept and passed over; a known one with another body is malformed. Pure.
"""

import hashlib
from enum import IntEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from coterie.group.sealed_blob import BlobRef
from coterie.ids import BlobId, CoterieKey, EntryHash, GroupId, MemberId, QueueId, RoomId
from coterie.trust.heads import RegisterHead
from coterie.wire.limits import PAYLOAD_BYTES

Number = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Hash = Annotated[bytes, Meta(min_length=32, max_length=32)]
Room = Annotated[RoomId, Meta(min_length=16, max_length=16)]
Group = Annotated[GroupId, Meta(min_length=16, max_length=16)]
Queue = Annotated[QueueId, Meta(min_length=32, max_length=32)]
Member = Annotated[MemberId, Meta(min_length=16, max_length=16)]
MOST_LEAVING: Final = 1000


class Kind(IntEnum):
    WELCOME = 1
    BASE = 2
    HEAD = 3
    KEY = 4
    KEY_WANTED = 5
    REJOIN = 6
    STUCK = 7
    SUCCESSION = 8
    HISTORY = 9


class Body(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One subclass a kind. Its `repr` shows the type only: bodies hold keys."""

    def __repr__(self) -> str:
        return type(self).__name__


class Welcome(Body, frozen=True):
    """Join this group. Its committer is the entry's signer; `epoch` is the one that the Welcome leads to.

    `welcome` is the MLS Welcome cut to this recipient, or the blob that holds it; `tree` the ratchet tree's blob.
    `register_seq` and `register_hash` are what the commit was judged by.
    """

    room: Room
    group: Group
    queue: Queue
    suite: Annotated[int, Meta(ge=1, le=0xFFFF)]
    epoch: Number
    welcome: Annotated[bytes, Meta(min_length=1, max_length=PAYLOAD_BYTES)] | BlobRef
    tree: BlobRef
    register_seq: Number
    register_hash: Hash

    @property
    def register(self) -> RegisterHead:
        return RegisterHead(self.register_seq, EntryHash(self.register_hash))

    @property
    def blobs(self) -> list[BlobId]:
        """What its entry names, so that the server keeps them as long."""
        return [self.tree.id, *([self.welcome.id] if isinstance(self.welcome, BlobRef) else [])]


class Base(Body, frozen=True):
    """After the Welcome into `epoch`: the adding commit was entry `n`, the queue's chain with it is `chain`, and these
    members' leaves stand in the queue, not yet carried out."""

    group: Group
    epoch: Number
    n: Number
    chain: Hash
    leaving: Annotated[list[Member], Meta(max_length=MOST_LEAVING)]


class HeadNotice(Body, frozen=True):
    """How far the sender's register has come. `signed` is the server's word for it (trust.heads), or empty."""

    seq: Number
    hash: Hash
    signed: Annotated[bytes, Meta(max_length=256)]

    @property
    def register(self) -> RegisterHead:
        return RegisterHead(self.seq, EntryHash(self.hash))


class KeyDelivery(Body, frozen=True):
    """A generation of the coterie key; the recipient holds it against the register's hash of it."""

    generation: Annotated[int, Meta(ge=0, le=2**32 - 1)]
    key: Hash

    @property
    def coterie_key(self) -> CoterieKey:
        return CoterieKey(self.key)


class KeyWanted(Body, frozen=True):
    """The sender cannot open names of this generation: send the key."""

    generation: Annotated[int, Meta(ge=0, le=2**32 - 1)]


class Rejoin(Body, frozen=True):
    """The sender lost its state of this group at `epoch`: add its device again."""

    room: Room
    group: Group
    epoch: Number


class Stuck(Body, frozen=True):
    """The sender cannot process the entry of this hash that ends `epoch`. `reason` is a code."""

    group: Group
    epoch: Number
    entry_hash: Hash
    reason: Annotated[str, Meta(pattern=r"\A[a-z][a-z0-9-]{0,63}\Z")]


class Succession(Body, frozen=True):
    """`successor` carries the room on, in place of `group` as it was before the entry of this hash ended `epoch`."""

    room: Room
    group: Group
    epoch: Number
    entry_hash: Hash
    successor: Group
    successor_queue: Queue

    @property
    def rank(self) -> bytes:
        """32 bytes, the same for everybody. Of two successors of one group the lower rank stays."""
        return hashlib.sha256(b"coterie/1 succession\0" + msgspec.msgpack.encode(self)).digest()


class HistoryPart(Body, frozen=True):
    """For a device that the signer linked: messages of a room, in order, in a sealed blob (docs/protocol/link.md).

    `group` and `place` are the signer's newest group of the room and its place; `over` is empty while the signer is in
    the room, else the room's state there, with its `reason`.
    """

    room: Room
    group: Group
    name: Annotated[str, Meta(max_length=1024)]
    topic: Annotated[str, Meta(max_length=8192)]
    made_at: Number
    place: Number
    over: Annotated[str, Meta(max_length=16)]
    reason: Annotated[str, Meta(max_length=1024)]
    blob: BlobRef

    @property
    def blobs(self) -> list[BlobId]:
        """What its entry names, so that the server keeps it as long."""
        return [self.blob.id]


BODIES: Final[dict[Kind, type[Body]]] = {
    Kind.WELCOME: Welcome,
    Kind.BASE: Base,
    Kind.HEAD: HeadNotice,
    Kind.KEY: KeyDelivery,
    Kind.KEY_WANTED: KeyWanted,
    Kind.REJOIN: Rejoin,
    Kind.STUCK: Stuck,
    Kind.SUCCESSION: Succession,
    Kind.HISTORY: HistoryPart,
}
_KINDS: Final = {body: kind for kind, body in BODIES.items()}
_decoders: Final = {int(kind): msgspec.msgpack.Decoder(body) for kind, body in BODIES.items()}


class MalformedBody(Exception):
    """Inside `group` only: `group.inbox` turns it into its one named error."""


def kind_of(body: Body) -> Kind:
    return _KINDS[type(body)]


def encode_body(body: Body) -> bytes:
    return msgspec.msgpack.encode(body)


def decode_body_untrusted(kind: int, encoded: bytes) -> Body | None:
    """None for a kind that this version does not know. Raises MalformedBody."""
    decoder = _decoders.get(kind)
    if decoder is None:
        return None
    try:
        return decoder.decode(encoded)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedBody from error
