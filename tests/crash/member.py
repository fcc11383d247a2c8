"""A member's device in a process of its own, kept alive: killed, it is started again; its own end is a fault."""

import asyncio
import itertools
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

SECONDS: Final = 60.0
_LINE: Final = 2**20


class Gone(Exception):
    """The process ended before it had answered: what was asked may have been done or not."""


class Refused(Exception):
    """The device said no; the message is its code and fact."""

    def __init__(self, code: str, fact: str) -> None:
        super().__init__(f"{code}: {fact}")
        self.code = code


class Member:
    """`faults`: why it ended without being killed."""

    def __init__(self, name: str, home: Path) -> None:
        self.name = name
        self.home = home
        self.faults: list[str] = []
        self._process: asyncio.subprocess.Process | None = None
        self._asked: dict[int, asyncio.Queue[dict[str, Any] | None]] = {}
        self._numbers = itertools.count(1)
        self._ready = asyncio.Event()
        self._doomed = False
        self._stopping = False

    async def live(self) -> None:
        """Run the device until `stop`, again after each kill."""
        while not self._stopping:
            self._doomed = False
            with self.home.with_suffix(".said").open("ab") as said:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    "tests.crash.device",
                    self.home,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=said,
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                    limit=_LINE,
                )
            await self._listen(self._process)
            code = await self._process.wait()
            self._ready.clear()
            for waiting in self._asked.values():
                waiting.put_nowait(None)
            if not (self._doomed or self._stopping):
                said_text = self.home.with_suffix(".said").read_text()[-2000:]
                self.faults.append(f"{self.name} ended by itself with {code}: {said_text}")
                return

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            if not line.endswith(b"\n"):
                return  # killed amid a line
            answer = json.loads(line)
            if "ready" in answer:
                self._ready.set()
            elif answer["id"] in self._asked:
                self._asked[answer["id"]].put_nowait(answer)

    async def ask(self, command: str, seconds: float = SECONDS, /, **params: object) -> list[dict[str, Any]]:
        """The command's rows. Raises Gone, Refused, TimeoutError."""
        async with asyncio.timeout(seconds):
            await self._ready.wait()
            assert self._process is not None
            assert self._process.stdin is not None
            number = next(self._numbers)
            rows: list[dict[str, Any]] = []
            answers = self._asked[number] = asyncio.Queue()
            try:
                self._process.stdin.write(json.dumps({"id": number, "command": command, "params": params}).encode())
                self._process.stdin.write(b"\n")
                while answer := await answers.get():
                    if "error" in answer:
                        raise Refused(answer["error"], answer["fact"])
                    if "end" in answer:
                        return rows
                    rows.append(answer["row"])
            finally:
                del self._asked[number]
        raise Gone

    def kill(self) -> None:
        """SIGKILL, at once; `live` starts it again."""
        self._doomed = True
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def stop(self) -> None:
        self._stopping = True
        if self._process is not None and self._process.returncode is None and self._process.stdin is not None:
            self._process.stdin.close()
