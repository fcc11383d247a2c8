"""A pin: a message is kept at the top of the room, or not any more. An extension of ours."""

from dataclasses import dataclass

from coterie.content.envelope import encode_envelope, single_part
from coterie.content.errors import MalformedContent
from coterie.content.limits import PIN, Disposition
from coterie.content.naming import MimiId
from coterie.ids import MessageId


@dataclass(frozen=True)
class Pin:
    message: MessageId
    reply_to: MimiId
    pinned: bool


def encode_pin(message: MessageId, reply_to: MimiId, *, pinned: bool) -> bytes:
    content = b"\1" if pinned else b"\0"
    return encode_envelope(message, single_part(Disposition.UNSPECIFIED, PIN, content), reply_to=reply_to)


def decode_pin_untrusted(message: MessageId, reply_to: MimiId, content: bytes) -> Pin:
    """Raises MalformedContent."""
    if content not in (b"\0", b"\1"):
        raise MalformedContent("its pin")
    return Pin(message, reply_to, content == b"\1")
