"""What the state says after real entries, and that old states stay as they were."""

from collections.abc import Callable

import pytest

from coterie.errors import CoterieError
from coterie.ids import DeviceId, InviteId, MemberId
from coterie.trust import Reason, RegisterError, apply, replay
from coterie.trust.entry import decode_entry_untrusted
from coterie.trust.heads import RegisterHead
from coterie.trust.kinds import Role
from coterie.trust.register import InviteState
from tests.trust.cast import START, Stage, key


def test_founding_makes_one_founder_with_one_device(stage: Stage) -> None:
    state, ada = stage.state, stage.founder
    first = decode_entry_untrusted(stage.entries[0])
    assert bytes(state.coterie) == first.hash
    assert state.head == RegisterHead(1, first.hash)
    founder = state.member(ada.id)
    assert (founder.role, founder.invited_by, founder.seat_expires_at, founder.joined_at) == (
        Role.FOUNDER,
        None,
        None,
        START,
    )
    assert [device.id for device in state.devices_of(ada.id)] == [ada.device_id]
    assert (state.generation, state.rotation_due) == (0, None)


def test_joining_spends_the_invite_and_names_the_inviter(stage: Stage) -> None:
    invite = stage.invite(stage.founder, "bo", Role.STEWARD, seat=3600)
    assert stage.state.open_invite(invite).issued_by == stage.founder.id
    stage.later(60_000)
    bo = stage.join(invite, "bo")
    member = stage.state.member(bo.id)
    assert (member.role, member.invited_by, member.invite) == (Role.STEWARD, stage.founder.id, invite)
    assert (member.joined_at, member.seat_expires_at) == (START + 60_000, START + 60_000 + 3_600_000)
    spent = stage.state.invite(invite)
    assert (spent.state, spent.ended_at, spent.ended_by) == (InviteState.SPENT, START + 60_000, bo.id)
    assert stage.state.member_of(bo.device_id) == member
    assert stage.state.role(bo.device_id) is Role.STEWARD
    assert stage.state.device(bo.device_id).leaf == bo.keys.leaf.public


def test_seat_without_end_has_no_end(stage: Stage) -> None:
    bo = stage.join(stage.invite(stage.founder, "bo", seat=None), "bo")
    assert stage.state.member(bo.id).seat_expires_at is None


def test_removed_member_is_kept_and_said_to_be_gone_with_all_devices(stage: Stage) -> None:
    bo = stage.welcome(stage.founder, "bo")
    before = stage.state
    stage.remove_member(stage.founder, bo)
    removed = stage.state.member(bo.id).removed
    assert removed is not None
    assert (removed.by, removed.seq) == (stage.founder.id, stage.state.head.seq)
    assert not stage.state.device_in_force(bo.device_id)
    assert stage.state.devices_of(bo.id) == ()
    assert [member.id for member in stage.state.members_in_force()] == [stage.founder.id]
    assert before.device_in_force(bo.device_id), "the state before must not have changed"


def test_removal_makes_a_rotation_due_until_it_comes(stage: Stage) -> None:
    bo = stage.welcome(stage.founder, "bo")
    stage.remove_member(stage.founder, bo)
    assert stage.state.rotation_due == stage.founder.device_id
    stage.rotate(stage.founder)
    assert stage.state.rotation_due is None
    assert stage.state.generation == 1
    assert sorted(stage.state.key_hashes) == [0, 1]


def test_members_in_force_come_in_the_order_they_joined(stage: Stage) -> None:
    joined = [stage.founder.id]
    for label in ("zoe", "yan", "xi", "wim"):
        stage.later(1)
        joined.append(stage.welcome(stage.founder, label).id)
    assert [member.id for member in stage.state.members_in_force()] == joined


def test_what_is_unknown_is_said_to_be_unknown(stage: Stage) -> None:
    state = stage.state
    looks: list[tuple[Callable[[], object], Reason]] = [
        (lambda: state.member(MemberId(b"\1" * 16)), Reason.UNKNOWN_MEMBER),
        (lambda: state.device(DeviceId(b"\1" * 16)), Reason.UNKNOWN_DEVICE),
        (lambda: state.member_of(DeviceId(b"\1" * 16)), Reason.UNKNOWN_DEVICE),
        (lambda: state.devices_of(MemberId(b"\1" * 16)), Reason.UNKNOWN_MEMBER),
        (lambda: state.invite(InviteId(b"\1" * 32)), Reason.UNKNOWN_INVITE),
        (lambda: state.open_invite(InviteId(b"\1" * 32)), Reason.UNKNOWN_INVITE),
    ]
    for look, reason in looks:
        with pytest.raises(RegisterError) as refused:
            look()
        assert refused.value.reason is reason
    assert not state.device_in_force(DeviceId(b"\1" * 16))


def test_shown_register_names_no_key(stage: Stage) -> None:
    assert repr(stage.state) == f"Register(coterie={stage.state.coterie.hex()}, seq=1, members=1)"
    assert key("founding").public.hex() not in repr(stage.state)


def test_replay_gives_each_state_that_apply_gives(cast: Stage) -> None:
    states, state = [], None
    for entry in cast.entries:
        state = apply(state, entry)
        states.append(state)
    assert list(replay(None, cast.entries)) == states
    assert list(replay(states[4], cast.entries[5:])) == states[5:]
    assert list(replay(cast.state, [])) == []


@pytest.mark.parametrize("place", [0, 1, 7, -1])
@pytest.mark.parametrize("fault", ["forged", "malformed", "missing"])
def test_replay_stops_where_apply_stops_for_the_same_reason(cast: Stage, place: int, fault: str) -> None:
    entries = list(cast.entries)
    bad = entries[place][:-1] + bytes([entries[place][-1] ^ 1])
    entries[place : len(entries) if place == -1 else place + 1] = {
        "forged": [bad],
        "malformed": [b"\xff"],
        "missing": [entries[place - 1]],
    }[fault]

    def outcome(one_by_one: bool) -> tuple[int, str]:
        state, count = None, 0
        try:
            if one_by_one:
                for entry in entries:
                    state = apply(state, entry)
                    count += 1
            else:
                for _ in replay(None, entries):
                    count += 1
        except CoterieError as error:
            return count, repr(error)
        return count, "accepted"

    assert outcome(False) == outcome(True)
    assert outcome(True)[1] != "accepted"
