"""Random and changed bytes into every decoder: its one named error, or a value; never anything else."""

import random
from collections.abc import Callable

import pytest

from coterie.errors import CoterieError
from coterie.ids import CoterieId, InviteId, QueueId
from coterie.trust import RegisterError, apply
from coterie.trust.address import WrongAddress, parse_address
from coterie.trust.bundle import MalformedBundle, decode_bundle_untrusted, make_bundle
from coterie.trust.entry import MalformedEntry, decode_entry_untrusted
from coterie.trust.heads import MalformedHead, decode_head_untrusted, encode_head, sign_head
from coterie.trust.invite import BadPacket, WrongLink, open_packet_untrusted, parse_link_untrusted, seal_packet
from coterie.trust.keys import MalformedKey, public_key_untrusted
from tests.trust.cast import START, Stage, coterie_key, key, seed
from tests.trust.test_invite import FOUND, JOIN

ROUNDS = 1500
COTERIE, INVITE = CoterieId(b"\1" * 32), InviteId(b"\2" * 32)
STAGE = Stage.founded()
STAGE.welcome(STAGE.founder, "bo")

Decoder = Callable[[bytes], object]
DECODERS: dict[str, tuple[Decoder, type[CoterieError], list[bytes]]] = {
    "entry": (decode_entry_untrusted, MalformedEntry, STAGE.entries),
    "head": (
        decode_head_untrusted,
        MalformedHead,
        [encode_head(sign_head(key("service"), COTERIE, 0, STAGE.state.head))],
    ),
    "bundle": (
        decode_bundle_untrusted,
        MalformedBundle,
        [make_bundle(STAGE.state, key("ada device"), bytes(1216), QueueId(bytes(32)), b"", START)],
    ),
    "packet": (
        lambda data: open_packet_untrusted(seed("invite"), COTERIE, INVITE, data),
        BadPacket,
        [seal_packet(seed("invite"), COTERIE, INVITE, 0, coterie_key(0), bytes(12))],
    ),
    "link": (
        lambda data: parse_link_untrusted(data.decode("utf-8", "surrogateescape")),
        WrongLink,
        [JOIN.text.encode(), FOUND.text.encode()],
    ),
    "address": (
        lambda data: parse_address(data.decode("utf-8", "surrogateescape")),
        WrongAddress,
        [b"coterie.example:4430", b"[2001:db8::7]:1", b"192.0.2.7:80"],
    ),
    "key": (public_key_untrusted, MalformedKey, [key("ada").public]),
}


def changed(dice: random.Random, good: bytes) -> bytes:
    data = bytearray(good)
    for _ in range(dice.choice((1, 1, 1, 2, 5))):
        place = dice.randrange(len(data) + 1)
        match dice.randrange(5):
            case 0:
                data[place : place + 1] = bytes([dice.randrange(256)])
            case 1:
                del data[place : place + dice.randrange(1, 9)]
            case 2:
                data[place:place] = dice.randbytes(dice.randrange(1, 9))
            case 3:
                data[place:] = b""
            case _:
                data[place:place] = bytes(
                    [dice.choice(b"\x80\x90\x91\xc0\xc1\xc4\xc6\xcf\xd9\xdf\xff")]
                ) * dice.randrange(40)
    return bytes(data)


@pytest.mark.parametrize("name", list(DECODERS))
@pytest.mark.parametrize("run", range(3))
def test_decoder_raises_its_one_error_and_nothing_else(name: str, run: int) -> None:
    decode, error, samples = DECODERS[name]
    dice = random.Random(f"{name} {run}")
    for good in samples:
        decode(good)
    refused = 0
    for _ in range(ROUNDS):
        bad = changed(dice, dice.choice(samples)) if dice.random() < 0.8 else dice.randbytes(dice.randrange(200))
        try:
            decode(bad)
        except error as known:
            refused += 1
            assert known.fact
    assert refused > ROUNDS // 20


def test_changed_entry_never_becomes_membership() -> None:
    """No change of one honest entry is accepted: one of its signatures, or its form, breaks."""
    dice = random.Random("membership")
    before = apply(None, STAGE.entries[0])
    for _ in range(ROUNDS):
        bad = changed(dice, STAGE.entries[1])
        if bad != STAGE.entries[1]:
            with pytest.raises((RegisterError, MalformedEntry)):
                apply(before, bad)
