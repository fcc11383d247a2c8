"""The two devices' private channel: keys exchanged behind a commitment, words to compare, sealed parts after a yes.

Sans I/O (docs/protocol/link.md, "Channel"). The old device commits to its keys before it sees the new one's, and the
new one shows its own before it sees the old one's: so nobody who stands between can choose keys until the words fit.
The secrets live in memory only, and end with the object.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

import coterie_mls
from coterie_mls import MlsError

from coterie.client.linking.messages import AnySaid, Keys, LinkBroken, Offer, Reveal, Sealed, decode_said_untrusted
from coterie.ids import CoterieId, DeviceId, PublicKey, QueueId, Secret, Seed
from coterie.trust import canonical
from coterie.trust.keys import ForgedSignature, MalformedKey, Purpose, SigningKey, public_key_untrusted, verify
from coterie.trust.wordlist import WORDS

WORDS_SHOWN: Final = 4
_WORD_BITS: Final = 11
_COMMITMENT_LABEL: Final = b"coterie/1 link commitment\0"
_TRANSCRIPT_LABEL: Final = b"coterie/1 link transcript\0"
_SEALED_LABEL: Final = b"coterie/1 link sealed\0"


class Side(IntEnum):
    OLD = 1
    NEW = 2

    @property
    def other(self) -> "Side":
        return Side.NEW if self is Side.OLD else Side.OLD


@dataclass(frozen=True, slots=True)
class Place:
    """Where two devices meet: bound into everything they sign and compare."""

    coterie: CoterieId
    service_key: PublicKey
    queue: QueueId


@dataclass(frozen=True, slots=True)
class Ephemeral:
    """One side's keys for one linking."""

    hpke_private: Secret
    hpke_public: bytes
    session: SigningKey
    nonce: bytes

    @classmethod
    def fresh(cls, random: Callable[[int], bytes]) -> Self:
        private, public = coterie_mls.hpke_keypair(random(32))
        return cls(Secret(private), public, SigningKey(Seed(random(32))), random(32))

    def keys(self, device: PublicKey, leaf: PublicKey) -> Keys:
        """What the new device shows."""
        return Keys(self.hpke_public, self.session.public, device, leaf, self.nonce)

    def reveal(self, device: DeviceId) -> Reveal:
        """What the old device commits to, and then shows."""
        return Reveal(self.hpke_public, self.session.public, device, self.nonce)


def commit_to(reveal: Reveal) -> Offer:
    return Offer(hashlib.sha256(_COMMITMENT_LABEL + canonical.encode(reveal)).digest())


class Channel:
    """What both sides have after the three entries. `words` are equal on both exactly if both saw the same entries."""

    def __init__(self, place: Place, side: Side, own: Ephemeral, offer: Offer, keys: Keys, reveal: Reveal) -> None:
        """Raises LinkBroken if `reveal` is not what `offer` committed to, or a key is none."""
        if commit_to(reveal) != offer:
            raise LinkBroken("other keys were shown than were promised")
        try:
            sessions = {Side.OLD: public_key_untrusted(reveal.session), Side.NEW: public_key_untrusted(keys.session)}
            self.device, self.leaf = public_key_untrusted(keys.device), public_key_untrusted(keys.leaf)
        except MalformedKey:
            raise LinkBroken("a key that is none") from None
        said = canonical.encode([place.coterie, place.service_key, place.queue, offer, keys, reveal])
        self._transcript = hashlib.sha256(_TRANSCRIPT_LABEL + said).digest()
        self._coterie = place.coterie
        self._side = side
        self._own = own
        self._peer = sessions[side.other]
        self._peer_hpke = keys.hpke if side is Side.OLD else reveal.hpke
        self._sent = 0
        self._heard = 0

    @property
    def words(self) -> tuple[str, ...]:
        """44 bits of the transcript, as words of BIP-39's list."""
        bits = int.from_bytes(self._transcript, "big") >> (256 - WORDS_SHOWN * _WORD_BITS)
        places = (bits >> _WORD_BITS * (WORDS_SHOWN - 1 - place) for place in range(WORDS_SHOWN))
        return tuple(WORDS[place & (len(WORDS) - 1)] for place in places)

    def seal(self, said: AnySaid) -> Sealed:
        """For the other device alone. Not before a person has said yes."""
        self._sent += 1
        head = self._head(self._side, self._sent)
        sealed = coterie_mls.hpke_seal(self._peer_hpke, _SEALED_LABEL, head, canonical.encode(said))
        signature = self._own.session.sign(Purpose.LINK, self._coterie, head + sealed)
        return Sealed(1 if self._side is Side.OLD else 2, self._sent, sealed, signature)

    def open_untrusted(self, sealed: Sealed) -> AnySaid:
        """The next thing that the other device said, each once and in order. Raises LinkBroken and nothing else."""
        number = self._heard + 1
        head = self._head(self._side.other, number)
        if (sealed.side, sealed.number) != (self._side.other, number):
            raise LinkBroken("a part out of its order")
        try:
            verify(self._peer, Purpose.LINK, self._coterie, head + sealed.sealed, sealed.signature)
            plain = coterie_mls.hpke_open(bytes(self._own.hpke_private), _SEALED_LABEL, head, sealed.sealed)
        except (ForgedSignature, MlsError):
            raise LinkBroken("a sealed part that is not the other device's") from None
        self._heard = number
        return decode_said_untrusted(plain)

    def _head(self, side: Side, number: int) -> bytes:
        return self._transcript + bytes([side]) + number.to_bytes(4, "big")
