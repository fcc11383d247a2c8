"""What goes over the socket: MessagePack in frames, each after its length (4 bytes, big end first).

One request, then rows until `Done` or `Failed`. Who hangs up ends the command.
"""

import asyncio
from typing import Any, Final, TypeVar

import msgspec

from coterie.client.owner.errors import StrangeOwner

LARGEST: Final = 4 * 1024 * 1024


class Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="call"):
    command: str
    params: dict[str, Any]


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="row"):
    row: dict[str, Any]


class Done(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="done"):
    pass


class Failed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="failed"):
    """An error of `coterie.errors`: `branch` is the code of the branch it stands on."""

    branch: str
    code: str
    fact: str
    hint: str


Answer = Row | Done | Failed
T = TypeVar("T")

calls: Final[msgspec.msgpack.Decoder[Call]] = msgspec.msgpack.Decoder(Call)
answers: Final[msgspec.msgpack.Decoder[Answer]] = msgspec.msgpack.Decoder(Answer)


async def write(stream: asyncio.StreamWriter, message: Call | Answer) -> None:
    """Returns when the other side has taken enough of it."""
    content = msgspec.msgpack.encode(message)
    if len(content) > LARGEST:
        raise ValueError(f"a row of {len(content)} bytes; the most is {LARGEST}")
    stream.write(len(content).to_bytes(4, "big") + content)
    await stream.drain()


async def read_untrusted(stream: asyncio.StreamReader, decoder: msgspec.msgpack.Decoder[T]) -> T:
    """Raises StrangeOwner; asyncio.IncompleteReadError or ConnectionError if the other side is gone."""
    length = int.from_bytes(await stream.readexactly(4), "big")
    if length > LARGEST:
        raise StrangeOwner(f"a message of {length} bytes on the device's socket")
    content = await stream.readexactly(length)
    try:
        return decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise StrangeOwner("a message on the device's socket does not decode") from None
