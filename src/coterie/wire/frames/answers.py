"""What answers a request when there is nothing more to say, and when it is not done."""

from coterie.wire.fields import Number
from coterie.wire.frames.frame import Frame


class Error(Frame, tag=64, frozen=True):
    """`id` 0: not an answer to one request. `code` is one of `wire.codes.ErrorCode`; `retry_after` in seconds."""

    id: Number
    code: str
    message: str
    retry_after: float | None = None


class Done(Frame, tag=65, frozen=True):
    id: Number
