"""Seats that run out by an entry, never by a clock, and come back by one."""

import pytest

from coterie.ids import MemberId
from coterie.trust import Reason, RegisterError, replay
from coterie.trust.kinds import DEFAULT_GRACE_S, Inviters, PolicySet, Role
from tests.trust.cast import DAY, START, Person, Stage, full_stage

GRACE = DEFAULT_GRACE_S * 1000
HOUR = 3600 * 1000


def refused(stage: Stage, action: str, *arguments: object) -> Reason:
    with pytest.raises(RegisterError) as error:
        getattr(stage, action)(*arguments)
    return error.value.reason


def test_seat_lapses_at_its_end_and_grace_and_not_a_moment_before() -> None:
    stage = full_stage()
    sten, mo = stage.people["sten"], stage.people["mo"]
    stage.later(HOUR + GRACE - 1)
    assert refused(stage, "lapse", sten, mo) is Reason.SEAT_NOT_OVER
    assert stage.state.device_in_force(mo.device_id)
    stage.later(1)
    stage.lapse(sten, mo)
    assert not stage.state.device_in_force(mo.device_id)
    assert stage.state.rotation_due == sten.device_id
    assert refused(stage, "set_name", mo, "Mo") is Reason.AUTHOR_REMOVED
    assert refused(stage, "lapse", sten, mo) is Reason.SEAT_LAPSED


def test_seat_that_is_over_ends_nothing_until_somebody_says_so() -> None:
    stage = full_stage()
    stage.later(1000 * DAY)
    stage.set_name(stage.people["mo"], "Mo")
    stage.invite(stage.people["mo"], "nan")


def test_grace_is_that_of_the_policy_in_force() -> None:
    stage = full_stage()
    ada, mo = stage.founder, stage.people["mo"]
    stage.set_policy(ada, PolicySet(grace=0))
    stage.later(HOUR)
    stage.lapse(ada, mo)
    assert stage.state.member(mo.id).lapsed is not None


def test_seat_without_an_end_does_not_lapse() -> None:
    stage = Stage.founded()
    bo = stage.join(stage.invite(stage.founder, "bo", seat=None), "bo")
    stage.later(1000 * DAY)
    assert refused(stage, "lapse", stage.founder, bo) is Reason.SEAT_NOT_OVER
    assert refused(stage, "renew", stage.founder, bo, None) is Reason.SEAT_NOT_LONGER


def lapsed_stage() -> tuple[Stage, Person, Person]:
    stage = full_stage()
    stage.later(HOUR + GRACE)
    stage.lapse(stage.people["sten"], stage.people["mo"])
    return stage, stage.people["sten"], stage.people["mo"]


def test_renewal_brings_a_lapsed_member_back_with_devices_and_role() -> None:
    stage, sten, mo = lapsed_stage()
    before = stage.state.member(mo.id)
    stage.renew(sten, mo, stage.now + DAY)
    after = stage.state.member(mo.id)
    assert stage.state.device_in_force(mo.device_id)
    assert (after.role, after.devices, after.seat_expires_at) == (before.role, before.devices, stage.now + DAY)
    stage.set_name(mo, "Mo")


def test_lapsed_member_is_not_recovered_around_and_an_invite_of_theirs_is_dead_until_renewal() -> None:
    stage = full_stage()
    sten, mo = stage.people["sten"], stage.people["mo"]
    invite = stage.invite(mo, "nan", expires_at=START + 400 * DAY)
    stage.later(HOUR + GRACE)
    stage.lapse(sten, mo)
    assert refused(stage, "join", invite, "nan") is Reason.INVITER_GONE
    anew = stage.recover(mo, "mo anew")
    assert not stage.state.device_in_force(anew.device_id)
    stage.renew(sten, mo, None)
    assert stage.state.device_in_force(anew.device_id)
    stage.join(invite, "nan")


def test_bot_goes_out_of_force_with_who_answers_for_it_and_comes_back_with_them() -> None:
    stage = full_stage()
    sten, ada = stage.people["sten"], stage.founder
    robot = stage.welcome(sten, "robot", Role.BOT)
    stage.later(HOUR + GRACE)
    stage.lapse(ada, sten)
    assert not stage.state.device_in_force(robot.device_id)
    assert robot.id not in [member.id for member in stage.state.members_in_force()]
    stage.renew(ada, sten, None)
    assert stage.state.device_in_force(robot.device_id)
    stage.remove_member(sten, robot)
    assert not stage.state.device_in_force(robot.device_id)


@pytest.mark.parametrize(("later", "accepted"), [(-1, False), (0, False), (1, True), (DAY, True)])
def test_renewal_takes_nothing_away(later: int, accepted: bool) -> None:
    """Else a renewal to the next moment would be a removal in disguise."""
    stage = full_stage()
    mo = stage.people["mo"]
    ends = stage.state.member(mo.id).seat_expires_at
    assert ends is not None
    if accepted:
        stage.renew(stage.people["sten"], mo, ends + later)
    else:
        assert refused(stage, "renew", stage.people["sten"], mo, ends + later) is Reason.SEAT_NOT_LONGER


def test_renewal_does_not_end_in_the_past() -> None:
    stage, sten, mo = lapsed_stage()
    assert refused(stage, "renew", sten, mo, stage.now) is Reason.SEAT_NOT_LONGER


def test_nobody_renews_their_own_seat_and_stewards_renew_each_others() -> None:
    stage = full_stage()
    sten, stig = stage.people["sten"], stage.people["stig"]
    assert refused(stage, "renew", sten, sten, None) is Reason.OWN_SEAT
    stage.renew(stig, sten, None)


def test_removed_member_is_neither_renewed_nor_lapsed_nor_given_a_role() -> None:
    stage = full_stage()
    ada, rex = stage.founder, stage.people["rex"]
    stage.later(HOUR + GRACE)
    assert refused(stage, "renew", ada, rex, None) is Reason.MEMBER_GONE
    assert refused(stage, "lapse", ada, rex) is Reason.MEMBER_GONE
    assert refused(stage, "change_role", ada, rex, Role.GUEST) is Reason.MEMBER_GONE
    stranger = Person("stranger")
    assert stranger.id == MemberId(stranger.id)
    assert refused(stage, "renew", ada, stranger, None) is Reason.UNKNOWN_MEMBER


def test_role_gives_its_powers_at_once_and_takes_them() -> None:
    stage = full_stage()
    ada, mo, gus = stage.founder, stage.people["mo"], stage.people["gus"]
    stage.change_role(ada, mo, Role.STEWARD)
    stage.remove_member(mo, gus)
    stage.change_role(ada, mo, Role.GUEST)
    assert refused(stage, "invite", mo, "nan") is Reason.NO_POWER


def test_steward_steps_down_alone() -> None:
    stage = full_stage()
    sten = stage.people["sten"]
    stage.change_role(sten, sten, Role.MEMBER)
    assert stage.state.role(sten.device_id) is Role.MEMBER
    assert refused(stage, "change_role", sten, sten, Role.STEWARD) is Reason.NO_POWER


def test_policy_that_leaves_inviting_to_stewards_stops_members_and_their_open_invites() -> None:
    stage = full_stage()
    ada, sten, mo = stage.founder, stage.people["sten"], stage.people["mo"]
    invite = stage.invite(mo, "nan")
    stage.set_policy(ada, PolicySet(inviters=Inviters.STEWARDS))
    assert refused(stage, "invite", mo, "oz") is Reason.NO_POWER
    assert refused(stage, "join", invite, "nan") is Reason.INVITER_GONE
    stage.welcome(sten, "pia")


def test_history_with_every_kind_reads_the_same_again() -> None:
    stage, sten, mo = lapsed_stage()
    stage.renew(sten, mo, None)
    stage.change_role(sten, mo, Role.GUEST)
    stage.set_policy(stage.founder, PolicySet(quorum=2))
    stage.approve(stage.people["stig"], stage.propose(sten, PolicySet()))
    assert list(replay(None, stage.entries))[-1] == stage.state
