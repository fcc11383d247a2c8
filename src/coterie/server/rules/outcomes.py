"""What became of an operation (docs/protocol/log.md, "Outcomes"). Encoded canonically, for the digest.

Tags and the order of fields are for ever; another outcome for the same log is a new version of the rules.
"""

from typing import Final

import msgspec
from msgspec import Struct

from coterie.wire.codes import ErrorCode


class Outcome(Struct, frozen=True, array_like=True, gc=False):
    """`repr` shows the kind alone."""

    def __repr__(self) -> str:
        return type(self).__name__


class Void(Outcome, tag=0, frozen=True):
    """No effect, and nobody waits for it: unknown, malformed, or not in its place."""


class Internal(Outcome, tag=1, frozen=True):
    """The rule raised: a fault of ours; no effect."""


class Refused(Outcome, tag=2, frozen=True):
    """No effect. `code` is one of `wire.codes.ErrorCode`; `retry_after` in seconds of log time (0: no use)."""

    code: str
    retry_after: int = 0


class NotInForce(Outcome, tag=3, frozen=True):
    """The device is unknown or removed."""


class Stored(Outcome, tag=4, frozen=True):
    """Done, or done before."""


class HubOpened(Outcome, tag=5, frozen=True):
    """The incarnation is in force; `log` is the id of the log if it is open."""

    log: bytes


class LogStarted(Outcome, tag=6, frozen=True):
    pass


class SessionOpened(Outcome, tag=16, frozen=True):
    pass


class SessionCopied(Outcome, tag=17, frozen=True):
    """The counter was not above `highest`: another copy of the store has connected."""

    highest: int


class RegisterAccepted(Outcome, tag=18, frozen=True):
    """The entry stands at `seq`; so does the same entry sent again."""

    seq: int
    hash: bytes


class RegisterMoved(Outcome, tag=19, frozen=True):
    """Another entry has this place; the register's head."""

    seq: int
    hash: bytes


class RegisterRefused(Outcome, tag=20, frozen=True):
    """`reason` is a `trust.Reason`, or the code of the error where the entry is malformed or too new."""

    reason: str


class Stocked(Outcome, tag=21, frozen=True):
    one_time: int
    last_resort: bool


class Claimed(Outcome, tag=22, frozen=True):
    """`at`: log time of the first claim (ms)."""

    package: bytes
    bundle: bytes
    last_resort: bool
    at: int


class Opened(Outcome, tag=32, frozen=True):
    pass


class Posted(Outcome, tag=33, frozen=True):
    n: int


class Stale(Outcome, tag=34, frozen=True):
    epoch: int


class Advanced(Outcome, tag=35, frozen=True):
    """`undelivered`: indices into the deliveries whose inbox did not take them."""

    n: int
    undelivered: tuple[int, ...]


class Conflict(Outcome, tag=36, frozen=True):
    epoch: int


_encoder: Final = msgspec.msgpack.Encoder()


def encode_outcomes(outcomes: list[Outcome]) -> bytes:
    """Canonical: one encoding for one list."""
    return _encoder.encode(outcomes)


def refused(code: ErrorCode, retry_after: int = 0) -> Refused:
    return Refused(code.value, retry_after)
