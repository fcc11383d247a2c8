"""The kinds of register entries and the public part of each (docs/protocol/register.md, "Kinds").

`public` is what a server needs: keys, roles, who invited. The names of kinds and fields are on the wire.
"""

from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from coterie.ids import DeviceId, InviteId, MemberId

DEFAULT_SEAT_S: Final = 180 * 24 * 3600
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
    seat: Annotated[int, Meta(ge=1, le=LARGEST_SEAT_S)] | None
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
    )
}
