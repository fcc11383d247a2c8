"""The rows of the queues used lately, in memory. Two generations: when the young one is full, the old one goes."""

from typing import Final

from coterie.ids import QueueId
from coterie.server.rules.rows import QueueRow

QUEUES_CACHED: Final = 65_536


class QueueCache:
    """Holds between one and two times `capacity` rows once it is warm."""

    def __init__(self, capacity: int = QUEUES_CACHED) -> None:
        self._capacity = capacity
        self._young: dict[QueueId, QueueRow] = {}
        self._old: dict[QueueId, QueueRow] = {}

    def get(self, queue: QueueId) -> QueueRow | None:
        row = self._young.get(queue)
        if row is None:
            row = self._old.get(queue)
            if row is not None:
                self.put(row)
        return row

    def put(self, row: QueueRow) -> None:
        if len(self._young) >= self._capacity:
            self._old = self._young
            self._young = {}
        self._young[row.id] = row

    def drop(self, queue: QueueId) -> None:
        self._young.pop(queue, None)
        self._old.pop(queue, None)
