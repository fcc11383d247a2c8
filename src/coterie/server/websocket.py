"""Frames in WebSocket form (RFC 6455 §5.2), so that one is built once for many readers and many go out in one write.

picows writes each message on its own: one TLS record and one system call a reply. A hub answers a whole record at once,
and the same push goes to every follower, so it hands finished bytes to the transport below.
"""

from typing import Final

_BINARY_FINAL: Final = b"\x82"
_TWO_BYTES: Final = b"\x82\x7e"
_EIGHT_BYTES: Final = b"\x82\x7f"


def wrapped(frame: bytes) -> bytes:
    """`frame` as one binary message, unmasked, as a server sends it."""
    size = len(frame)
    if size < 126:
        return b"%b%c%b" % (_BINARY_FINAL, size, frame)
    if size < 1 << 16:
        return b"%b%b%b" % (_TWO_BYTES, size.to_bytes(2, "big"), frame)
    return b"%b%b%b" % (_EIGHT_BYTES, size.to_bytes(8, "big"), frame)
