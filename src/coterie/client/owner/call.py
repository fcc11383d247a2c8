"""The other commands' side of the socket: hand a command to the process that owns the device."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from coterie.client.owner import messages
from coterie.client.owner.errors import NobodyOwns, OwnerGone, StrangeOwner, raised_again
from coterie.client.owner.messages import Call, Done, Failed, Row
from coterie.client.owner.place import peer_uid, place_to_call


async def call_owner(home: Path, command: str, params: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """The rows of `command`, as the owner yields them; closing the iterator ends the command.

    Raises NobodyOwns before anything was sent; OwnerGone if the owner ended meanwhile; StrangeOwner; and the owner's
    own errors as their branch, with their code.
    """
    reader, writer = await _connect(home)
    try:
        await messages.write(writer, Call(command, params))
        while True:
            match await messages.read_untrusted(reader, messages.answers):
                case Row(row):
                    yield row
                case Done():
                    return
                case Failed(branch, code, fact, hint):
                    raise raised_again(branch, code, fact, hint)
    except (ConnectionError, asyncio.IncompleteReadError):
        raise OwnerGone from None
    finally:
        writer.close()


async def _connect(home: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        path = place_to_call(home)
        if path is None:
            raise FileNotFoundError
        reader, writer = await asyncio.open_unix_connection(os.fspath(path))
    except OSError:  # what is wrong with the folder is said by who opens it
        raise NobodyOwns(f"no process has the device in {home} open") from None
    connection: socket.socket = writer.get_extra_info("socket")
    if peer_uid(connection) != os.getuid():
        writer.close()
        raise StrangeOwner(
            "another user's process listens on the device's socket", "is the device's folder yours alone?"
        )
    return reader, writer
