"""The safety number of two members: equal on both screens if, and only if, both see the same two identity keys.

docs/protocol/register.md, "Safety numbers". Pure. Digits, words and the text of a QR code are three forms of one thing.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from coterie.errors import CallerError
from coterie.ids import CoterieId, PublicKey
from coterie.trust.wordlist import WORDS

GROUPS: Final = 12
DIGITS: Final = 5
WORD_COUNT: Final = 12
QR_PREFIX: Final = "coterie-safety-number:1:"
LONGEST_TEXT: Final = 1024
_WORD_BITS: Final = 11
_KNOWN: Final = frozenset(WORDS)
_BETWEEN: Final = re.compile(r"[\s,.;-]+")


class NoSafetyNumber(CallerError):
    code = "no_safety_number"

    def __init__(self) -> None:
        super().__init__(
            "this is not a whole safety number",
            f"it has {GROUPS} groups of {DIGITS} digits, or {WORD_COUNT} words, or is what their QR code says",
        )


@dataclass(frozen=True, slots=True)
class SafetyNumber:
    """Twelve groups of five digits, or twelve words: each form alone is enough to compare."""

    groups: tuple[str, ...]
    words: tuple[str, ...]

    @property
    def qr(self) -> str:
        """What the QR code says; both screens show the same."""
        return QR_PREFIX + "".join(self.groups)

    def agrees(self, shown: "Shown") -> bool:
        """Whether the other's screen shows this number."""
        return shown in (Shown(groups=self.groups), Shown(words=self.words))


@dataclass(frozen=True, slots=True)
class Shown:
    """What the other's screen shows, in one of the two forms; the other form is empty."""

    groups: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


def safety_number(coterie: CoterieId, mine: PublicKey, theirs: PublicKey) -> tuple[str, ...]:
    """Twelve groups of five digits, the same whoever asks. The keys are identity keys."""
    return number_of(coterie, mine, theirs).groups


def number_of(coterie: CoterieId, mine: PublicKey, theirs: PublicKey) -> SafetyNumber:
    """The same number in all its forms."""
    low, high = sorted((mine, theirs))
    digest = hashlib.sha512(b"coterie/1 safety number\0" + coterie + low + high).digest()
    parts = (digest[5 * group : 5 * group + 5] for group in range(GROUPS))
    bits = int.from_bytes(digest, "big") >> (8 * len(digest) - WORD_COUNT * _WORD_BITS)
    places = (bits >> _WORD_BITS * place & len(WORDS) - 1 for place in reversed(range(WORD_COUNT)))
    return SafetyNumber(
        groups=tuple(f"{int.from_bytes(part, 'big') % 10**DIGITS:0{DIGITS}}" for part in parts),
        words=tuple(WORDS[place] for place in places),
    )


def parse_number_untrusted(text: str) -> Shown:
    """A number as it was read out, typed or scanned: digits of any script, however they are grouped; or words, in
    small letters or large. Raises NoSafetyNumber and nothing else."""
    if len(text) > LONGEST_TEXT:
        raise NoSafetyNumber
    parts = [part for part in _BETWEEN.split(text.strip().lower().removeprefix(QR_PREFIX)) if part]
    if len(parts) == WORD_COUNT and _KNOWN.issuperset(parts):
        return Shown(words=tuple(parts))
    decimals = [unicodedata.decimal(character, None) for character in "".join(parts)]
    digits = "".join(str(decimal) for decimal in decimals if decimal is not None)
    if len(digits) != len(decimals) or len(digits) != GROUPS * DIGITS:
        raise NoSafetyNumber
    return Shown(groups=tuple(digits[at : at + DIGITS] for at in range(0, len(digits), DIGITS)))
