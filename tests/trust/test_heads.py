"""Heads: the server's word for how far the register has come, and the proof when it gave two."""

import dataclasses

import msgspec
import pytest

from coterie.ids import CoterieId, EntryHash
from coterie.trust.heads import (
    MalformedHead,
    RegisterHead,
    SignedHead,
    VerifiedHead,
    contradict,
    decode_head_untrusted,
    encode_head,
    sign_head,
    verify_head,
)
from coterie.trust.keys import ForgedSignature
from tests.trust.cast import key

COTERIE = CoterieId(b"\1" * 32)


def head(seq: int, mark: int) -> RegisterHead:
    return RegisterHead(seq, EntryHash(bytes([mark]) * 32))


def verified(generation: int, seq: int, mark: int) -> VerifiedHead:
    return verify_head(key("service").public, COTERIE, sign_head(key("service"), COTERIE, generation, head(seq, mark)))


def test_signed_head_is_read_back_and_verified() -> None:
    signed = sign_head(key("service"), COTERIE, 2, head(7, 9))
    assert decode_head_untrusted(encode_head(signed)) == signed
    assert verify_head(key("service").public, COTERIE, signed) == VerifiedHead(2, head(7, 9), signed)


@pytest.mark.parametrize(("field", "value"), [("generation", 3), ("seq", 8), ("hash", b"\1" * 32)])
def test_changed_head_is_forged(field: str, value: object) -> None:
    signed = sign_head(key("service"), COTERIE, 2, head(7, 9))
    with pytest.raises(ForgedSignature):
        verify_head(key("service").public, COTERIE, msgspec.structs.replace(signed, **{field: value}))


def test_head_by_another_key_or_for_another_coterie_is_forged() -> None:
    signed = sign_head(key("service"), COTERIE, 2, head(7, 9))
    with pytest.raises(ForgedSignature):
        verify_head(key("other").public, COTERIE, signed)
    with pytest.raises(ForgedSignature):
        verify_head(key("service").public, CoterieId(b"\2" * 32), signed)


@pytest.mark.parametrize(
    ("one", "other", "split"),
    [
        ((0, 7, 1), (0, 7, 2), True),
        ((0, 7, 1), (0, 7, 1), False),
        ((0, 7, 1), (0, 8, 2), False),
        ((0, 7, 1), (1, 7, 2), False),
    ],
    ids=["two entries at one place", "the same", "one behind the other", "after a restore"],
)
def test_when_two_heads_prove_a_split(one: tuple[int, int, int], other: tuple[int, int, int], split: bool) -> None:
    assert contradict(verified(*one), verified(*other)) is split
    assert contradict(verified(*other), verified(*one)) is split


@pytest.mark.parametrize("encoded", [b"", b"\x90", b"\xc1", b"\x94\x00\x01" + b"\xc4\x1f" + bytes(31)])
def test_malformed_head_is_refused(encoded: bytes) -> None:
    with pytest.raises(MalformedHead):
        decode_head_untrusted(encoded)


def test_evidence_is_kept_with_the_verdict() -> None:
    kept = verified(0, 7, 1)
    assert isinstance(kept.signed, SignedHead)
    with pytest.raises(dataclasses.FrozenInstanceError):
        kept.generation = 1  # type: ignore[misc]  # that is what is tested
