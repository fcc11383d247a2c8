"""`restart`: a hub that was killed with a million entries in its view serves again; and how long a hub without a view
takes to build it from the log."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.conversations import PAYLOAD_BYTES
from bench.figures import Figures, Terms
from bench.people import People
from bench.raw_log import WindowedAppender
from bench.server import Server
from coterie.ids import QueueId
from coterie.server.engine import Engine, engine_binary
from coterie.server.log import Log
from coterie.server.rules import RULES_VERSION
from coterie.server.rules.record import AnyOperation, HubDown, HubUp, Post, Record, encode_record

ENTRIES: Final = 1_000_000
QUEUES: Final = 1_000
RESTARTS: Final = 3
_PER_RECORD: Final = 250


async def restart(terms: Terms) -> Figures:
    server = Server(terms.folder / "restart")
    try:
        await server.start()
        people = await People.found(server)
        connection = await people.founder.connect(server.url)
        queues = [opened.queue for opened in await connection.open_queues(QUEUES)]
        await connection.close()
        await server.stop()
        await _append(terms.folder / "restart" / "engine", queues)
        replayed = await server.start()
        seconds = []
        for _ in range(RESTARTS):
            await server.kill()
            seconds.append(await server.start())
        rss = server.rss_mib()
    finally:
        await server.stop()
    return {
        "bench": "restart",
        "entries": ENTRIES,
        "restart_s": round(sorted(seconds)[RESTARTS // 2], 2),
        "replay_s": round(replayed, 2),
        "replay_entries_per_s": round(ENTRIES / replayed),
        "hub_rss_mib": rss,
    }


async def _append(store: Path, queues: list[QueueId]) -> None:
    """A million posts by another hub that came and went, straight into the log."""
    engine = Engine(store, engine_binary())
    await engine.start()
    log = Log(engine.address)
    try:
        appender = WindowedAppender(log)
        async with appender.answers():
            for record in _records(queues):
                await appender.append(record)
            await appender.done()
    finally:
        await log.close()
        await engine.stop()


def _records(queues: list[QueueId]) -> Iterator[bytes]:
    hub, incarnation = os.urandom(16), os.urandom(16)
    for n, operations in enumerate(_operations(queues, hub, incarnation), 1):
        now_ms = time.time_ns() // 1_000_000
        yield encode_record(Record(hub, incarnation, n, now_ms, RULES_VERSION, 0, b"", operations))


def _operations(queues: list[QueueId], hub: bytes, incarnation: bytes) -> Iterator[list[AnyOperation]]:
    """Of each record."""
    yield [HubUp(hub, incarnation, RULES_VERSION, b"")]
    filler = os.urandom(PAYLOAD_BYTES - 8)
    for first in range(0, ENTRIES, _PER_RECORD):
        yield [
            Post(queues[number % QUEUES], 0, os.urandom(16), number.to_bytes(8, "big") + filler)
            for number in range(first, first + _PER_RECORD)
        ]
    yield [HubDown(incarnation)]
