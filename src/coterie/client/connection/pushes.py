"""What the hub pushes, waiting for the device in bounded memory.

Reading is never paused, since replies come on the same wire. A queue whose entries do not fit any more is cut: the
device sees `FollowEnded(slow)`, as if the hub had fallen back, and reads on from what it has.
"""

import asyncio
from collections import deque
from typing import Final, Self

from coterie.ids import QueueId
from coterie.wire.frames import FollowEnded, Pushed, RegisterPushed

MOST_BYTES: Final = 4 * 1024 * 1024

DevicePush = Pushed | FollowEnded | RegisterPushed


class TooMuchPushed(Exception):
    """Not even the register's entries fit: the hub floods."""


class Pushes:
    """An asynchronous iterator for one consumer, in the order of arrival; it ends when the connection has ended and
    everything was taken."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[DevicePush, int]] = deque()
        self._bytes = 0
        self._cut: set[QueueId] = set()
        self._changed = asyncio.Event()
        self._closed = False

    def put(self, push: DevicePush, size: int) -> None:
        """Raises TooMuchPushed."""
        if isinstance(push, RegisterPushed):
            if self._bytes + size > 2 * MOST_BYTES:
                raise TooMuchPushed
        elif push.queue in self._cut:
            return
        elif isinstance(push, Pushed) and self._bytes + size > MOST_BYTES:
            self._cut.add(push.queue)
            push, size = FollowEnded(push.queue, "slow", None), 0
        self._bytes += size
        self._waiting.append((push, size))
        self._changed.set()

    def followed_again(self, queue: QueueId) -> None:
        """What comes of `queue` from here on belongs to a new `Follow`."""
        self._cut.discard(queue)

    def close(self) -> None:
        self._closed = True
        self._changed.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> DevicePush:
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        push, size = self._waiting.popleft()
        self._bytes -= size
        return push
