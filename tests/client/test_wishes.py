"""From wishes to the next commit: what goes together, what waits for others, what is so already."""

import os
from dataclasses import dataclass

import pytest
from coterie_mls import Client

from coterie.client.rooms.plan import (
    ADDS_PER_COMMIT,
    ADDS_WITH_PATH,
    LONGEST_DELAY_MS,
    RANK_DELAY_MS,
    CommitPlan,
    _delay,
    plan_commit,
)
from coterie.client.rooms.wishes import Action, encode_rename, wish_by_will, wish_refused_out
from coterie.client.state import DeviceState
from coterie.group.context import encode_context, with_admins
from coterie.group.credential import LeafClaim, encode_credential
from coterie.group.roster import Roster
from coterie.ids import CoterieId, DeviceId, InviteId, MemberId, RoomId, Seed
from coterie.store.rooms import Wish
from coterie.trust import author
from coterie.trust.author import NewMemberKeys
from coterie.trust.entry import entry_hash
from coterie.trust.keys import SigningKey, device_id, member_id
from tests.client.conftest import COTERIE_KEY, NOW


@dataclass(frozen=True)
class Person:
    member: MemberId
    device: DeviceId
    leaf_seed: bytes


def learn(state: DeviceState, entry: bytes) -> None:
    verified = state.register.verify([entry])
    with state.register.learning(verified), state.groups.changing():
        state.register.store(verified)


def join_coterie(state: DeviceState) -> Person:
    seeds = [Seed(os.urandom(32)) for _ in range(4)]
    invite, *own = (SigningKey(seed) for seed in seeds)
    keys = NewMemberKeys(*own)
    issued = author.issue_invite(
        state.register.state,
        state.own.key,
        invite,
        expires_at=NOW + 1000,
        coterie_key=COTERIE_KEY,
        now_ms=NOW,
        nonce=os.urandom(12),
    )
    learn(state, issued)
    learn(state, author.join(state.register.state, InviteId(entry_hash(issued)), invite, keys, now_ms=NOW))
    return Person(member_id(keys.identity.public), device_id(keys.device.public), bytes(seeds[3]))


def join_room(state: DeviceState, room: RoomId, person: Person) -> None:
    client = Client(encode_credential(state.own.coterie, person.member, person.device), person.leaf_seed)
    with state.groups.changing():
        mls = state.groups.get(state.group_of(room).group)
        mls.commit(add=[client.key_package(mls.suite).wire], path=False)
        mls.merge_pending()


def wish(state: DeviceState, room: RoomId, action: Action, subject: bytes = b"", made_at: int = NOW) -> None:
    with state.groups.changing():
        state.store.rooms.wish(room, action, subject, made_at)


def plan(state: DeviceState, room: RoomId) -> CommitPlan:
    return plan_commit(state, state.group_of(room))


def finish(state: DeviceState, made: CommitPlan) -> None:
    """As if it had won."""
    with state.groups.changing():
        for one in made.carried:
            state.store.rooms.finish_wish(one.id)


def actions(wishes: tuple[Wish, ...]) -> list[str]:
    return [one.action for one in wishes]


def test_without_wishes_there_is_nothing_to_do(state: DeviceState, room: RoomId) -> None:
    assert plan(state, room) == CommitPlan()
    assert plan(state, room).empty


def test_wishes_that_can_go_together_make_one_commit(state: DeviceState, room: RoomId) -> None:
    bo, cy, di = (join_coterie(state) for _ in range(3))
    join_room(state, room, bo)
    wish(state, room, Action.ADD, cy.member)
    wish(state, room, Action.REMOVE, bo.member)
    wish(state, room, Action.RENAME, encode_rename("news", None))
    wish(state, room, Action.RENAME, encode_rename(None, "today"))
    wish(state, room, Action.ADD, di.member)
    wish(state, room, Action.UPDATE)
    made = plan(state, room)
    assert (made.add, made.remove, made.path) == ((cy.device, di.device), frozenset({1}), True)
    assert made.context is not None
    assert (made.context.name, made.context.topic) == ("news", "today")
    assert actions(made.carried) == ["remove", "rename", "rename", "update", "add", "add"]
    assert (made.fulfilled, made.ripe_at) == ((), None)


def test_what_is_so_already_is_fulfilled(state: DeviceState, room: RoomId) -> None:
    bo, cy = join_coterie(state), join_coterie(state)
    join_room(state, room, bo)
    for action, subject in (
        (Action.ADD, bo.member),
        (Action.REMOVE, cy.member),
        (Action.REMOVE_LEAVING, cy.member),
        (Action.REMOVE_REFUSED, cy.device),
        (Action.ADD_AGAIN, cy.device),
        (Action.RENAME, encode_rename("plans", None)),
    ):
        wish(state, room, action, subject)
    made = plan(state, room)
    assert made.empty
    assert len(made.fulfilled) == 6


def test_add_alone_needs_no_path(state: DeviceState, room: RoomId) -> None:
    wish(state, room, Action.ADD, join_coterie(state).member)
    assert plan(state, room).path is False


def test_stuck_device_is_removed_and_added_in_one(state: DeviceState, room: RoomId) -> None:
    bo = join_coterie(state)
    join_room(state, room, bo)
    wish(state, room, Action.ADD_AGAIN, bo.device)
    made = plan(state, room)
    assert (made.add, made.remove, made.context) == ((bo.device,), frozenset({1}), None)


def test_more_adds_than_fit_are_more_commits(state: DeviceState, room: RoomId) -> None:
    people = [join_coterie(state) for _ in range(ADDS_PER_COMMIT + 2)]
    for person in people:
        wish(state, room, Action.ADD, person.member)
    made = plan(state, room)
    assert made.add == tuple(person.device for person in people[:ADDS_PER_COMMIT])
    assert len(made.carried) == ADDS_PER_COMMIT
    finish(state, made)
    assert plan(state, room).add == tuple(person.device for person in people[ADDS_PER_COMMIT:])


def test_device_is_not_removed_by_a_commit_that_has_no_space_to_add_it_again(state: DeviceState, room: RoomId) -> None:
    people = [join_coterie(state) for _ in range(ADDS_WITH_PATH + 1)]
    for person in people:
        join_room(state, room, person)
        wish(state, room, Action.ADD_AGAIN, person.device)
    made = plan(state, room)
    assert made.add == tuple(person.device for person in people[:-1])
    assert made.remove == frozenset(range(1, ADDS_WITH_PATH + 1))
    finish(state, made)
    rest = plan(state, room)
    assert (rest.add, rest.remove) == ((people[-1].device,), frozenset({ADDS_WITH_PATH + 1}))


def test_the_last_word_on_who_is_in_counts(state: DeviceState, room: RoomId) -> None:
    bo, cy = join_coterie(state), join_coterie(state)
    join_room(state, room, bo)
    for action, member in (
        (Action.REMOVE, bo.member),
        (Action.ADD, bo.member),
        (Action.ADD, cy.member),
        (Action.REMOVE, cy.member),
    ):
        with state.groups.changing():
            wish_by_will(state, room, action, member)
    made = plan(state, room)
    assert made.empty
    assert [(one.action, one.subject) for one in made.fulfilled] == [("remove", cy.member), ("add", bo.member)]


def test_the_last_name_wished_counts_even_if_it_was_wished_before(state: DeviceState, room: RoomId) -> None:
    for name in ("north", "south", "north"):
        with state.groups.changing():
            wish_by_will(state, room, Action.RENAME, encode_rename(name, None))
    made = plan(state, room)
    assert made.context is not None
    assert made.context.name == "north"


def test_who_is_going_comes_back_by_the_commit_after(state: DeviceState, room: RoomId) -> None:
    bo = join_coterie(state)
    join_room(state, room, bo)
    wish(state, room, Action.ADD, bo.member)
    wish(state, room, Action.REMOVE_LEAVING, bo.member, NOW - LONGEST_DELAY_MS)
    made = plan(state, room)
    assert (made.add, made.remove) == ((), frozenset({1}))
    assert actions(made.carried) == ["remove leaving"]
    assert made.fulfilled == ()


def test_who_left_the_coterie_goes_with_any_commit(state: DeviceState, room: RoomId) -> None:
    bo = join_coterie(state)
    join_room(state, room, bo)
    wish(state, room, Action.RENAME, encode_rename("news", None))
    learn(state, author.remove_member(state.register.state, state.own.key, bo.member, now_ms=NOW))
    with state.groups.changing():
        assert wish_refused_out(state, room, state.roster(state.group_of(room).group))
    assert plan(state, room).remove == frozenset({1})
    assert plan(state, room).context is not None


def test_admin_who_is_not_in_the_room_is_dropped_by_the_next_commit(state: DeviceState, room: RoomId) -> None:
    """As in a successor, whose context names the admins before they are in."""
    bo, cy = join_coterie(state), join_coterie(state)
    group = state.group_of(room).group
    admins = frozenset({state.own.member, bo.member, cy.member})
    with state.groups.changing():
        mls = state.groups.get(group)
        mls.commit(extension=encode_context(with_admins(state.context(group), admins)))
        mls.merge_pending()
    assert plan(state, room).empty
    wish(state, room, Action.ADD, bo.member)
    made = plan(state, room)
    assert made.context is not None
    assert set(made.context.admins) == {state.own.member, bo.member}


@pytest.mark.parametrize("rank", [0, 1, 5, 9, 10, 40])
def test_lowest_leaf_that_may_act_goes_first(rank: int) -> None:
    leaves = [DeviceId(bytes([index]) * 16) for index in range(50)]
    members = [MemberId(bytes([index + 100]) * 16) for index in range(50)]
    key = SigningKey(Seed(bytes(32))).public
    coterie = CoterieId(bytes(32))
    roster = Roster.of_claims(LeafClaim(index, coterie, members[index], leaves[index], key) for index in range(50))
    out = 3
    expected = min(rank * RANK_DELAY_MS, LONGEST_DELAY_MS)
    own = [device for index, device in enumerate(leaves) if index != out][rank]
    for action, subject in ((Action.REMOVE_REFUSED, leaves[out]), (Action.REMOVE_LEAVING, members[out])):
        assert _delay(roster, own, Wish(1, RoomId(bytes(16)), action, subject, NOW)) == expected
