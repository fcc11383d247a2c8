"""Which keys and signatures are accepted is fixed here, whatever OpenSSL thinks."""

import itertools

import pytest

from coterie.ids import NO_COTERIE, CoterieId, PublicKey, Seed
from coterie.trust.keys import (
    ForgedSignature,
    MalformedKey,
    Purpose,
    SigningKey,
    device_id,
    member_id,
    public_key_untrusted,
    verify,
)
from tests.trust.cast import key

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
Y8 = int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little")

RFC_8032_SEED = Seed(bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
RFC_8032_PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


def encoded(y: int, sign: int) -> bytes:
    return (y | sign << 255).to_bytes(32, "little")


def test_public_key_of_a_seed_is_that_of_rfc_8032_section_7_1() -> None:
    assert SigningKey(RFC_8032_SEED).public.hex() == RFC_8032_PUBLIC
    assert public_key_untrusted(bytes.fromhex(RFC_8032_PUBLIC)) == bytes.fromhex(RFC_8032_PUBLIC)


def test_y8_is_on_the_curve_and_its_eightfold_is_the_neutral_point() -> None:
    """The constant in the code is checked against the curve itself."""
    d = -121665 * pow(121666, -1, P) % P

    def add(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
        (x1, y1), (x2, y2) = one, other
        t = d * x1 * x2 * y1 * y2
        return (x1 * y2 + x2 * y1) * pow(1 + t, -1, P) % P, (y1 * y2 + x1 * x2) * pow(1 - t, -1, P) % P

    square = (Y8 * Y8 - 1) * pow(d * Y8 * Y8 + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    assert x * x % P == square
    two = add((x, Y8), (x, Y8))
    four = add(two, two)
    assert (two[1], four, add(four, four)) == (0, (0, P - 1), (0, 1))


@pytest.mark.parametrize(("y", "sign"), list(itertools.product([0, 1, P - 1, Y8, P - Y8], [0, 1])))
def test_key_of_small_order_is_refused(y: int, sign: int) -> None:
    with pytest.raises(MalformedKey):
        public_key_untrusted(encoded(y, sign))


@pytest.mark.parametrize(("above", "sign"), list(itertools.product(range(19), [0, 1])))
def test_key_that_is_not_canonical_is_refused(above: int, sign: int) -> None:
    with pytest.raises(MalformedKey):
        public_key_untrusted(encoded(P + above, sign))


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(MalformedKey):
        public_key_untrusted(b"\x05" * length)


def test_signature_whose_s_was_raised_by_the_group_order_is_forged() -> None:
    ada = key("ada")
    signature = ada.sign(Purpose.HEAD, NO_COTERIE, b"body")
    verify(ada.public, Purpose.HEAD, NO_COTERIE, b"body", signature)
    raised = int.from_bytes(signature[32:], "little") + L
    with pytest.raises(ForgedSignature):
        verify(ada.public, Purpose.HEAD, NO_COTERIE, b"body", signature[:32] + raised.to_bytes(32, "little"))


@pytest.mark.parametrize("change", ["first bit", "last bit", "short", "long", "empty", "zeros"])
def test_changed_signature_is_forged(change: str) -> None:
    ada = key("ada")
    good = ada.sign(Purpose.HEAD, NO_COTERIE, b"body")
    bad = {
        "first bit": bytes([good[0] ^ 1]) + good[1:],
        "last bit": good[:-1] + bytes([good[-1] ^ 1]),
        "short": good[:-1],
        "long": good + b"\0",
        "empty": b"",
        "zeros": bytes(64),
    }[change]
    with pytest.raises(ForgedSignature):
        verify(ada.public, Purpose.HEAD, NO_COTERIE, b"body", bad)


def test_key_off_the_curve_verifies_nothing() -> None:
    off_curve = public_key_untrusted(encoded(2, 0))
    with pytest.raises(ForgedSignature):
        verify(off_curve, Purpose.HEAD, NO_COTERIE, b"body", key("ada").sign(Purpose.HEAD, NO_COTERIE, b"body"))


@pytest.mark.parametrize(("signed", "offered"), list(itertools.permutations(Purpose, 2)))
def test_signature_for_one_purpose_is_worth_nothing_for_another(signed: Purpose, offered: Purpose) -> None:
    ada = key("ada")
    with pytest.raises(ForgedSignature):
        verify(ada.public, offered, NO_COTERIE, b"body", ada.sign(signed, NO_COTERIE, b"body"))


def test_signature_for_one_coterie_is_worth_nothing_in_another() -> None:
    ada, other = key("ada"), CoterieId(b"\1" * 32)
    with pytest.raises(ForgedSignature):
        verify(ada.public, Purpose.BUNDLE, other, b"body", ada.sign(Purpose.BUNDLE, NO_COTERIE, b"body"))


def test_no_purpose_begins_another() -> None:
    signed = [purpose.value + "\0" for purpose in Purpose]
    assert not [pair for pair in itertools.permutations(signed, 2) if pair[0].startswith(pair[1])]


def test_ids_of_one_key_as_member_and_as_device_differ() -> None:
    ada = key("ada").public
    assert bytes(member_id(ada)) != bytes(device_id(ada))
    assert (len(member_id(ada)), len(device_id(ada))) == (16, 16)


def test_signing_key_shows_its_public_half_only() -> None:
    shown = repr(SigningKey(RFC_8032_SEED))
    assert RFC_8032_PUBLIC in shown
    assert bytes(RFC_8032_SEED).hex() not in shown
    assert isinstance(SigningKey(RFC_8032_SEED).public, bytes)
    assert PublicKey(bytes.fromhex(RFC_8032_PUBLIC)) == SigningKey(RFC_8032_SEED).public
