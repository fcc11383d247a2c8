"""The number two people read to each other."""

import hashlib

import pytest

from coterie.ids import CoterieId, PublicKey
from coterie.trust.safety_number import NoSafetyNumber, number_of, parse_number_untrusted, safety_number
from coterie.trust.wordlist import WORDS
from tests.trust.cast import Stage, key

ONE, OTHER = CoterieId(b"\1" * 32), CoterieId(b"\2" * 32)
ADA, BO, EVE = (key(name).public for name in ("ada", "bo", "eve"))
LOW, HIGH = PublicKey(b"\3" * 32), PublicKey(b"\4" * 32)


def test_both_see_the_same_number() -> None:
    assert safety_number(ONE, ADA, BO) == safety_number(ONE, BO, ADA)
    assert number_of(ONE, ADA, BO) == number_of(ONE, BO, ADA)


def test_number_is_twelve_groups_of_five_digits_and_twelve_words() -> None:
    number = number_of(ONE, ADA, BO)
    assert number.groups == safety_number(ONE, ADA, BO)
    assert len(number.groups) == len(number.words) == 12
    assert all(len(group) == 5 and group.isdigit() for group in number.groups)
    assert set(number.words) <= set(WORDS)


def test_other_person_or_other_coterie_has_another_number_in_every_form() -> None:
    numbers = [number_of(ONE, ADA, BO), number_of(ONE, ADA, EVE), number_of(OTHER, ADA, BO)]
    for form in ("groups", "words", "qr"):
        assert len({getattr(number, form) for number in numbers}) == 3


def test_number_is_the_one_in_the_protocol_document() -> None:
    number = number_of(ONE, HIGH, LOW)
    assert " ".join(number.groups) == "37044 93283 04166 58727 86948 21778 13806 74567 33548 11840 15959 79619"
    assert " ".join(number.words) == (
        "print evidence indicate hand swap virus rose jeans garbage debate endless depart"
    )


def test_the_words_are_those_of_bip_39() -> None:
    assert len(set(WORDS)) == 2048
    listed = "".join(f"{word}\n" for word in WORDS).encode()
    assert hashlib.sha256(listed).hexdigest() == "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda"


ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")


@pytest.mark.parametrize("form", ["groups", "lines", "one piece", "dashes", "arabic", "words", "loud words", "qr"])
def test_a_number_is_understood_however_it_was_passed_on(form: str) -> None:
    ours, theirs = number_of(ONE, ADA, BO), number_of(ONE, ADA, EVE)

    def said(number: object) -> str:
        assert isinstance(number, type(ours))
        return {
            "groups": " ".join(number.groups),
            "lines": " \n ".join(number.groups),
            "one piece": "".join(number.groups),
            "dashes": "-".join(number.groups),
            "arabic": " ".join(number.groups).translate(ARABIC),
            "words": " ".join(number.words),
            "loud words": "\n".join(number.words).upper(),
            "qr": f"{number.qr}\n",
        }[form]

    assert ours.agrees(parse_number_untrusted(said(ours)))
    assert not ours.agrees(parse_number_untrusted(said(theirs)))


NUMBER = number_of(ONE, ADA, BO)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        " ".join(NUMBER.groups[:11]),
        " ".join(NUMBER.groups) + " 1",
        " ".join(NUMBER.words[:11]),
        " ".join(NUMBER.words[:11]) + " coterie",
        NUMBER.qr.replace(":1:", ":2:"),
        NUMBER.qr + NUMBER.qr,
        "coterie://127.0.0.1:1/join/aaaa",
        "9" * 59 + "²",
        "9" * 5000,
        "\ud800" * 60,
    ],
)
def test_part_of_a_number_or_something_else_is_no_number(text: str) -> None:
    with pytest.raises(NoSafetyNumber) as refused:
        parse_number_untrusted(text)
    assert refused.value.hint


def test_recovery_keeps_the_number_and_a_newcomer_under_the_same_name_has_another(stage: Stage) -> None:
    """What a person compared cannot change under them."""
    ada, bo = stage.founder, stage.welcome(stage.founder, "bo")
    before = number_of(stage.state.coterie, ada.keys.identity.public, stage.state.member(bo.id).identity)
    anew = stage.recover(bo, "bo again")
    assert stage.state.member_of(anew.device_id).id == bo.id
    after = number_of(stage.state.coterie, ada.keys.identity.public, stage.state.member(bo.id).identity)
    twin = stage.welcome(ada, "twin")
    stage.set_name(anew, "Bo")
    stage.set_name(twin, "Bo")
    other = number_of(stage.state.coterie, ada.keys.identity.public, stage.state.member(twin.id).identity)
    assert before == after != other
