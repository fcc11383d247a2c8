"""An entry as the server gave it, and what may keep it from being taken."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

from coterie.group.sealed_blob import BlobRef


@dataclass(frozen=True)
class Arrived:
    """Entry `n` as the server gave it; `payload` is None if it expired, `hash` is then the server's word."""

    n: int
    at: int
    payload: bytes | None
    hash: bytes

    @cached_property
    def entry_hash(self) -> bytes:
        return self.hash if self.payload is None else hashlib.sha256(self.payload).digest()


@dataclass(frozen=True)
class WaitForRegister:
    """An entry names a register head that is not here yet."""

    seq: int


@dataclass(frozen=True)
class WaitForBlob:
    """An entry stands in a blob that is not here yet."""

    ref: BlobRef


@dataclass(frozen=True)
class WaitForEnd:
    """The last entry looks like a commit, and the server has not said whether it ended the epoch."""


@dataclass(frozen=True)
class WaitForBase:
    """This device joined lately and does not know yet who asked to leave before."""


Wait = WaitForRegister | WaitForBlob | WaitForEnd | WaitForBase


@dataclass(frozen=True)
class Taken:
    """`messages` came in; `ended` is True once the epoch was left behind; `wait` says what stops the next entry."""

    messages: int = 0
    ended: bool = False
    wait: Wait | None = None


class EntryWaits(Exception):
    """Inside this folder: the entry waits, and nothing that MLS did to look at it may stay."""

    def __init__(self, wait: Wait) -> None:
        super().__init__(wait)
        self.wait = wait


class Unprocessable(Exception):
    """Inside this folder: this entry cannot be processed; `reason` as in `Stuck`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
