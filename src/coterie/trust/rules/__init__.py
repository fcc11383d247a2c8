"""What each kind of entry needs and does: one row a kind (docs/protocol/register.md, "Kinds").

`trust.apply` asks a row for the new keys, for who must have signed, and for the next state. A new kind is a new row.
Pure; one file a topic, and none of them verifies a signature.
"""

from typing import Any, Final

from coterie.trust.entry import DecodedEntry
from coterie.trust.kinds import (
    Approved,
    DeviceAdded,
    DeviceRemoved,
    IdentityRecovered,
    InviteIssued,
    InviteRevoked,
    Joined,
    KeyRotated,
    MemberRemoved,
    PolicySet,
    ProfileSet,
    Proposed,
    RoleChanged,
    SeatLapsed,
    SeatRenewed,
)
from coterie.trust.rules import devices, invites, removals, seats
from coterie.trust.rules.proposals import Proposals
from coterie.trust.rules.rule import Rule

# `Founded` has no row: it alone has no state before it.
_PLAIN: Final[tuple[Rule[Any], ...]] = (
    Rule(InviteIssued, invites.issued, invites.invite_key, invites.issuing_signers),
    Rule(InviteRevoked, invites.revoked),
    Rule(Joined, invites.joined, invites.joining_keys, invites.joining_signers, new_device=invites.joining_device),
    Rule(ProfileSet, lambda state, _entry, _public: state),
    Rule(DeviceAdded, devices.added, devices.device_keys, devices.adding_signers),
    Rule(DeviceRemoved, removals.device_removed, act=removals.device_removal),
    Rule(MemberRemoved, removals.member_removed, act=removals.member_removal),
    Rule(KeyRotated, removals.key_rotated),
    Rule(
        IdentityRecovered,
        devices.identity_recovered,
        devices.device_keys,
        devices.recovery_signers,
        new_device=devices.recovering_device,
    ),
    Rule(SeatRenewed, seats.renewed),
    Rule(SeatLapsed, seats.lapsed),
    Rule(RoleChanged, seats.role_changed, act=seats.role_change),
    Rule(PolicySet, seats.policy_set, act=seats.policy_setting),
)
_PROPOSALS: Final = Proposals(_PLAIN)

RULES: Final[dict[str, Rule[Any]]] = {
    rule.public.__name__: rule
    for rule in (
        *_PLAIN,
        Rule(Proposed, _PROPOSALS.proposed),
        Rule(Approved, _PROPOSALS.approved),
    )
}


def rule_for(entry: DecodedEntry) -> Rule[Any] | None:
    """The row of an entry's kind. None if this Coterie does not know the kind, or what is proposed."""
    if isinstance(entry.public, Proposed) and entry.proposed is None:
        return None
    return RULES.get(entry.kind)


__all__ = ["RULES", "Rule", "rule_for"]
