"""The number two people read to each other."""

from coterie.ids import CoterieId, PublicKey
from coterie.trust.safety_number import safety_number
from tests.trust.cast import key

ONE, OTHER = CoterieId(b"\1" * 32), CoterieId(b"\2" * 32)
ADA, BO, EVE = (key(name).public for name in ("ada", "bo", "eve"))


def test_both_see_the_same_number() -> None:
    assert safety_number(ONE, ADA, BO) == safety_number(ONE, BO, ADA)


def test_number_is_twelve_groups_of_five_digits() -> None:
    groups = safety_number(ONE, ADA, BO)
    assert len(groups) == 12
    assert all(len(group) == 5 and group.isdigit() for group in groups)


def test_other_person_or_other_coterie_has_another_number() -> None:
    numbers = {safety_number(ONE, ADA, BO), safety_number(ONE, ADA, EVE), safety_number(OTHER, ADA, BO)}
    assert len(numbers) == 3


def test_number_is_the_one_in_the_protocol_document() -> None:
    low, high = b"\3" * 32, b"\4" * 32
    assert " ".join(safety_number(ONE, PublicKey(high), PublicKey(low))) == (
        "37044 93283 04166 58727 86948 21778 13806 74567 33548 11840 15959 79619"
    )
