"""What a message says: MIMI content in CBOR (docs/protocol/content.md), and what of it is shown (`projection`).

Pure: bytes in, content or `MalformedContent` out. Imports only `coterie.ids` and `coterie.errors`.
"""

from coterie.content.decode import Content, Unknown, decode_content_untrusted
from coterie.content.envelope import Expiry
from coterie.content.errors import BadPoll, BadReaction, MalformedContent, NotText, TextTooLong
from coterie.content.leave import Leave, encode_leave
from coterie.content.mentions import mentioned, with_links, with_names
from coterie.content.naming import MimiId, member_uri, mimi_id, room_uri
from coterie.content.pin import Pin, encode_pin
from coterie.content.poll import Poll, Vote, encode_poll, encode_vote
from coterie.content.reaction import Reaction, encode_reaction
from coterie.content.status import MessageStatus, StatusReport, encode_status
from coterie.content.text import Edit, Retract, Text, encode_edit, encode_retract, encode_text

__all__ = [
    "BadPoll",
    "BadReaction",
    "Content",
    "Edit",
    "Expiry",
    "Leave",
    "MalformedContent",
    "MessageStatus",
    "MimiId",
    "NotText",
    "Pin",
    "Poll",
    "Reaction",
    "Retract",
    "StatusReport",
    "Text",
    "TextTooLong",
    "Unknown",
    "Vote",
    "decode_content_untrusted",
    "encode_edit",
    "encode_leave",
    "encode_pin",
    "encode_poll",
    "encode_reaction",
    "encode_retract",
    "encode_status",
    "encode_text",
    "encode_vote",
    "member_uri",
    "mentioned",
    "mimi_id",
    "room_uri",
    "with_links",
    "with_names",
]
