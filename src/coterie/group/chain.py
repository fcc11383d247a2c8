"""A queue's chain: what shows that the server gave two readers the same entries (docs/protocol/groups.md, "Chains").

A chain is absolute, or relative for a device that joined lately: it counts entries and records their hashes, but has
no value until `Base` arrives. The caller records each entry's hash and chain value by its number. Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from coterie.errors import PeerError
from coterie.group.heads import NO_CHAIN, Head
from coterie.wire.queues import CHAIN_START, chain_next


class BaseDoesNotFit(PeerError):
    code = "base_does_not_fit"

    def __init__(self, what: str) -> None:
        super().__init__(f"the chain that the adding device sent does not fit: {what}", "the room is compared anew")


class Agreement(StrEnum):
    SAME = "same"
    UNKNOWN = "unknown"
    """Nothing to compare with: the claim is from beyond what this device has, or either has no chain yet."""
    DIFFERENT = "different"
    """Alarm: the server showed two histories, or the sender claims a false one."""


@dataclass(frozen=True, slots=True)
class Chain:
    """The end of a queue as this device has it: entry `n`, and its chain value; None while the chain is relative."""

    n: int
    value: bytes | None

    @property
    def absolute(self) -> bool:
        return self.value is not None

    def after(self, entry_hash: bytes) -> "Chain":
        """The chain with entry `n` + 1, whose SHA-256 is `entry_hash`."""
        following = self.n + 1
        value = None if self.value is None else chain_next(self.value, following, entry_hash)
        return Chain(following, value)


EMPTY: Final = Chain(0, CHAIN_START)
"""The chain of a queue before entry 1, as its creator has it."""


def joined_at(n: int) -> Chain:
    """The relative chain of a device that reads from entry `n` + 1 on."""
    return Chain(n, None)


def claim(chain: Chain) -> tuple[int, bytes]:
    """(n, chain) for a sealed head; (0, zeros) while the chain is relative."""
    return (0, NO_CHAIN) if chain.value is None else (chain.n, chain.value)


def compare(head: Head, recorded: bytes | None) -> Agreement:
    """`recorded` is this device's own chain value at `head.n`, None if it has none there."""
    if head.n == 0 or recorded is None:
        return Agreement.UNKNOWN
    return Agreement.SAME if head.chain == recorded else Agreement.DIFFERENT


def rebase(base: Chain, recorded: Iterable[tuple[int, bytes]]) -> list[Chain]:
    """The absolute chain from `base` on, one for each recorded entry after it: the last is the present end.

    `recorded` are (n, SHA-256 of the entry) in order; those up to `base.n` are passed over. Raises BaseDoesNotFit if
    the base has no value or the entries do not follow it without a hole.
    """
    if base.value is None:
        raise BaseDoesNotFit("it is relative itself")
    links = [base]
    for n, entry_hash in recorded:
        if n <= base.n:
            continue
        if n != links[-1].n + 1:
            raise BaseDoesNotFit(f"entry {links[-1].n + 1} is not here")
        links.append(links[-1].after(entry_hash))
    return links
