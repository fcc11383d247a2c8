"""The keys of the newest posts and commits, so that one sent again answers as the first time (docs/protocol/log.md).

A key counts for seven days of log time, to the hour, and while it is among the newest million entries: both by order,
so that a window rebuilt from the entries answers as the one that was there all along. Pure.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

from coterie.server.rules.limits import HOUR_MS, KEY_HOURS, KEYS_KEPT

POST: Final = 0
COMMIT: Final = 1
"""A commit's key is apart from a post's: a post must never be answered as a commit."""

_N_BITS: Final = 40
_N_MASK: Final = (1 << _N_BITS) - 1
_BUCKET_ENTRIES: Final = KEYS_KEPT // 4


def place_key(queue_number: int, key: bytes, kind: int) -> bytes:
    """One key in one queue: the same key in another queue is another."""
    return queue_number.to_bytes(6, "big") + key if kind == POST else queue_number.to_bytes(6, "big") + key + b"c"


def pack_place(entry: int, n: int) -> int:
    return entry << _N_BITS | n


def entry_of(place: int) -> int:
    return place >> _N_BITS


def n_of(place: int) -> int:
    return place & _N_MASK


class KeyWindow:
    """place_key → pack_place, of entries in log order. Buckets, so that what fell out of the window goes at once."""

    def __init__(self) -> None:
        self._buckets: deque[tuple[int, dict[bytes, int]]] = deque([(0, {})])
        self._hours: deque[tuple[int, int]] = deque()
        """(hour of log time, first entry of that hour)"""

    def floor(self, time: int, next_entry: int) -> int:
        """The first entry whose key still counts for a record at this log time."""
        oldest = time // HOUR_MS - KEY_HOURS
        by_time = next((entry for hour, entry in self._hours if hour >= oldest), next_entry)
        return max(by_time, next_entry - KEYS_KEPT)

    def find(self, key: bytes, floor: int) -> int | None:
        for _, bucket in reversed(self._buckets):
            place = bucket.get(key)
            if place is not None:
                return place if place >> _N_BITS >= floor else None
        return None

    def add(self, time: int, places: dict[bytes, int]) -> None:
        """The new keys of one record, in log order."""
        if not places:
            return
        first = entry_of(next(iter(places.values())))
        hour = time // HOUR_MS
        if not self._hours or self._hours[-1][0] < hour:
            self._hours.append((hour, first))
        start, bucket = self._buckets[-1]
        if first - start >= _BUCKET_ENTRIES:
            bucket = {}
            self._buckets.append((first, bucket))
        bucket.update(places)

    def forget(self, floor: int) -> None:
        """Free what lies below `floor`."""
        while len(self._buckets) > 1 and self._buckets[1][0] <= floor:
            self._buckets.popleft()
        while len(self._hours) > 1 and self._hours[1][1] <= floor:
            self._hours.popleft()

    def rebuild(self, entries: Iterable[tuple[int, int, int, int, int, bytes]]) -> None:
        """From (entry, queue number, n, at, kind, key), in log order."""
        places: dict[bytes, int] = {}
        time = 0
        for entry, number, n, at, kind, key in entries:
            placed = place_key(number, key, kind)
            if placed in places or at // HOUR_MS != time // HOUR_MS or len(places) >= _BUCKET_ENTRIES:
                self.add(time, places)
                places = {}
            time = at
            places[placed] = pack_place(entry, n)
        self.add(time, places)
