"""Bytes of another member to content. What is well formed but not wholly understood is `Unknown`, never half shown."""

import io
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import cbor2

from coterie.content.limits import (
    CONTENT_BYTES,
    DEPTH,
    ID_BYTES,
    LEAVE,
    MARKDOWN,
    MIMI_ID_BYTES,
    PLAIN,
    TEXT_BYTES,
    TOPIC_BYTES,
    Cardinality,
    Disposition,
)
from coterie.errors import PeerError
from coterie.ids import MessageId


class MalformedContent(PeerError):
    code = "malformed_content"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"a message's content is malformed: {why}", "it was not shown; its sender's program is at fault"
        )


@dataclass(frozen=True)
class Text:
    """`markdown`: GitHub's, without HTML and autolinks; else plain. Control characters are the reader's business."""

    message: MessageId
    text: str
    markdown: bool = True


@dataclass(frozen=True)
class Leave:
    message: MessageId


@dataclass(frozen=True)
class Unknown:
    """Keep the bytes: a newer Coterie shows them. `people_see` stands in its place until then."""

    message: MessageId
    encoded: bytes
    people_see: str = "this message needs a newer Coterie"


Content = Text | Leave | Unknown

_SHOWN = (Disposition.UNSPECIFIED, Disposition.RENDER, Disposition.INLINE)


def decode_content_untrusted(encoded: bytes) -> Content:
    """Raises MalformedContent and nothing else, whatever the bytes."""
    fields = _array(encoded)
    if len(fields) < 7:
        raise MalformedContent(f"{len(fields)} fields")
    salt, replaces, topic, expires, in_reply_to, extensions, part = fields[:7]
    if type(salt) is not bytes or len(salt) != ID_BYTES:
        raise MalformedContent("its salt")
    message = MessageId(salt)
    if not (_mimi_id_or_none(replaces) and _mimi_id_or_none(in_reply_to)):
        raise MalformedContent("a message id it refers to")
    if type(topic) is not bytes or len(topic) > TOPIC_BYTES:
        raise MalformedContent("its topic")
    if expires is not None and not _is_expiration(expires):
        raise MalformedContent("its expiry")
    if type(extensions) is not dict:
        raise MalformedContent("its extensions")
    body = _body(message, part)
    plain = not (replaces or topic or expires or in_reply_to or extensions) and len(fields) == 7
    if body is None or not plain:
        return Unknown(message, encoded)
    return body


def _array(encoded: bytes) -> list[Any]:
    if len(encoded) > CONTENT_BYTES:
        raise MalformedContent(f"{len(encoded)} bytes; the most is {CONTENT_BYTES}")
    stream = io.BytesIO(encoded)
    decoder = cbor2.CBORDecoder(
        stream,
        semantic_decoders=defaultdict(lambda: _tagged),
        max_depth=DEPTH,
        allow_indefinite=False,
        allow_duplicate_keys=False,
    )
    try:
        value = decoder.decode()
    # TypeError: an array or a map as a key
    except (cbor2.CBORDecodeError, TypeError) as error:
        raise MalformedContent(f"not CBOR ({type(error).__name__})") from None
    if stream.read(1):
        raise MalformedContent("bytes after its end")
    if type(value) is not list:
        raise MalformedContent("not an array")
    return value


def _tagged(_value: object, _immutable: bool) -> object:
    """No tag has a meaning here: not dates, not big numbers, not references (which could make a value hold itself)."""
    return ...


def _body(message: MessageId, part: object) -> Text | Leave | None:
    """What a part of one piece says; None for everything that is not ours to show yet."""
    if type(part) is not list or len(part) < 3:
        raise MalformedContent("its part")
    disposition, language, cardinality = part[:3]
    if type(disposition) is not int or not 0 <= disposition <= 255:
        raise MalformedContent("its disposition")
    if type(language) is not str or type(cardinality) is not int:
        raise MalformedContent("its part")
    if cardinality != Cardinality.SINGLE:
        return None
    if len(part) != 5 or type(part[3]) is not str or type(part[4]) is not bytes:
        raise MalformedContent("its single part")
    content_type, content = part[3:]
    if content_type == LEAVE and disposition == Disposition.UNSPECIFIED and not content:
        return Leave(message)
    if content_type in (MARKDOWN, PLAIN) and disposition in _SHOWN:
        return Text(message, _text(content), markdown=content_type == MARKDOWN)
    return None


def _text(content: bytes) -> str:
    if len(content) > TEXT_BYTES:
        raise MalformedContent(f"a text of {len(content)} bytes; the most is {TEXT_BYTES}")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise MalformedContent("its text is not UTF-8") from None


def _mimi_id_or_none(value: object) -> bool:
    return value is None or (type(value) is bytes and len(value) == MIMI_ID_BYTES)


def _is_expiration(value: object) -> bool:
    return (
        type(value) is list
        and len(value) == 2
        and type(value[0]) is bool
        and type(value[1]) is int
        and 0 <= value[1] < 2**32
    )
