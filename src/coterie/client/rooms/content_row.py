"""A message's content as a row that people can read: what text stands for it. Pure."""

from typing import Final

from coterie.content import (
    Content,
    Leave,
    MalformedContent,
    Poll,
    Text,
    Unknown,
    decode_content_untrusted,
)

NEWER: Final = "this message needs a newer Coterie"
MALFORMED: Final = "this message is malformed and cannot be shown"


def understood(content: bytes) -> Content | None:
    """None for what is malformed: nothing raises, what cannot be understood is said to be so, and kept."""
    try:
        return decode_content_untrusted(content)
    except MalformedContent:
        return None


def words(content: Text | Poll | Unknown | None) -> tuple[str, str]:
    """`kind` as in MessageFacts, and the text."""
    match content:
        case None:
            return "unknown", MALFORMED
        case Text(text=text):
            return "text", text
        case Poll(question=question):
            return "poll", question
        case Unknown():
            return "unknown", NEWER


def leaves(content: bytes) -> bool:
    return isinstance(understood(content), Leave)
