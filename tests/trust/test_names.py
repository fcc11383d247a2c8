"""Names: which are taken, and which are shown."""

from dataclasses import replace

import pytest

from coterie.trust import Reason, RegisterError
from coterie.trust.entry import DecodedEntry, decode_entry_untrusted
from coterie.trust.kinds import ProfileSet
from coterie.trust.names import BadName, clean_name, learn_names
from coterie.trust.seal import ProfileName, seal
from tests.trust.cast import Stage, by_device, coterie_key


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("Ada", "Ada"),
        ("  Ada Lovelace ", "Ada Lovelace"),
        ("Zoe\u0308", "Zo\u00eb"),
        ("李小龍", "李小龍"),
        ("میخواهم", "میخواهم"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👩\u200d🚀", "👩\u200d🚀"),
        ("x" * 64, "x" * 64),
    ],
)
def test_name_is_taken_as_people_write_it(typed: str, name: str) -> None:
    assert clean_name(typed) == name


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "   ",
        "x" * 65,
        "Ada\nBo",
        "Ada\x00",
        "Ada\x1b[31m",
        "Ada\u2028Bo",
        "Ada\u202egro.live",
        "\u2066Ada\u2069",
        "\u200b",
        "\u200d\u200c",
        "\u0301",
        "\ud800",
        "\x85",
    ],
)
def test_name_that_cannot_be_shown_as_it_is_gets_refused(typed: str) -> None:
    with pytest.raises(BadName) as refused:
        clean_name(typed)
    assert refused.value.hint


def decoded(stage: Stage) -> list[DecodedEntry]:
    return [decode_entry_untrusted(entry) for entry in stage.entries]


def test_latest_name_counts(stage: Stage) -> None:
    bo = stage.welcome(stage.founder, "bo")
    assert learn_names(stage.state, decoded(stage), {0: coterie_key(0)}).members == {stage.founder.id: "Ada"}
    stage.set_name(bo, "Bo")
    stage.set_name(bo, "Bosse")
    names = learn_names(stage.state, decoded(stage), {0: coterie_key(0)})
    assert names.members == {stage.founder.id: "Ada", bo.id: "Bosse"}
    assert (names.coterie, list(names.notes.values())) == ("Harbour", ["for bo"])


def test_without_keys_everything_is_unknown(stage: Stage) -> None:
    stage.welcome(stage.founder, "bo")
    names = learn_names(stage.state, decoded(stage), {})
    assert (names.coterie, names.members, names.notes) == (None, {}, {})


def test_name_set_after_a_rotation_stays_hidden_from_whom_was_removed(stage: Stage) -> None:
    """Rex keeps generation 0 and gets a copy of the whole register."""
    stage.welcome(stage.founder, "rex")
    stage.remove_member(stage.founder, stage.people["rex"])
    stage.rotate(stage.founder)
    bo = stage.welcome(stage.founder, "bo")
    stage.set_name(bo, "Bo")
    assert bo.id not in learn_names(stage.state, decoded(stage), {0: coterie_key(0)}).members
    assert learn_names(stage.state, decoded(stage), {1: coterie_key(1)}).members == {bo.id: "Bo"}


@pytest.mark.parametrize("sealed", [b"", b"\xff" * 200])
def test_garbage_makes_a_name_unknown_and_the_old_one_does_not_come_back(stage: Stage, sealed: bytes) -> None:
    bo = stage.welcome(stage.founder, "bo")
    stage.set_name(bo, "Bo")
    stage.append(replace(by_device(stage.state, ProfileSet(), bo), sealed=sealed).encoded)
    assert bo.id not in learn_names(stage.state, decoded(stage), {0: coterie_key(0)}).members
    stage.set_name(bo, "Bo again")
    assert learn_names(stage.state, decoded(stage), {0: coterie_key(0)}).members[bo.id] == "Bo again"


@pytest.mark.parametrize("name", ["Ada\u202egro", "", " Ada", "x" * 200, "Zoe\u0308"])
def test_unfit_name_that_a_member_sealed_by_hand_is_unknown(stage: Stage, name: str) -> None:
    bo = stage.welcome(stage.founder, "bo")
    entry = by_device(stage.state, ProfileSet(), bo)
    fields = decode_entry_untrusted(entry.encoded).fields
    by_hand = seal(coterie_key(0), stage.state.coterie, fields, ProfileName(name=name), bytes(12))
    stage.append(replace(entry, sealed=by_hand).encoded)
    assert bo.id not in learn_names(stage.state, decoded(stage), {0: coterie_key(0)}).members


@pytest.mark.parametrize("fault", ["fewer", "other order", "none"])
def test_names_are_read_from_the_entries_of_the_register_only(stage: Stage, fault: str) -> None:
    stage.welcome(stage.founder, "bo")
    entries = decoded(stage)
    wrong = {"fewer": entries[:-1], "other order": entries[::-1], "none": []}[fault]
    with pytest.raises(RegisterError) as refused:
        learn_names(stage.state, wrong, {0: coterie_key(0)})
    assert refused.value.reason is Reason.OTHER_HISTORY
