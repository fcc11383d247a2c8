"""A trick: one person is shown another history of one queue, numbered without a hole."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec

from coterie.ids import QueueId
from coterie.wire import frames
from coterie.wire.frames import Frame, Request
from tests.hostile.twin import Answer, Trick, Wire


@dataclass(frozen=True)
class Shown:
    """An entry as the reader will see it."""

    at: int
    payload: bytes | None
    hash: bytes = b""


Rewrite = Callable[[int, Shown], list[Shown]]
"""What is shown in place of the true entry n; later entries are numbered on from there."""


class History(Trick):
    def __init__(self, queue: QueueId, rewrite: Rewrite) -> None:
        self.queue = queue
        self._rewrite = rewrite
        self._shift = 0
        self._following: frames.Following | None = None

    def asked(self, wire: Wire, request: Request) -> Iterable[Frame]:
        if isinstance(request, frames.Follow) and request.queue == self.queue:
            return (msgspec.structs.replace(request, after=request.after - self._shift),)
        return (request,)

    def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
        match answer:
            case frames.Pushed(queue=self.queue):
                return self._pushed(answer)
            case frames.Following() if isinstance(asked := wire.question(answer), frames.Follow) and (
                asked.queue == self.queue
            ):
                self._following = msgspec.structs.replace(answer, after=asked.after)
                # where the queue ends is known once what is shown of it is
                return () if answer.last > answer.after else self._follow()
            case frames.FollowEnded(queue=self.queue, ended=frames.EpochEnd() as ended):
                moved = msgspec.structs.replace(ended, n=ended.n + self._shift)
                return (msgspec.structs.replace(answer, ended=moved),)
            case _:
                return (answer,)

    def _follow(self) -> Iterable[Frame]:
        following, self._following = self._following, None
        return () if following is None else (msgspec.structs.replace(following, last=following.last + self._shift),)

    def _pushed(self, push: frames.Pushed) -> Iterable[Frame]:
        shown: list[Shown] = []
        start = push.after + self._shift
        for index, payload in enumerate(push.payloads):
            n = push.after + 1 + index
            entry = Shown(push.at[index], payload, push.hashes[index] if push.hashes else b"")
            instead = self._rewrite(n, entry)
            shown += instead
            self._shift += len(instead) - 1
        if not shown:
            return self._follow()
        return (
            *self._follow(),
            frames.Pushed(
                push.queue,
                start,
                [entry.at for entry in shown],
                [entry.payload for entry in shown],
                [entry.hash for entry in shown],
            ),
        )


def dropping(*numbers: int) -> Rewrite:
    return lambda n, entry: [] if n in numbers else [entry]


def inserting(before: int, *payloads: bytes) -> Rewrite:
    return lambda n, entry: [*(Shown(entry.at, payload) for payload in payloads), entry] if n == before else [entry]


def swapping(first: int) -> Rewrite:
    """Entry `first` and the next, the other way round."""
    kept: list[Shown] = []

    def rewrite(n: int, entry: Shown) -> list[Shown]:
        if n == first:
            kept.append(entry)
            return []
        return [entry, *kept] if n == first + 1 else [entry]

    return rewrite
