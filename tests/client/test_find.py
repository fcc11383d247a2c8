"""Finding what a person names: exact id, exact name, or six characters of the id."""

import pytest

from coterie.client.find import Ambiguous, Unknown, find
from coterie.ids import RoomId

PLANS = RoomId(bytes.fromhex("aabbcc01" + 12 * "00"))
OTHER = RoomId(bytes.fromhex("aabbcc02" + 12 * "00"))
NAMED_LIKE_AN_ID = RoomId(bytes.fromhex("ffffffff" + 12 * "00"))
UNNAMED = RoomId(bytes.fromhex("12345678" + 12 * "00"))
ROOMS = {PLANS: "plans", OTHER: "plans", NAMED_LIKE_AN_ID: PLANS.hex(), UNNAMED: None}


@pytest.mark.parametrize(
    ("named", "room"),
    [
        (PLANS.hex(), PLANS),
        (PLANS.hex().upper(), PLANS),
        ("aabbcc01", PLANS),
        ("AABBCC02", OTHER),
        ("123456", UNNAMED),
        ("ffffff", NAMED_LIKE_AN_ID),
    ],
)
def test_what_is_named_uniquely_is_found(named: str, room: RoomId) -> None:
    assert find("room", named, ROOMS) == room


@pytest.mark.parametrize("named", ["", "plan", "PLANS", "12345", "zzzzzz", "aabbcc03", "unknown name"])
def test_what_nobody_has_is_unknown(named: str) -> None:
    with pytest.raises(Unknown) as unknown:
        find("room", named, ROOMS)
    assert repr(named) in unknown.value.fact


@pytest.mark.parametrize("named", ["plans", "aabbcc"])
def test_what_several_have_lists_them(named: str) -> None:
    with pytest.raises(Ambiguous) as ambiguous:
        find("room", named, ROOMS)
    assert PLANS.hex() in ambiguous.value.fact
    assert OTHER.hex() in ambiguous.value.fact
    assert UNNAMED.hex() not in ambiguous.value.fact


def test_name_goes_before_the_beginning_of_another_id() -> None:
    assert find("room", "123456", {**ROOMS, OTHER: "123456"}) == OTHER
