"""Blobs, in pieces: what is too large for an entry."""

from typing import Annotated

from msgspec import Meta

from coterie.wire import limits
from coterie.wire.fields import Blob, Number
from coterie.wire.frames.frame import Frame


class PutBlob(Frame, tag=27, frozen=True):
    """Store `data` at `offset` of a blob of `size` bytes; in order, resumable: an empty chunk asks how far it is.
    After the last byte the hash is checked and the blob enters the log. → BlobHas"""

    id: Number
    blob: Blob
    size: Number
    offset: Number
    data: Annotated[bytes, Meta(max_length=limits.BLOB_CHUNK_BYTES)]


class BlobHas(Frame, tag=77, frozen=True):
    """How many bytes are durable; all of them: the blob is in the log."""

    id: Number
    offset: Number


class GetBlob(Frame, tag=28, frozen=True):
    """→ BlobChunk"""

    id: Number
    blob: Blob
    offset: Number
    length: Annotated[int, Meta(ge=1, le=limits.BLOB_CHUNK_BYTES)]


class BlobChunk(Frame, tag=78, frozen=True):
    id: Number
    size: Number
    data: bytes
