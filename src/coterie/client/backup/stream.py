"""The body of a backup: records in sealed chunks, as in age's STREAM (docs/protocol/backup.md, "Body").

Written and read once, from front to back, in constant memory. A chunk that was changed, moved or cut off is found out.
"""

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from coterie.client.backup.errors import BackupDamaged
from coterie.ids import Secret

CHUNK_BYTES: Final = 64 * 1024
LARGEST_RECORD: Final = 16 * 1024 * 1024
_TAG_BYTES: Final = 16
_LENGTH: Final = struct.Struct(">I")

Value = int | str | bytes | None
Record = tuple[str, list[Value]]
"""The table, and a row of it."""
_records: Final = msgspec.msgpack.Decoder(tuple[str, list[Any]])


class StreamKey(Secret):
    """Seals one backup's body, once; 32 bytes."""


class SealedWriter:
    """`write` records, then `finish`: without it the file is one that was cut off."""

    def __init__(self, file: BinaryIO, key: StreamKey) -> None:
        self._file = file
        self._aead = ChaCha20Poly1305(bytes(key))
        self._waiting = bytearray()
        self._chunks = 0

    def write(self, table: str, row: list[Value]) -> None:
        encoded = msgspec.msgpack.encode((table, row))
        if len(encoded) > LARGEST_RECORD:
            raise ValueError(f"a record of {len(encoded)} bytes")
        self._waiting += _LENGTH.pack(len(encoded)) + encoded
        # one chunk stays behind: whether it is the last is known when there is another
        while len(self._waiting) > CHUNK_BYTES:
            self._seal(bytes(self._waiting[:CHUNK_BYTES]), last=False)
            del self._waiting[:CHUNK_BYTES]

    def finish(self) -> None:
        self._seal(bytes(self._waiting), last=True)
        self._waiting.clear()

    def _seal(self, chunk: bytes, *, last: bool) -> None:
        self._file.write(self._aead.encrypt(_nonce(self._chunks, last=last), chunk, None))
        self._chunks += 1


def read_records(file: BinaryIO, key: StreamKey) -> Iterator[Record]:
    """All records, in order. Raises BackupDamaged, at the latest behind the last one: what was taken before is then of
    a file that is not whole."""
    waiting = bytearray()
    for chunk in _chunks(file, ChaCha20Poly1305(bytes(key))):
        waiting += chunk
        start = 0
        while len(waiting) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(waiting, start)
            if length > LARGEST_RECORD:
                raise BackupDamaged("a record is longer than any may be")
            end = start + _LENGTH.size + length
            if len(waiting) < end:
                break
            yield _decoded(bytes(waiting[start + _LENGTH.size : end]))
            start = end
        del waiting[:start]
    if waiting:
        raise BackupDamaged("its last record is not whole")


def _decoded(encoded: bytes) -> Record:
    try:
        table, row = _records.decode(encoded)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BackupDamaged("a record does not decode") from None
    if not all(value is None or isinstance(value, int | str | bytes) for value in row):
        raise BackupDamaged("a record holds what no row does")
    return table, row


def _chunks(file: BinaryIO, aead: ChaCha20Poly1305) -> Iterator[bytes]:
    number = 0
    sealed = file.read(CHUNK_BYTES + _TAG_BYTES)
    while True:
        following = file.read(CHUNK_BYTES + _TAG_BYTES)
        try:
            yield aead.decrypt(_nonce(number, last=not following), sealed, None)
        except InvalidTag:
            what = "its end is missing, or was changed" if not following else f"part {number + 1} was changed"
            raise BackupDamaged(what) from None
        if not following:
            return
        sealed, number = following, number + 1


def _nonce(number: int, *, last: bool) -> bytes:
    """age's STREAM: 11 bytes of counter, one that marks the last chunk."""
    return number.to_bytes(11, "big") + bytes([last])
