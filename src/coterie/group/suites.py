"""Cipher suites and the profile that a room's context names (docs/protocol/groups.md, "Suites").

The profile says which construction stands behind the suite's number, because 0x004D is experimental and means different
things in different drafts. Pure.
"""

from enum import IntEnum
from typing import Final

from coterie.errors import DeviceError


class Suite(IntEnum):
    """MLS cipher suites that a Coterie group may have."""

    XWING = 0x004D
    CLASSICAL = 0x0003


PROFILES: Final[dict[Suite, str]] = {Suite.XWING: "xwing-06/1", Suite.CLASSICAL: "x25519/1"}

_STRENGTH: Final[dict[Suite, int]] = {Suite.CLASSICAL: 1, Suite.XWING: 2}


class NeedsAnotherCoterie(DeviceError):
    """A format that this version does not know and must not guess at: stop in this room; nothing is refused."""

    code = "needs_another_coterie"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} needs another Coterie", "update Coterie on this device")


def suite_of(number: int) -> Suite:
    """Raises NeedsAnotherCoterie."""
    try:
        return Suite(number)
    except ValueError:
        raise NeedsAnotherCoterie(f"cipher suite 0x{number:04X}") from None


def meets(suite: Suite, least: Suite) -> bool:
    """Whether `suite` protects at least as well as `least`."""
    return _STRENGTH[suite] >= _STRENGTH[least]
