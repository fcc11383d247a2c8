"""Putting and getting sealed blobs, in chunks, from where an earlier try stopped. Ciphertext only."""

import hashlib

from coterie.client.connection import Connection
from coterie.errors import PeerError
from coterie.group.sealed_blob import LARGEST_BLOB, BlobRef
from coterie.ids import BlobId
from coterie.wire import frames
from coterie.wire.limits import BLOB_CHUNK_BYTES


class BlobWrong(PeerError):
    """The server's bytes are not the blob."""

    code = "blob_wrong"


async def put_blob(connection: Connection, blob: BlobId, ciphertext: bytes) -> None:
    """Returns after the server has all of it on disk and in its log. Raises ServerRefused."""
    size = len(ciphertext)
    answer = await connection.request(frames.PutBlob, blob=blob, size=size, offset=0, data=b"")
    while answer.offset < size:
        at = answer.offset
        chunk = ciphertext[at : at + BLOB_CHUNK_BYTES]
        answer = await connection.request(frames.PutBlob, blob=blob, size=size, offset=at, data=chunk)
        if answer.offset <= at:
            raise BlobWrong("the server does not take in an attachment", "try again later")


async def get_blob(connection: Connection, ref: BlobRef) -> bytes:
    """The ciphertext, its hash checked. Raises BlobWrong, ServerRefused (it is gone)."""
    if ref.size > LARGEST_BLOB:
        raise BlobWrong("a blob is larger than any may be", "ask its sender")
    parts: list[bytes] = []
    have = 0
    while have < ref.size:
        length = min(BLOB_CHUNK_BYTES, ref.size - have)
        answer = await connection.request(frames.GetBlob, blob=ref.id, offset=have, length=length)
        if not answer.data or len(answer.data) > length or answer.size != ref.size:
            raise BlobWrong("the server sent another blob than was asked for", "try again later")
        parts.append(answer.data)
        have += len(answer.data)
    ciphertext = b"".join(parts)
    if hashlib.sha256(ciphertext).digest() != ref.id:
        raise BlobWrong("the server sent a damaged blob", "try again later")
    return ciphertext
