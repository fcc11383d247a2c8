"""Gets this hub's records into the log, in their order (docs/protocol/log.md, "Numbering").

A record's number and bytes never change. Up to three are on their way; after an error, a silence or a lost connection
everything that was not applied goes again, in order: the rules void duplicates and what overtook. The engine's answer
only frees the window: that a record is in the log is known when the tail brings it.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Final

from coterie.server import events
from coterie.server.log import Log, LogUnavailable

WINDOW: Final = 3
LARGE_BYTES: Final = 128 * 1024
"""From here on a record is worth sending beside others. A smaller one waits: the engine syncs one after the other, so
it would not be in the log any sooner, and what gathers meanwhile goes with it."""
_ACK_SECONDS: Final = 5.0
_BACKOFF_SECONDS: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


class _SendAgain(Exception):
    """Something was lost on the way."""


class Appender:
    """`append` while `has_room` for it; `applied` for each own record that the rules took; `run` does the work."""

    def __init__(self, log: Log, inbox: str, on_room: Callable[[], None]) -> None:
        self._log = log
        self._inbox = inbox
        self._on_room = on_room
        self._unapplied: deque[tuple[int, bytes]] = deque()
        self._sent = 0
        """How many of `_unapplied`, from the left, are on their way in this attempt."""
        self._unanswered: set[int] = set()
        self._attempt = 0
        self._refused: str | None = None
        self._changed = asyncio.Event()
        self.attempts_failed = 0

    def has_room(self, size: int) -> bool:
        """Whether a record of `size` bytes should go now."""
        under_way = self._under_way()
        return under_way == 0 or (under_way < WINDOW and size >= LARGE_BYTES)

    def _under_way(self) -> int:
        return len(self._unapplied) - self._sent + len(self._unanswered)

    def append(self, number: int, record: bytes) -> None:
        self._unapplied.append((number, record))
        self._changed.set()

    def applied(self, number: int) -> None:
        """This hub's record `number` is in the log and had its effect; so are all before it."""
        while self._unapplied and self._unapplied[0][0] <= number:
            gone, _ = self._unapplied.popleft()
            self._sent = max(0, self._sent - 1)
            self._unanswered.discard(gone)
        self._changed.set()
        if self._under_way() < WINDOW:
            self._on_room()

    async def run(self) -> None:
        """Never returns."""
        failures = 0
        while True:
            before = self._unapplied[0][0] if self._unapplied else None
            try:
                await self._attempt_all()
            except (LogUnavailable, _SendAgain) as error:
                self.attempts_failed += 1
                events.warn("log.append_again", why=str(error), unapplied=len(self._unapplied))
                moved = before is None or not self._unapplied or self._unapplied[0][0] != before
                failures = 0 if moved else failures + 1
                await asyncio.sleep(_BACKOFF_SECONDS[min(failures, len(_BACKOFF_SECONDS) - 1)])

    async def _attempt_all(self) -> None:
        self._attempt += 1
        self._sent = 0
        self._unanswered.clear()
        self._refused = None
        inbox = f"{self._inbox}.{self._attempt}"
        async with self._log.answers(inbox, self._answered) as lost:
            losing = asyncio.ensure_future(lost.wait())
            losing.add_done_callback(lambda _: self._changed.set())
            try:
                while True:
                    self._changed.clear()
                    await self._send_waiting(inbox)
                    if self._refused is not None:
                        raise _SendAgain(self._refused)
                    if lost.is_set():
                        raise _SendAgain("the connection was lost")
                    await self._wait()
            finally:
                losing.cancel()

    async def _send_waiting(self, inbox: str) -> None:
        while self._sent < len(self._unapplied) and len(self._unanswered) < WINDOW:
            number, record = self._unapplied[self._sent]
            self._sent += 1
            self._unanswered.add(number)
            await self._log.append(record, f"{inbox}.{number}")

    async def _wait(self) -> None:
        """Until something changed. Raises _SendAgain when an answer is missing for too long."""
        oldest = min(self._unanswered, default=None)
        try:
            async with asyncio.timeout(_ACK_SECONDS):
                await self._changed.wait()
        except TimeoutError:
            if oldest is not None and oldest in self._unanswered:
                raise _SendAgain("no answer from the engine") from None

    def _answered(self, subject: str, content: bytes) -> None:
        attempt, _, number = subject.rpartition(".")
        if attempt != f"{self._inbox}.{self._attempt}":
            return
        if not content or b'"error"' in content:
            self._refused = "the engine refused a record"
        else:
            with contextlib.suppress(ValueError):
                self._unanswered.discard(int(number))
        self._changed.set()
        if self._under_way() < WINDOW:
            self._on_room()
