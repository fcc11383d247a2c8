"""Frames to bytes and back. The decoders take anything and raise `MalformedFrame`, nothing else."""

from typing import Final, TypeVar

import msgspec

from coterie.errors import PeerError
from coterie.wire.frames import Frame, Greeting, Push, Reply, Request, Welcoming
from coterie.wire.limits import FRAME_BYTES


class MalformedFrame(PeerError):
    """Not a frame of this protocol; the connection is not to be used further."""

    code = "malformed"


T = TypeVar("T")

_encoder: Final = msgspec.msgpack.Encoder()
_requests: Final[msgspec.msgpack.Decoder[Request]] = msgspec.msgpack.Decoder(Request)
_greetings: Final[msgspec.msgpack.Decoder[Greeting]] = msgspec.msgpack.Decoder(Greeting)
_answers: Final[msgspec.msgpack.Decoder[Welcoming | Reply | Push]] = msgspec.msgpack.Decoder(Welcoming | Reply | Push)


def encode_frame(frame: Frame) -> bytes:
    return _encoder.encode(frame)


def decode_greeting_untrusted(data: bytes | memoryview) -> Greeting:
    """What a hub takes before the connection is proven. Raises MalformedFrame."""
    return _decode(_greetings, data)


def decode_request_untrusted(data: bytes | memoryview) -> Request:
    """What a hub takes on a proven connection. Raises MalformedFrame."""
    return _decode(_requests, data)


def decode_answer_untrusted(data: bytes | memoryview) -> Welcoming | Reply | Push:
    """What a device takes from a hub. Raises MalformedFrame."""
    return _decode(_answers, data)


def _decode(decoder: msgspec.msgpack.Decoder[T], data: bytes | memoryview) -> T:
    if len(data) > FRAME_BYTES:
        raise MalformedFrame(f"a frame of {len(data)} bytes; the most is {FRAME_BYTES}")
    try:
        return decoder.decode(data)
    # RecursionError: deeply nested input; UnicodeDecodeError: a bad string
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise MalformedFrame(f"a frame that does not decode: {error}") from None
