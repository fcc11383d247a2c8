"""Invites as people carry them: good links, a table of bad ones, packets."""

import base64

import msgspec
import pytest

from coterie.ids import CoterieId, CoterieKey, InviteId, Seed
from coterie.trust import canonical
from coterie.trust.address import Address, WrongAddress, parse_address
from coterie.trust.invite import (
    LARGEST_LINK,
    BadPacket,
    FoundLink,
    JoinLink,
    OpenedPacket,
    WrongHistory,
    WrongLink,
    check_history,
    expect_found,
    expect_join,
    open_packet_untrusted,
    parse_link_untrusted,
    seal_packet,
)
from tests.trust.cast import Stage, coterie_key, key, seed

ONION = "a" * 55 + "d.onion"
ADDRESSES = (Address("coterie.example", 4430), Address("2001:db8::7", 4430), Address(ONION, 80))
JOIN = JoinLink(CoterieId(b"\1" * 32), ADDRESSES, key("service").public, InviteId(b"\2" * 32), seed("invite"))
FOUND = FoundLink(ADDRESSES[:1], key("service").public, seed("founding"))


def payload(link: JoinLink | FoundLink) -> bytes:
    encoded = link.text.rpartition("/")[2]
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))


def rewritten(link: JoinLink | FoundLink, verb: str, changed: bytes) -> str:
    return f"coterie://coterie.example:4430/{verb}/" + base64.urlsafe_b64encode(changed).rstrip(b"=").decode()


def changed(link: JoinLink | FoundLink, place: int, value: object) -> str:
    fields = msgspec.msgpack.decode(payload(link))
    fields[place] = value
    return rewritten(link, "join" if isinstance(link, JoinLink) else "found", canonical.encode(fields))


@pytest.mark.parametrize("link", [JOIN, FOUND], ids=["join", "found"])
@pytest.mark.parametrize(
    "pasted", ["{}", "  {}\n", "<{}>", "\t<{}>\r\n", "{}\u00a0"], ids=["bare", "spaces", "angled", "both", "no-break"]
)
def test_link_is_read_back_as_it_was_written(link: JoinLink | FoundLink, pasted: str) -> None:
    assert parse_link_untrusted(pasted.format(link.text)) == link


def test_link_that_a_mail_program_wrapped_is_read() -> None:
    text = JOIN.text
    assert parse_link_untrusted(text[:70] + "\r\n" + text[70:140] + "\n " + text[140:]) == JOIN


def test_link_begins_with_the_first_address_and_fits_a_qr_code() -> None:
    assert JOIN.text.startswith("coterie://coterie.example:4430/join/")
    assert FOUND.text.startswith("coterie://coterie.example:4430/found/")
    assert len(JOIN.text) < 400
    most = JoinLink(
        JOIN.coterie, (Address("x" * 63 + ".example", 65535),) * 8, JOIN.service_key, JOIN.invite, JOIN.seed
    )
    assert len(most.text) <= LARGEST_LINK


def test_payload_rules_over_the_host_that_is_shown() -> None:
    moved = JOIN.text.replace("coterie://coterie.example:4430", "coterie://[::1]:9")
    assert parse_link_untrusted(moved) == JOIN


def test_scheme_and_verb_may_be_shouted() -> None:
    assert parse_link_untrusted(JOIN.text.replace("coterie://", "COTERIE://").replace("/join/", "/JOIN/")) == JOIN


def test_shown_link_hides_its_secret() -> None:
    for link in (JOIN, FOUND):
        assert bytes(link.seed).hex() not in repr(link)
        assert "Seed(…)" in repr(link)
        assert link.text.rpartition("/")[2] not in repr(link)


WEB = "web link"
NOT_OURS = "not a Coterie link"
BROKEN = "incomplete or was changed"

BAD_LINKS = {
    "nothing": ("", NOT_OURS),
    "white space": (" \n", NOT_OURS),
    "prose": ("join us!", NOT_OURS),
    "another scheme": ("signal://join/abc", NOT_OURS),
    "https form": (JOIN.text.replace("coterie://", "https://"), WEB),
    "http form": (JOIN.text.replace("coterie://", "http://"), WEB),
    "HTTPS form": (JOIN.text.replace("coterie://", "HTTPS://"), WEB),
    "https with a fragment": ("https://coterie.example/join/#" + JOIN.text, WEB),
    "scheme alone": ("coterie://", BROKEN),
    "no payload": ("coterie://coterie.example:4430/join/", BROKEN),
    "no verb": ("coterie://coterie.example:4430/" + JOIN.text.rpartition("/")[2], BROKEN),
    "one slash": (JOIN.text.replace("coterie://", "coterie:/"), BROKEN),
    "another verb": (JOIN.text.replace("/join/", "/leave/"), "does not know"),
    "cut by one": (JOIN.text[:-1], BROKEN),
    "cut in half": (JOIN.text[: len(JOIN.text) // 2], BROKEN),
    "a character more": (JOIN.text + "A", BROKEN),
    "padded": (JOIN.text + "=", BROKEN),
    "full stop behind": (JOIN.text + ".", BROKEN),
    "question mark behind": (JOIN.text + "?utm_source=mail", BROKEN),
    "foreign letters": (JOIN.text[:-1] + "é", BROKEN),
    "two links": (JOIN.text + "\n" + FOUND.text, "several"),
    "huge": (JOIN.text + "A" * 5000, "too long"),
    "founding payload as join": (FOUND.text.replace("/found/", "/join/"), BROKEN),
    "join payload as founding": (JOIN.text.replace("/join/", "/found/"), BROKEN),
    "newer version": (changed(JOIN, 0, 2), "newer Coterie"),
    "newer version, another form": (rewritten(JOIN, "join", canonical.encode([7, {"a": 1}])), "newer Coterie"),
    "version in words": (changed(JOIN, 0, "1"), BROKEN),
    "short coterie": (changed(JOIN, 1, b"\1" * 31), BROKEN),
    "no addresses": (changed(JOIN, 2, []), BROKEN),
    "nine addresses": (changed(JOIN, 2, ["a:1"] * 9), BROKEN),
    "address without port": (changed(JOIN, 2, ["coterie.example"]), BROKEN),
    "address as bytes": (changed(JOIN, 2, [b"a:1"]), BROKEN),
    "service key of small order": (changed(JOIN, 3, bytes(32)), BROKEN),
    "founding service key of small order": (changed(FOUND, 2, bytes(32)), BROKEN),
    "long seed": (changed(JOIN, 5, b"\1" * 33), BROKEN),
    "something behind the payload": (rewritten(JOIN, "join", payload(JOIN) + b"\0"), BROKEN),
    "one field more": (rewritten(JOIN, "join", b"\x97" + payload(JOIN)[1:] + b"\0"), BROKEN),
    "payload not canonical": (rewritten(JOIN, "join", b"\x96\xcc\x01" + payload(JOIN)[2:]), BROKEN),
    "payload is not MessagePack": (rewritten(JOIN, "join", b"\xc1\xc1"), BROKEN),
    "payload nested deep": (rewritten(JOIN, "join", b"\x92\x01" + b"\x91" * 2900), BROKEN),
}


@pytest.mark.parametrize("name", list(BAD_LINKS))
def test_bad_link_is_refused_with_a_fact_and_a_hint(name: str) -> None:
    text, fact = BAD_LINKS[name]
    with pytest.raises(WrongLink) as refused:
        parse_link_untrusted(text)
    assert fact in refused.value.fact
    assert refused.value.hint
    assert bytes(JOIN.seed).hex() not in str(refused.value)


def test_joining_link_where_a_founding_link_is_asked_for() -> None:
    assert expect_join(JOIN) is JOIN
    assert expect_found(FOUND) is FOUND
    with pytest.raises(WrongLink, match="founds"):
        expect_join(FOUND)
    with pytest.raises(WrongLink, match="joins"):
        expect_found(JOIN)


# Addresses


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("coterie.example:4430", "coterie.example:4430"),
        ("Coterie.EXAMPLE:1", "coterie.example:1"),
        ("localhost:65535", "localhost:65535"),
        ("192.0.2.7:80", "192.0.2.7:80"),
        ("[2001:DB8:0:0:0:0:0:7]:443", "[2001:db8::7]:443"),
        ("[::1]:4430", "[::1]:4430"),
        (f"{ONION}:80", f"{ONION}:80"),
        ("xn--bcher-kva.example:443", "xn--bcher-kva.example:443"),
    ],
)
def test_address_is_written_in_one_way(text: str, written: str) -> None:
    assert parse_address(text).text == written
    assert parse_address(written) == parse_address(text)
    assert parse_address(text).is_onion == (".onion" in text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        ":443",
        "coterie.example",
        "coterie.example:",
        "coterie.example:0",
        "coterie.example:65536",
        "coterie.example:443a",
        "coterie.example:+443",
        "coterie.example:0443",
        "coterie.example:４４３",
        "2001:db8::7:443",
        "[2001:db8::7]",
        "[2001:db8::7%eth0]:443",
        "[not six]:443",
        "[192.0.2.7]:443",
        "192.0.2.256:443",
        "192.0.2:443",
        "1.2.3.4.5:443",
        "short.onion:80",
        "-a.example:443",
        "a-.example:443",
        "a..example:443",
        "a_b.example:443",
        "bücher.example:443",
        "user@coterie.example:443",
        "coterie.example/path:443",
        "x" * 64 + ".example:443",
        ".".join(["x" * 60] * 5) + ":443",
        "coterie.example\n:443",
    ],
)
def test_bad_address_is_refused(text: str) -> None:
    with pytest.raises(WrongAddress) as refused:
        parse_address(text)
    assert refused.value.hint


# Packets and history

COTERIE, INVITE = CoterieId(b"\1" * 32), InviteId(b"\2" * 32)


def test_packet_opens_for_whoever_holds_the_link() -> None:
    packet = seal_packet(seed("invite"), COTERIE, INVITE, 3, coterie_key(3), bytes(12))
    opened = open_packet_untrusted(seed("invite"), COTERIE, INVITE, packet)
    assert opened == OpenedPacket(3, coterie_key(3))
    assert bytes(coterie_key(3)) not in packet
    assert bytes(coterie_key(3)).hex() not in repr(opened)


def test_packet_does_not_open_for_another_invite_coterie_or_secret() -> None:
    packet = seal_packet(seed("invite"), COTERIE, INVITE, 3, coterie_key(3), bytes(12))
    for secret, coterie, invite in [
        (seed("other"), COTERIE, INVITE),
        (seed("invite"), CoterieId(b"\3" * 32), INVITE),
        (seed("invite"), COTERIE, InviteId(b"\3" * 32)),
    ]:
        with pytest.raises(BadPacket):
            open_packet_untrusted(secret, coterie, invite, packet)


def test_every_changed_or_missing_byte_of_a_packet_is_noticed() -> None:
    packet = seal_packet(seed("invite"), COTERIE, INVITE, 3, coterie_key(3), bytes(12))
    for place in range(len(packet)):
        for bad in (packet[:place], packet[:place] + bytes([packet[place] ^ 1]) + packet[place + 1 :]):
            with pytest.raises(BadPacket):
                open_packet_untrusted(seed("invite"), COTERIE, INVITE, bad)


def test_packet_of_the_wrong_form_is_refused_though_it_opens() -> None:
    with pytest.raises(BadPacket):
        open_packet_untrusted(
            seed("invite"),
            COTERIE,
            INVITE,
            seal_packet(seed("invite"), COTERIE, INVITE, 0, CoterieKey(b"x"), bytes(12)),
        )


def test_register_must_be_the_one_that_the_inviter_saw(stage: Stage) -> None:
    invite = stage.invite(stage.founder, "bo")
    link = JoinLink(stage.state.coterie, ADDRESSES, key("service").public, invite, seed("invite bo"))
    assert check_history(link, stage.state) is stage.state
    other = Stage.founded("eve")
    truncated = Stage.founded()
    for wrong in (
        JoinLink(other.state.coterie, ADDRESSES, link.service_key, invite, link.seed),
        JoinLink(link.coterie, ADDRESSES, key("other").public, invite, link.seed),
        JoinLink(link.coterie, ADDRESSES, link.service_key, InviteId(b"\1" * 32), link.seed),
    ):
        with pytest.raises(WrongHistory):
            check_history(wrong, stage.state)
    with pytest.raises(WrongHistory):
        check_history(link, truncated.state)


def test_copied_public_key_does_not_make_the_same_invite(stage: Stage) -> None:
    """A server that knows the inviter's entry issues another with the same key in a fork: its hash differs."""
    fork = Stage.founded()
    real = stage.invite(stage.founder, "bo", expires_at=stage.now + 1000)
    copied = fork.invite(fork.founder, "bo", expires_at=fork.now + 2000)
    link = JoinLink(stage.state.coterie, ADDRESSES, key("service").public, real, Seed(bytes(32)))
    assert fork.state.invite(copied).key == stage.state.invite(real).key
    with pytest.raises(WrongHistory):
        check_history(link, fork.state)
