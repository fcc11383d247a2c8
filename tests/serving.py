"""A real server for tests: a process of its own, or inside the test's loop.

async with running_server(tmp_path) as server:
    server.url, server.found_link, server.data, server.status(), server.log_lines()
    await server.kill()        # SIGKILL, the engine goes with it
    await server.stop()        # SIGTERM, waits for a clean end
    await server.restart()     # stop if it runs, start again on the same data, wait until it is ready

async with serving_here(tmp_path) as ready: ...
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final

from coterie.server.serve import Ready, ServeConfig, serve
from coterie.server.status import read_status

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 20.0
_SOURCE: Final = Path(__file__).resolve().parent.parent / "src"


class ServerDied(Exception):
    """It ended before it was ready; the message is what it said."""


class RunningServer:
    """`python -m coterie.server` on `data`. `arguments` are further command line arguments, `before` what runs its next
    starts."""

    def __init__(self, data: Path, arguments: Sequence[str] = ()) -> None:
        self.data = data
        self.url = ""
        self.found_link: str | None = None
        self.before: Sequence[str] = ()
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None
        self._log = data.with_name(data.name + ".log")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Returns when it is ready. Raises ServerDied."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.before,
                sys.executable,
                "-m",
                "coterie.server",
                "--data",
                self.data,
                *self._arguments,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env={**os.environ, "PYTHONPATH": str(_SOURCE)},
            )
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), START_SECONDS)
        if not line:
            await self._process.wait()
            raise ServerDied(self.said())
        ready = json.loads(line)
        self.url, self.found_link = ready["url"], ready["founding_link"]

    async def kill(self) -> None:
        """SIGKILL. Returns when the process is gone."""
        assert self._process is not None
        self._process.kill()
        await asyncio.wait_for(self._process.wait(), STOP_SECONDS)

    async def stop(self) -> int:
        """SIGTERM. Its exit code."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.terminate()
        return await asyncio.wait_for(self._process.wait(), STOP_SECONDS)

    async def ended(self) -> int:
        """Wait for it to end by itself. Its exit code."""
        assert self._process is not None
        return await asyncio.wait_for(self._process.wait(), STOP_SECONDS)

    async def restart(self) -> None:
        if self._process is not None and self._process.returncode is None:
            await self.stop()
        await self.start()

    def kill_engine(self) -> None:
        """SIGKILL to the engine alone."""
        os.kill(self.status()["engine"]["pid"], signal.SIGKILL)

    def status(self) -> dict[str, Any]:
        return read_status(self.data)

    def said(self) -> str:
        """Everything it wrote on standard error, of all its starts."""
        return self._log.read_text()

    def log_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.said().splitlines() if line.startswith("{")]


@contextlib.asynccontextmanager
async def running_server(folder: Path, *arguments: str, name: str = "data") -> AsyncIterator[RunningServer]:
    """A server on `folder`/`name`, stopped at the end if it still runs."""
    server = RunningServer(folder / name, arguments)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@contextlib.asynccontextmanager
async def serving_here(folder: Path, **settings: Any) -> AsyncIterator[Ready]:
    """`serve` within this loop, on `folder`/data; `settings` are those of ServeConfig."""
    stop = asyncio.Event()
    ready: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
    config = ServeConfig(**{"data": folder / "data", "listen": "127.0.0.1:0", **settings})
    serving = asyncio.create_task(serve(config, ready.set_result, stop))
    await asyncio.wait((ready, serving), return_when=asyncio.FIRST_COMPLETED, timeout=START_SECONDS)
    if serving.done():
        serving.result()
    try:
        yield ready.result()
    finally:
        stop.set()
        await asyncio.wait_for(serving, STOP_SECONDS)
