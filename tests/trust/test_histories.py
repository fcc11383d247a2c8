"""Random valid histories: everybody who reads one, whenever and however, ends with the same register."""

import copy
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coterie.trust import Reason, Register, RegisterError, admit, apply, replay
from coterie.trust.coterie_key import former_keys
from coterie.trust.entry import decode_entry_untrusted, encode_entry
from coterie.trust.kinds import Role
from coterie.trust.names import learn_names
from coterie.trust.powers import POWERS, Action
from coterie.trust.register import InviteState
from tests.trust.cast import DAY, START, Person, Stage, coterie_key, full_stage

Move = Callable[[Stage, st.DataObject, dict[Person, str]], None]


def _who(stage: Stage, data: st.DataObject, can: Callable[[Person], bool]) -> Person | None:
    candidates = [
        person for person in stage.people.values() if stage.state.device_in_force(person.device_id) and can(person)
    ]
    return data.draw(st.sampled_from(candidates)) if candidates else None


def _role(stage: Stage, person: Person) -> Role:
    return stage.state.member(person.id).role


def _invite(stage: Stage, data: st.DataObject, names: dict[Person, str]) -> None:
    issuer = _who(stage, data, lambda person: bool(POWERS[_role(stage, person)].get(Action.INVITE)))
    if issuer is not None:
        role = data.draw(st.sampled_from(sorted(POWERS[_role(stage, issuer)][Action.INVITE])))
        stage.invite(issuer, f"p{stage.state.head.seq}", role, seat=data.draw(st.sampled_from([None, 60])))


def _join(stage: Stage, data: st.DataObject, names: dict[Person, str]) -> None:
    usable = [
        invite.id
        for invite in stage.state.invites.values()
        if invite.state is InviteState.OPEN
        and stage.state.member(invite.issued_by).removed is None
        and stage.now <= invite.expires_at
    ]
    if usable:
        invite_id = data.draw(st.sampled_from(sorted(usable)))
        seq = stage.state.used[stage.state.invite(invite_id).key]
        stage.join(invite_id, f"p{seq - 1}")


def _name(stage: Stage, data: st.DataObject, names: dict[Person, str]) -> None:
    who = _who(stage, data, lambda _: True)
    if who is not None:
        names[who] = data.draw(st.sampled_from(["Bo", "Zoë", "李", "a" * 64]))
        stage.set_name(who, names[who])


def _remove(stage: Stage, data: st.DataObject, names: dict[Person, str]) -> None:
    target = _who(stage, data, lambda person: person is not stage.founder)
    if target is not None and stage.state.device_in_force(stage.founder.device_id):
        (stage.remove_member if data.draw(st.booleans()) else stage.remove_device)(stage.founder, target)


def _rotate(stage: Stage, data: st.DataObject, names: dict[Person, str]) -> None:
    who = _who(stage, data, lambda person: Action.ROTATE_KEY in POWERS[_role(stage, person)])
    if who is not None:
        stage.rotate(who)


def _wait(stage: Stage, data: st.DataObject, names: dict[Person, str]) -> None:
    stage.later(data.draw(st.sampled_from([1, 1000, DAY])))


MOVES: list[Move] = [_invite, _invite, _join, _join, _name, _remove, _rotate, _wait]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_random_history_is_read_the_same_by_everybody(data: st.DataObject) -> None:
    stage = Stage.founded(name="Ada")
    names = {stage.founder: "Ada"}
    states = [stage.state]
    for move in data.draw(st.lists(st.sampled_from(MOVES), max_size=25)):
        move(stage, data, names)
        if stage.state is not states[-1]:
            states.append(stage.state)

    assert list(replay(None, stage.entries)) == states
    final = stage.state
    decoded = [decode_entry_untrusted(entry) for entry in stage.entries]
    assert [encode_entry(entry.body, entry.signatures) for entry in decoded] == stage.entries

    # Whoever has the newest key has all of them, and so every name that was set.
    keys = former_keys(final, decoded, {final.generation: coterie_key(final.generation)})
    assert keys == {generation: coterie_key(generation) for generation in range(final.generation + 1)}
    read = learn_names(final, decoded, keys)
    assert read.coterie == "Harbour"
    assert read.members == {person.id: name for person, name in names.items()}

    for member in final.members.values():
        assert (member.invite is None) == (member.role is Role.FOUNDER)
        assert member.invite is None or final.invite(member.invite).ended_by == member.id
        assert all(final.device(device).member == member.id for device in member.devices)
    spent = [invite for invite in final.invites.values() if invite.state is InviteState.SPENT]
    assert len(spent) == len(final.members) - 1
    assert len(final.used) == 5 + len(final.invites) + 3 * len(spent) + len(final.key_hashes)
    assert final.member(final.founder).removed is None


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_history_with_two_entries_changed_over_is_refused_at_the_first(data: st.DataObject) -> None:
    entries = list(full_stage().entries)
    one = data.draw(st.integers(0, len(entries) - 2))
    other = data.draw(st.integers(one + 1, len(entries) - 1))
    entries[one], entries[other] = entries[other], entries[one]
    accepted = 0
    with pytest.raises(RegisterError) as refused:
        for _ in replay(None, entries):
            accepted += 1
    assert accepted == one
    assert refused.value.reason in (Reason.NOT_NEXT, Reason.NOT_FOUNDED)


def test_one_register_read_under_five_clocks_gives_one_verdict(cast: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """`apply` has no clock to look at; `admit`, run only when an entry is new, is told the time."""
    verdicts = []
    for clock in (0, START - DAY, START, START + DAY, 4_070_908_800_000):
        monkeypatch.setattr("time.time", partial(float, clock / 1000))
        monkeypatch.setattr("time.time_ns", partial(int, clock * 1_000_000))
        state: Register | None = None
        for entry in cast.entries:
            state = apply(state, entry)
        verdicts.append(state)
    assert verdicts == [cast.state] * 5
    with pytest.raises(RegisterError):
        admit(None, cast.entries[0], 0)


def test_states_can_be_kept_and_continued_in_two_ways(stage: Stage) -> None:
    """A fork is two valid registers: each is sound by itself, and neither continues the other."""
    one, other = copy.copy(stage), copy.copy(stage)
    one.entries, other.entries = list(stage.entries), list(stage.entries)
    one.welcome(one.founder, "bo")
    other.welcome(other.founder, "mia")
    assert one.state.coterie == other.state.coterie
    assert one.state.head.seq == other.state.head.seq
    assert one.state.head.hash != other.state.head.hash
    with pytest.raises(RegisterError) as refused:
        apply(apply(stage.state, one.entries[1]), other.entries[2])
    assert refused.value.reason is Reason.OTHER_HISTORY
