"""What the founder and the stewards decide together: who is counted, how many it takes, and when it takes effect."""

import pytest

from coterie.ids import EntryHash
from coterie.trust import NewerCoterie, Reason, RegisterError, apply, canonical
from coterie.trust.entry import MalformedEntry, decode_entry_untrusted
from coterie.trust.kinds import (
    PROPOSAL_LIVES_MS,
    DeviceRemoved,
    MemberRemoved,
    PolicySet,
    Proposed,
    Role,
    RoleChanged,
)
from tests.trust.cast import DAY, START, Person, Stage, by_device, full_stage


def refused(stage: Stage, action: str, *arguments: object) -> Reason:
    with pytest.raises(RegisterError) as error:
        getattr(stage, action)(*arguments)
    return error.value.reason


def cast_of(stage: Stage) -> tuple[Person, Person, Person, Person]:
    return stage.founder, stage.people["sten"], stage.people["stig"], stage.people["mo"]


def removal(person: Person) -> MemberRemoved:
    return MemberRemoved(member=person.id)


def test_stewards_do_together_what_only_the_founder_does_alone() -> None:
    """The founder may be lost for good: three decide, two are a majority."""
    stage = full_stage()
    _, sten, stig, mo = cast_of(stage)
    proposal = stage.propose(sten, RoleChanged(member=mo.id, role=Role.STEWARD))
    assert stage.state.role(mo.device_id) is Role.MEMBER
    stage.approve(stig, proposal)
    assert stage.state.role(mo.device_id) is Role.STEWARD
    assert stage.state.proposal(proposal).done == stage.state.head.seq


def test_founder_alone_decides_until_a_quorum_is_set_and_counts_as_one_then() -> None:
    stage = full_stage()
    ada, sten, stig, mo = cast_of(stage)
    stage.change_role(ada, mo, Role.STEWARD)
    stage.set_policy(ada, PolicySet(quorum=3))
    assert refused(stage, "change_role", ada, mo, Role.MEMBER) is Reason.NEEDS_QUORUM
    assert refused(stage, "set_policy", ada, PolicySet()) is Reason.NEEDS_QUORUM
    assert refused(stage, "remove_member", ada, mo) is Reason.NEEDS_QUORUM
    assert refused(stage, "remove_device", ada, mo) is Reason.NEEDS_QUORUM
    assert refused(stage, "invite", ada, "nan", Role.STEWARD) is Reason.NEEDS_QUORUM
    proposal = stage.propose(ada, removal(mo))
    stage.approve(sten, proposal)
    assert stage.state.device_in_force(mo.device_id)
    stage.approve(stig, proposal)
    assert not stage.state.device_in_force(mo.device_id)
    assert stage.state.rotation_due == stig.device_id


def test_founder_who_approves_decides_while_no_quorum_is_set() -> None:
    stage = full_stage()
    ada, sten, *_ = cast_of(stage)
    stage.approve(ada, stage.propose(sten, PolicySet(quorum=3)))
    assert stage.state.policy.quorum == 3


def test_whom_it_is_about_has_no_say() -> None:
    """With a founder, two stewards and a quorum of three, both others remove the one: three are not to be had."""
    stage = full_stage()
    ada, sten, stig, _ = cast_of(stage)
    stage.set_policy(ada, PolicySet(quorum=3))
    proposal = stage.propose(ada, removal(stig))
    assert stig.id not in stage.state.proposal(proposal).electorate
    assert refused(stage, "approve", stig, proposal) is Reason.NOT_COUNTED
    assert refused(stage, "propose", stig, removal(stig)) is Reason.NOT_COUNTED
    stage.approve(sten, proposal)
    assert stage.state.member(stig.id).removed is not None


def test_quorum_of_one_lets_any_steward_decide_but_not_about_themselves() -> None:
    stage = full_stage()
    ada, sten, stig, mo = cast_of(stage)
    stage.set_policy(ada, PolicySet(quorum=1))
    stage.change_role(sten, mo, Role.STEWARD)
    stage.remove_member(sten, stig)
    assert refused(stage, "remove_member", sten, sten) is Reason.NEEDS_QUORUM


def test_who_decides_and_how_many_it_takes_is_as_of_the_proposal() -> None:
    stage = full_stage()
    ada, sten, stig, mo = cast_of(stage)
    proposal = stage.propose(sten, PolicySet(grace=0))
    stage.change_role(ada, mo, Role.STEWARD)
    assert refused(stage, "approve", mo, proposal) is Reason.NOT_COUNTED
    stage.set_policy(ada, PolicySet(quorum=4))
    stage.approve(stig, proposal)
    assert stage.state.policy == PolicySet(grace=0)


@pytest.mark.parametrize("lost", ["removed", "stepped down"])
def test_approval_of_one_who_is_no_steward_any_more_does_not_count(lost: str) -> None:
    stage = full_stage()
    ada, sten, stig, mo = cast_of(stage)
    stage.change_role(ada, mo, Role.STEWARD)
    stage.set_policy(ada, PolicySet(quorum=2))
    proposal = stage.propose(sten, PolicySet(grace=0))
    if lost == "removed":
        stage.approve(mo, stage.propose(ada, removal(sten)))
    else:
        stage.change_role(sten, sten, Role.MEMBER)
        assert refused(stage, "approve", sten, proposal) is Reason.NO_POWER
    stage.approve(stig, proposal)
    assert stage.state.policy.grace != 0
    stage.approve(mo, proposal) if mo.id in stage.state.proposal(proposal).electorate else stage.approve(ada, proposal)
    assert stage.state.policy.grace == 0


def test_approval_is_given_once_and_not_after_the_effect() -> None:
    stage = full_stage()
    ada, sten, stig, _ = cast_of(stage)
    proposal = stage.propose(sten, PolicySet(grace=0))
    assert refused(stage, "approve", sten, proposal) is Reason.APPROVED_ALREADY
    stage.approve(stig, proposal)
    assert refused(stage, "approve", ada, proposal) is Reason.PROPOSAL_DONE


@pytest.mark.parametrize(("after", "accepted"), [(0, True), (1, False)])
def test_proposal_runs_out_by_the_time_of_the_approval(after: int, accepted: bool) -> None:
    stage = full_stage()
    _, sten, stig, _ = cast_of(stage)
    proposal = stage.propose(sten, PolicySet(grace=0))
    stage.later(PROPOSAL_LIVES_MS + after)
    if accepted:
        stage.approve(stig, proposal)
        assert stage.state.policy.grace == 0
    else:
        assert refused(stage, "approve", stig, proposal) is Reason.PROPOSAL_OVER


@pytest.mark.parametrize("who", ["mo", "gus", "bo"])
def test_only_the_founder_and_stewards_propose_and_approve(who: str) -> None:
    stage = full_stage()
    assert refused(stage, "propose", stage.people[who], PolicySet()) is Reason.NO_POWER
    proposal = stage.propose(stage.people["sten"], PolicySet(grace=0))
    assert refused(stage, "approve", stage.people[who], proposal) is Reason.NO_POWER
    assert refused(stage, "approve", stage.people["stig"], EntryHash(b"\1" * 32)) is Reason.UNKNOWN_PROPOSAL


def test_what_needs_no_approval_is_not_proposed() -> None:
    stage = full_stage()
    _, sten, _, mo = cast_of(stage)
    assert refused(stage, "propose", sten, removal(mo)) is Reason.NO_QUORUM_NEEDED
    assert refused(stage, "propose", sten, DeviceRemoved(device=sten.device_id)) is Reason.NO_QUORUM_NEEDED
    assert refused(stage, "propose", sten, RoleChanged(member=sten.id, role=Role.MEMBER)) is Reason.NO_QUORUM_NEEDED


def test_what_nobody_can_do_is_not_proposed_either() -> None:
    stage = full_stage()
    ada, sten, stig, _ = cast_of(stage)
    assert refused(stage, "propose", sten, removal(ada)) is Reason.FOUNDER_STAYS
    assert refused(stage, "propose", sten, RoleChanged(member=stage.people["bo"].id, role=Role.STEWARD)) is (
        Reason.NO_POWER
    )
    assert refused(stage, "propose", sten, RoleChanged(member=stig.id, role=Role.STEWARD)) is Reason.SAME_ROLE


def test_proposal_that_was_overtaken_is_refused_with_the_last_approval() -> None:
    stage = full_stage()
    ada, sten, stig, mo = cast_of(stage)
    proposal = stage.propose(sten, RoleChanged(member=mo.id, role=Role.STEWARD))
    stage.remove_member(ada, mo)
    assert refused(stage, "approve", stig, proposal) is Reason.MEMBER_GONE


def test_effect_is_that_of_the_entry_that_carried_it() -> None:
    """A server and a device act on `in_effect`, so a proposed removal is acted on like any."""
    stage = full_stage()
    _, sten, stig, _ = cast_of(stage)
    stage.set_policy(stage.founder, PolicySet(quorum=2))
    public = DeviceRemoved(device=stig.device_id)
    proposal = stage.propose(sten, public)
    assert stage.state.in_effect(decode_entry_untrusted(stage.entries[-1])) != public
    stage.approve(stage.founder, proposal)
    assert stage.state.in_effect(decode_entry_untrusted(stage.entries[-1])) == public
    stage.set_name(sten, "Sten")
    assert stage.state.in_effect(decode_entry_untrusted(stage.entries[-2])) == public


@pytest.mark.parametrize("kind", ["Abdicated", "InviteIssued", "Proposed", "KeyRotated"])
def test_proposal_of_another_kind_asks_for_a_newer_coterie(kind: str) -> None:
    stage = full_stage()
    entry = by_device(stage.state, Proposed(kind=kind, public=b"\x80"), stage.people["sten"])
    with pytest.raises(NewerCoterie):
        apply(stage.state, entry.encoded)


@pytest.mark.parametrize("public", [b"", b"\x80", b"garbage", canonical.encode(PolicySet()) + b"\0"])
def test_malformed_proposal_is_refused(public: bytes) -> None:
    stage = full_stage()
    entry = by_device(stage.state, Proposed(kind="PolicySet", public=public), stage.people["sten"])
    with pytest.raises(MalformedEntry):
        apply(stage.state, entry.encoded)


def test_invite_of_a_steward_dies_when_it_would_need_others() -> None:
    stage = full_stage()
    ada, *_ = cast_of(stage)
    invite = stage.invite(ada, "nan", Role.STEWARD, expires_at=START + DAY)
    stage.set_policy(ada, PolicySet(quorum=2))
    assert refused(stage, "join", invite, "nan") is Reason.INVITER_GONE
