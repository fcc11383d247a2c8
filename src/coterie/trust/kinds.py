"""The kinds of register entries and the public part of each (docs/protocol/register.md, "Kinds").

`public` is what a server needs: keys, roles, who invited. The names of kinds and fields are on the wire.
"""

from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from coterie.ids import DeviceId, EntryHash, InviteId, MemberId

DEFAULT_SEAT_S: Final = 180 * 24 * 3600
DEFAULT_GRACE_S: Final = 14 * 24 * 3600
PROPOSAL_LIVES_MS: Final = 30 * 24 * 3600 * 1000
LARGEST_AT_MS: Final = 2**53 - 1
LARGEST_SEAT_S: Final = 2**32 - 1
MOST_DEVICES: Final = 8
"""In force, of one member."""

Key = Annotated[bytes, Meta(min_length=32, max_length=32)]
Hash = Annotated[bytes, Meta(min_length=32, max_length=32)]
ShortId = Annotated[bytes, Meta(min_length=16, max_length=16)]
Milliseconds = Annotated[int, Meta(ge=0, le=LARGEST_AT_MS)]


class Role(StrEnum):
    FOUNDER = "founder"
    STEWARD = "steward"
    MEMBER = "member"
    GUEST = "guest"
    BOT = "bot"


class Inviters(StrEnum):
    """Who may invite at all; what for, the powers say."""

    MEMBERS = "members"
    STEWARDS = "stewards"
    """And the founder."""


Seconds = Annotated[int, Meta(ge=1, le=LARGEST_SEAT_S)]


class Public(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The public part of an entry; one subclass a kind."""


class Founded(Public, frozen=True):
    founding_key: Key
    service_key: Key
    identity: Key
    device: Key
    leaf: Key
    key_hash: Hash


class InviteIssued(Public, frozen=True):
    invite_key: Key
    role: Role
    seat: Seconds | None
    """Seconds of membership from `Joined.at`; None: without end."""
    expires_at: Milliseconds


class InviteRevoked(Public, frozen=True):
    invite: Hash

    @property
    def invite_id(self) -> InviteId:
        return InviteId(self.invite)


class Joined(Public, frozen=True):
    invite: Hash
    identity: Key
    device: Key
    leaf: Key

    @property
    def invite_id(self) -> InviteId:
        return InviteId(self.invite)


class ProfileSet(Public, frozen=True):
    """Nothing public: the name is sealed, and it is the author's own."""


class DeviceAdded(Public, frozen=True):
    """A further device of the author's member."""

    device: Key
    leaf: Key


class DeviceRemoved(Public, frozen=True):
    device: ShortId

    @property
    def device_id(self) -> DeviceId:
        return DeviceId(self.device)


class MemberRemoved(Public, frozen=True):
    member: ShortId

    @property
    def member_id(self) -> MemberId:
        return MemberId(self.member)


class KeyRotated(Public, frozen=True):
    generation: Annotated[int, Meta(ge=1, le=2**32 - 1)]
    key_hash: Hash


class IdentityRecovered(Public, frozen=True):
    """The member begins again with this device; all others of theirs are removed with it."""

    member: ShortId
    device: Key
    leaf: Key

    @property
    def member_id(self) -> MemberId:
        return MemberId(self.member)


class SeatRenewed(Public, frozen=True):
    """The seat goes on; one that had lapsed is in force again."""

    member: ShortId
    expires_at: Milliseconds | None
    """None: without end."""

    @property
    def member_id(self) -> MemberId:
        return MemberId(self.member)


class SeatLapsed(Public, frozen=True):
    """The seat is over, and so is the grace after it."""

    member: ShortId

    @property
    def member_id(self) -> MemberId:
        return MemberId(self.member)


class RoleChanged(Public, frozen=True):
    member: ShortId
    role: Role

    @property
    def member_id(self) -> MemberId:
        return MemberId(self.member)


class PolicySet(Public, frozen=True):
    """The whole policy of a coterie. It is in force from this entry on."""

    inviters: Inviters = Inviters.MEMBERS
    seat: Seconds | None = DEFAULT_SEAT_S
    """What an invite gives unless said otherwise. None: without end."""
    grace: Annotated[int, Meta(ge=0, le=LARGEST_SEAT_S)] = DEFAULT_GRACE_S
    """Seconds between a seat's end and its lapse."""
    quorum: Annotated[int, Meta(ge=1, le=64)] | None = None
    """How many of the founder and the stewards decide what is weighty. None: the founder alone, or a majority of all
    of them, at least two."""


class Proposed(Public, frozen=True):
    """A weighty entry, put to the founder and the stewards. The proposer approves it by proposing."""

    kind: Annotated[str, Meta(pattern=r"\A[A-Za-z]{1,32}\Z")]
    public: bytes
    """The public part of that kind."""


class Approved(Public, frozen=True):
    """One more approval; with the last one that is needed, what was proposed takes effect."""

    proposal: Hash
    """Of the whole `Proposed` entry."""

    @property
    def proposal_id(self) -> EntryHash:
        return EntryHash(self.proposal)


KINDS: Final[dict[str, type[Public]]] = {
    kind.__name__: kind
    for kind in (
        Founded,
        InviteIssued,
        InviteRevoked,
        Joined,
        ProfileSet,
        DeviceAdded,
        DeviceRemoved,
        MemberRemoved,
        KeyRotated,
        IdentityRecovered,
        SeatRenewed,
        SeatLapsed,
        RoleChanged,
        PolicySet,
        Proposed,
        Approved,
    )
}

PROPOSABLE: Final[dict[str, type[Public]]] = {
    kind.__name__: kind for kind in (DeviceRemoved, MemberRemoved, RoleChanged, PolicySet)
}
"""What can be proposed, as far as it is weighty (`trust.powers`)."""
