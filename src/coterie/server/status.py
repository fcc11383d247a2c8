"""What `coterie server status` shows: facts of the running server, over a 0600 socket in its data folder.

Counts and versions only: nothing about a person, a device or a queue.
"""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

from coterie.errors import CallerError

SOCKET: Final = "status.sock"
_ANSWER_SECONDS: Final = 5.0

StatusFacts = dict[str, Any]


class NotRunning(CallerError):
    code = "server_not_running"


@contextlib.contextmanager
def _reachable(folder: Path) -> Any:
    """A name for the socket that is short enough: the limit is 108 bytes, and data folders lie deep."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET}" if Path("/proc/self/fd").exists() else str(folder / SOCKET)
    finally:
        os.close(descriptor)


@contextlib.asynccontextmanager
async def answering_status(folder: Path, facts: Callable[[], StatusFacts]) -> AsyncIterator[None]:
    """While entered, whoever may open the data folder can ask."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(json.dumps(facts()).encode() + b"\n")
        with contextlib.suppress(OSError):
            await writer.drain()
        writer.close()

    (folder / SOCKET).unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    with _reachable(folder) as name:
        listening.bind(name)
    (folder / SOCKET).chmod(0o600)
    listening.listen()
    server = await asyncio.start_unix_server(answer, sock=listening)
    try:
        yield
    finally:
        server.close()
        (folder / SOCKET).unlink(missing_ok=True)


def read_status(folder: Path) -> StatusFacts:
    """Ask the server that uses `folder`. Raises NotRunning."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking, _reachable(folder) as name:
            asking.settimeout(_ANSWER_SECONDS)
            asking.connect(name)
            said = b""
            while part := asking.recv(65536):
                said += part
        facts: StatusFacts = json.loads(said)
    except (OSError, ValueError):
        raise NotRunning(f"no server runs on {folder}", "start it with: coterie serve") from None
    return facts
