"""What became of an operation, as the reply its device gets (docs/protocol/frames.md, "Replies")."""

from collections.abc import Callable
from typing import Any, Final

from coterie.server.rules import outcomes
from coterie.server.rules.outcomes import Outcome
from coterie.wire import frames
from coterie.wire.codes import ErrorCode
from coterie.wire.frames import Error, Frame

RETRY_SECONDS: Final = 2.0
DISK_SECONDS: Final = 60.0
REFUSALS: Final[dict[str, str]] = {
    ErrorCode.NO_QUEUE: "no such queue for this token",
    ErrorCode.QUEUE_EXISTS: "the queue exists with other terms",
    ErrorCode.QUEUE_FULL: "the queue is full",
    ErrorCode.NO_BLOB: "a blob that the entry names is not here",
    ErrorCode.NO_KEY_PACKAGE: "the device has no key package of this suite",
    ErrorCode.NO_PACKET: "no packet can be left for this invite",
    ErrorCode.LIMITED: "too much of this lately",
}


def unavailable(request: int) -> Error:
    return Error(
        request,
        ErrorCode.UNAVAILABLE.value,
        "the server cannot write now; nothing is known of the operation's fate: send it again with the same key",
        RETRY_SECONDS,
    )


def no_queue(request: int) -> Error:
    """Whether it is not there or the token does not fit it, is not said."""
    return Error(request, ErrorCode.NO_QUEUE.value, REFUSALS[ErrorCode.NO_QUEUE])


def disk_full(request: int) -> Error:
    return Error(
        request, ErrorCode.DISK_FULL.value, "the server's disk is nearly full; nothing was written", DISK_SECONDS
    )


def _refused(request: int, outcome: outcomes.Refused) -> Frame:
    message = REFUSALS.get(outcome.code, "the server's rules refuse it")
    return Error(request, outcome.code, message, float(outcome.retry_after) if outcome.retry_after else None)


def internal(request: int, outcome: Outcome | None = None) -> Error:
    return Error(request, ErrorCode.INTERNAL.value, "a fault in the server; the operation had no effect")


_REPLIES: Final[dict[type[Outcome], Callable[[int, Any], Frame]]] = {
    outcomes.Posted: lambda request, outcome: frames.Posted(request, outcome.n),
    outcomes.Stale: lambda request, outcome: frames.Stale(request, outcome.epoch),
    outcomes.Advanced: lambda request, outcome: frames.Advanced(request, outcome.n, list(outcome.undelivered)),
    outcomes.Conflict: lambda request, outcome: frames.Conflict(request, outcome.epoch),
    outcomes.Opened: lambda request, outcome: frames.Opened(request),
    outcomes.Stored: lambda request, outcome: frames.Done(request),
    outcomes.Claimed: lambda request, outcome: frames.Claimed(
        request, outcome.package, outcome.bundle, outcome.last_resort, outcome.at
    ),
    outcomes.Refused: _refused,
    outcomes.NotInForce: lambda request, outcome: Error(
        request, ErrorCode.NOT_IN_FORCE.value, "the device is not in the register, or was removed"
    ),
    outcomes.Internal: internal,
    outcomes.Void: internal,
}


def reply_to(request: int, outcome: Outcome | None) -> Frame:
    """None: nothing is known of the operation's fate."""
    if outcome is None:
        return unavailable(request)
    return _REPLIES[type(outcome)](request, outcome)
