"""The devices of a group, and which of them the register refuses (docs/protocol/groups.md, "Leaves").

RFC 9420 §5.3.1: validating the credential is the application's job. Pure.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from coterie.group.credential import LeafClaim, LeafLike, claim_untrusted
from coterie.ids import DeviceId, MemberId
from coterie.trust.register import Register


class LeafReason(StrEnum):
    MALFORMED = "malformed-credential"
    OTHER_COTERIE = "other-coterie"
    UNKNOWN_DEVICE = "unknown-device"
    OTHER_MEMBER = "other-member"
    OTHER_LEAF_KEY = "other-leaf-key"
    DEVICE_REMOVED = "device-removed"
    MEMBER_NOT_IN_FORCE = "member-not-in-force"


LEAF_SENTENCES = {
    LeafReason.MALFORMED: "its credential is malformed",
    LeafReason.OTHER_COTERIE: "it belongs to another coterie",
    LeafReason.UNKNOWN_DEVICE: "the register does not know the device",
    LeafReason.OTHER_MEMBER: "the device is another member's",
    LeafReason.OTHER_LEAF_KEY: "its key is not the one in the register",
    LeafReason.DEVICE_REMOVED: "the device was removed",
    LeafReason.MEMBER_NOT_IN_FORCE: "its member was removed, or their seat ended",
}


@dataclass(frozen=True, slots=True)
class RefusedLeaf:
    """A leaf of the roster that must not stay, and why."""

    leaf: LeafClaim
    reason: LeafReason

    @property
    def sentence(self) -> str:
        return LEAF_SENTENCES[self.reason]


def check_leaf(leaf: LeafClaim, register: Register) -> LeafReason | None:
    """None: certified, in force, and with the leaf key that the register holds."""
    device = register.devices.get(leaf.device)
    if leaf.coterie != register.coterie:
        return LeafReason.OTHER_COTERIE
    if device is None:
        return LeafReason.UNKNOWN_DEVICE
    if device.member != leaf.member:
        return LeafReason.OTHER_MEMBER
    if device.leaf != leaf.leaf_key:
        return LeafReason.OTHER_LEAF_KEY
    if device.removed is not None:
        return LeafReason.DEVICE_REMOVED
    if not register.device_in_force(leaf.device):
        return LeafReason.MEMBER_NOT_IN_FORCE
    return None


@dataclass(frozen=True, slots=True)
class Roster:
    """The leaves of one epoch, by index, lowest first. A roster may hold what the register has since refused."""

    leaves: tuple[LeafClaim, ...]

    @classmethod
    def of(cls, leaves: Iterable[LeafLike]) -> "Roster":
        """From `Group.members()` or `StagedWelcome.members`. Raises MalformedCredential."""
        return cls.of_claims(claim_untrusted(leaf) for leaf in leaves)

    @classmethod
    def of_claims(cls, claims: Iterable[LeafClaim]) -> "Roster":
        return cls(tuple(sorted(claims, key=lambda leaf: leaf.index)))

    def __iter__(self) -> Iterator[LeafClaim]:
        return iter(self.leaves)

    def __len__(self) -> int:
        return len(self.leaves)

    def at(self, index: int) -> LeafClaim | None:
        return next((leaf for leaf in self.leaves if leaf.index == index), None)

    def leaf_of(self, device: DeviceId) -> LeafClaim | None:
        return next((leaf for leaf in self.leaves if leaf.device == device), None)

    def leaves_of(self, member: MemberId) -> tuple[LeafClaim, ...]:
        return tuple(leaf for leaf in self.leaves if leaf.member == member)

    @property
    def members(self) -> frozenset[MemberId]:
        return frozenset(leaf.member for leaf in self.leaves)

    @property
    def devices(self) -> frozenset[DeviceId]:
        return frozenset(leaf.device for leaf in self.leaves)

    def refused(self, register: Register) -> tuple[RefusedLeaf, ...]:
        """Lowest leaf first. While there is one, nothing is encrypted: its Remove goes first."""
        found = ((leaf, check_leaf(leaf, register)) for leaf in self.leaves)
        return tuple(RefusedLeaf(leaf, reason) for leaf, reason in found if reason is not None)
