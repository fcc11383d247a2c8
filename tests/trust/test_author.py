"""What an author makes has passed `admit`; what would be refused never leaves."""

import pytest

from coterie.ids import InviteId, Seed
from coterie.trust import Reason, RegisterError, apply, author
from coterie.trust.apply import CLOCKS_APART_MS
from coterie.trust.coterie_key import WrongCoterieKey
from coterie.trust.entry import decode_entry_untrusted
from coterie.trust.keys import SigningKey
from coterie.trust.kinds import DEFAULT_SEAT_S, InviteIssued, Role
from coterie.trust.names import BadName
from coterie.trust.seal import COMMITMENT_BYTES
from tests.trust.cast import DAY, START, Person, Stage, coterie_key, key


def invite(stage: Stage, by: Person, now_ms: int, **more: object) -> bytes:
    return author.issue_invite(
        stage.state,
        by.device,
        key("invite"),
        expires_at=START + DAY,
        coterie_key=more.get("coterie_key", stage.key),  # type: ignore[arg-type]  # so that a wrong one can be tried
        note=str(more.get("note", "")),
        role=Role(str(more.get("role", "member"))),
        now_ms=now_ms,
        nonce=bytes(12),
    )


def test_invite_is_for_a_member_and_half_a_year_unless_said_otherwise(stage: Stage) -> None:
    public = decode_entry_untrusted(invite(stage, stage.founder, START)).public
    assert isinstance(public, InviteIssued)
    assert (public.role, public.seat, DEFAULT_SEAT_S) == (Role.MEMBER, DEFAULT_SEAT_S, 180 * 86400)


def test_note_or_none_looks_the_same_from_outside(stage: Stage) -> None:
    lengths = {
        len(decode_entry_untrusted(invite(stage, stage.founder, START, note=note)).sealed) for note in ("", "Bo")
    }
    assert len(lengths) == 1
    assert lengths.pop() > COMMITMENT_BYTES


def test_clock_slightly_behind_the_register_stops_nobody(stage: Stage) -> None:
    entry = invite(stage, stage.founder, START - CLOCKS_APART_MS)
    assert decode_entry_untrusted(entry).at == START


def test_clock_far_behind_the_register_is_told_to_its_owner(stage: Stage) -> None:
    with pytest.raises(RegisterError) as refused:
        invite(stage, stage.founder, START - CLOCKS_APART_MS - 1)
    assert refused.value.reason is Reason.CLOCK_APART
    assert "clock" in refused.value.hint


def test_what_the_register_would_refuse_does_not_leave_the_author(stage: Stage) -> None:
    gus = stage.welcome(stage.founder, "gus", Role.GUEST)
    with pytest.raises(RegisterError) as refused:
        invite(stage, gus, START)
    assert refused.value.reason is Reason.NO_POWER
    with pytest.raises(RegisterError) as refused:
        invite(stage, Person("stranger"), START)
    assert refused.value.reason is Reason.UNKNOWN_AUTHOR
    with pytest.raises(RegisterError) as refused:
        author.join(stage.state, InviteId(b"\1" * 32), key("invite"), Person("bo").keys, now_ms=START)
    assert refused.value.reason is Reason.UNKNOWN_INVITE


def test_nothing_is_sealed_under_a_key_that_is_not_in_force(stage: Stage) -> None:
    stage.rotate(stage.founder)
    with pytest.raises(WrongCoterieKey):
        invite(stage, stage.founder, START, coterie_key=coterie_key(0))


@pytest.mark.parametrize("name", ["", "two\nlines", "x" * 65])
def test_bad_name_is_told_to_its_author(stage: Stage, name: str) -> None:
    with pytest.raises(BadName):
        stage.set_name(stage.founder, name)
    with pytest.raises(BadName):
        Stage.founded(name=name)
    with pytest.raises(BadName):
        Stage.founded(coterie=name)


def test_wrong_seed_of_an_invite_joins_nothing(stage: Stage) -> None:
    issued = stage.invite(stage.founder, "bo")
    with pytest.raises(RegisterError) as refused:
        author.join(stage.state, issued, SigningKey(Seed(bytes(32))), Person("bo").keys, now_ms=START)
    assert refused.value.reason is Reason.FORGED


def test_two_who_write_at_once_both_sign_but_one_is_accepted(stage: Stage) -> None:
    """The loser's entry stays validly signed; it proves nothing against them and is made again on the new head."""
    bo = stage.welcome(stage.founder, "bo")
    one, other = invite(stage, stage.founder, START), invite(stage, bo, START)
    stage.append(one)
    with pytest.raises(RegisterError) as refused:
        apply(stage.state, other)
    assert refused.value.reason is Reason.NOT_NEXT
