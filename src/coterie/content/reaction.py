"""A reaction: an emoji, or a few characters, to a message. It is taken back by `Retract`."""

import unicodedata
from dataclasses import dataclass

from coterie.content.envelope import encode_envelope, single_part
from coterie.content.errors import BadReaction, MalformedContent, NotText, TextTooLong
from coterie.content.limits import PLAIN, REACTION_BYTES, Disposition
from coterie.content.naming import MimiId
from coterie.content.text import decode_text_untrusted, utf8
from coterie.ids import MessageId


@dataclass(frozen=True)
class Reaction:
    message: MessageId
    reply_to: MimiId
    emoji: str


def encode_reaction(message: MessageId, reply_to: MimiId, emoji: str) -> bytes:
    """Raises BadReaction."""
    try:
        content = utf8(emoji, REACTION_BYTES)
    except (TextTooLong, NotText):
        raise BadReaction from None
    if not _is_reaction(emoji):
        raise BadReaction
    return encode_envelope(message, single_part(Disposition.REACTION, PLAIN, content), reply_to=reply_to)


def decode_reaction_untrusted(message: MessageId, reply_to: MimiId, content: bytes) -> Reaction:
    """Raises MalformedContent."""
    emoji = decode_text_untrusted(content, REACTION_BYTES)
    if not _is_reaction(emoji):
        raise MalformedContent("its reaction")
    return Reaction(message, reply_to, emoji)


def _is_reaction(text: str) -> bool:
    """Something to see, and nothing that moves what stands beside it."""
    # Cf holds the joiners that make one emoji of several, and the turns of direction that must not be here
    turns = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
    categories = [unicodedata.category(character) for character in text]
    hidden = all(category in ("Cf", "Mn", "Me") for category in categories)
    return not hidden and not any(
        category[0] == "Z" or category == "Cc" or character in turns
        for category, character in zip(categories, text, strict=True)
    )
