"""The code by which a member's further device is linked, and what follows from its secret (docs/protocol/link.md).

`coterie://HOST:PORT/link/PAYLOAD`: a form of its own, told apart from the links that join or found. Pure.
"""

from dataclasses import dataclass
from typing import Final, Literal

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from coterie.ids import CoterieId, PostToken, PublicKey, ReadToken, Secret, Seed
from coterie.trust import canonical
from coterie.trust.address import Address, WrongAddress, parse_address
from coterie.trust.canonical import NotCanonical
from coterie.trust.invite import (
    COPY_IT_WHOLE,
    LINK_VERSION,
    Addresses,
    WrongLink,
    link_text,
    payload_untrusted,
    split_link_untrusted,
)
from coterie.trust.keys import MalformedKey, SigningKey, public_key_untrusted
from coterie.trust.kinds import Hash, Key, Milliseconds

_SECRETS_LABEL: Final = b"coterie/1 link\0"
_NONCE_BYTES: Final = 16


class LinkSecret(Secret):
    """Lets its bearer come to one link queue, as one of the two devices; 32 bytes."""


class RelayKey(Secret):
    """Seals what the two devices say in their link queue; 32 bytes."""


class _Payload(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    version: Literal[1]
    coterie: Hash
    addresses: Addresses
    service_key: Key
    secret: Key
    expires_at: Milliseconds


_payloads: Final = msgspec.msgpack.Decoder(_Payload)


@dataclass(frozen=True, slots=True)
class LinkSecrets:
    """What both devices, and nobody else, derive from the code. `key` proves that one has it; `nonce` is of the queue's
    terms."""

    key: SigningKey
    post: PostToken
    read: ReadToken
    relay: RelayKey
    nonce: bytes


@dataclass(frozen=True, slots=True)
class LinkCode:
    """What the old device shows. It can be used once, until `expires_at` (ms)."""

    coterie: CoterieId
    addresses: tuple[Address, ...]
    service_key: PublicKey
    secret: LinkSecret
    expires_at: int

    @property
    def text(self) -> str:
        """The code itself: a secret until it is used."""
        addresses = [address.text for address in self.addresses]
        payload = _Payload(LINK_VERSION, self.coterie, addresses, self.service_key, bytes(self.secret), self.expires_at)
        return link_text("link", self.addresses, payload)

    @property
    def secrets(self) -> LinkSecrets:
        lengths = (32, 32, 32, 32, _NONCE_BYTES)
        okm = HKDF(SHA256(), sum(lengths), salt=None, info=_SECRETS_LABEL + self.coterie).derive(bytes(self.secret))
        key, post, read, relay, nonce = (
            okm[sum(lengths[:place]) : sum(lengths[: place + 1])] for place in range(len(lengths))
        )
        return LinkSecrets(SigningKey(Seed(key)), PostToken(post), ReadToken(read), RelayKey(relay), nonce)


def parse_link_code_untrusted(text: str) -> LinkCode:
    """A code as pasted, as forgiving as any link. Raises WrongLink and nothing else."""
    verb, encoded = split_link_untrusted(text)
    if verb == "join":
        raise WrongLink("this link invites a new member, it does not link a device", "use it with: coterie join")
    if verb == "found":
        raise WrongLink("this link founds a coterie, it does not link a device", "use it with: coterie found")
    if verb != "link":
        raise WrongLink("this link is for something this Coterie does not know", "update Coterie")
    try:
        read = canonical.decode_untrusted(payload_untrusted(encoded), _payloads)
        return LinkCode(
            coterie=CoterieId(read.coterie),
            addresses=tuple(parse_address(address) for address in read.addresses),
            service_key=public_key_untrusted(read.service_key),
            secret=LinkSecret(read.secret),
            expires_at=read.expires_at,
        )
    except (NotCanonical, MalformedKey, WrongAddress):
        raise WrongLink("this code is incomplete or was changed on its way", COPY_IT_WHOLE) from None
