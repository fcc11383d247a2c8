"""The judge's table: every action by everyone in every state, and every rule that a commit can break."""

from dataclasses import replace
from itertools import product

import cbor2
import pytest

from coterie.group.commit import Commit
from coterie.group.context import Policy, RoomContext, encode_context, renamed, with_admins
from coterie.group.credential import RawLeaf
from coterie.group.judge import RoomState, judge, settled
from coterie.group.powers import ROOM_POWERS, RoomAction, Standing, may, standing
from coterie.group.suites import NeedsAnotherCoterie, Suite
from coterie.group.verdict import SENTENCES, Accepted, Change, ChangeKind, Refusal, Refused, Verdict, Waiting
from coterie.ids import RoomId
from coterie.trust.register import Register
from tests.group.room_people import (
    ADA,
    BO,
    CY,
    DI,
    GUS,
    ROOM,
    Person,
    SecondDevice,
    commit_by,
    forget,
    register,
    room,
    state_of,
    without,
    without_device,
)


def accepted(verdict: Verdict) -> Accepted:
    assert isinstance(verdict, Accepted), verdict
    return verdict


def refusal(verdict: Verdict) -> Refusal:
    assert isinstance(verdict, Refused), verdict
    assert verdict.sentence == SENTENCES[verdict.refusal]
    return verdict.refusal


# The room of the table: Ada and the guest Gus are its admins, or Ada alone; Bo committed leaves 0, 1, 2, 3

ADA_0, BO_1, CY_2, GUS_3 = ADA.leaf(0), BO.leaf(1), CY.leaf(2), GUS.leaf(3)
PLACES = {ADA: ADA_0, BO: BO_1, CY: CY_2, GUS: GUS_3}
BOS_SECOND = SecondDevice(BO)

COMMITTERS = {
    Standing.ADMIN: (ADA, room(ADA)),
    Standing.ORDINARY: (BO, room(ADA)),
    Standing.GUEST: (GUS, room(ADA)),
    Standing.GUEST_ADMIN: (GUS, room(ADA, GUS)),
}


def other_person(than: Person) -> Person:
    return CY if than is not CY else BO


def replacing(committer: RawLeaf, anew: SecondDevice) -> Commit:
    """The commit by which a member who came back keeps their place."""
    old = PLACES[anew.person]
    return commit_by(committer, remove=(old,), add=(anew.leaf(old.index),))


def attempt(action: RoomAction, by: Person, context: RoomContext) -> tuple[RoomState, Register, Commit]:
    """The simplest commit that needs this power, in a state where it means something."""
    me = PLACES[by]
    state, reg = state_of(context, *PLACES.values()), register()
    second = SecondDevice(by)
    other = CY_2 if by is not CY else BO_1
    match action:
        case RoomAction.ADD:
            return state, reg, commit_by(me, add=(DI.leaf(4),), path=False)
        case RoomAction.REMOVE:
            return state, reg, commit_by(me, remove=(other,))
        case RoomAction.RENAME:
            return state, reg, commit_by(me, context=renamed(context, name="Pier"))
        case RoomAction.APPOINT:
            return state, reg, commit_by(me, context=with_admins(context, frozenset({*context.admins, CY.member})))
        case RoomAction.SET_POLICY:
            return state, reg, commit_by(me, context=replace(context, policy=replace(context.policy, receipts=True)))
        case RoomAction.ADD_OWN_DEVICE:
            return state, second.registered(), commit_by(me, add=(second.leaf(4),), path=False)
        case RoomAction.REMOVE_OWN_DEVICE:
            both = state_of(context, *PLACES.values(), second.leaf(4))
            return both, second.registered(), commit_by(me, remove=(second.leaf(4),))
        case RoomAction.REMOVE_REFUSED:
            return state, without(CY), commit_by(me, remove=(CY_2,))
        case RoomAction.REMOVE_LEAVING:
            leaving = state_of(context, *PLACES.values(), leaving=frozenset({CY.member}))
            return leaving, reg, commit_by(me, remove=(CY_2,))
        case RoomAction.ADD_AGAIN:
            return state, reg, commit_by(me, remove=(CY_2,), add=(CY.leaf(2),))
        case RoomAction.REPLACE_REFUSED:
            anew = SecondDevice(other_person(by))
            return state, anew.registered(without_device(anew.person)), replacing(me, anew)


@pytest.mark.parametrize(("action", "who"), list(product(RoomAction, Standing)))
def test_each_action_is_accepted_from_those_with_the_power_and_refused_from_the_others(
    action: RoomAction, who: Standing
) -> None:
    by, context = COMMITTERS[who]
    state, reg, commit = attempt(action, by, context)
    assert standing(context, reg, by.member) is who
    verdict = judge(state, reg, commit)
    if may(who, action):
        assert accepted(verdict).changes
    else:
        assert verdict == Refused(Refusal.NO_POWER, action)


def test_the_table_of_room_powers_is_the_one_written_down() -> None:
    open_to_all = {"add a device of one's own", "remove a device of one's own", "remove what the register refuses"} | {
        "remove a member who left",
        "remove and add the same device in one commit",
        "add a device of a member of whom the same commit removes one that the register refuses",
    }
    admins = open_to_all | {"add", "remove", "rename", "appoint", "set the policy"}
    assert {who: {str(action) for action in actions} for who, actions in ROOM_POWERS.items()} == {
        Standing.ADMIN: admins,
        Standing.GUEST_ADMIN: admins - {"add"},
        Standing.ORDINARY: open_to_all,
        Standing.GUEST: open_to_all,
    }


def test_who_came_back_is_brought_in_by_anybody_only_in_the_commit_that_removes_their_old_device() -> None:
    anew, context = SecondDevice(CY), room(ADA)
    reg = anew.registered(without_device(CY))
    state = state_of(context, *PLACES.values())
    assert accepted(judge(state, reg, replacing(BO_1, anew))).roster.members == state.roster.members
    # alone, after the removal: an admin's business
    gone = state_of(context, ADA_0, BO_1, GUS_3)
    later = commit_by(BO_1, add=(anew.leaf(2),), path=False)
    assert judge(gone, reg, later) == Refused(Refusal.NO_POWER, RoomAction.ADD)
    # instead of somebody else's refused device
    instead = commit_by(BO_1, remove=(CY_2,), add=(DI.leaf(4),))
    assert judge(state, reg, instead) == Refused(Refusal.NO_POWER, RoomAction.ADD)
    # while the old device is in force, whoever adds is no better than who adds
    both = commit_by(BO_1, remove=(CY_2,), add=(anew.leaf(4),))
    assert isinstance(judge(state, anew.registered(), both), Refused)


def test_the_only_admin_who_came_back_stays_the_admin() -> None:
    anew, context = SecondDevice(ADA), room(ADA)
    verdict = accepted(judge(FULL, anew.registered(without_device(ADA)), replacing(BO_1, anew)))
    assert verdict.context == context


# What people are shown


@pytest.mark.parametrize(
    ("action", "by", "changes"),
    [
        (RoomAction.ADD, ADA, [Change(ChangeKind.MEMBER_ADDED, DI.member)]),
        (RoomAction.REMOVE, ADA, [Change(ChangeKind.MEMBER_REMOVED, CY.member)]),
        (RoomAction.RENAME, ADA, [Change(ChangeKind.RENAMED, text="Pier")]),
        (RoomAction.APPOINT, ADA, [Change(ChangeKind.ADMIN_APPOINTED, CY.member)]),
        (RoomAction.SET_POLICY, ADA, [Change(ChangeKind.POLICY_CHANGED, text="receipts are sent")]),
        (RoomAction.ADD_OWN_DEVICE, BO, [Change(ChangeKind.DEVICE_ADDED, BO.member, BOS_SECOND.device)]),
        (RoomAction.REMOVE_OWN_DEVICE, BO, [Change(ChangeKind.DEVICE_REMOVED, BO.member, BOS_SECOND.device)]),
        (RoomAction.REMOVE_REFUSED, BO, [Change(ChangeKind.MEMBER_LOST, CY.member)]),
        (RoomAction.REMOVE_LEAVING, BO, [Change(ChangeKind.MEMBER_LEFT, CY.member)]),
        (RoomAction.ADD_AGAIN, BO, [Change(ChangeKind.DEVICE_ADDED_AGAIN, CY.member, CY.device)]),
        (
            RoomAction.REPLACE_REFUSED,
            BO,
            [
                Change(ChangeKind.DEVICE_REMOVED, CY.member, CY.device),
                Change(ChangeKind.DEVICE_ADDED, CY.member, SecondDevice(CY).device),
            ],
        ),
    ],
)
def test_an_accepted_commit_says_what_people_will_see(action: RoomAction, by: Person, changes: list[Change]) -> None:
    assert list(accepted(judge(*attempt(action, by, room(ADA)))).changes) == changes


def test_an_accepted_commit_gives_the_roster_and_context_of_the_next_epoch() -> None:
    context = room(ADA)
    state = state_of(context, *PLACES.values())
    pier = renamed(context, name="Pier", topic="boats\nand nets")
    commit = commit_by(ADA_0, remove=(CY_2,), add=(DI.leaf(2),), context=pier)
    verdict = accepted(judge(state, register(), commit))
    assert [leaf.device for leaf in verdict.roster] == [ADA.device, BO.device, DI.device, GUS.device]
    assert verdict.context == pier
    assert {change.kind for change in verdict.changes} == {
        ChangeKind.MEMBER_ADDED,
        ChangeKind.MEMBER_REMOVED,
        ChangeKind.RENAMED,
        ChangeKind.TOPIC_CHANGED,
    }


def test_a_path_and_nothing_else_changes_nothing_that_people_see() -> None:
    verdict = accepted(judge(state_of(room(), *PLACES.values()), register(), commit_by(GUS_3)))
    assert verdict.changes == ()


# Rules that a commit breaks whoever made it

OTHER_KEY = replace(BO_1, signature_key=b"\x09" * 32)
FULL = state_of(room(ADA), *PLACES.values())


def misuse(name: str) -> tuple[RoomState, Register, Commit]:
    plain = commit_by(ADA_0)
    malformed = RawLeaf(4, b"too short", DI.keys.leaf.public)
    others = replace(DI.leaf(4), credential=b"\0" * 32 + DI.leaf(4).credential[32:])
    as_bo = replace(DI.leaf(4), credential=DI.leaf(4).credential[:32] + BO.member + DI.device)
    cases: dict[str, tuple[RoomState, Register, Commit]] = {
        "an update proposal": (FULL, register(), replace(plain, proposals=("update",))),
        "a pre-shared key": (FULL, register(), replace(plain, proposals=("psk",))),
        "a reinit": (FULL, register(), replace(plain, proposals=("reinit",))),
        "an external init": (FULL, register(), replace(plain, proposals=("external-init",))),
        "an unknown proposal": (FULL, register(), replace(plain, proposals=("add", "other"))),
        "an older register than before": (replace(FULL, register_floor=10**6), register(), plain),
        "a committer of another index": (FULL, register(), commit_by(replace(ADA_0, index=7))),
        "a committer in another's leaf": (FULL, register(), commit_by(replace(BO_1, index=0))),
        "a committer with another key": (FULL, register(), commit_by(OTHER_KEY)),
        "a committer whom the register removed": (FULL, without(BO), commit_by(BO_1, remove=(CY_2,))),
        "a committer whose device was removed": (FULL, without_device(BO), commit_by(BO_1)),
        "a path with another leaf key": (FULL, register(), replace(commit_by(BO_1), updated=(OTHER_KEY,))),
        "a path with another credential": (
            FULL,
            register(),
            replace(commit_by(BO_1), updated=(replace(CY_2, index=1),)),
        ),
        "a path for another's leaf": (FULL, register(), replace(commit_by(BO_1), updated=(BO_1, CY_2))),
        "an update without a path": (FULL, register(), replace(commit_by(BO_1), has_path=False)),
        "a path that is not shown": (FULL, register(), replace(commit_by(BO_1), updated=())),
        "its own removal": (FULL, register(), commit_by(ADA_0, remove=(ADA_0,))),
        "a removed leaf that is not there": (FULL, register(), commit_by(ADA_0, remove=(DI.leaf(9),))),
        "a malformed credential": (FULL, register(), commit_by(ADA_0, add=(malformed,))),
        "another coterie's device": (FULL, register(), commit_by(ADA_0, add=(others,))),
        "a device that the register does not know": (FULL, forget(register(), DI), commit_by(ADA_0, add=(DI.leaf(4),))),
        "a device as another member's": (FULL, register(), commit_by(ADA_0, add=(as_bo,))),
        "a leaf key that is not in the register": (
            FULL,
            register(),
            commit_by(ADA_0, add=(replace(DI.leaf(4), signature_key=b"\x09" * 32),)),
        ),
        "a member who was removed": (FULL, without(DI), commit_by(ADA_0, add=(DI.leaf(4),))),
        "a device that was removed": (FULL, without_device(DI), commit_by(ADA_0, add=(DI.leaf(4),))),
        "a device that is in the room": (FULL, register(), commit_by(ADA_0, add=(BO.leaf(4),))),
        "a device twice": (FULL, register(), commit_by(ADA_0, add=(DI.leaf(4), DI.leaf(5)))),
        "a refused device that stays": (FULL, without(CY), commit_by(ADA_0, add=(DI.leaf(4),), path=False)),
    }
    return cases[name]


MISUSES = {
    "an update proposal": Refusal.PROPOSAL,
    "a pre-shared key": Refusal.PROPOSAL,
    "a reinit": Refusal.PROPOSAL,
    "an external init": Refusal.PROPOSAL,
    "an unknown proposal": Refusal.PROPOSAL,
    "an older register than before": Refusal.REGISTER_WENT_BACK,
    "a committer of another index": Refusal.UNKNOWN_COMMITTER,
    "a committer in another's leaf": Refusal.UNKNOWN_COMMITTER,
    "a committer with another key": Refusal.UNKNOWN_COMMITTER,
    "a committer whom the register removed": Refusal.COMMITTER_NOT_IN_FORCE,
    "a committer whose device was removed": Refusal.COMMITTER_NOT_IN_FORCE,
    "a path with another leaf key": Refusal.PATH_LEAF,
    "a path with another credential": Refusal.PATH_LEAF,
    "a path for another's leaf": Refusal.PATH_LEAF,
    "an update without a path": Refusal.PATH_LEAF,
    "a path that is not shown": Refusal.PATH_LEAF,
    "its own removal": Refusal.REMOVES_ITSELF,
    "a removed leaf that is not there": Refusal.UNKNOWN_LEAF,
    "a malformed credential": Refusal.ADDED_LEAF,
    "another coterie's device": Refusal.ADDED_LEAF,
    "a device that the register does not know": Refusal.ADDED_LEAF,
    "a device as another member's": Refusal.ADDED_LEAF,
    "a leaf key that is not in the register": Refusal.ADDED_LEAF,
    "a member who was removed": Refusal.ADDED_LEAF,
    "a device that was removed": Refusal.ADDED_LEAF,
    "a device that is in the room": Refusal.ADDED_TWICE,
    "a device twice": Refusal.ADDED_TWICE,
    "a refused device that stays": Refusal.REFUSED_LEAF_STAYS,
}


@pytest.mark.parametrize("name", MISUSES)
def test_a_commit_is_refused_for(name: str) -> None:
    assert refusal(judge(*misuse(name))) is MISUSES[name]


# The context


def with_context(encoded: bytes) -> Commit:
    return replace(commit_by(ADA_0, context=room()), extension=encoded)


@pytest.mark.parametrize(
    ("context", "why"),
    [
        (replace(room(), room=RoomId(b"S" * 16)), Refusal.ANOTHER_ROOM),
        (replace(room(), policy=Policy(least_suite=Suite.CLASSICAL)), Refusal.LEAST_SUITE),
        (room(ADA, DI), Refusal.ADMINS),
        (room(DI), Refusal.ADMINS),
    ],
)
def test_not_even_an_admin_may_change_the_context_to(context: RoomContext, why: Refusal) -> None:
    assert refusal(judge(FULL, register(), with_context(encode_context(context)))) is why


@pytest.mark.parametrize("garbage", [b"", b"\xa0", b"\xff" * 40, encode_context(room()) + b"\0"])
def test_a_malformed_context_is_refused(garbage: bytes) -> None:
    assert refusal(judge(FULL, register(), with_context(garbage))) is Refusal.CONTEXT


def test_the_profile_of_another_suite_is_refused() -> None:
    # a profile that is known, but not this group's
    classical = encode_context(replace(room(), suite=Suite.CLASSICAL, policy=Policy()))
    assert refusal(judge(FULL, register(), with_context(classical))) is Refusal.CONTEXT


@pytest.mark.parametrize("key, value", [(1, 2), (2, "xwing-99/1")])
def test_a_context_of_a_later_version_stops_the_judge(key: int, value: object) -> None:
    later = cbor2.loads(encode_context(room())) | {key: value}
    with pytest.raises(NeedsAnotherCoterie, match="needs another Coterie"):
        judge(FULL, register(), with_context(cbor2.dumps(later, canonical=True)))


def test_the_least_suite_may_be_raised() -> None:
    lenient = replace(room(ADA), policy=Policy(least_suite=Suite.CLASSICAL))
    strict = replace(lenient, policy=Policy(least_suite=Suite.XWING))
    verdict = accepted(judge(state_of(lenient, ADA_0, BO_1), register(), commit_by(ADA_0, context=strict)))
    assert verdict.context.policy.least_suite is Suite.XWING


# Admins who go


def test_removing_an_admin_without_naming_who_stays_is_refused() -> None:
    state = state_of(room(ADA, CY), *PLACES.values())
    assert refusal(judge(state, without(CY), commit_by(BO_1, remove=(CY_2,)))) is Refusal.ADMINS


def test_anyone_may_drop_an_admin_whom_the_register_no_longer_has() -> None:
    context = room(ADA, CY)
    state = state_of(context, *PLACES.values())
    staying = state_of(context, ADA_0, BO_1, GUS_3).roster
    after = settled(context, staying, without(CY))
    verdict = accepted(judge(state, without(CY), commit_by(BO_1, remove=(CY_2,), context=after)))
    assert verdict.context.admins == (ADA.member,)
    assert Change(ChangeKind.ADMIN_DISMISSED, CY.member) in verdict.changes


def test_when_the_last_admin_is_gone_the_lowest_leaf_that_is_no_guest_follows() -> None:
    context = room(CY)
    leaves = (GUS.leaf(0), DI.leaf(1), CY.leaf(2), BO.leaf(3))
    state = state_of(context, *leaves)
    staying = state_of(context, leaves[0], leaves[1], leaves[3]).roster
    heir = settled(context, staying, without(CY))
    assert heir.admins == (DI.member,)
    commit = commit_by(leaves[3], remove=(leaves[2],), context=heir)
    assert accepted(judge(state, without(CY), commit)).context.admins == (DI.member,)
    usurper = commit_by(leaves[3], remove=(leaves[2],), context=with_admins(context, frozenset({BO.member})))
    assert refusal(judge(state, without(CY), usurper)) is Refusal.NO_POWER


def test_a_room_of_guests_gets_a_guest_as_admin() -> None:
    context = room(CY)
    staying = state_of(context, GUS.leaf(4)).roster
    assert settled(context, staying, register()).admins == (GUS.member,)


def test_an_admin_may_step_down_while_another_stays() -> None:
    state = state_of(room(ADA, CY), *PLACES.values())
    verdict = accepted(judge(state, register(), commit_by(CY_2, context=room(ADA))))
    assert verdict.context.admins == (ADA.member,)


def test_settling_changes_nothing_while_the_admins_are_there() -> None:
    context = room(ADA, CY)
    assert settled(context, state_of(context, *PLACES.values()).roster, register()) is context


# Combinations


def test_a_permitted_removal_does_not_carry_a_forbidden_one() -> None:
    commit = commit_by(BO_1, remove=(CY_2, GUS_3))
    assert refusal(judge(FULL, without(CY), commit)) is Refusal.NO_POWER


def test_adding_a_device_again_does_not_carry_another_device_of_that_member() -> None:
    second = SecondDevice(CY)
    commit = commit_by(BO_1, remove=(CY_2,), add=(CY.leaf(2), second.leaf(4)))
    assert refusal(judge(FULL, second.registered(), commit)) is Refusal.NO_POWER


def test_replacing_a_device_by_another_of_the_member_is_no_adding_again() -> None:
    second = SecondDevice(CY)
    commit = commit_by(BO_1, remove=(CY_2,), add=(second.leaf(2),))
    assert refusal(judge(FULL, second.registered(), commit)) is Refusal.NO_POWER


def test_an_admin_of_the_room_may_remove_the_founder_of_the_coterie_from_it() -> None:
    state = state_of(room(BO), *PLACES.values())
    verdict = accepted(judge(state, register(), commit_by(BO_1, remove=(ADA_0,))))
    assert verdict.changes == (Change(ChangeKind.MEMBER_REMOVED, ADA.member),)


def test_the_founder_of_the_coterie_has_no_power_in_a_room_of_others() -> None:
    state = state_of(room(BO), *PLACES.values())
    assert refusal(judge(state, register(), commit_by(ADA_0, remove=(CY_2,)))) is Refusal.NO_POWER


# What a late joiner does not know yet


def test_a_late_joiner_waits_to_learn_who_asked_to_leave() -> None:
    late = state_of(room(ADA), *PLACES.values(), leaving=None)
    assert judge(late, register(), commit_by(BO_1, remove=(CY_2,))) == Waiting(frozenset({CY.member}))
    knows = replace(late, leaving=frozenset({CY.member}))
    assert accepted(judge(knows, register(), commit_by(BO_1, remove=(CY_2,))))
    knows_nobody = replace(late, leaving=frozenset())
    assert refusal(judge(knows_nobody, register(), commit_by(BO_1, remove=(CY_2,)))) is Refusal.NO_POWER


def test_a_late_joiner_does_not_wait_for_what_no_leave_could_justify() -> None:
    late = state_of(room(ADA), *PLACES.values(), leaving=None)
    both = commit_by(BO_1, remove=(CY_2,), context=renamed(room(ADA), name="Pier"))
    assert refusal(judge(late, register(), both)) is Refusal.NO_POWER
    assert accepted(judge(late, register(), commit_by(ADA_0, remove=(CY_2,))))


def test_the_room_of_these_tests_is_the_one_in_the_context() -> None:
    assert room().room == ROOM
