"""Content to bytes, in the draft's deterministic encoding (RFC 8949 §4.2.1: short forms, definite lengths)."""

import cbor2

from coterie.content.limits import ID_BYTES, LEAVE, MARKDOWN, TEXT_BYTES, Cardinality, Disposition
from coterie.errors import CallerError
from coterie.ids import MessageId


class TextTooLong(CallerError):
    code = "text_too_long"

    def __init__(self, size: int) -> None:
        super().__init__(f"the text has {size} bytes; the most is {TEXT_BYTES}", "send it in parts")


class NotText(CallerError):
    """Surrogates: a terminal or an argument gave bytes that are not UTF-8."""

    code = "not_text"

    def __init__(self) -> None:
        super().__init__("the text holds bytes that are not UTF-8", "set the terminal to UTF-8")


def encode_text(message: MessageId, text: str) -> bytes:
    """A message of markdown. `message` is 16 random bytes, the same at every retry. Raises TextTooLong, NotText."""
    try:
        content = text.encode()
    except UnicodeEncodeError:
        raise NotText from None
    if len(content) > TEXT_BYTES:
        raise TextTooLong(len(content))
    return _encode(message, Disposition.RENDER, MARKDOWN, content)


def encode_leave(message: MessageId) -> bytes:
    """The sender's member leaves the room; another device commits the removal."""
    return _encode(message, Disposition.UNSPECIFIED, LEAVE, b"")


def _encode(message: MessageId, disposition: Disposition, content_type: str, content: bytes) -> bytes:
    if len(message) != ID_BYTES:
        raise ValueError(f"a message id has {ID_BYTES} bytes")
    part = [int(disposition), "", int(Cardinality.SINGLE), content_type, content]
    replaces, topic, expires, in_reply_to = None, b"", None, None
    return cbor2.dumps([message, replaces, topic, expires, in_reply_to, {}, part])
