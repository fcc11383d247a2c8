"""`log`: records of posts through the engine alone, synced before they count: the ceiling of everything above it."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from typing import Final

from bench.conversations import PAYLOAD_BYTES
from bench.figures import Figures, Terms
from coterie.ids import QueueId
from coterie.server.engine import Engine, engine_binary
from coterie.server.log import Log
from coterie.server.rules.record import AnyOperation, Post, Record, encode_record

IN_FLIGHT: Final = 3
RECORD_KIB: Final = (64, 256)
_POST_BYTES: Final = PAYLOAD_BYTES + 64


async def raw_log(terms: Terms) -> list[Figures]:
    return [await _appended(terms, kib) for kib in RECORD_KIB]


async def _appended(terms: Terms, record_kib: int) -> Figures:
    folder = terms.folder / f"log-{record_kib}"
    folder.mkdir()
    engine = Engine(folder, engine_binary())
    await engine.start()
    log = Log(engine.address)
    try:
        await log.open()
        entries = record_kib * 1024 // _POST_BYTES
        record = encode_record(Record(bytes(16), bytes(16), 1, 1, 1, 0, b"", _posts(entries)))
        brought = 0
        deadline = time.perf_counter() + terms.warm_up + terms.seconds
        began, counted = time.perf_counter() + terms.warm_up, 0

        async def read() -> None:
            nonlocal brought, counted
            async with contextlib.aclosing(log.tail(0)) as records:
                async for _ in records:
                    brought += 1
                    counted += time.perf_counter() >= began

        reading = asyncio.create_task(read())
        appender = WindowedAppender(log)
        async with appender.answers():
            while time.perf_counter() < deadline:
                await appender.append(record)
            spent = time.perf_counter() - began
            counted_then = counted
            await appender.done()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    finally:
        await log.close()
        await engine.stop()
    return {
        "bench": "log",
        "record_kib": record_kib,
        "entries_per_s": round(counted_then * entries / spent),
        "records_per_s": round(counted_then / spent),
        "mib_per_s": round(counted_then * len(record) / spent / 2**20, 1),
    }


class WindowedAppender:
    """Appends records with up to IN_FLIGHT unanswered. What the engine refuses raises."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._inbox = f"_INBOX.{os.urandom(8).hex()}"
        self._room = asyncio.Semaphore(IN_FLIGHT)
        self._refused: bytes | None = None

    @contextlib.asynccontextmanager
    async def answers(self) -> AsyncIterator[None]:
        async with self._log.answers(self._inbox, self._answered):
            yield

    async def append(self, record: bytes) -> None:
        await self._room.acquire()
        if self._refused:
            raise RuntimeError(f"the engine refused a record: {self._refused!r}")
        await self._log.append(record, f"{self._inbox}.1")

    async def done(self) -> None:
        """Everything is answered."""
        for _ in range(IN_FLIGHT):
            await self._room.acquire()

    def _answered(self, _subject: str, content: bytes) -> None:
        if b'"error"' in content:
            self._refused = content
        self._room.release()


def _posts(count: int) -> list[AnyOperation]:
    return [Post(QueueId(os.urandom(32)), 0, os.urandom(16), os.urandom(PAYLOAD_BYTES)) for _ in range(count)]
