"""The register: who belongs to a coterie (docs/protocol/register.md, "State"). Only `trust.apply` makes one.

A state shares all it can with the one before it, so that old states are cheap to keep.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from immutables import Map

from coterie.ids import CoterieId, DeviceId, EntryHash, InviteId, MemberId, PublicKey
from coterie.trust.entry import DecodedEntry
from coterie.trust.heads import RegisterHead
from coterie.trust.kinds import PROPOSAL_LIVES_MS, Approved, Inviters, PolicySet, Proposed, Public, Role
from coterie.trust.powers import Action, is_weighty, may
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
    lapsed: Removal | None = None
    """The seat ran out and was not renewed since."""
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
class Act:
    """What an entry does by a power: to members of which roles, and to which of the stewards, who has no say then."""

    action: Action
    roles: frozenset[Role]
    concerned: MemberId | None = None

    @property
    def is_weighty(self) -> bool:
        return any(is_weighty(self.action, role) for role in self.roles)


@dataclass(frozen=True, slots=True)
class Proposal:
    """`electorate`, `needed` and `founder_decides` are as of the proposal's entry; `done` is the seq of the entry with
    which it took effect."""

    id: EntryHash
    kind: str
    public: Public
    by: MemberId
    at: int
    electorate: frozenset[MemberId]
    needed: int
    founder_decides: bool
    approved_by: tuple[MemberId, ...]
    done: int | None = None

    @property
    def expires_at(self) -> int:
        return self.at + PROPOSAL_LIVES_MS


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
    policy: PolicySet
    proposals: Map[EntryHash, Proposal]
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

    def proposal(self, proposal: EntryHash) -> Proposal:
        """Whatever became of it. Raises RegisterError(UNKNOWN_PROPOSAL)."""
        try:
            return self.proposals[proposal]
        except KeyError:
            raise RegisterError(Reason.UNKNOWN_PROPOSAL) from None

    def member_of(self, device: DeviceId) -> Member:
        """Raises RegisterError(UNKNOWN_DEVICE)."""
        return self.members[self.device(device).member]

    def role(self, device: DeviceId) -> Role:
        """Raises RegisterError(UNKNOWN_DEVICE)."""
        return self.member_of(device).role

    def device_in_force(self, device: DeviceId) -> bool:
        """Known, not removed, and its member in force."""
        found = self.devices.get(device)
        return found is not None and found.removed is None and self.is_in_force(self.members[found.member])

    def is_in_force(self, member: Member) -> bool:
        """Neither removed nor lapsed; a bot's owner, who answers for it, is not either."""
        if member.removed is not None or member.lapsed is not None:
            return False
        owner = self.owner(member)
        return owner is None or self.is_in_force(owner)

    def owner(self, member: Member) -> Member | None:
        """Who answers for a bot: its inviter. None for people."""
        if member.role is not Role.BOT or member.invited_by is None:
            return None
        return self.members[member.invited_by]

    def devices_of(self, member: MemberId) -> tuple[Device, ...]:
        """In force, in the order they were added. Raises RegisterError(UNKNOWN_MEMBER)."""
        return tuple(self.devices[device] for device in self.member(member).devices if self.device_in_force(device))

    def members_in_force(self) -> Iterator[Member]:
        """In the order they joined."""
        present = (member for member in self.members.values() if self.is_in_force(member))
        return iter(sorted(present, key=lambda member: (member.joined_at, member.id)))

    def seat_lapses_at(self, member: Member) -> int | None:
        """When `SeatLapsed` can be noted, ms; None for a seat without end."""
        return None if member.seat_expires_at is None else member.seat_expires_at + self.policy.grace * 1000

    def in_effect(self, entry: DecodedEntry) -> Public | None:
        """What an entry did, as of this state or a later one: of a `Proposed` or `Approved` what it carried, if it was
        the last approval needed, else itself. None for an unknown kind."""
        match entry.public:
            case Proposed():
                proposal = self.proposals.get(entry.hash)
            case Approved() as approved:
                proposal = self.proposals.get(approved.proposal_id)
            case public:
                return public
        return proposal.public if proposal is not None and proposal.done == entry.seq else entry.public

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
        if not self.is_in_force(issuer) or not self.may_invite(issuer, found.role):
            raise RegisterError(Reason.INVITER_GONE)
        return found

    def may_invite(self, member: Member, role: Role) -> bool:
        """Alone, and as the policy has it."""
        if member.role is Role.MEMBER and self.policy.inviters is not Inviters.MEMBERS:
            return False
        act = Act(Action.INVITE, frozenset({role}))
        return may(member.role, Action.INVITE, role) and (not act.is_weighty or self.decides_alone(member, act))

    def electorate(self, act: Act) -> frozenset[MemberId]:
        """The founder and the stewards in force, but not whom it is about."""
        deciding = (Role.FOUNDER, Role.STEWARD)
        return frozenset(
            member.id for member in self.members_in_force() if member.role in deciding and member.id != act.concerned
        )

    def needed(self, electorate: frozenset[MemberId]) -> int:
        """How many of them it takes for something weighty."""
        if self.policy.quorum is None:
            return max(2, len(electorate) // 2 + 1)
        return max(1, min(self.policy.quorum, len(electorate)))

    def decides_alone(self, member: Member, act: Act) -> bool:
        """Something weighty, without anybody's approval."""
        electorate = self.electorate(act)
        if member.id not in electorate:
            return False
        return self.needed(electorate) == 1 or (self.policy.quorum is None and member.role is Role.FOUNDER)

    def is_carried(self, proposal: Proposal) -> bool:
        """Enough of those who approved are still in force and in office."""
        deciding = (Role.FOUNDER, Role.STEWARD)
        approving = [self.members[member] for member in proposal.approved_by]
        counting = [member for member in approving if member.role in deciding and self.is_in_force(member)]
        if proposal.founder_decides and any(member.role is Role.FOUNDER for member in counting):
            return True
        return len(counting) >= proposal.needed

    def __repr__(self) -> str:
        return f"Register(coterie={self.coterie.hex()}, seq={self.head.seq}, members={len(self.members)})"
