"""HPKE with X-Wing against an independent implementation: ML-KEM, X25519 and ChaCha20-Poly1305 of `cryptography`,
the combiner of draft-connolly-cfrg-xwing-kem-06 and the key schedule of RFC 9180 written out here."""

import hashlib
import hmac

import pytest
from coterie_mls import hpke_keypair, hpke_open, hpke_seal
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from .refusal import refused

SEED = bytes(range(32))
SUITE_ID = b"HPKE" + bytes.fromhex("647a00010003")
XWING_LABEL = b"\\.//^\\"


class IndependentXWing:
    def __init__(self, seed: bytes) -> None:
        expanded = hashlib.shake_256(seed).digest(96)
        self.mlkem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        self.x25519 = X25519PrivateKey.from_private_bytes(expanded[64:])

    @property
    def public(self) -> bytes:
        return self.mlkem.public_key().public_bytes_raw() + self.x25519.public_key().public_bytes_raw()

    def decapsulate(self, enc: bytes) -> bytes:
        return combine(
            self.mlkem.decapsulate(enc[:1088]),
            self.x25519.exchange(X25519PublicKey.from_public_bytes(enc[1088:])),
            enc[1088:],
            self.public[1184:],
        )


def combine(mlkem: bytes, x25519: bytes, ciphertext: bytes, public: bytes) -> bytes:
    return hashlib.sha3_256(mlkem + x25519 + ciphertext + public + XWING_LABEL).digest()


def encapsulate(public: bytes) -> tuple[bytes, bytes]:
    mlkem, mlkem_ciphertext = MLKEM768PublicKey.from_public_bytes(public[:1184]).encapsulate()
    ephemeral = X25519PrivateKey.generate()
    x25519 = ephemeral.exchange(X25519PublicKey.from_public_bytes(public[1184:]))
    own = ephemeral.public_key().public_bytes_raw()
    return combine(mlkem, x25519, own, public[1184:]), mlkem_ciphertext + own


def labeled_extract(salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + SUITE_ID + label + ikm, "sha256")


def labeled_expand(prk: bytes, label: bytes, info: bytes, length: int) -> bytes:
    return hmac.digest(prk, length.to_bytes(2, "big") + b"HPKE-v1" + SUITE_ID + label + info + b"\x01", "sha256")[
        :length
    ]


def key_and_nonce(shared: bytes, info: bytes) -> tuple[bytes, bytes]:
    """RFC 9180 §5.1, mode_base."""
    context = b"\x00" + labeled_extract(b"", b"psk_id_hash", b"") + labeled_extract(b"", b"info_hash", info)
    secret = labeled_extract(shared, b"secret", b"")
    return labeled_expand(secret, b"key", context, 32), labeled_expand(secret, b"base_nonce", context, 12)


def test_the_key_derivation_is_the_pinned_one() -> None:
    private, public = hpke_keypair(SEED)
    assert private == hashlib.shake_256(SEED).digest(32)
    assert private.hex() == "69f07c8840ce80024db30939882c3d5bbc9c98b3e31e4513ebd2ca9b4503cdd3"
    assert hashlib.sha256(public).hexdigest() == "e735f8e75ba7883aae5d6456ae03c14086b769d73502147370f2963b397e4d4a"
    assert public == IndependentXWing(private).public


def test_independent_code_opens_what_we_seal() -> None:
    private, public = hpke_keypair(SEED)
    sealed = hpke_seal(public, b"coterie inbox", b"queue", b"welcome")
    enc, ciphertext = sealed[:1120], sealed[1120:]
    key, nonce = key_and_nonce(IndependentXWing(private).decapsulate(enc), b"coterie inbox")
    assert ChaCha20Poly1305(key).decrypt(nonce, ciphertext, b"queue") == b"welcome"


def test_we_open_what_independent_code_seals() -> None:
    private, public = hpke_keypair(SEED)
    shared, enc = encapsulate(public)
    key, nonce = key_and_nonce(shared, b"info")
    sealed = enc + ChaCha20Poly1305(key).encrypt(nonce, b"from elsewhere", b"aad")
    assert hpke_open(private, b"info", b"aad", sealed) == b"from elsewhere"


def test_two_seals_of_the_same_text_differ() -> None:
    _, public = hpke_keypair(SEED)
    assert hpke_seal(public, b"", b"", b"x") != hpke_seal(public, b"", b"", b"x")


def test_any_altered_byte_is_refused() -> None:
    private, public = hpke_keypair(SEED)
    sealed = hpke_seal(public, b"info", b"aad", b"text")
    for place in range(0, len(sealed), 13):
        with refused("cannot-decrypt"):
            hpke_open(private, b"info", b"aad", sealed[:place] + bytes([sealed[place] ^ 4]) + sealed[place + 1 :])
    for wrong in ((b"", b"aad"), (b"info", b"")):
        with refused("cannot-decrypt"):
            hpke_open(private, *wrong, sealed)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_seeds_and_keys_of_another_length_are_malformed(length: int) -> None:
    _, public = hpke_keypair(SEED)
    with refused("malformed"):
        hpke_keypair(bytes(length))
    with refused("malformed"):
        hpke_open(bytes(length), b"", b"", bytes(1136))
    with refused("malformed"):
        hpke_open(SEED, b"", b"", bytes(1120 + length // 3))
    with refused("malformed"):
        hpke_seal(public + bytes(length or 1), b"", b"", b"")
