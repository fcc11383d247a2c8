"""Canonical MessagePack: the one encoding of a value that is accepted (docs/protocol/register.md, "Encoding").

Shortest integers and lengths, map keys in the order of the struct, no unknown, missing or repeated key, nothing behind.
Checked by encoding again, so that every decoder reads the same value or none.
"""

from typing import TypeVar

import msgspec

_encoder = msgspec.msgpack.Encoder()
_T = TypeVar("_T")


class NotCanonical(Exception):
    """Inside `trust` only: each decoder turns it into its one named error."""


def encode(value: object) -> bytes:
    return _encoder.encode(value)


def decode_untrusted(encoded: bytes, decoder: msgspec.msgpack.Decoder[_T]) -> _T:
    """Raises NotCanonical and nothing else, whatever the bytes."""
    try:
        value = decoder.decode(encoded)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotCanonical from error
    if _encoder.encode(value) != encoded:
        raise NotCanonical
    return value
