"""HOST:PORT, as it stands in links and on the command line (docs/protocol/invite.md, "Addresses")."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from coterie.errors import CallerError

_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAME: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*", re.ASCII)
_ONION: Final = re.compile(r"[a-z2-7]{56}\.onion", re.ASCII)
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)


class WrongAddress(CallerError):
    code = "wrong_address"

    def __init__(self, fact: str) -> None:
        super().__init__(
            fact, "write HOST:PORT, for instance coterie.example:4430, 192.0.2.7:4430 or [2001:db8::7]:4430"
        )


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens. `host` is in lower case and without brackets; `text` is the only way it is written."""

    host: str
    port: int

    @property
    def text(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_onion(self) -> bool:
        return self.host.endswith(".onion")


def parse_address(text: str) -> Address:
    """A DNS name, an IPv4 or a bracketed IPv6 address, or a version 3 onion name, and a port. Raises WrongAddress."""
    host, colon, port = text.rpartition(":")
    if not colon or not _PORT.fullmatch(port) or int(port) > 65535:
        raise WrongAddress("the address has no port between 1 and 65535")
    if host.startswith("[") and host.endswith("]"):
        return Address(_ipv6(host[1:-1]), int(port))
    host = host.lower()
    if host.endswith(".onion"):
        if not _ONION.fullmatch(host):
            raise WrongAddress("the onion name is not one of version 3")
    elif host.rpartition(".")[2].isdigit():
        try:
            host = str(ipaddress.IPv4Address(host))
        except ValueError:
            raise WrongAddress("the host is neither a name nor an IPv4 address") from None
    elif not _NAME.fullmatch(host):
        raise WrongAddress("the host is not a name in ASCII letters, digits and hyphens")
    return Address(host, int(port))


def _ipv6(text: str) -> str:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        raise WrongAddress("what stands in brackets is not an IPv6 address") from None
    # A zone is a name of the machine that wrote it.
    if address.scope_id is not None:
        raise WrongAddress("an IPv6 address with a zone means nothing to another machine")
    return str(address)
