"""The recovery phrase: BIP-39's own vectors, what a person may write differently, and what is found wrong with it."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coterie.ids import Seed
from coterie.trust.phrase import Phrase, WrongPhrase, backup_key_seed, check_words, written_down

VECTORS = {
    "00" * 32: "abandon " * 23 + "art",
    "7f" * 32: "legal winner thank year wave sausage worth useful " * 2
    + "legal winner thank year wave sausage worth title",
    "80" * 32: "letter advice cage absurd amount doctor acoustic avoid " * 2
    + "letter advice cage absurd amount doctor acoustic bless",
    "f585c11aec520db57dd353c69554b21a89b20fb0650966fa0a9d6f74fd989d8f": "void come effort suffer camp survey warrior "
    "heavy shoot primary clutch crush open amazing screen patrol group space point ten exist slush involve unfold",
}
"""From the standard's test vectors: entropy, words."""
SEED = Seed(hashlib.sha256(b"seed ada identity").digest())


@pytest.mark.parametrize(("seed", "words"), VECTORS.items(), ids=[seed[:4] for seed in VECTORS])
def test_the_words_are_those_of_bip_39(seed: str, words: str) -> None:
    assert " ".join(Phrase.of_seed(Seed(bytes.fromhex(seed))).words) == words
    assert bytes(Phrase.read_untrusted(words).seed) == bytes.fromhex(seed)


@given(st.binary(min_size=32, max_size=32))
def test_every_seed_comes_back(seed: bytes) -> None:
    assert bytes(Phrase.read_untrusted(" ".join(Phrase.of_seed(Seed(seed)).words)).seed) == seed


def test_what_was_copied_from_the_screen_is_read() -> None:
    phrase = Phrase.of_seed(SEED)
    assert Phrase.read_untrusted(written_down(phrase.words)) == phrase
    assert (
        Phrase.read_untrusted("\r\n".join(f"{n}) {word.upper()}" for n, word in enumerate(phrase.words, 1))) == phrase
    )


@given(st.text(max_size=300))
def test_nothing_but_wrong_phrase_comes_of_other_text(text: str) -> None:
    with pytest.raises(WrongPhrase):
        Phrase.read_untrusted(text)


def test_what_is_wrong_is_said_by_its_place_and_shows_no_word() -> None:
    words = list(Phrase.of_seed(SEED).words)
    for wrong, fact in (
        (words[:-1], "23"),
        ([*words[:6], "correcthorse", *words[7:]], "word 7"),
        ([words[1], words[0], *words[2:]], "changed places"),
    ):
        with pytest.raises(WrongPhrase, match=fact) as refused:
            Phrase.read_untrusted(" ".join(wrong))
        told = (refused.value.fact + refused.value.hint).split()
        assert not {"correcthorse", *words} & set(told)


def test_three_words_of_it_are_asked_and_must_be_right() -> None:
    phrase = Phrase.of_seed(SEED)
    right = {place: phrase.words[place - 1] for place in (3, 11, 24)}
    check_words(phrase, right)
    check_words(phrase, {place: f" {word.upper()} " for place, word in right.items()})
    for said in (
        {3: right[3], 11: right[11]},
        right | {11: phrase.words[11]},
        right | {25: "art"},
        right | {0: phrase.words[-1]},
    ):
        with pytest.raises(WrongPhrase):
            check_words(phrase, said)


def test_a_phrase_does_not_show_itself() -> None:
    phrase = Phrase.of_seed(SEED)
    assert phrase.words[0] not in repr(phrase)


def test_the_backup_key_is_the_same_for_every_implementation() -> None:
    assert bytes(backup_key_seed(SEED)) != bytes(SEED)
    assert bytes(backup_key_seed(Seed(bytes(32)))).hex() == BACKUP_SEED_OF_ZEROS


BACKUP_SEED_OF_ZEROS = "062046d48499932e1b8b0f7839d8ca42293234950ecc64c3d670afd04d6402da"
