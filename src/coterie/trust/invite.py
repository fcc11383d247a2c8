"""Invites as people carry them: the link, and the packet that waits at the server (docs/protocol/invite.md).

A link is `coterie://HOST:PORT/join/PAYLOAD` or `/found/PAYLOAD`, never http: who serves a page can read its fragment.
Pure. Whether an invite is spent, `trust.apply` decides.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Meta

from coterie.errors import CallerError, PeerError
from coterie.ids import CoterieId, CoterieKey, InviteId, PublicKey, Seed
from coterie.trust import canonical
from coterie.trust.address import Address, WrongAddress, parse_address
from coterie.trust.canonical import NotCanonical
from coterie.trust.keys import MalformedKey, public_key_untrusted
from coterie.trust.kinds import Hash, Key
from coterie.trust.register import Register
from coterie.trust.seal import NONCE_BYTES

LINK_VERSION: Final = 1
LARGEST_LINK: Final = 4096
MOST_ADDRESSES: Final = 8
_PACKET_LABEL: Final = b"coterie/1 invite packet\0"
_LINK: Final = re.compile(r"coterie://([^/]+)/([a-z]+)/([A-Za-z0-9_-]+)", re.IGNORECASE | re.ASCII)
COPY_IT_WHOLE: Final = "copy the whole link, from coterie:// to its last character"


class WrongLink(CallerError):
    code = "wrong_link"


class WrongHistory(PeerError):
    code = "wrong_history"

    def __init__(self, fact: str) -> None:
        super().__init__(fact, "the server shows another register than the inviter saw: ask the inviter, do not go on")


class BadPacket(PeerError):
    code = "bad_packet"

    def __init__(self) -> None:
        super().__init__("the invite packet cannot be opened", "names stay unknown until a member sends the key")


Addresses = Annotated[list[Annotated[str, Meta(max_length=300)]], Meta(min_length=1, max_length=MOST_ADDRESSES)]


class _AnyVersion(msgspec.Struct, frozen=True, array_like=True):
    version: int


class _JoinPayload(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    version: Literal[1]
    coterie: Hash
    addresses: Addresses
    service_key: Key
    invite: Hash
    seed: Key


class _FoundPayload(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    version: Literal[1]
    addresses: Addresses
    service_key: Key
    seed: Key


class _Packet(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    generation: Annotated[int, Meta(ge=0, le=2**32 - 1)]
    key: Key


_versions = msgspec.msgpack.Decoder(_AnyVersion)
_joins = msgspec.msgpack.Decoder(_JoinPayload)
_founds = msgspec.msgpack.Decoder(_FoundPayload)
_packets = msgspec.msgpack.Decoder(_Packet)


@dataclass(frozen=True, slots=True)
class JoinLink:
    """What an inviter hands over. `addresses` has one to eight, tried in order; `seed` is the invite secret."""

    coterie: CoterieId
    addresses: tuple[Address, ...]
    service_key: PublicKey
    invite: InviteId
    seed: Seed

    @property
    def text(self) -> str:
        """The link itself: a secret."""
        addresses = [address.text for address in self.addresses]
        payload = _JoinPayload(LINK_VERSION, self.coterie, addresses, self.service_key, self.invite, bytes(self.seed))
        return link_text("join", self.addresses, payload)


@dataclass(frozen=True, slots=True)
class FoundLink:
    """What a server prints at its first start. `seed` is that of the founding key."""

    addresses: tuple[Address, ...]
    service_key: PublicKey
    seed: Seed

    @property
    def text(self) -> str:
        """The link itself: a secret."""
        addresses = [address.text for address in self.addresses]
        return link_text(
            "found", self.addresses, _FoundPayload(LINK_VERSION, addresses, self.service_key, bytes(self.seed))
        )


def link_text(verb: str, addresses: tuple[Address, ...], payload: msgspec.Struct) -> str:
    """The link as people carry it. One to eight addresses, else ValueError."""
    if not 1 <= len(addresses) <= MOST_ADDRESSES:
        raise ValueError("a link has one to eight addresses")
    encoded = base64.urlsafe_b64encode(canonical.encode(payload)).rstrip(b"=").decode()
    return f"coterie://{addresses[0].text}/{verb}/{encoded}"


def parse_link_untrusted(text: str) -> JoinLink | FoundLink:
    """A link as pasted: white space anywhere and angle brackets around it do not matter; host and port before the path
    are for people, the payload's addresses count. Raises WrongLink and nothing else."""
    verb, encoded = split_link_untrusted(text)
    if verb == "link":
        raise WrongLink(
            "this code links a further device to one that is in already; it neither joins nor founds a coterie",
            "use it on the new device with: coterie device link",
        )
    if verb == "server":
        raise WrongLink(
            "this link says where the coterie is; it lets nobody in",
            "ask a member for an invite; or come back with your recovery phrase: coterie recover",
        )
    if verb not in ("join", "found"):
        raise WrongLink("this link is for something this Coterie does not know", "update Coterie")
    payload = payload_untrusted(encoded)
    try:
        return _join_link(payload) if verb == "join" else _found_link(payload)
    except (NotCanonical, MalformedKey, WrongAddress):
        raise WrongLink("this link is incomplete or was changed on its way", COPY_IT_WHOLE) from None


def split_link_untrusted(text: str) -> tuple[str, str]:
    """What every form of link has in common: its verb, in lower case, and its payload, still encoded. Raises WrongLink
    and nothing else."""
    bare = "".join(text.split()).removeprefix("<").removesuffix(">")
    if len(bare) > LARGEST_LINK:
        raise WrongLink("this link is too long to be Coterie's", COPY_IT_WHOLE)
    scheme = bare.partition(":")[0].lower()
    if scheme in ("http", "https"):
        raise WrongLink(
            "this is a web link: the invite may have been read by a web server", "ask for a new one: coterie://…"
        )
    if scheme != "coterie":
        raise WrongLink("this is not a Coterie link", "it starts with coterie://")
    if bare.lower().count("coterie://") > 1:
        raise WrongLink("these are several links in one", "paste one of them")
    parts = _LINK.fullmatch(bare)
    if parts is None:
        raise WrongLink("this link is incomplete or was changed on its way", COPY_IT_WHOLE)
    return parts[2].lower(), parts[3]


def expect_join(link: JoinLink | FoundLink) -> JoinLink:
    """Raises WrongLink for a founding link."""
    if isinstance(link, FoundLink):
        raise WrongLink("this link founds a coterie, it does not join one", "use it with: coterie found")
    return link


def expect_found(link: JoinLink | FoundLink) -> FoundLink:
    """Raises WrongLink for an invite."""
    if isinstance(link, JoinLink):
        raise WrongLink("this link joins a coterie, it does not found one", "use it with: coterie join")
    return link


def payload_untrusted(encoded: str) -> bytes:
    """A payload of this version, as bytes. Raises WrongLink and nothing else."""
    try:
        payload = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        version = _versions.decode(payload).version
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise WrongLink("this link is incomplete or was changed on its way", COPY_IT_WHOLE) from None
    if version != LINK_VERSION:
        raise WrongLink("this link needs a newer Coterie", "update Coterie")
    if base64.urlsafe_b64encode(payload).rstrip(b"=").decode() != encoded:
        raise WrongLink("this link is incomplete or was changed on its way", COPY_IT_WHOLE)
    return payload


def _join_link(payload: bytes) -> JoinLink:
    read = canonical.decode_untrusted(payload, _joins)
    return JoinLink(
        coterie=CoterieId(read.coterie),
        addresses=tuple(parse_address(address) for address in read.addresses),
        service_key=public_key_untrusted(read.service_key),
        invite=InviteId(read.invite),
        seed=Seed(read.seed),
    )


def _found_link(payload: bytes) -> FoundLink:
    read = canonical.decode_untrusted(payload, _founds)
    addresses = tuple(parse_address(address) for address in read.addresses)
    return FoundLink(addresses, public_key_untrusted(read.service_key), Seed(read.seed))


def check_history(link: JoinLink, register: Register) -> Register:
    """The same register, if it is the one the inviter saw: the link's coterie and service, and it contains the link's
    `InviteIssued`, which pins all history before it. Raises WrongHistory."""
    if register.coterie != link.coterie:
        raise WrongHistory("the server's register is not that of the coterie in the invite")
    if register.service_key != link.service_key:
        raise WrongHistory("the register names another service key than the invite")
    if link.invite not in register.invites:
        raise WrongHistory("the server's register does not contain the invite")
    return register


# The packet


@dataclass(frozen=True, slots=True)
class OpenedPacket:
    """What the inviter left for the newcomer. Check it with `coterie_key.check_key` before use."""

    generation: int
    key: CoterieKey


def seal_packet(
    seed: Seed, coterie: CoterieId, invite: InviteId, generation: int, key: CoterieKey, nonce: bytes
) -> bytes:
    """The packet to upload after `InviteIssued`: nonce ‖ ciphertext. `nonce` is 12 fresh random bytes."""
    if len(nonce) != NONCE_BYTES:
        raise ValueError("a nonce is 12 bytes")
    plaintext = canonical.encode(_Packet(generation, bytes(key)))
    return nonce + _packet_cipher(seed).encrypt(nonce, plaintext, coterie + invite)


def open_packet_untrusted(seed: Seed, coterie: CoterieId, invite: InviteId, packet: bytes) -> OpenedPacket:
    """Raises BadPacket and nothing else."""
    try:
        plaintext = _packet_cipher(seed).decrypt(packet[:NONCE_BYTES], packet[NONCE_BYTES:], coterie + invite)
        read = canonical.decode_untrusted(plaintext, _packets)
    except (InvalidTag, ValueError, NotCanonical):
        raise BadPacket from None
    return OpenedPacket(read.generation, CoterieKey(read.key))


def _packet_cipher(seed: Seed) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(HKDF(SHA256(), 32, salt=None, info=_PACKET_LABEL).derive(bytes(seed)))
