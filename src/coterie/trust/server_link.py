"""The server link: where a coterie is and which one it is (docs/protocol/backup.md, "Server link").

`coterie://HOST:PORT/server/PAYLOAD`, no secret: any member may hand it over, and it lets nobody in. With the recovery
phrase it is enough to come back. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from coterie.ids import CoterieId, EntryHash, PublicKey
from coterie.trust import canonical
from coterie.trust.address import Address, WrongAddress, parse_address
from coterie.trust.canonical import NotCanonical
from coterie.trust.invite import (
    COPY_IT_WHOLE,
    LINK_VERSION,
    Addresses,
    FoundLink,
    WrongHistory,
    WrongLink,
    link_text,
    parse_link_untrusted,
    payload_untrusted,
    split_link_untrusted,
)
from coterie.trust.keys import MalformedKey, public_key_untrusted
from coterie.trust.kinds import Hash, Key
from coterie.trust.register import Register

VERB: Final = "server"


class _Payload(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    version: Literal[1]
    coterie: Hash
    addresses: Addresses
    service_key: Key
    entry: Hash


_payloads: Final = msgspec.msgpack.Decoder(_Payload)


@dataclass(frozen=True, slots=True)
class ServerLink:
    """`entry` is the hash of the register's last entry when the link was made: it pins all history before it."""

    coterie: CoterieId
    addresses: tuple[Address, ...]
    service_key: PublicKey
    entry: EntryHash

    @classmethod
    def of(cls, register: Register, addresses: Sequence[str]) -> "ServerLink":
        """As of now. `addresses` are the server's, one to eight."""
        known = tuple(parse_address(address) for address in addresses)
        return cls(register.coterie, known, register.service_key, register.head.hash)

    @property
    def text(self) -> str:
        addresses = [address.text for address in self.addresses]
        payload = _Payload(LINK_VERSION, self.coterie, addresses, self.service_key, self.entry)
        return link_text(VERB, self.addresses, payload)


def parse_server_link_untrusted(text: str) -> ServerLink:
    """A server link as pasted; or an invite, which says the same, also after it was used. Raises WrongLink and nothing
    else."""
    verb, encoded = split_link_untrusted(text)
    if verb != VERB:
        link = parse_link_untrusted(text)
        if isinstance(link, FoundLink):
            raise WrongLink(
                "a founding link does not say which coterie was founded with it",
                "any member's device prints a link that does: coterie server-link",
            )
        return ServerLink(link.coterie, link.addresses, link.service_key, EntryHash(link.invite))
    try:
        read = canonical.decode_untrusted(payload_untrusted(encoded), _payloads)
        addresses = tuple(parse_address(address) for address in read.addresses)
        service_key = public_key_untrusted(read.service_key)
    except (NotCanonical, MalformedKey, WrongAddress):
        raise WrongLink("this link is incomplete or was changed on its way", COPY_IT_WHOLE) from None
    return ServerLink(CoterieId(read.coterie), addresses, service_key, EntryHash(read.entry))


def check_server(link: ServerLink, states: Sequence[Register]) -> Register:
    """The newest of `states` (the register after entry 1, 2, 3 …), if they are the history that the link pins. Raises
    WrongHistory."""
    if not states or states[-1].coterie != link.coterie:
        raise WrongHistory("the server's register is not that of the coterie in the link")
    if states[-1].service_key != link.service_key:
        raise WrongHistory("the register names another service key than the link")
    if all(state.head.hash != link.entry for state in states):
        raise WrongHistory("the server's register does not contain what was its last entry when the link was made")
    return states[-1]
