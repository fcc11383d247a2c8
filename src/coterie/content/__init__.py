"""What a message says: MIMI content in CBOR (docs/protocol/content.md).

Pure: bytes in, content or `MalformedContent` out. Imports only `coterie.ids` and `coterie.errors`.
"""

from coterie.content.decode import Content, Leave, MalformedContent, Text, Unknown, decode_content_untrusted
from coterie.content.encode import NotText, TextTooLong, encode_leave, encode_text

__all__ = [
    "Content",
    "Leave",
    "MalformedContent",
    "NotText",
    "Text",
    "TextTooLong",
    "Unknown",
    "decode_content_untrusted",
    "encode_leave",
    "encode_text",
]
