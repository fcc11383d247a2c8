"""Who may do what: the whole table, written out again by hand, through real entries."""

import pytest

from coterie.trust import Reason, Register, RegisterError, apply
from coterie.trust.keys import Purpose
from coterie.trust.kinds import (
    DeviceRemoved,
    InviteIssued,
    InviteRevoked,
    KeyRotated,
    MemberRemoved,
    PolicySet,
    Role,
    RoleChanged,
    SeatLapsed,
    SeatRenewed,
)
from tests.trust.cast import DAY, START, Draft, Stage, by_device, full_stage, key

ACTORS = {"ada": "founder", "sten": "steward", "mo": "member", "gus": "guest", "bo": "bot"}
OTHERS = {"founder": "ada", "steward": "stig", "member": "mia", "guest": "gia", "bot": "bit"}

INVITES = {
    "founder": "steward member guest bot",
    "steward": "member guest bot",
    "member": "member",
    "guest": "",
    "bot": "",
}
REMOVES = {
    "founder": "steward member guest bot",
    "steward": "member guest bot",
    "member": "",
    "guest": "",
    "bot": "",
}
REVOKES_OTHERS = {"founder", "steward"}
ROTATES = {"founder", "steward"}


def refused(actor: str, target: str) -> Reason:
    """A steward may do it to a steward, but not alone."""
    return Reason.NEEDS_QUORUM if (ACTORS[actor], target) == ("steward", "steward") else Reason.NO_POWER


def verdict(state: Register, entry: Draft) -> Reason | None:
    try:
        apply(state, entry.encoded)
    except RegisterError as refused:
        return refused.reason
    return None


@pytest.mark.parametrize("actor", list(ACTORS))
@pytest.mark.parametrize("role", list(Role))
def test_who_may_invite_whom(cast: Stage, actor: str, role: Role) -> None:
    invite = InviteIssued(invite_key=key("invite x").public, role=role, seat=None, expires_at=START + DAY)
    entry = by_device(cast.state, invite, cast.people[actor], (Purpose.ENTRY_INVITE, key("invite x")))
    if role is Role.FOUNDER:
        expected: Reason | None = Reason.NO_SECOND_FOUNDER
    else:
        expected = None if role.value in INVITES[ACTORS[actor]].split() else Reason.NO_POWER
    assert verdict(cast.state, entry) is expected


@pytest.mark.parametrize("actor", list(ACTORS))
@pytest.mark.parametrize("target", list(OTHERS))
def test_who_may_remove_which_member(cast: Stage, actor: str, target: str) -> None:
    entry = by_device(cast.state, MemberRemoved(member=cast.people[OTHERS[target]].id), cast.people[actor])
    if target == "founder":
        expected: Reason | None = Reason.FOUNDER_STAYS
    else:
        expected = None if target in REMOVES[ACTORS[actor]].split() else refused(actor, target)
    assert verdict(cast.state, entry) is expected


@pytest.mark.parametrize("actor", list(ACTORS))
@pytest.mark.parametrize("target", list(OTHERS))
def test_who_may_remove_whose_device(cast: Stage, actor: str, target: str) -> None:
    entry = by_device(cast.state, DeviceRemoved(device=cast.people[OTHERS[target]].device_id), cast.people[actor])
    own = cast.people[actor] is cast.people[OTHERS[target]]
    allowed = own or target in REMOVES[ACTORS[actor]].split()
    assert verdict(cast.state, entry) is (None if allowed else refused(actor, target))


@pytest.mark.parametrize("actor", list(ACTORS))
def test_everyone_removes_their_own_device(cast: Stage, actor: str) -> None:
    person = cast.people[actor]
    after = apply(cast.state, by_device(cast.state, DeviceRemoved(device=person.device_id), person).encoded)
    assert not after.device_in_force(person.device_id)
    assert after.member(person.id).removed is None


@pytest.mark.parametrize("actor", ["sten", "mo", "gus", "bo"])
def test_nobody_removes_themselves_as_a_member(cast: Stage, actor: str) -> None:
    person = cast.people[actor]
    entry = by_device(cast.state, MemberRemoved(member=person.id), person)
    assert verdict(cast.state, entry) is refused(actor, ACTORS[actor])


ROLES = ("steward", "member", "guest", "bot")
CHANGES = {
    "founder": {(one, other) for one in ROLES[:3] for other in ROLES[:3]},
    "steward": {("member", "guest"), ("guest", "member"), ("member", "member"), ("guest", "guest")},
}


@pytest.mark.parametrize("actor", list(ACTORS))
@pytest.mark.parametrize("target", list(OTHERS))
@pytest.mark.parametrize("role", list(Role))
def test_who_may_change_whose_role_into_what(cast: Stage, actor: str, target: str, role: Role) -> None:
    public = RoleChanged(member=cast.people[OTHERS[target]].id, role=role)
    if target == "founder":
        expected: Reason | None = Reason.FOUNDER_STAYS
    elif role is Role.FOUNDER:
        expected = Reason.NO_SECOND_FOUNDER
    elif (target, role.value) in CHANGES.get(ACTORS[actor], set()):
        expected = Reason.SAME_ROLE if target == role.value else None
    elif ACTORS[actor] == "steward" and (target, role.value) in CHANGES["founder"]:
        expected = Reason.NEEDS_QUORUM
    else:
        expected = Reason.NO_POWER
    assert verdict(cast.state, by_device(cast.state, public, cast.people[actor])) is expected


@pytest.mark.parametrize("actor", list(ACTORS))
@pytest.mark.parametrize("target", list(OTHERS))
def test_who_may_renew_whose_seat(cast: Stage, actor: str, target: str) -> None:
    public = SeatRenewed(member=cast.people[OTHERS[target]].id, expires_at=None)
    allowed = ACTORS[actor] in ("founder", "steward") and target != "founder"
    assert verdict(cast.state, by_device(cast.state, public, cast.people[actor])) is (
        None if allowed else Reason.NO_POWER
    )


@pytest.mark.parametrize("actor", list(ACTORS))
@pytest.mark.parametrize("target", list(OTHERS))
def test_who_may_note_that_whose_seat_ran_out(cast: Stage, actor: str, target: str) -> None:
    """The founder's has no end; those of all others were an hour long."""
    entry = by_device(cast.state, SeatLapsed(member=cast.people[OTHERS[target]].id), cast.people[actor])
    entry.at += 60 * DAY
    allowed = ACTORS[actor] in ("founder", "steward") and target != "founder"
    assert verdict(cast.state, entry) is (None if allowed else Reason.NO_POWER)


@pytest.mark.parametrize("actor", list(ACTORS))
def test_who_may_set_the_policy_alone(cast: Stage, actor: str) -> None:
    expected = {"founder": None, "steward": Reason.NEEDS_QUORUM}.get(ACTORS[actor], Reason.NO_POWER)
    assert verdict(cast.state, by_device(cast.state, PolicySet(quorum=2), cast.people[actor])) is expected


@pytest.mark.parametrize("actor", list(ACTORS))
@pytest.mark.parametrize("issuer", ["ada", "stig", "mia"])
def test_who_may_revoke_whose_invite(actor: str, issuer: str) -> None:
    stage = full_stage()
    invite = stage.invite(stage.people[issuer], "nan")
    entry = by_device(stage.state, InviteRevoked(invite=invite), stage.people[actor])
    allowed = actor == issuer or ACTORS[actor] in REVOKES_OTHERS
    assert verdict(stage.state, entry) is (None if allowed else Reason.NO_POWER)


def test_member_revokes_their_own_invite() -> None:
    stage = full_stage()
    stage.revoke(stage.people["mo"], stage.invite(stage.people["mo"], "nan"))


def rotation(stage: Stage, actor: str) -> Draft:
    public = KeyRotated(generation=stage.state.generation + 1, key_hash=b"\7" * 32)
    return by_device(stage.state, public, stage.people[actor])


@pytest.mark.parametrize("actor", list(ACTORS))
def test_who_may_rotate_the_key_when_nothing_is_due(cast: Stage, actor: str) -> None:
    assert cast.state.rotation_due is None
    assert verdict(cast.state, rotation(cast, actor)) is (None if ACTORS[actor] in ROTATES else Reason.NO_POWER)


def test_only_the_newest_remover_may_rotate_and_only_until_it_is_done() -> None:
    """Each removes a device of their own member's; these have one, so a second actor removes after the first."""
    stage = full_stage()
    sten, stig, mia = stage.people["sten"], stage.people["stig"], stage.people["mia"]
    stage.remove_member(sten, stage.people["gus"])
    assert stage.state.rotation_due == sten.device_id
    assert verdict(stage.state, rotation(stage, "mia")) is Reason.NO_POWER
    stage.remove_device(mia, mia)
    assert stage.state.rotation_due == mia.device_id
    assert verdict(stage.state, rotation(stage, "mia")) is Reason.AUTHOR_REMOVED
    assert verdict(stage.state, rotation(stage, "mo")) is Reason.NO_POWER
    stage.rotate(stig)
    assert stage.state.rotation_due is None


def test_member_who_removed_a_device_of_their_own_may_rotate_once() -> None:
    stage = full_stage()
    mo = stage.people["mo"]
    second = stage.add_device(mo, "mo's laptop")
    assert verdict(stage.state, rotation(stage, "mo")) is Reason.NO_POWER
    stage.remove_device(mo, second)
    assert verdict(stage.state, rotation(stage, "mia")) is Reason.NO_POWER
    stage.rotate(mo)
    assert verdict(stage.state, rotation(stage, "mo")) is Reason.NO_POWER
