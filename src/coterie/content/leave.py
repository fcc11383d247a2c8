"""Leaving: the sender's member leaves the room."""

from dataclasses import dataclass

from coterie.content.envelope import encode_envelope, single_part
from coterie.content.limits import LEAVE, Disposition
from coterie.ids import MessageId


@dataclass(frozen=True)
class Leave:
    message: MessageId


def encode_leave(message: MessageId) -> bytes:
    """The sender's member leaves the room; another device commits the removal."""
    return encode_envelope(message, single_part(Disposition.UNSPECIFIED, LEAVE, b""))
