"""A poll, and a vote in one. An extension of ours."""

from collections.abc import Sequence
from dataclasses import dataclass

import cbor2

from coterie.content.envelope import Expiry, decode_array_untrusted, encode_envelope, single_part
from coterie.content.errors import BadPoll, MalformedContent, NotText, TextTooLong
from coterie.content.limits import (
    LEAST_OPTIONS,
    MOST_OPTIONS,
    OPTION_BYTES,
    POLL,
    QUESTION_BYTES,
    VOTE,
    Disposition,
)
from coterie.content.naming import MimiId
from coterie.content.text import utf8
from coterie.ids import MessageId


@dataclass(frozen=True)
class Poll:
    """`many`: one may vote for more than one option."""

    message: MessageId
    question: str
    options: tuple[str, ...]
    many: bool = False
    reply_to: MimiId | None = None
    expires: Expiry | None = None


@dataclass(frozen=True)
class Vote:
    """`options` are numbers from 0, ascending; none takes the vote back. A member's last vote counts."""

    message: MessageId
    reply_to: MimiId
    options: tuple[int, ...]


def encode_poll(
    message: MessageId, question: str, options: Sequence[str], *, many: bool = False, expires: Expiry | None = None
) -> bytes:
    """Raises BadPoll."""
    try:
        utf8(question, QUESTION_BYTES)
        for option in options:
            utf8(option, OPTION_BYTES)
    except (TextTooLong, NotText) as bad:
        raise BadPoll(bad.fact, f"a question has {QUESTION_BYTES} bytes at most, an option {OPTION_BYTES}") from None
    if not _is_poll(question, options):
        raise BadPoll("a poll has a question and different options", f"give {LEAST_OPTIONS} to {MOST_OPTIONS} options")
    content = cbor2.dumps([question, list(options), many])
    return encode_envelope(message, single_part(Disposition.RENDER, POLL, content), expires=expires)


def encode_vote(message: MessageId, reply_to: MimiId, options: Sequence[int]) -> bytes:
    content = cbor2.dumps(sorted(set(options)))
    return encode_envelope(message, single_part(Disposition.UNSPECIFIED, VOTE, content), reply_to=reply_to)


def decode_poll_untrusted(
    message: MessageId, content: bytes, reply_to: MimiId | None = None, expires: Expiry | None = None
) -> Poll:
    """Raises MalformedContent."""
    fields = decode_array_untrusted(content)
    if len(fields) != 3 or type(fields[0]) is not str or type(fields[1]) is not list or type(fields[2]) is not bool:
        raise MalformedContent("its poll")
    question, options, many = fields
    if any(type(option) is not str for option in options) or not _is_poll(question, options):
        raise MalformedContent("its poll")
    if any(len(text.encode()) > most for text, most in _sizes(question, options)):
        raise MalformedContent("its poll is too long")
    return Poll(message, question, tuple(options), many, reply_to, expires)


def decode_vote_untrusted(message: MessageId, reply_to: MimiId, content: bytes) -> Vote:
    """Raises MalformedContent."""
    options = decode_array_untrusted(content)
    if any(type(option) is not int or not 0 <= option < MOST_OPTIONS for option in options):
        raise MalformedContent("its vote")
    if options != sorted(set(options)):
        raise MalformedContent("its vote")
    return Vote(message, reply_to, tuple(options))


def _is_poll(question: str, options: Sequence[str]) -> bool:
    there = bool(question.strip()) and all(option.strip() for option in options)
    return there and LEAST_OPTIONS <= len(options) <= MOST_OPTIONS and len(set(options)) == len(options)


def _sizes(question: str, options: Sequence[str]) -> list[tuple[str, int]]:
    return [(question, QUESTION_BYTES), *((option, OPTION_BYTES) for option in options)]
