"""The recovery phrase: an identity seed as 24 words of BIP-39's English list (docs/protocol/backup.md, "Phrase").

Pure. The words are the seed itself with a checksum of eight bits: nothing is stretched, no wallet's derivation is used.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final, Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from mnemonic import Mnemonic

from coterie.errors import CallerError
from coterie.ids import Secret, Seed
from coterie.trust.keys import KEY_BYTES

WORDS: Final = 24
LEAST_ASKED: Final = 3
"""So many words prove that a person has the phrase."""
_BACKUP_LABEL: Final = b"coterie/1 phrase backup key\0"


class WrongPhrase(CallerError):
    """Says which word by its place, never by what it is."""

    code = "wrong_phrase"


class Phrase(Secret):
    """Made by `of_seed` or `read_untrusted`: 24 words of the list whose checksum fits, one space between them."""

    @classmethod
    def of_seed(cls, seed: Seed) -> Self:
        """The phrase of an identity key's seed (32 bytes)."""
        return cls(_list().to_mnemonic(bytes(seed)).encode())

    @classmethod
    def read_untrusted(cls, text: str) -> Self:
        """As a person typed it: white space, case and the numbers in front of words do not matter. Raises WrongPhrase
        and nothing else."""
        words = [word for word in text.lower().split() if not word.rstrip(".):").isdecimal()]
        known = set(_list().wordlist)
        if len(words) != WORDS:
            raise WrongPhrase(f"a recovery phrase has {WORDS} words, and here are {len(words)}", _LOOK_AGAIN)
        for place, word in enumerate(words, start=1):
            if word not in known:
                raise WrongPhrase(f"word {place} is not one that a recovery phrase can have", _LOOK_AGAIN)
        phrase = cls(" ".join(words).encode())
        if not _list().check(" ".join(words)):
            raise WrongPhrase("these words are no recovery phrase: one is wrong, or two changed places", _LOOK_AGAIN)
        return phrase

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(bytes(self).decode().split(" "))

    @property
    def seed(self) -> Seed:
        """The identity key's."""
        return Seed(bytes(_list().to_entropy(list(self.words))))


def check_words(phrase: Phrase, said: Mapping[int, str]) -> None:
    """`said` are words by their place, from 1 on. Raises WrongPhrase if they are too few, or one is another."""
    if len(said) < LEAST_ASKED:
        raise WrongPhrase(f"at least {LEAST_ASKED} words of the phrase are asked for, here are {len(said)}")
    for place, word in sorted(said.items()):
        if not 1 <= place <= WORDS:
            raise WrongPhrase(f"a recovery phrase has no word {place}", f"its words count from 1 to {WORDS}")
        if Secret(word.strip().lower().encode()) != Secret(phrase.words[place - 1].encode()):
            raise WrongPhrase(f"word {place} is another one", _LOOK_AGAIN)


def backup_key_seed(seed: Seed) -> Seed:
    """The seed of the X-Wing key to which backups are sealed, so that the phrase opens them."""
    return Seed(HKDF(SHA256(), KEY_BYTES, salt=None, info=_BACKUP_LABEL).derive(bytes(seed)))


def written_down(words: Sequence[str], columns: int = 4) -> str:
    """For people: the words in numbered columns, to be read line by line."""
    numbered = [f"{place:2}. {word:<10}" for place, word in enumerate(words, start=1)]
    lines = [numbered[at : at + columns] for at in range(0, len(numbered), columns)]
    return "\n".join("  ".join(line).rstrip() for line in lines)


@cache
def _list() -> Mnemonic:
    return Mnemonic("english")


_LOOK_AGAIN: Final = "look at what you wrote down, word by word"
