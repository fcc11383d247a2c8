"""Which leaf the register refuses, and why."""

from dataclasses import replace

import pytest

from coterie.group.credential import LeafClaim, MalformedCredential, RawLeaf, claim_untrusted, encode_credential
from coterie.group.roster import LEAF_SENTENCES, LeafReason, Roster, check_leaf
from coterie.ids import CoterieId
from coterie.trust.register import Register
from tests.group.room_people import ADA, BO, CY, SecondDevice, forget, register, without, without_device

CLAIM = claim_untrusted(BO.leaf(1))


@pytest.mark.parametrize(
    ("claim", "state", "why"),
    [
        (CLAIM, register(), None),
        (replace(CLAIM, coterie=CoterieId(b"x" * 32)), register(), LeafReason.OTHER_COTERIE),
        (CLAIM, forget(register(), BO), LeafReason.UNKNOWN_DEVICE),
        (replace(CLAIM, member=CY.member), register(), LeafReason.OTHER_MEMBER),
        (replace(CLAIM, leaf_key=CY.keys.leaf.public), register(), LeafReason.OTHER_LEAF_KEY),
        (CLAIM, without_device(BO), LeafReason.DEVICE_REMOVED),
        (CLAIM, without(BO), LeafReason.MEMBER_NOT_IN_FORCE),
    ],
)
def test_a_leaf_is_refused_for_what_the_register_says(
    claim: LeafClaim, state: Register, why: LeafReason | None
) -> None:
    assert check_leaf(claim, state) is why


def test_every_reason_has_a_sentence() -> None:
    assert LEAF_SENTENCES.keys() == set(LeafReason)


@pytest.mark.parametrize("length", [0, 63, 65])
def test_a_credential_of_another_length_is_malformed(length: int) -> None:
    with pytest.raises(MalformedCredential):
        claim_untrusted(RawLeaf(0, bytes(length), bytes(32)))
    with pytest.raises(MalformedCredential):
        claim_untrusted(RawLeaf(0, bytes(64), bytes(length)))
    with pytest.raises(MalformedCredential):
        Roster.of([ADA.leaf(0), RawLeaf(1, bytes(length), bytes(32))])


def test_a_credential_is_never_made_of_other_lengths() -> None:
    with pytest.raises(ValueError, match="32, 16 and 16"):
        encode_credential(CoterieId(b"short"), BO.member, BO.device)


def test_refused_leaves_come_lowest_first_with_their_reasons() -> None:
    roster = Roster.of([CY.leaf(5), BO.leaf(2), ADA.leaf(0)])
    gone = without(CY, without(BO))
    assert [(one.leaf.index, one.sentence) for one in roster.refused(gone)] == [
        (2, "its member was removed, or their seat ended"),
        (5, "its member was removed, or their seat ended"),
    ]


def test_a_roster_is_looked_up_by_index_device_and_member() -> None:
    second = SecondDevice(BO)
    roster = Roster.of([ADA.leaf(0), BO.leaf(1), second.leaf(4)])
    assert roster.at(4) == roster.leaf_of(second.device) == claim_untrusted(second.leaf(4))
    assert roster.at(2) is None and roster.leaf_of(CY.device) is None
    assert [leaf.index for leaf in roster.leaves_of(BO.member)] == [1, 4]
    assert roster.members == {ADA.member, BO.member} and len(roster) == 3
