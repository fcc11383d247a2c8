"""Every frame, as MessagePack arrays whose first element is the tag (docs/protocol/frames.md lists them by tag).

A frame's `repr` shows its type and request id only: tokens, payloads and secrets never reach a log by accident.
"""

from typing import Annotated

from msgspec import Meta, Struct

from coterie.ids import BlobId, CoterieId, DeviceId, InviteId, PublicKey, QueueId
from coterie.wire import limits
from coterie.wire.queues import Hash, HashOrNone, QueueTerms

Number = Annotated[int, Meta(ge=0, le=2**62)]
"""Far from what a store holds: whoever counts on from a number that the other side chose stays within 63 bits."""
Counter = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Token = Annotated[bytes, Meta(min_length=32, max_length=32)]
Key = Annotated[bytes, Meta(min_length=16, max_length=16)]
Signature = Annotated[bytes, Meta(min_length=64, max_length=64)]
Nonce = Annotated[bytes, Meta(min_length=32, max_length=32)]
Payload = Annotated[bytes, Meta(max_length=limits.PAYLOAD_BYTES)]
Entry = Annotated[bytes, Meta(min_length=1, max_length=limits.ENTRY_BYTES)]
Coterie = Annotated[CoterieId, Meta(min_length=32, max_length=32)]
Device = Annotated[DeviceId, Meta(min_length=16, max_length=16)]
Invite = Annotated[InviteId, Meta(min_length=32, max_length=32)]
Public = Annotated[PublicKey, Meta(min_length=32, max_length=32)]
Queue = Annotated[QueueId, Meta(min_length=32, max_length=32)]
Blob = Annotated[BlobId, Meta(min_length=32, max_length=32)]
Blobs = Annotated[list[Blob], Meta(max_length=limits.BLOBS_PER_ENTRY)]
Ttl = Annotated[int, Meta(ge=1, le=limits.QUEUE_IDLE_SECONDS)]
Suite = Annotated[int, Meta(ge=1, le=0xFFFF)]
KeyPackageBytes = Annotated[bytes, Meta(min_length=1, max_length=16 * 1024)]
BundleBytes = Annotated[bytes, Meta(min_length=1, max_length=4 * 1024)]


class Frame(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    def __repr__(self) -> str:
        number = getattr(self, "id", None)
        return type(self).__name__ if number is None else f"{type(self).__name__}#{number}"


# The handshake


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


class SignedHead(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The register's end as the hub signs it with the service key (trust.heads)."""

    generation: Number
    seq: Number
    hash: Hash
    signature: Signature


class Limits(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
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


# Requests; `id` is the device's and comes back in the reply


class OpenQueue(Frame, tag=16, frozen=True):
    """Create a queue at `epoch`. Opened again with the same terms: the same answer. → Opened"""

    id: Number
    queue: Queue
    terms: QueueTerms
    epoch: Number
    ttl: Ttl


class Post(Frame, tag=17, frozen=True):
    """Append if the queue is still at `epoch`; the same `key` again answers the first n. → Posted | Stale"""

    id: Number
    queue: Queue
    token: Token
    epoch: Number
    key: Key
    payload: Payload
    blobs: Blobs = []
    ttl: Ttl | None = None


class Delivery(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An inbox post that goes with a commit, or not at all."""

    queue: Queue
    token: Token
    epoch: Number
    key: Key
    payload: Payload
    blobs: Blobs = []


class Advance(Frame, tag=18, frozen=True):
    """Append a commit iff the queue is still at `epoch`, and go to `epoch` + 1 with the next tokens (as SHA-256).
    `token` is the post token; in an inbox, the closing secret. → Advanced | Conflict"""

    id: Number
    queue: Queue
    token: Token
    epoch: Number
    key: Key
    payload: Payload
    next_post: Hash
    next_read: Hash
    blobs: Blobs = []
    deliveries: Annotated[list[Delivery], Meta(max_length=limits.DELIVERIES_PER_COMMIT)] = []


class Read(Frame, tag=19, frozen=True):
    """Entries after `after`, from the begin of the token's first epoch to the end of its last. → Entries | Behind"""

    id: Number
    queue: Queue
    token: Token
    after: Number
    limit: Annotated[int, Meta(ge=1, le=limits.READ_ENTRIES)]


class Follow(Frame, tag=20, frozen=True):
    """The same, then live: `Pushed` frames without gap or repeat, until the entry that ends the token's epoch.
    Following a queue again replaces the earlier follow. → Following | Behind"""

    id: Number
    queue: Queue
    token: Token
    after: Number


class Unfollow(Frame, tag=21, frozen=True):
    """→ Done"""

    id: Number
    queue: Queue


class CloseQueue(Frame, tag=22, frozen=True):
    """→ Done, also if it is closed already."""

    id: Number
    queue: Queue
    secret: Token


class PutKeyPackages(Frame, tag=23, frozen=True):
    """Add one-time packages of one suite, set the last resort if given, and the bundle; a device's own only. → Stock"""

    id: Number
    suite: Suite
    bundle: BundleBytes
    packages: Annotated[list[KeyPackageBytes], Meta(max_length=limits.PACKAGES_PER_PUT)]
    last_resort: KeyPackageBytes | None
    key: Key


class KeyPackageStock(Frame, tag=24, frozen=True):
    """How many one-time packages of `suite` this device has left. → Stock"""

    id: Number
    suite: Suite


class ClaimKeyPackage(Frame, tag=25, frozen=True):
    """Pop one package of `device`; the same `key` again answers the same package. → Claimed"""

    id: Number
    device: Device
    suite: Suite
    key: Key


class GetBundles(Frame, tag=26, frozen=True):
    """The newest bundles of up to 64 devices. → Bundles"""

    id: Number
    devices: Annotated[list[Device], Meta(min_length=1, max_length=64)]


class PutBlob(Frame, tag=27, frozen=True):
    """Store `data` at `offset` of a blob of `size` bytes; in order, resumable: an empty chunk asks how far it is.
    After the last byte the hash is checked and the blob enters the log. → BlobHas"""

    id: Number
    blob: Blob
    size: Number
    offset: Number
    data: Annotated[bytes, Meta(max_length=limits.BLOB_CHUNK_BYTES)]


class GetBlob(Frame, tag=28, frozen=True):
    """→ BlobChunk"""

    id: Number
    blob: Blob
    offset: Number
    length: Annotated[int, Meta(ge=1, le=limits.BLOB_CHUNK_BYTES)]


class RegisterAppend(Frame, tag=29, frozen=True):
    """→ Appended | RegisterMoved | Error(register_refused)"""

    id: Number
    entry: Entry


class RegisterRead(Frame, tag=30, frozen=True):
    """Entries with seq above `after`; as many as fit a frame. → RegisterEntries"""

    id: Number
    after: Number


class PutPacket(Frame, tag=31, frozen=True):
    """The inviter leaves the sealed coterie key for whoever joins with this invite. → Done"""

    id: Number
    invite: Invite
    packet: Annotated[bytes, Meta(min_length=1, max_length=limits.PACKET_BYTES)]


class GetPacket(Frame, tag=32, frozen=True):
    """Only for the device that `Joined` with it. → Packet"""

    id: Number
    invite: Invite


class PacketDone(Frame, tag=33, frozen=True):
    """The newcomer has the key on disk: delete the packet. → Done"""

    id: Number
    invite: Invite


# Replies


class Error(Frame, tag=64, frozen=True):
    """`id` 0: not an answer to one request. `code` is one of `wire.codes.ErrorCode`; `retry_after` in seconds."""

    id: Number
    code: str
    message: str
    retry_after: float | None = None


class Done(Frame, tag=65, frozen=True):
    id: Number


class Opened(Frame, tag=66, frozen=True):
    id: Number


class Posted(Frame, tag=67, frozen=True):
    id: Number
    n: Number


class Stale(Frame, tag=68, frozen=True):
    id: Number
    epoch: Number


class Advanced(Frame, tag=69, frozen=True):
    """`undelivered` are indices into `deliveries` whose inbox did not take them (gone or another epoch)."""

    id: Number
    n: Number
    undelivered: list[int]


class Conflict(Frame, tag=70, frozen=True):
    id: Number
    epoch: Number


class QueueEntry(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Entry `n`, appended at log time `at` (ms). `payload` is None if it expired: `hash` (SHA-256) stands for it."""

    n: Number
    at: Number
    payload: Payload | None
    hash: HashOrNone = b""


class EpochEnd(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The epoch a token reads ended with entry `n`, the commit; these are the next tokens (SHA-256) that it installed.
    A reader compares them with what the commit's exporter gives, and merges only if they are equal."""

    n: Number
    next_post: Hash
    next_read: Hash


class Entries(Frame, tag=71, frozen=True):
    """What follows entry `after`: the one asked for, or the last before the token's first epoch if that is later (a
    joiner starts there). `end`: nothing more now for this token. `last` and `epoch` are the queue's present end;
    `ended` says how the token's last epoch ended, None while it is the present one."""

    id: Number
    after: Number
    entries: list[QueueEntry]
    end: bool
    last: Number
    epoch: Number
    ended: EpochEnd | None


class Following(Frame, tag=72, frozen=True):
    """Everything after `after` (as in `Entries`) follows as `Pushed`."""

    id: Number
    after: Number
    last: Number
    epoch: Number


class Behind(Frame, tag=73, frozen=True):
    """The device asked for what comes after an n that this log never had: the queue ends at `n`, at `epoch`."""

    id: Number
    n: Number
    epoch: Number


class Stock(Frame, tag=74, frozen=True):
    id: Number
    suite: Suite
    one_time: Number
    last_resort: bool


class Claimed(Frame, tag=75, frozen=True):
    """`at` is the log time of the claim: by it the freshness of the bundle is judged."""

    id: Number
    package: KeyPackageBytes
    bundle: BundleBytes
    last_resort: bool
    at: Number


class Bundles(Frame, tag=76, frozen=True):
    """In the order asked; None for a device that has none."""

    id: Number
    bundles: list[BundleBytes | None]


class BlobHas(Frame, tag=77, frozen=True):
    """How many bytes are durable; all of them: the blob is in the log."""

    id: Number
    offset: Number


class BlobChunk(Frame, tag=78, frozen=True):
    id: Number
    size: Number
    data: bytes


class Appended(Frame, tag=79, frozen=True):
    id: Number
    head: SignedHead


class RegisterMoved(Frame, tag=80, frozen=True):
    """Another entry took this place: read on, look again, sign again."""

    id: Number
    head: SignedHead


class RegisterEntries(Frame, tag=81, frozen=True):
    """`head` is None before the coterie is founded."""

    id: Number
    entries: list[Entry]
    head: SignedHead | None


class Packet(Frame, tag=82, frozen=True):
    id: Number
    packet: bytes


# Pushed by the hub


class Pushed(Frame, tag=96, frozen=True):
    """Entries `after` + 1, + 2, … of a followed queue. None: expired; `hashes` then holds its SHA-256 (else empty)."""

    queue: Queue
    after: Number
    at: list[Number]
    payloads: list[bytes | None]
    hashes: list[bytes] = []


class FollowEnded(Frame, tag=97, frozen=True):
    """No more of this queue will be pushed. `reason` is `epoch` (the token's last epoch ended: `ended` says how, all of
    it was pushed; present the next read token), `slow` (more than 256 KiB waited; read on) or `closed`."""

    queue: Queue
    reason: str
    ended: EpochEnd | None


class RegisterPushed(Frame, tag=98, frozen=True):
    """New register entries, to every connection."""

    entries: list[Entry]
    head: SignedHead


class Position(Frame, tag=99, frozen=True):
    """The log position so far, sealed among the hubs; the device hands the newest back in `Prove`."""

    position: bytes


Greeting = Hello | Prove | ProveInvite | ProveFounding
Request = (
    OpenQueue
    | Post
    | Advance
    | Read
    | Follow
    | Unfollow
    | CloseQueue
    | PutKeyPackages
    | KeyPackageStock
    | ClaimKeyPackage
    | GetBundles
    | PutBlob
    | GetBlob
    | RegisterAppend
    | RegisterRead
    | PutPacket
    | GetPacket
    | PacketDone
)
Welcoming = Challenge | Ready | StoreCopied
Reply = (
    Error
    | Done
    | Opened
    | Posted
    | Stale
    | Advanced
    | Conflict
    | Entries
    | Following
    | Behind
    | Stock
    | Claimed
    | Bundles
    | BlobHas
    | BlobChunk
    | Appended
    | RegisterMoved
    | RegisterEntries
    | Packet
)
Push = Pushed | FollowEnded | RegisterPushed | Position
