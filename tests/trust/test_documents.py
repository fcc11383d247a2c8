"""The protocol documents say what the code does: vectors, purposes, kinds, reasons."""

from pathlib import Path

import pytest

from coterie.ids import DeviceId, PublicKey
from coterie.trust import Reason
from coterie.trust.coterie_key import inbox_post_token
from coterie.trust.entry import entry_hash
from coterie.trust.invite import seal_packet
from coterie.trust.keys import Purpose
from coterie.trust.kinds import KINDS
from coterie.trust.powers import POWERS_IN_WORDS
from coterie.trust.safety_number import safety_number
from tests.trust.cast import Stage, coterie_key, seed
from tests.trust.test_invite import COTERIE, FOUND, INVITE

DOCS = Path(__file__).parents[2] / "docs" / "protocol"
REGISTER = (DOCS / "register.md").read_text()
INVITES = (DOCS / "invite.md").read_text()


def test_vectors_of_the_register_are_those_of_the_code(stage: Stage) -> None:
    assert len(stage.entries[0]) == 767
    low, high = PublicKey(b"\3" * 32), PublicKey(b"\4" * 32)
    for vector in (
        entry_hash(stage.entries[0]).hex(),
        stage.founder.device.public.hex(),
        stage.founder.device_id.hex(),
        stage.founder.id.hex(),
        bytes(inbox_post_token(coterie_key(0), DeviceId(b"\1" * 16))).hex(),
        " ".join(safety_number(COTERIE, high, low)),
    ):
        assert f"`{vector}`" in REGISTER


def test_vectors_of_invites_are_those_of_the_code() -> None:
    assert FOUND.text in INVITES
    assert seal_packet(seed("invite"), COTERIE, INVITE, 3, coterie_key(3), bytes(12)).hex() in INVITES


@pytest.mark.parametrize("purpose", list(Purpose))
def test_every_purpose_is_documented(purpose: Purpose) -> None:
    assert f"`{purpose.value}`" in REGISTER


@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_and_its_fields_are_documented_in_order(kind: str) -> None:
    row = next(line for line in REGISTER.splitlines() if line.startswith(f"| `{kind}` |"))
    places = [row.index(f"`{field}`") for field in KINDS[kind].__struct_fields__]
    assert places == sorted(places)


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_documented(reason: Reason) -> None:
    assert f"`{reason.value}`" in REGISTER


def test_powers_in_the_documents_are_those_of_the_code() -> None:
    rows = ["| " + " | ".join(row) + " |" for row in POWERS_IN_WORDS]
    rows.insert(1, "|" + "---|" * len(POWERS_IN_WORDS[0]))
    assert "\n".join(rows) in REGISTER
