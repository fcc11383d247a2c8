"""The register: who belongs to a coterie (docs/protocol/register.md, "State"). Only `trust.apply` makes one.

A state shares all it can with the one before it, so that old states are cheap to keep.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from immutables import Map

from coterie.ids import CoterieId, DeviceId, InviteId, MemberId, PublicKey
from coterie.trust.heads import RegisterHead
from coterie.trust.kinds import Role
from coterie.trust.powers import Action, may
from coterie.trust.reasons import Reason, RegisterError


@dataclass(frozen=True, slots=True)
class Removal:
    at: int
    seq: int
    by: MemberId


@dataclass(frozen=True, slots=True)
class Member:
    """`invited_by` and `invite` are None for the founder; `seat_expires_at` is None for a seat without end (ms)."""

    id: MemberId
    role: Role
    identity: PublicKey
    invited_by: MemberId | None
    invite: InviteId | None
    joined_at: int
    seat_expires_at: int | None
    devices: tuple[DeviceId, ...]
    removed: Removal | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """`removed` is the device's own removal; it is also out of force when its member is removed."""

    id: DeviceId
    member: MemberId
    key: PublicKey
    leaf: PublicKey
    added_at: int
    removed: Removal | None = None


class InviteState(StrEnum):
    OPEN = "open"
    SPENT = "spent"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Invite:
    """`ended_at` and `ended_by`: when it was spent, and by which new member; or revoked, and by whom."""

    id: InviteId
    key: PublicKey
    role: Role
    seat: int | None
    issued_by: MemberId
    issued_at: int
    expires_at: int
    state: InviteState = InviteState.OPEN
    ended_at: int | None = None
    ended_by: MemberId | None = None


@dataclass(frozen=True, slots=True)
class Register:
    """One verified state. Look things up by the methods; the maps are for listing."""

    coterie: CoterieId
    founding_key: PublicKey
    service_key: PublicKey
    founder: MemberId
    members: Map[MemberId, Member]
    devices: Map[DeviceId, Device]
    invites: Map[InviteId, Invite]
    used: Map[bytes, int]
    """Every key and key hash ever seen → the seq that brought it. None may come again."""
    generation: int
    key_hashes: Map[int, bytes]
    rotation_due: DeviceId | None
    """The author of the newest removal, until the key is rotated."""
    head: RegisterHead
    at: int

    def member(self, member: MemberId) -> Member:
        """Removed ones too. Raises RegisterError(UNKNOWN_MEMBER)."""
        try:
            return self.members[member]
        except KeyError:
            raise RegisterError(Reason.UNKNOWN_MEMBER) from None

    def device(self, device: DeviceId) -> Device:
        """Removed ones too. Raises RegisterError(UNKNOWN_DEVICE)."""
        try:
            return self.devices[device]
        except KeyError:
            raise RegisterError(Reason.UNKNOWN_DEVICE) from None

    def invite(self, invite: InviteId) -> Invite:
        """Whatever its state. Raises RegisterError(UNKNOWN_INVITE)."""
        try:
            return self.invites[invite]
        except KeyError:
            raise RegisterError(Reason.UNKNOWN_INVITE) from None

    def member_of(self, device: DeviceId) -> Member:
        """Raises RegisterError(UNKNOWN_DEVICE)."""
        return self.members[self.device(device).member]

    def role(self, device: DeviceId) -> Role:
        """Raises RegisterError(UNKNOWN_DEVICE)."""
        return self.member_of(device).role

    def device_in_force(self, device: DeviceId) -> bool:
        """Known, not removed, and its member not removed."""
        found = self.devices.get(device)
        return found is not None and found.removed is None and self.members[found.member].removed is None

    def devices_of(self, member: MemberId) -> tuple[Device, ...]:
        """In force, in the order they were added. Raises RegisterError(UNKNOWN_MEMBER)."""
        return tuple(self.devices[device] for device in self.member(member).devices if self.device_in_force(device))

    def members_in_force(self) -> Iterator[Member]:
        """In the order they joined."""
        present = (member for member in self.members.values() if member.removed is None)
        return iter(sorted(present, key=lambda member: (member.joined_at, member.id)))

    def open_invite(self, invite: InviteId) -> Invite:
        """An invite that can still be used, expiry aside (that is judged by the entry's time).

        Raises RegisterError(UNKNOWN_INVITE | INVITE_SPENT | INVITE_REVOKED | INVITER_GONE).
        """
        found = self.invite(invite)
        if found.state is InviteState.SPENT:
            raise RegisterError(Reason.INVITE_SPENT)
        if found.state is InviteState.REVOKED:
            raise RegisterError(Reason.INVITE_REVOKED)
        issuer = self.members[found.issued_by]
        if issuer.removed is not None or not may(issuer.role, Action.INVITE, found.role):
            raise RegisterError(Reason.INVITER_GONE)
        return found

    def __repr__(self) -> str:
        return f"Register(coterie={self.coterie.hex()}, seq={self.head.seq}, members={len(self.members)})"
