"""Text: a message of words, the edit of one, and taking a message or a reaction back."""

from dataclasses import dataclass

from coterie.content.envelope import Expiry, encode_envelope, null_part, single_part
from coterie.content.errors import MalformedContent, NotText, TextTooLong
from coterie.content.limits import MARKDOWN, TEXT_BYTES, Disposition
from coterie.content.naming import MimiId
from coterie.ids import MessageId


@dataclass(frozen=True)
class Text:
    """`markdown`: GitHub's, without HTML and autolinks; else plain. Control characters are the reader's business."""

    message: MessageId
    text: str
    markdown: bool = True
    reply_to: MimiId | None = None
    expires: Expiry | None = None


@dataclass(frozen=True)
class Edit:
    """`text` in place of the text of `replaces`, which keeps its place, its replies and its expiry. `expires` is for
    who does not have that message."""

    message: MessageId
    replaces: MimiId
    text: str
    markdown: bool = True
    expires: Expiry | None = None


@dataclass(frozen=True)
class Retract:
    """`replaces`, a message or a reaction, is taken back: for everyone."""

    message: MessageId
    replaces: MimiId


def encode_text(
    message: MessageId, text: str, *, reply_to: MimiId | None = None, expires: Expiry | None = None
) -> bytes:
    """A message of markdown. `message` is 16 random bytes, the same at every retry. Raises TextTooLong, NotText."""
    part = single_part(Disposition.RENDER, MARKDOWN, utf8(text, TEXT_BYTES))
    return encode_envelope(message, part, reply_to=reply_to, expires=expires)


def encode_edit(message: MessageId, replaces: MimiId, text: str, *, expires: Expiry | None = None) -> bytes:
    """`replaces` names the first version, however often it was edited; `expires` as of that one. Raises TextTooLong,
    NotText."""
    part = single_part(Disposition.RENDER, MARKDOWN, utf8(text, TEXT_BYTES))
    return encode_envelope(message, part, replaces=replaces, expires=expires)


def encode_retract(message: MessageId, replaces: MimiId, *, reaction: bool = False) -> bytes:
    """`replaces` names the first version of a message, or (`reaction`) a reaction."""
    part = null_part(Disposition.REACTION if reaction else Disposition.RENDER)
    return encode_envelope(message, part, replaces=replaces)


def utf8(text: str, most: int) -> bytes:
    """Raises TextTooLong, NotText."""
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        raise NotText from None
    if len(encoded) > most:
        raise TextTooLong(len(encoded), most)
    return encoded


def decode_text_untrusted(content: bytes, most: int = TEXT_BYTES) -> str:
    """Raises MalformedContent."""
    if len(content) > most:
        raise MalformedContent(f"a text of {len(content)} bytes; the most is {most}")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise MalformedContent("its text is not UTF-8") from None
