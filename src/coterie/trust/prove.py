"""The signatures of the handshake (docs/protocol/register.md, "Proving who one is").

Both sides sign the same channel, with the certificate as each sees it: what is signed on one connection
is worth nothing on another.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from coterie.ids import CoterieId, PublicKey
from coterie.trust.keys import Purpose, SigningKey, verify

CHANNEL_NONCE_BYTES: Final = 32


class Prover(Enum):
    """Which of its keys the client proves."""

    DEVICE = Purpose.PROVE_DEVICE
    INVITE = Purpose.PROVE_INVITE
    FOUNDING = Purpose.PROVE_FOUNDING
    IDENTITY = Purpose.PROVE_IDENTITY
    LINK = Purpose.PROVE_LINK


@dataclass(frozen=True, slots=True)
class Channel:
    """One connection. `certificate` is the SHA-256 of the TLS certificate's SubjectPublicKeyInfo (DER), by each side's
    own sight; `coterie` is NO_COTERIE for a founder. All five have 32 bytes, else ValueError."""

    client_nonce: bytes
    server_nonce: bytes
    certificate: bytes
    service_key: PublicKey
    coterie: CoterieId

    def __post_init__(self) -> None:
        if any(len(part) != CHANNEL_NONCE_BYTES for part in self._parts()):
            raise ValueError("each part of a channel has 32 bytes")

    def _parts(self) -> tuple[bytes, ...]:
        return (self.client_nonce, self.server_nonce, self.certificate, self.service_key, self.coterie)

    @property
    def body(self) -> bytes:
        return b"".join(self._parts())


def sign_challenge(service: SigningKey, channel: Channel) -> bytes:
    return service.sign(Purpose.CHALLENGE, channel.coterie, channel.body)


def verify_challenge(channel: Channel, signature: bytes) -> None:
    """The server holds the service key that the channel names: the one pinned by the link or register.
    Raises ForgedSignature."""
    verify(channel.service_key, Purpose.CHALLENGE, channel.coterie, channel.body, signature)


def sign_proof(key: SigningKey, prover: Prover, channel: Channel) -> bytes:
    return key.sign(prover.value, channel.coterie, channel.body)


def verify_proof(key: PublicKey, prover: Prover, channel: Channel, signature: bytes) -> None:
    """Raises ForgedSignature. Whether the key may do anything is the register's to say."""
    verify(key, prover.value, channel.coterie, channel.body, signature)
