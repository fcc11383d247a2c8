"""`send`, `cli`: two whole devices and a server, stores encrypted and synced.

`send`: from the call to the row that the other device's program is shown; each in its own process, both online.
`cli`: `coterie send` from nothing to its exit, and the share of it that stretches the passphrase.
"""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.figures import Figures, Terms, milliseconds, percentile
from bench.server import Server, running_server
from coterie.client import Device, Passphrase
from coterie.ids import RoomId
from coterie.store import wrap

MESSAGES: Final = 200
COLD_SENDS: Final = 9
_WORD: Final = "correct horse"
_PASSPHRASE: Final = Passphrase(_WORD.encode())
_ENVIRONMENT: Final = {**os.environ, "COTERIE_PASSPHRASE": _WORD}
_READ_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Two:
    """Ada's and Bo's homes, and the room of both."""

    ada: Path
    bo: Path
    room: RoomId


async def send(terms: Terms) -> Figures:
    async with running_server(terms, "send") as server:
        two = await _two(server, terms.folder)
        async with _reading(two.bo) as reader, Device.open(two.ada, _PASSPHRASE) as ada:
            running = asyncio.create_task(ada.run())
            await ada.send(two.room, "warm")
            await _shown(reader, "warm")
            stored, readable = [], []
            for number in range(MESSAGES):
                began = time.perf_counter_ns()
                await ada.send(two.room, str(number))
                stored.append(time.perf_counter_ns() - began)
                readable.append(await _shown(reader, str(number)) - began)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    return {
        "bench": "send",
        "messages": MESSAGES,
        "stored_p50_ms": milliseconds(stored, 0.5),
        "p50_ms": milliseconds(readable, 0.5),
        "p95_ms": milliseconds(readable, 0.95),
    }


async def cli(terms: Terms) -> Figures:
    async with running_server(terms, "cli") as server:
        two = await _two(server, terms.folder)
        sends, stretches = [], []
        for number in range(COLD_SENDS):
            command = ("coterie.cli", "send", "--home", str(two.ada), two.room.hex(), f"number {number}")
            began = time.perf_counter()
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", *command, stdout=asyncio.subprocess.DEVNULL, env=_ENVIRONMENT
            )
            code = await process.wait()
            sends.append(time.perf_counter() - began)
            assert code == 0
            began = time.perf_counter()
            wrap.unlock(two.ada, _PASSPHRASE)
            stretches.append(time.perf_counter() - began)
    whole, stretch = percentile(sends, 0.5), percentile(stretches, 0.5)
    return {
        "bench": "cli",
        "send_s": round(whole, 2),
        "argon2id_s": round(stretch, 2),
        "besides_s": round(whole - stretch, 2),
    }


async def _two(server: Server, folder: Path) -> Two:
    """Ada founds, Bo joins, and both are in a room."""
    ada_home, bo_home = folder / "ada", folder / "bo"
    assert server.founding_link is not None
    await Device.found(ada_home, _PASSPHRASE, server.founding_link, "Bench", "Ada")
    async with Device.open(ada_home, _PASSPHRASE) as ada:
        invite = await ada.create_invite()
    assert invite.link is not None
    await Device.join(bo_home, _PASSPHRASE, invite.link, "Bo")
    async with Device.open(ada_home, _PASSPHRASE) as ada, Device.open(bo_home, _PASSPHRASE) as bo:
        await ada.sync()
        await bo.sync()
        room = await ada.create_room("Bench", [ada.find_member("Bo")])
        await bo.sync()
        await ada.sync()
    return Two(ada_home, bo_home, room.room)


@contextlib.asynccontextmanager
async def _reading(home: Path) -> AsyncIterator[asyncio.StreamReader]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.reader", str(home), stdout=asyncio.subprocess.PIPE, env=_ENVIRONMENT
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        process.terminate()
        await process.wait()


async def _shown(reader: asyncio.StreamReader, text: str) -> int:
    """When the other device had this message (ns)."""
    while True:
        line = await asyncio.wait_for(reader.readline(), _READ_SECONDS)
        message = json.loads(line)
        if message["text"] == text:
            return int(message["at_ns"])
