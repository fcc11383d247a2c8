"""How far a device has seen the log, sealed among the hubs (docs/protocol/frames.md, "Position").

Sealed, because the position tells how much the whole coterie writes, which is nobody's business.
"""

import os
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from coterie.ids import Seed

_LABEL: Final = b"coterie/1 position\0"
_NONCE_BYTES: Final = 12


class _Position(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    log: bytes
    seq: int


_decoder: Final = msgspec.msgpack.Decoder(_Position)
_encoder: Final = msgspec.msgpack.Encoder()


class PositionSeal:
    """One for all hubs that hold the service key."""

    def __init__(self, service_seed: Seed) -> None:
        self._cipher = ChaCha20Poly1305(
            HKDF(SHA256(), length=32, salt=None, info=_LABEL).derive(bytes(service_seed)),
        )

    def seal(self, log: bytes, seq: int) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, _encoder.encode(_Position(log, seq)), _LABEL)

    def open_untrusted(self, log: bytes, sealed: bytes) -> int:
        """The position in this log; 0 for anything that is none. Raises nothing: a device without one is served too."""
        try:
            opened = _decoder.decode(self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _LABEL))
        except (InvalidTag, ValueError, msgspec.DecodeError):
            return 0
        return opened.seq if opened.log == log else 0
