"""Seals: bound to their entry, padded, committed to one key, and never part of a verdict."""

import hashlib
from dataclasses import replace

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from coterie.ids import CoterieId, CoterieKey
from coterie.trust import apply
from coterie.trust.author import rotate_key
from coterie.trust.coterie_key import WrongCoterieKey, check_key, former_keys, inbox_post_token, key_hash
from coterie.trust.entry import LARGEST_SEALED, DecodedEntry, decode_entry_untrusted
from coterie.trust.kinds import KeyRotated, ProfileSet
from coterie.trust.seal import (
    CannotOpen,
    FormerKey,
    FoundingNames,
    InviteNote,
    ProfileName,
    generation_for,
    open_sealed,
    seal,
)
from tests.trust.cast import Stage, by_device, coterie_key

LONGEST = "\U0001f6f6" * 64


def last(stage: Stage) -> DecodedEntry:
    return decode_entry_untrusted(stage.entries[-1])


def test_founding_names_open_with_the_first_key(stage: Stage) -> None:
    names = open_sealed(coterie_key(0), stage.state.coterie, last(stage), FoundingNames)
    assert names == FoundingNames(coterie="Harbour", name="Ada")


def test_longest_names_fit() -> None:
    stage = Stage.founded(name=LONGEST, coterie=LONGEST)
    assert len(last(stage).sealed) <= LARGEST_SEALED
    assert open_sealed(coterie_key(0), stage.state.coterie, last(stage), FoundingNames).name == LONGEST


def test_note_of_an_invite_opens(stage: Stage) -> None:
    stage.invite(stage.founder, "bo")
    assert open_sealed(coterie_key(0), stage.state.coterie, last(stage), InviteNote) == InviteNote(note="for bo")


@pytest.mark.parametrize("generation", [1, 2])
def test_name_does_not_open_under_another_generation(stage: Stage, generation: int) -> None:
    stage.set_name(stage.founder, "Ada Two")
    with pytest.raises(CannotOpen):
        open_sealed(coterie_key(generation), stage.state.coterie, last(stage), ProfileName)


def test_name_does_not_open_as_something_else(stage: Stage) -> None:
    stage.set_name(stage.founder, "Ada Two")
    with pytest.raises(CannotOpen):
        open_sealed(coterie_key(0), stage.state.coterie, last(stage), InviteNote)


def test_rotation_is_sealed_under_the_new_key_and_holds_the_old(stage: Stage) -> None:
    stage.rotate(stage.founder)
    assert generation_for(last(stage), 0) == 1
    former = open_sealed(coterie_key(1), stage.state.coterie, last(stage), FormerKey)
    assert former.previous == bytes(coterie_key(0))
    assert bytes(coterie_key(0)).hex() not in repr(former)
    assert repr(former) == "FormerKey(…)"


def test_seal_copied_into_another_entry_does_not_open_and_changes_no_verdict(stage: Stage) -> None:
    stage.set_name(stage.founder, "Ada Two")
    copied = replace(by_device(stage.state, ProfileSet(), stage.founder), sealed=last(stage).sealed)
    stage.append(copied.encoded)
    with pytest.raises(CannotOpen):
        open_sealed(coterie_key(0), stage.state.coterie, last(stage), ProfileName)


@pytest.mark.parametrize("field", ["seq", "prev", "at", "author", "kind", "public"])
def test_seal_is_bound_to_every_public_field(stage: Stage, field: str) -> None:
    stage.set_name(stage.founder, "Ada Two")
    entry = last(stage)
    other = {"seq": 9, "prev": b"\1" * 32, "at": 9, "author": b"\1" * 16, "kind": "NameSet", "public": b"\x81"}[field]
    moved = replace(entry, fields=msgspec.structs.replace(entry.fields, **{field: other}))
    with pytest.raises(CannotOpen):
        open_sealed(coterie_key(0), stage.state.coterie, moved, ProfileName)


def test_seal_is_bound_to_its_coterie(stage: Stage) -> None:
    stage.set_name(stage.founder, "Ada Two")
    with pytest.raises(CannotOpen):
        open_sealed(coterie_key(0), CoterieId(b"\1" * 32), last(stage), ProfileName)


def test_every_changed_or_missing_byte_of_a_seal_is_noticed(stage: Stage) -> None:
    stage.set_name(stage.founder, "Ada Two")
    entry = last(stage)
    for place in range(len(entry.sealed)):
        flipped = entry.sealed[:place] + bytes([entry.sealed[place] ^ 1]) + entry.sealed[place + 1 :]
        for bad in (flipped, entry.sealed[:place], entry.sealed[place + 1 :]):
            with pytest.raises(CannotOpen):
                open_sealed(coterie_key(0), stage.state.coterie, replace(entry, sealed=bad), ProfileName)


def test_names_of_about_the_same_length_look_the_same(stage: Stage) -> None:
    lengths = []
    for name in ("B", "Bo", "Bo" * 10, "Bo" * 27, "Bo" * 28):
        stage.set_name(stage.founder, name)
        lengths.append(len(last(stage).sealed))
    assert lengths == [124, 124, 124, 124, 188]


def test_same_content_sealed_twice_looks_different(stage: Stage) -> None:
    body = last(stage).fields
    one, two = (
        seal(coterie_key(0), stage.state.coterie, body, ProfileName(name="Bo"), bytes([n]) * 12) for n in (1, 2)
    )
    assert one[:32] == two[:32], "the commitment is to the key"
    assert one[44:] != two[44:]


@pytest.mark.parametrize("fault", ["padding not zero", "length beyond the end", "length too short", "a step too many"])
def test_wrong_padding_by_a_member_does_not_open(stage: Stage, fault: str) -> None:
    """Whoever has the key can seal by hand, as docs/protocol/register.md says; only one padding is right."""
    stage.set_name(stage.founder, "Bo")
    entry = last(stage)
    body, plaintext = entry.fields, b"\x81\xa4name\xa2Bo"
    info = b"coterie/1 seal\0" + body.prev + body.author + body.kind.encode()
    okm = HKDF(SHA256(), 64, salt=None, info=info).derive(bytes(coterie_key(0)))
    fields = [stage.state.coterie, body.seq, body.prev, body.at, body.author, body.kind, body.public]

    def by_hand(padded: bytes) -> DecodedEntry:
        ciphertext = ChaCha20Poly1305(okm[:32]).encrypt(bytes(12), padded, msgspec.msgpack.encode(fields))
        return replace(entry, sealed=okm[32:] + bytes(12) + ciphertext)

    right = len(plaintext).to_bytes(2, "big") + plaintext + bytes(64 - 2 - len(plaintext))
    assert open_sealed(coterie_key(0), stage.state.coterie, by_hand(right), ProfileName) == ProfileName(name="Bo")
    wrong = {
        "padding not zero": right[:-1] + b"\1",
        "length beyond the end": b"\xff\xff" + right[2:],
        "length too short": b"\0\1" + right[2:],
        "a step too many": right + bytes(64),
    }[fault]
    with pytest.raises(CannotOpen):
        open_sealed(coterie_key(0), stage.state.coterie, by_hand(wrong), ProfileName)


@pytest.mark.parametrize("nonce", [b"", bytes(11), bytes(13)])
def test_nonce_of_another_length_is_a_mistake_of_the_caller(stage: Stage, nonce: bytes) -> None:
    with pytest.raises(ValueError, match="12 bytes"):
        seal(coterie_key(0), stage.state.coterie, last(stage).fields, ProfileName(name="Bo"), nonce)


# The coterie key


def test_only_the_key_that_the_register_names_is_taken(stage: Stage) -> None:
    stage.rotate(stage.founder)
    assert check_key(stage.state, 1, coterie_key(1)) == coterie_key(1)
    for generation, key in [(1, coterie_key(0)), (0, coterie_key(1)), (2, coterie_key(2)), (-1, coterie_key(0))]:
        with pytest.raises(WrongCoterieKey):
            check_key(stage.state, generation, key)


def test_newest_key_opens_all_before_it_and_none_after(stage: Stage) -> None:
    for _ in range(3):
        stage.rotate(stage.founder)
    entries = [decode_entry_untrusted(entry) for entry in stage.entries]
    everything = {generation: coterie_key(generation) for generation in range(4)}
    assert former_keys(stage.state, entries, {3: coterie_key(3)}) == everything
    assert former_keys(stage.state, entries, {1: coterie_key(1)}) == {0: coterie_key(0), 1: coterie_key(1)}
    assert former_keys(stage.state, entries, {}) == {}
    assert former_keys(stage.state, entries, {3: coterie_key(2)}) == {}


def test_rotation_that_hides_a_wrong_former_key_ends_the_chain_there(stage: Stage) -> None:
    stage.rotate(stage.founder)
    honest = by_device(stage.state, KeyRotated(generation=2, key_hash=key_hash(coterie_key(2))), stage.founder)
    body = decode_entry_untrusted(honest.encoded).fields
    lie = seal(coterie_key(2), stage.state.coterie, body, FormerKey(previous=b"\6" * 32), bytes(12))
    stage.append(replace(honest, sealed=lie).encoded)
    entries = [decode_entry_untrusted(entry) for entry in stage.entries]
    assert former_keys(stage.state, entries, {2: coterie_key(2)}) == {2: coterie_key(2)}


def test_steward_without_the_former_key_rotates_all_the_same(stage: Stage) -> None:
    entry = rotate_key(
        stage.state, stage.founder.device, old_key=None, new_key=coterie_key(1), now_ms=stage.now, nonce=bytes(12)
    )
    assert apply(stage.state, entry).generation == 1
    assert decode_entry_untrusted(entry).sealed == b""


def test_post_token_differs_for_each_device_and_generation(stage: Stage) -> None:
    bo = stage.welcome(stage.founder, "bo")
    tokens = {
        bytes(inbox_post_token(key, device))
        for key in (coterie_key(0), coterie_key(1))
        for device in (bo.device_id, stage.founder.device_id)
    }
    assert len(tokens) == 4
    assert all(len(token) == 32 for token in tokens)


def test_key_hash_says_nothing_without_its_label() -> None:
    assert key_hash(CoterieKey(bytes(32))) == hashlib.sha256(b"coterie/1 coterie key\0" + bytes(32)).digest()
