"""Bytes of another member to content. What is well formed but not wholly understood is `Unknown`, never half shown."""

from dataclasses import dataclass
from typing import TypeAlias

from coterie.content.envelope import Envelope, decode_envelope_untrusted
from coterie.content.leave import Leave
from coterie.content.limits import LEAVE, MARKDOWN, PIN, PLAIN, POLL, SHOWN, STATUS, VOTE, Cardinality, Disposition
from coterie.content.pin import Pin, decode_pin_untrusted
from coterie.content.poll import Poll, Vote, decode_poll_untrusted, decode_vote_untrusted
from coterie.content.reaction import Reaction, decode_reaction_untrusted
from coterie.content.status import StatusReport, decode_status_untrusted
from coterie.content.text import Edit, Retract, Text, decode_text_untrusted
from coterie.ids import MessageId


@dataclass(frozen=True)
class Unknown:
    """Keep the bytes: a newer Coterie shows them. `people_see` stands in its place until then."""

    message: MessageId
    encoded: bytes
    people_see: str = "this message needs a newer Coterie"


Content: TypeAlias = Text | Edit | Retract | Reaction | Pin | Poll | Vote | StatusReport | Leave | Unknown


def decode_content_untrusted(encoded: bytes) -> Content:
    """Raises MalformedContent and nothing else, whatever the bytes."""
    envelope = decode_envelope_untrusted(encoded)
    known = _content(envelope)
    return known if known is not None and envelope.plain else Unknown(envelope.message, encoded)


def _content(envelope: Envelope) -> Content | None:
    """None for everything that is not ours to show yet."""
    if envelope.cardinality == Cardinality.NULL:
        taken_back = envelope.disposition in (*SHOWN, Disposition.REACTION)
        if envelope.replaces is None or not taken_back or len(envelope.part) != 3:
            return None
        return Retract(envelope.message, envelope.replaces)
    if envelope.cardinality != Cardinality.SINGLE:
        return None
    content_type, content = envelope.part[3:]
    if content_type in (MARKDOWN, PLAIN):
        return _words(envelope, content, markdown=content_type == MARKDOWN)
    if envelope.replaces is not None:
        return None
    return _ours(envelope, content_type, content)


def _words(envelope: Envelope, content: bytes, *, markdown: bool) -> Content | None:
    message, replaces, reply_to = envelope.message, envelope.replaces, envelope.reply_to
    if envelope.disposition == Disposition.REACTION:
        # one that takes another's place is of a later version: here a reaction is taken back and another made
        if reply_to is None or replaces is not None:
            return None
        return decode_reaction_untrusted(message, reply_to, content)
    if envelope.disposition not in SHOWN:
        return None
    text = decode_text_untrusted(content)
    if replaces is not None:
        return Edit(message, replaces, text, markdown, envelope.expires)
    return Text(message, text, markdown, reply_to, envelope.expires)


def _ours(envelope: Envelope, content_type: str, content: bytes) -> Content | None:
    message, reply_to, disposition = envelope.message, envelope.reply_to, envelope.disposition
    if content_type == POLL and disposition in SHOWN:
        return decode_poll_untrusted(message, content, reply_to, envelope.expires)
    if disposition != Disposition.UNSPECIFIED or envelope.expires is not None:
        return None
    if reply_to is not None:
        if content_type == PIN:
            return decode_pin_untrusted(message, reply_to, content)
        return decode_vote_untrusted(message, reply_to, content) if content_type == VOTE else None
    if content_type == STATUS:
        return decode_status_untrusted(message, content)
    return Leave(message) if content_type == LEAVE and not content else None
