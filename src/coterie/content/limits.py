"""The numbers and names of content that both sides go by (draft-ietf-mimi-content-08)."""

from enum import IntEnum
from typing import Final

MARKDOWN: Final = "text/markdown;variant=GFM-MIMI"
PLAIN: Final = "text/plain;charset=utf-8"
LEAVE: Final = "application/vnd.coterie.leave"
PIN: Final = "application/vnd.coterie.pin"
POLL: Final = "application/vnd.coterie.poll"
VOTE: Final = "application/vnd.coterie.vote"
STATUS: Final = "application/mimi-message-status"

ID_BYTES: Final = 16
"""The draft's salt: random, 16 bytes; it is our message id."""
MIMI_ID_BYTES: Final = 32
"""The draft's message id, a hash, by which replies and edits name a message."""
TEXT_BYTES: Final = 64 * 1024
CONTENT_BYTES: Final = 128 * 1024
DEPTH: Final = 8
"""Nested arrays and maps, the outermost counted."""
TOPIC_BYTES: Final = 4096
REACTION_BYTES: Final = 64
MOST_REACTIONS: Final = 16
"""Of one member to one message; what is more is not shown."""
QUESTION_BYTES: Final = 1024
OPTION_BYTES: Final = 256
LEAST_OPTIONS: Final = 2
MOST_OPTIONS: Final = 20
MOST_STATUSES: Final = 1024
"""In one report."""


class Disposition(IntEnum):
    UNSPECIFIED = 0
    RENDER = 1
    REACTION = 2
    PROFILE = 3
    INLINE = 4
    ICON = 5
    ATTACHMENT = 6
    SESSION = 7
    PREVIEW = 8


class Cardinality(IntEnum):
    NULL = 0
    SINGLE = 1
    EXTERNAL = 2
    MULTI = 3


SHOWN: Final = (Disposition.UNSPECIFIED, Disposition.RENDER, Disposition.INLINE)
"""The dispositions under which a text is a message."""
