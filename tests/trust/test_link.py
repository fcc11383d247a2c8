"""The code that links a device: one form, told apart from the others, and what follows from its secret."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.ids import CoterieId, InviteId, Seed
from coterie.trust.address import Address
from coterie.trust.invite import FoundLink, JoinLink, WrongLink, parse_link_untrusted
from coterie.trust.keys import SigningKey
from coterie.trust.link import LinkCode, LinkSecret, parse_link_code_untrusted

SERVICE = SigningKey(Seed(bytes(31) + b"\1")).public
ADDRESSES = (Address("chat.example", 7443), Address("2001:db8::7", 7443))
CODE = LinkCode(CoterieId(bytes(range(32))), ADDRESSES, SERVICE, LinkSecret(b"s" * 32), 1_790_000_000_000)


def test_code_survives_being_carried() -> None:
    pasted = f"  <{CODE.text[:60]}\n {CODE.text[60:]}>\n"
    assert parse_link_code_untrusted(pasted) == CODE
    assert CODE.text.startswith("coterie://chat.example:7443/link/")


def test_each_link_says_what_it_is_when_it_is_used_for_another() -> None:
    join = JoinLink(CODE.coterie, ADDRESSES, SERVICE, InviteId(bytes(32)), Seed(bytes(32)))
    found = FoundLink(ADDRESSES, SERVICE, Seed(bytes(32)))
    with pytest.raises(WrongLink) as as_invite:
        parse_link_untrusted(CODE.text)
    assert "coterie device link" in as_invite.value.hint
    with pytest.raises(WrongLink) as invite:
        parse_link_code_untrusted(join.text)
    assert invite.value.hint == "use it with: coterie join"
    with pytest.raises(WrongLink) as founding:
        parse_link_code_untrusted(found.text)
    assert founding.value.hint == "use it with: coterie found"


def test_code_that_lost_a_part_is_no_code() -> None:
    for changed in (CODE.text[:-1], CODE.text[:-4], CODE.text + "A", CODE.text.replace("/link/", "/join/")):
        with pytest.raises(WrongLink):
            parse_link_code_untrusted(changed)


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda tail: "coterie://a:1/link/" + tail.hex()))
def test_whatever_comes_is_a_code_or_a_wrong_link(text: str) -> None:
    with pytest.raises(WrongLink):
        parse_link_code_untrusted(text)


def test_what_follows_from_the_secret_is_both_devices_and_no_other_codes() -> None:
    here, there = CODE.secrets, parse_link_code_untrusted(CODE.text).secrets
    assert (here.key.public, here.post, here.read, here.relay, here.nonce) == (
        *(there.key.public, there.post, there.read, there.relay, there.nonce),
    )
    other = LinkCode(CODE.coterie, ADDRESSES, SERVICE, LinkSecret(os.urandom(32)), CODE.expires_at).secrets
    elsewhere = LinkCode(CoterieId(bytes(32)), ADDRESSES, SERVICE, CODE.secret, CODE.expires_at).secrets
    assert len({bytes(each.relay) for each in (here, other, elsewhere)}) == 3
    assert len({bytes(here.post), bytes(here.read), bytes(here.relay), here.key.public}) == 4


def test_secret_is_not_shown() -> None:
    assert b"s".hex() * 4 not in repr(CODE)
    assert "ssss" not in repr(CODE) + repr(CODE.secrets)
