"""Who follows which queue, and what they are pushed (docs/protocol/frames.md, "Follow").

A follow first reads the view up to its end; when what it has read is the queue's present end, it goes live within the
same step of the loop, so nothing is missed and nothing comes twice. A push is encoded once for all who follow.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from coterie.ids import QueueId
from coterie.server.rules import Applied, EpochEnd
from coterie.server.websocket import wrapped
from coterie.wire.codec import encode_frame
from coterie.wire.frames import EpochEnd as Ended
from coterie.wire.frames import FollowEnded, Pushed

SLOW_BYTES: Final = 256 * 1024
EPOCH: Final = "epoch"
SLOW: Final = "slow"
CLOSED: Final = "closed"


class Subscriber(Protocol):
    """A connection, as its follows see it."""

    def push(self, wrapped_frame: bytes) -> None:
        """Send with the next flush."""
        ...

    def is_slow(self) -> bool:
        """More than SLOW_BYTES wait for it."""
        ...


@dataclass(slots=True, eq=False)
class Follow:
    """One follow; `ended` once nothing more may be pushed for it."""

    subscriber: Subscriber
    queue: QueueId
    token_hash: bytes
    live: bool = False
    ended: bool = False


class Followers:
    def __init__(self) -> None:
        self._live: dict[QueueId, dict[Follow, None]] = {}

    def go_live(self, follow: Follow) -> None:
        """Everything behind what the view holds now will be pushed. Call it in the step that looked at the view."""
        follow.live = True
        self._live.setdefault(follow.queue, {})[follow] = None

    def end(self, follow: Follow) -> None:
        """Nothing more is pushed for it."""
        follow.ended = True
        follows = self._live.get(follow.queue)
        if follows is not None:
            follows.pop(follow, None)
            if not follows:
                del self._live[follow.queue]

    def applied(self, applied: Applied) -> None:
        """Push what one record appended, ended and closed."""
        ends: dict[QueueId, EpochEnd] = {}
        for end in applied.epoch_ends:
            if not end.read_again:
                ends.setdefault(end.queue, end)
        for queue, run in applied.appended.items():
            follows = self._live.get(queue)
            if follows:
                epoch_end = ends.pop(queue, None)
                count = len(run.payloads) if epoch_end is None else epoch_end.n - run.after
                payloads: list[bytes | None] = [*run.payloads[:count]]
                pushed = wrapped(encode_frame(Pushed(queue, run.after, [applied.time] * count, payloads)))
                for follow in tuple(follows):
                    self._push(follow, pushed)
                if epoch_end is not None:
                    ended = Ended(epoch_end.n, epoch_end.next_post, epoch_end.next_read)
                    self._end_all(queue, EPOCH, ended)
        for queue in applied.closed:
            self._end_all(queue, CLOSED, None)

    def _push(self, follow: Follow, pushed: bytes) -> None:
        if follow.subscriber.is_slow():
            follow.subscriber.push(wrapped(encode_frame(FollowEnded(follow.queue, SLOW, None))))
            self.end(follow)
        else:
            follow.subscriber.push(pushed)

    def _end_all(self, queue: QueueId, reason: str, ended: Ended | None) -> None:
        follows = tuple(self._live.get(queue, ()))
        if follows:
            last_word = wrapped(encode_frame(FollowEnded(queue, reason, ended)))
            for follow in follows:
                follow.subscriber.push(last_word)
                self.end(follow)
