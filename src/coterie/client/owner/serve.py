"""The owner's side of the socket: each caller's command runs until it is done, fails, or the caller hangs up."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

from coterie.client.owner import messages
from coterie.client.owner.errors import SocketUnusable, StrangeOwner, branch_of
from coterie.client.owner.messages import Call, Done, Failed, Row
from coterie.client.owner.place import peer_uid, place_to_listen
from coterie.errors import CoterieError

CALLERS: Final = 64

Handler = Callable[[str, dict[str, Any]], AsyncIterator[dict[str, Any]]]
"""`handler(command, params)` yields rows of what MessagePack holds, and raises errors of `coterie.errors`."""


@contextlib.asynccontextmanager
async def serve_commands(home: Path, handler: Handler) -> AsyncIterator[None]:
    """Take commands while the block lasts; at its end running ones are cancelled and the socket is gone.

    The caller holds `device.lock`: a socket left by a killed process is removed. Raises SocketUnusable.
    """
    commands: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(commands) >= CALLERS or not _same_user(writer):
            writer.close()
            return
        commands.add(task)
        try:
            await _serve_caller(handler, reader, writer)
        # CancelledError: the server ends; asyncio would log it as a fault of the connection (3.11)
        except (ConnectionError, asyncio.IncompleteReadError, StrangeOwner, asyncio.CancelledError):
            pass
        finally:
            commands.discard(task)
            writer.close()

    path, listening = _listen(home)
    server = await asyncio.start_unix_server(serve, sock=listening)
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)
        for task in tuple(commands):
            task.cancel()
        await asyncio.gather(*commands, return_exceptions=True)


async def _serve_caller(handler: Handler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    call = await messages.read_untrusted(reader, messages.calls)
    command = asyncio.ensure_future(_run(handler, call, writer))
    # the caller says nothing more: what comes is its end
    hung_up = asyncio.ensure_future(reader.read(1))
    try:
        await asyncio.wait((command, hung_up), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (command, hung_up):
            task.cancel()
        await asyncio.wait((command, hung_up))
    if not command.cancelled():
        command.result()


async def _run(handler: Handler, call: Call, writer: asyncio.StreamWriter) -> None:
    rows = handler(call.command, call.params)
    try:
        async for row in rows:
            await messages.write(writer, Row(row))
        await messages.write(writer, Done())
    except CoterieError as error:
        await messages.write(writer, Failed(branch_of(error), error.code, error.fact, error.hint))
    finally:
        if isinstance(rows, AsyncGenerator):
            await rows.aclose()


def _listen(home: Path) -> tuple[Path, socket.socket]:
    path = place_to_listen(home)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(os.fspath(path))
        # before listen(): until then nobody can connect
        path.chmod(0o600)
    except OSError as error:
        listening.close()
        raise SocketUnusable(f"the device's socket {path}: {error.strerror}") from None
    return path, listening


def _same_user(writer: asyncio.StreamWriter) -> bool:
    connection: socket.socket = writer.get_extra_info("socket")
    return peer_uid(connection) == os.getuid()
