"""What the device tells whoever asks: plain facts, ready to show. Times are ms since the epoch, UTC."""

from dataclasses import dataclass, field
from enum import StrEnum

from coterie.ids import CoterieId, DeviceId, InviteId, MemberId, MessageId, RoomId


class MessageState(StrEnum):
    """What became of a message: of ours QUEUED → SENT → DELIVERED → READ, or UNSENT if the room was over before it
    could go; of others' RECEIVED."""

    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    UNSENT = "unsent"
    RECEIVED = "received"


class RoomState(StrEnum):
    """ACTIVE: one can send. HELD: nothing is encrypted until a device that the register refuses is out.
    STUCK: an entry cannot be processed; waiting to be added again. LEFT and REMOVED: history only.
    SPLIT: two histories were seen; nothing is sent."""

    ACTIVE = "active"
    HELD = "held"
    STUCK = "stuck"
    LEFT = "left"
    REMOVED = "removed"
    SPLIT = "split"


@dataclass(frozen=True)
class Identity:
    coterie: CoterieId
    member: MemberId
    device: DeviceId


@dataclass(frozen=True)
class InviteFacts:
    """`link` is None where this device did not make it. `state` is open, spent, revoked or expired."""

    invite: InviteId
    link: str | None = field(repr=False)
    role: str
    seat_seconds: int | None
    expires_at: int
    issued_by: MemberId
    state: str


@dataclass(frozen=True)
class MemberFacts:
    """`name` is None while the name cannot be read. `state` is active, removed or lapsed."""

    member: MemberId
    name: str | None
    role: str
    invited_by: MemberId | None
    joined_at: int
    seat_expires_at: int | None
    state: str
    devices: tuple[DeviceId, ...]
    verified: bool = False
    """This person compared safety numbers with them."""


@dataclass(frozen=True)
class RoomFacts:
    """`reason` says why a room is not active. `receipts` and `expiry_seconds` (None: never) are the room's policy;
    `muted_until`, `archived` and `draft` are known on this device only."""

    room: RoomId
    name: str
    topic: str
    state: RoomState
    reason: str
    members: tuple[MemberId, ...]
    admins: tuple[MemberId, ...]
    unread: int = 0
    receipts: bool = False
    expiry_seconds: int | None = None
    muted_until: int | None = None
    archived: bool = False
    draft: str = ""


@dataclass(frozen=True)
class ReactionFacts:
    """`members` in the order in which they reacted."""

    emoji: str
    members: tuple[MemberId, ...]


@dataclass(frozen=True)
class OptionFacts:
    """An option of a poll, and who votes for it."""

    text: str
    members: tuple[MemberId, ...]


@dataclass(frozen=True)
class MessageFacts:
    """`sender` and `text` are for people: the sender's name as known now; what an unknown content renders as.
    `kind` is text, poll (`text` is the question), notice (a fact of membership, made by this device) or unknown. Of a
    message that is `deleted` or `expired` the text is empty. `reply_to` is None too for what is not here. `read_by` is
    known of one's own messages, in rooms with receipts."""

    message: MessageId
    room: RoomId
    sender: str
    sender_member: MemberId
    sent_at: int
    received_at: int
    kind: str
    text: str
    state: MessageState
    reply_to: MessageId | None = None
    reactions: tuple[ReactionFacts, ...] = ()
    edited: bool = False
    deleted: bool = False
    expired: bool = False
    expires_at: int | None = None
    mentions: tuple[MemberId, ...] = ()
    pinned: bool = False
    options: tuple[OptionFacts, ...] = ()
    read_by: tuple[MemberId, ...] = ()
    unread: bool = False


@dataclass(frozen=True)
class Sent:
    """`reason` says why it is queued only."""

    message: MessageId
    state: MessageState
    reason: str = ""


@dataclass(frozen=True)
class Synced:
    """`rooms` that were brought up to date, messages `received`, messages `sent`."""

    rooms: int
    received: int
    sent: int


@dataclass(frozen=True)
class AlarmFacts:
    """What must be seen by a person: a fact and what to do. `resolved_by` is None while it stands."""

    alarm: int
    kind: str
    subject: str
    fact: str
    hint: str
    raised_at: int
    resolved_at: int | None = None
    resolved_by: MemberId | None = None


@dataclass(frozen=True)
class Status:
    """`phrase_confirmed`: the identity key is not on this device (any more). `history_only`: restored from a backup,
    and no device of the coterie yet."""

    coterie: CoterieId
    coterie_name: str | None
    member: MemberId
    device: DeviceId
    server: str
    connected: bool
    confirmed: bool
    phrase_confirmed: bool
    history_only: bool
    outbox: int
    register_seq: int
    register_hash: bytes
    held_rooms: tuple[RoomFacts, ...]
    alarms: tuple[AlarmFacts, ...]
