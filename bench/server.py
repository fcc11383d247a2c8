"""A real server as a process of its own: started, looked at through /proc, ended."""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from bench.figures import Terms
from coterie.server.status import read_status

START_SECONDS: Final = 600.0
STOP_SECONDS: Final = 30.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_ROOT: Final = Path(__file__).resolve().parent.parent


class ServerDied(Exception):
    """It ended before it was ready."""


class Server:
    def __init__(self, data: Path, profile: Path | None = None) -> None:
        self.data = data
        self.url = ""
        self.founding_link: str | None = None
        self._program = ["bench.sampler", str(profile), "--"] if profile else ["coterie.server"]
        self._process: asyncio.subprocess.Process | None = None
        self._engine = 0

    async def start(self) -> float:
        """Returns the seconds until it was ready. Raises ServerDied."""
        began = time.perf_counter()
        log = self.data.with_name(self.data.name + ".log")
        with log.open("ab") as said:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                *self._program,
                "--data",
                self.data,
                stdout=asyncio.subprocess.PIPE,
                stderr=said,
                env={**os.environ, "PYTHONPATH": f"{_ROOT / 'src'}:{_ROOT}"},
            )
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), START_SECONDS)
        taken = time.perf_counter() - began
        if not line:
            raise ServerDied(log.read_text())
        ready = json.loads(line)
        self.url, self.founding_link = ready["url"], ready["founding_link"]
        self._engine = read_status(self.data)["engine"]["pid"]
        return taken

    async def kill(self) -> None:
        """SIGKILL; the engine goes with it."""
        assert self._process is not None
        self._process.kill()
        await asyncio.wait_for(self._process.wait(), STOP_SECONDS)

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL if that does not help."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
        except TimeoutError:
            await self.kill()

    def cpu_s(self) -> float:
        """CPU seconds of the hub so far."""
        assert self._process is not None
        return _cpu_s(self._process.pid)

    def engine_cpu_s(self) -> float:
        return _cpu_s(self._engine)

    def log_position(self) -> int:
        """How many records the hub has applied."""
        return int(read_status(self.data)["log"]["position"])

    def rss_kib(self) -> int:
        """What of the hub is resident now."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))

    def rss_mib(self) -> float:
        return round(self.rss_kib() / 1024, 1)


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@contextlib.asynccontextmanager
async def running_server(terms: Terms, name: str) -> AsyncIterator[Server]:
    """On a new folder `name`, stopped at the end."""
    server = Server(terms.folder / name, terms.profile)
    try:
        await server.start()
        yield server
    finally:
        await server.stop()
