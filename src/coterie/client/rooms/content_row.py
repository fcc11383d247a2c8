"""A message's content as a row that people can read: what text stands for it. Pure."""

from dataclasses import dataclass
from typing import Final

from coterie.content import Leave, MalformedContent, Text, decode_content_untrusted
from coterie.ids import MessageId

NEWER: Final = "this message needs a newer Coterie"


@dataclass(frozen=True)
class Readable:
    """`kind` as in MessageFacts; a leave shows as a notice made elsewhere and has no text of its own."""

    message: MessageId | None
    kind: str
    text: str
    leaves: bool = False


def readable(content: bytes) -> Readable:
    """Never raises: what cannot be understood is said to be so, and kept."""
    try:
        decoded = decode_content_untrusted(content)
    except MalformedContent:
        return Readable(None, "unknown", "this message is malformed and cannot be shown")
    match decoded:
        case Text(message=message, text=text):
            return Readable(message, "text", text)
        case Leave(message=message):
            return Readable(message, "notice", "", leaves=True)
        case newer:
            return Readable(newer.message, "unknown", NEWER)
