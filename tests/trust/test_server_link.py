"""The server link: read back as written, told apart from the other forms, and a pin on history."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.ids import CoterieId, EntryHash
from coterie.trust import Register, replay
from coterie.trust.address import parse_address
from coterie.trust.invite import (
    FoundLink,
    JoinLink,
    WrongHistory,
    WrongLink,
    expect_found,
    expect_join,
    parse_link_untrusted,
)
from coterie.trust.server_link import ServerLink, check_server, parse_server_link_untrusted
from tests.trust.cast import Stage, key, seed

SERVER = ("coterie.example:4430", "[2001:db8::7]:4430")


@pytest.fixture
def stage() -> Stage:
    stage = Stage.founded()
    stage.welcome(stage.founder, "bo")
    return stage


def history(stage: Stage) -> list[Register]:
    return list(replay(None, stage.entries))


@pytest.mark.parametrize("pasted", ["{}", " <{}>\r\n", "{}\u00a0"])
def test_it_is_read_back_as_it_was_written(stage: Stage, pasted: str) -> None:
    link = ServerLink.of(stage.state, SERVER)
    assert link.text.startswith("coterie://coterie.example:4430/server/")
    assert parse_server_link_untrusted(pasted.format(link.text)) == link


def test_a_used_invite_says_the_same(stage: Stage) -> None:
    invite = next(iter(stage.state.invites))
    addresses = tuple(parse_address(address) for address in SERVER)
    joined = JoinLink(stage.state.coterie, addresses, key("service").public, invite, seed("invite bo"))
    link = parse_server_link_untrusted(joined.text)
    assert link.coterie == stage.state.coterie
    assert check_server(link, history(stage)) == stage.state
    assert bytes(joined.seed) not in link.text.encode()


def test_other_links_are_told_apart(stage: Stage) -> None:
    link = ServerLink.of(stage.state, SERVER)
    found = FoundLink(link.addresses, key("service").public, seed("founding"))
    with pytest.raises(WrongLink, match="does not say which coterie"):
        parse_server_link_untrusted(found.text)
    for expect in (expect_join, expect_found):
        with pytest.raises(WrongLink, match="lets nobody in") as refused:
            expect(parse_link_untrusted(link.text))
        assert "coterie recover" in refused.value.hint


@given(st.text(max_size=200))
def test_nothing_but_wrong_link_comes_of_other_text(text: str) -> None:
    for form in (text, f"coterie://coterie.example:4430/server/{text}"):
        with pytest.raises(WrongLink):
            parse_server_link_untrusted(form)


def test_history_must_be_what_it_was(stage: Stage) -> None:
    link = ServerLink.of(stage.state, SERVER)
    stage.welcome(stage.founder, "cleo")
    assert check_server(link, history(stage)) == stage.state
    other = Stage.founded("eve")
    for lie, states in (
        ("not that of the coterie", history(other)),
        ("not that of the coterie", []),
        ("does not contain", history(stage)[:2]),
    ):
        with pytest.raises(WrongHistory, match=lie):
            check_server(link, states)
    for wrong, fact in (
        (replace(link, coterie=CoterieId(b"\1" * 32)), "not that of the coterie"),
        (replace(link, service_key=key("other").public), "another service key"),
        (replace(link, entry=EntryHash(b"\1" * 32)), "does not contain"),
    ):
        with pytest.raises(WrongHistory, match=fact):
            check_server(wrong, history(stage))
