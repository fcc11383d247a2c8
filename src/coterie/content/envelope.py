"""The draft's array around every message: salt, what it refers to, expiry, and the part that is its body.

Deterministic encoding (RFC 8949 §4.2.1: short forms, definite lengths); strict decoding.
"""

import io
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, NewType

import cbor2

from coterie.content.errors import MalformedContent
from coterie.content.limits import (
    CONTENT_BYTES,
    DEPTH,
    ID_BYTES,
    MIMI_ID_BYTES,
    TOPIC_BYTES,
    Cardinality,
    Disposition,
)
from coterie.content.naming import SHA256, MimiId
from coterie.ids import MessageId

Part = NewType("Part", list[Any])
"""A part whose disposition, language and cardinality have the right types."""


@dataclass(frozen=True)
class Expiry:
    """`seconds` after the reader has read it if `relative`, else after the start of 1970."""

    relative: bool
    seconds: int


@dataclass(frozen=True)
class Envelope:
    """`plain` is False where it holds what this version does not know: a topic, extensions, further fields, ids by
    another hash."""

    message: MessageId
    replaces: MimiId | None
    reply_to: MimiId | None
    expires: Expiry | None
    part: Part
    plain: bool

    @property
    def disposition(self) -> int:
        return int(self.part[0])

    @property
    def cardinality(self) -> int:
        return int(self.part[2])


def encode_envelope(
    message: MessageId,
    part: list[Any],
    *,
    replaces: MimiId | None = None,
    reply_to: MimiId | None = None,
    expires: Expiry | None = None,
) -> bytes:
    """`message` is 16 random bytes, the same at every retry."""
    if len(message) != ID_BYTES:
        raise ValueError(f"a message id has {ID_BYTES} bytes")
    until = None if expires is None else [expires.relative, expires.seconds]
    return cbor2.dumps([message, replaces, b"", until, reply_to, {}, part])


def single_part(disposition: Disposition, content_type: str, content: bytes) -> list[Any]:
    return [int(disposition), "", int(Cardinality.SINGLE), content_type, content]


def null_part(disposition: Disposition) -> list[Any]:
    return [int(disposition), "", int(Cardinality.NULL)]


def decode_envelope_untrusted(encoded: bytes) -> Envelope:
    """Raises MalformedContent."""
    if len(encoded) > CONTENT_BYTES:
        raise MalformedContent(f"{len(encoded)} bytes; the most is {CONTENT_BYTES}")
    fields = decode_array_untrusted(encoded)
    if len(fields) < 7:
        raise MalformedContent(f"{len(fields)} fields")
    salt, replaces, topic, expires, reply_to, extensions, part = fields[:7]
    if type(salt) is not bytes or len(salt) != ID_BYTES:
        raise MalformedContent("its salt")
    if not (_is_mimi_id(replaces) and _is_mimi_id(reply_to)):
        raise MalformedContent("a message id it refers to")
    if type(topic) is not bytes or len(topic) > TOPIC_BYTES:
        raise MalformedContent("its topic")
    if expires is not None and not _is_expiry(expires):
        raise MalformedContent("its expiry")
    if type(extensions) is not dict:
        raise MalformedContent("its extensions")
    known_hash = all(named is None or named[:1] == SHA256 for named in (replaces, reply_to))
    return Envelope(
        message=MessageId(salt),
        replaces=replaces,
        reply_to=reply_to,
        expires=None if expires is None else Expiry(*expires),
        part=_part(part),
        plain=known_hash and not (topic or extensions) and len(fields) == 7,
    )


def decode_array_untrusted(encoded: bytes) -> list[Any]:
    """One CBOR array and nothing behind it. Raises MalformedContent."""
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


def _part(part: object) -> Part:
    if type(part) is not list or len(part) < 3:
        raise MalformedContent("its part")
    disposition, language, cardinality = part[:3]
    if type(disposition) is not int or not 0 <= disposition <= 255:
        raise MalformedContent("its disposition")
    if type(language) is not str or type(cardinality) is not int:
        raise MalformedContent("its part")
    if cardinality == Cardinality.SINGLE and (len(part) != 5 or type(part[3]) is not str or type(part[4]) is not bytes):
        raise MalformedContent("its single part")
    return Part(part)


def _is_mimi_id(value: object) -> bool:
    return value is None or (type(value) is bytes and len(value) == MIMI_ID_BYTES)


def _is_expiry(value: object) -> bool:
    return (
        type(value) is list
        and len(value) == 2
        and type(value[0]) is bool
        and type(value[1]) is int
        and 0 <= value[1] < 2**32
    )
