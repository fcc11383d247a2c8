"""The channel of two devices that are being linked, and whoever stands between with the code in hand."""

import os
from dataclasses import replace

import msgspec
import pytest

from coterie.client.linking.channel import Channel, Ephemeral, Place, Side, commit_to
from coterie.client.linking.messages import (
    Added,
    AtHome,
    Grant,
    Keys,
    LinkBroken,
    Offer,
    Reveal,
    open_entry_untrusted,
    seal_entry,
)
from coterie.ids import CoterieId, DeviceId, QueueId, Seed
from coterie.trust.keys import SigningKey
from coterie.trust.link import RelayKey

SERVICE = SigningKey(Seed(bytes(31) + b"\1")).public
PLACE = Place(CoterieId(bytes(32)), SERVICE, QueueId(bytes(range(32))))
OLD_DEVICE = DeviceId(b"o" * 16)
GRANT = Grant(b"body", b"m" * 16, 0, b"k" * 32, True)


def keys_of(own: Ephemeral) -> Keys:
    device, leaf = (SigningKey(Seed(os.urandom(32))).public for _ in range(2))
    return own.keys(device, leaf)


def both() -> tuple[Channel, Channel]:
    old, new = Ephemeral.fresh(os.urandom), Ephemeral.fresh(os.urandom)
    keys, reveal = keys_of(new), old.reveal(OLD_DEVICE)
    offer = commit_to(reveal)
    return Channel(PLACE, Side.OLD, old, offer, keys, reveal), Channel(PLACE, Side.NEW, new, offer, keys, reveal)


def test_both_show_the_same_words_and_understand_each_other() -> None:
    old, new = both()
    assert old.words == new.words
    assert len(old.words) == 4
    assert new.open_untrusted(old.seal(GRANT)) == GRANT
    assert old.open_untrusted(new.seal(AtHome())) == AtHome()
    assert new.open_untrusted(old.seal(Added())) == Added()


def test_who_stands_between_and_swaps_the_keys_makes_the_words_differ() -> None:
    """They play the new device to the old one and the old one to the new one: each shows words of its own."""
    old, new = Ephemeral.fresh(os.urandom), Ephemeral.fresh(os.urandom)
    as_new, as_old = Ephemeral.fresh(os.urandom), Ephemeral.fresh(os.urandom)
    true_reveal, true_keys = old.reveal(OLD_DEVICE), keys_of(new)
    false_reveal, false_keys = as_old.reveal(OLD_DEVICE), keys_of(as_new)
    at_old = Channel(PLACE, Side.OLD, old, commit_to(true_reveal), false_keys, true_reveal)
    at_new = Channel(PLACE, Side.NEW, new, commit_to(false_reveal), true_keys, false_reveal)
    assert at_old.words != at_new.words


def test_one_swapped_key_is_enough_for_other_words() -> None:
    old, new, other = (Ephemeral.fresh(os.urandom) for _ in range(3))
    keys, reveal = keys_of(new), old.reveal(OLD_DEVICE)
    offer = commit_to(reveal)
    honest = Channel(PLACE, Side.NEW, new, offer, keys, reveal).words
    for changed in (
        msgspec.structs.replace(keys, hpke=other.hpke_public),
        msgspec.structs.replace(keys, session=other.session.public),
        msgspec.structs.replace(keys, device=other.session.public),
        msgspec.structs.replace(keys, leaf=other.session.public),
    ):
        assert Channel(PLACE, Side.OLD, old, offer, changed, reveal).words != honest
    elsewhere = replace(PLACE, queue=QueueId(bytes(32)))
    assert Channel(elsewhere, Side.OLD, old, offer, keys, reveal).words != honest


def test_keys_cannot_be_chosen_after_the_others_were_seen() -> None:
    """Or one could try until the words fit."""
    old, new, chosen = (Ephemeral.fresh(os.urandom) for _ in range(3))
    promised = commit_to(old.reveal(OLD_DEVICE))
    with pytest.raises(LinkBroken):
        Channel(PLACE, Side.NEW, new, promised, keys_of(new), chosen.reveal(OLD_DEVICE))
    with pytest.raises(LinkBroken):
        Channel(PLACE, Side.NEW, new, promised, keys_of(new), old.reveal(DeviceId(b"x" * 16)))


def test_sealed_part_opens_once_in_its_order_and_for_the_other_side_only() -> None:
    old, new = both()
    first, second = old.seal(GRANT), old.seal(Added())
    with pytest.raises(LinkBroken):
        new.open_untrusted(second)
    assert new.open_untrusted(first) == GRANT
    with pytest.raises(LinkBroken):
        new.open_untrusted(first)
    with pytest.raises(LinkBroken):
        old.open_untrusted(second)
    assert new.open_untrusted(second) == Added()


def test_who_only_knows_the_public_keys_can_say_nothing() -> None:
    """HPKE alone would let anybody seal to the new device; the session key signs."""
    old, new = both()
    others_old, _ = both()
    forged = others_old.seal(GRANT)
    with pytest.raises(LinkBroken):
        new.open_untrusted(forged)
    with pytest.raises(LinkBroken):
        new.open_untrusted(msgspec.structs.replace(old.seal(GRANT), signature=bytes(64)))


def test_what_stands_in_the_queue_opens_with_the_code_only() -> None:
    relay, queue = RelayKey(os.urandom(32)), PLACE.queue
    payload = seal_entry(relay, queue, Offer(bytes(32)), os.urandom(12))
    assert open_entry_untrusted(relay, queue, payload) == Offer(bytes(32))
    for key, where, what in (
        (RelayKey(os.urandom(32)), queue, payload),
        (relay, QueueId(bytes(32)), payload),
        (relay, queue, payload[:-1]),
        (relay, queue, b""),
    ):
        with pytest.raises(LinkBroken):
            open_entry_untrusted(key, where, what)


def test_reveal_that_holds_no_key_is_refused() -> None:
    new = Ephemeral.fresh(os.urandom)
    reveal = Reveal(bytes(1216), bytes(32), OLD_DEVICE, bytes(32))
    with pytest.raises(LinkBroken):
        Channel(PLACE, Side.NEW, new, commit_to(reveal), keys_of(new), reveal)
