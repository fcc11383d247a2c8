"""Where operations wait for the log: one lane a connection, records filled by turns (docs/protocol/log.md, "Intake").

A connection may have 64 operations or 1 MiB waiting, all of them together 64 MiB; beyond that its socket is not read.
So a flooder fills its own lane and delays nobody.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from coterie.server.rules.outcomes import Outcome
from coterie.server.rules.record import RECORD_BYTES, AnyOperation, Post, encoded_size

LANE_OPERATIONS: Final = 64
LANE_BYTES: Final = 1024 * 1024
HUB_BYTES: Final = 64 * 1024 * 1024
_HEADER_BYTES: Final = 256
_POST_BYTES: Final = 160
"""At most what a post takes in a record beside its payload and blobs."""
_BLOB_BYTES: Final = 34

Answer = Callable[[int, Outcome | None], None]
"""Called once with the request's id and the outcome; None: nothing is known of its fate."""


@dataclass(slots=True, eq=False)
class Lane:
    """One connection's operations, waiting or on their way. `pause` and `resume` stop and start its socket."""

    pause: Callable[[], None]
    resume: Callable[[], None]
    waiting: deque["Waiting"] = field(default_factory=deque)
    count: int = 0
    size: int = 0
    paused: bool = False


Waiting = tuple[Lane, int, Answer, int, AnyOperation]
"""Lane, size, answer, request id, operation."""


def operation_size(operation: AnyOperation) -> int:
    """At least what it takes in a record."""
    if type(operation) is Post:
        return len(operation.payload) + _POST_BYTES + len(operation.blobs) * _BLOB_BYTES
    return encoded_size(operation) + 8


class Intake:
    """`submit` takes an operation; `take` gives the next record's; `end` frees what was answered."""

    def __init__(self, on_waiting: Callable[[], None]) -> None:
        self._on_waiting = on_waiting
        self._turns: deque[Lane] = deque()
        self._size = 0
        self.gathered_bytes = 0
        """Of operations that are in no record yet."""
        self._held: set[Lane] = set()
        """Lanes that wait for the hub's total to fall."""

    @property
    def waiting_bytes(self) -> int:
        return self._size

    def submit(self, lane: Lane, operation: AnyOperation, answer: Answer, request: int) -> None:
        size = operation_size(operation)
        if not lane.waiting:
            self._turns.append(lane)
            self._on_waiting()
        lane.waiting.append((lane, size, answer, request, operation))
        self.gathered_bytes += size
        self.begin(lane, size)

    def begin(self, lane: Lane, size: int) -> None:
        """Count something that the connection waits for; `end` it with the same size."""
        lane.count += 1
        lane.size += size
        self._size += size
        if lane.paused:
            return
        if self._size >= HUB_BYTES:
            self._held.add(lane)
        elif lane.count < LANE_OPERATIONS and lane.size < LANE_BYTES:
            return
        lane.paused = True
        lane.pause()

    def end(self, lane: Lane, size: int) -> None:
        lane.count -= 1
        lane.size -= size
        self._size -= size
        if lane.paused and lane not in self._held:
            self._let_go(lane)
        if self._held and self._size < HUB_BYTES // 2:
            held, self._held = self._held, set()
            for other in held:
                self._let_go(other)

    def take(self) -> list[Waiting]:
        """The operations of one record, ≤ 256 KiB or a single one, by turns over the lanes; empty if none wait."""
        taken: list[Waiting] = []
        room = RECORD_BYTES - _HEADER_BYTES
        turns = self._turns
        while turns:
            lane = turns[0]
            size = lane.waiting[0][1]
            if size > room and taken:
                break
            taken.append(lane.waiting.popleft())
            room -= size
            turns.popleft()
            if lane.waiting:
                turns.append(lane)
        self.gathered_bytes -= RECORD_BYTES - _HEADER_BYTES - room
        return taken

    def has_waiting(self) -> bool:
        return bool(self._turns)

    def forget(self, lane: Lane) -> None:
        """The connection is gone: what still waits is dropped, what is on its way goes on."""
        for waiting in lane.waiting:
            self.end(lane, waiting[1])
            self.gathered_bytes -= waiting[1]
        lane.waiting.clear()
        if lane in self._turns:
            self._turns.remove(lane)
        self._held.discard(lane)

    def drop_all(self) -> list[Waiting]:
        """Take everything that waits, in no record: the log does not move."""
        dropped = [waiting for lane in self._turns for waiting in lane.waiting]
        for lane in self._turns:
            lane.waiting.clear()
        self._turns.clear()
        self.gathered_bytes = 0
        return dropped

    def _let_go(self, lane: Lane) -> None:
        if lane.paused and lane.count <= LANE_OPERATIONS // 2 and lane.size <= LANE_BYTES // 2:
            lane.paused = False
            lane.resume()
