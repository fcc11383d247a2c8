"""Opening an entry of a room's queue: the MLS message in it, what stands outside the message, and its sealed head."""

from collections.abc import Mapping
from typing import Final

import coterie_mls
from coterie_mls import MlsError

from coterie.client.rooms.arrived import EntryWaits, Unprocessable, WaitForBlob
from coterie.group.entry import BadEntry, InBlob, decode_entry_untrusted, open_reference
from coterie.group.heads import BadHead, Head, open_head_untrusted
from coterie.ids import BlobId
from coterie.store.groups import GroupRow

LARGEST_COMMIT: Final = 16 * 1024 * 1024
"""A sealed blob that an entry may stand in; a commit with a full path among thousands of devices is far below."""


def inline(payload: bytes) -> bytes | None:
    """The MLS message that stands in the entry itself; None if it names a blob."""
    try:
        entry = decode_entry_untrusted(payload)
    except BadEntry:
        raise Unprocessable("bad-entry") from None
    return None if isinstance(entry, InBlob) else entry.message


def mls_message(mls: coterie_mls.Group, payload: bytes, blobs: Mapping[BlobId, bytes]) -> bytes:
    """As it stands in the entry, or in the blob that the entry names; `blobs` are those fetched already."""
    try:
        entry = decode_entry_untrusted(payload)
        if not isinstance(entry, InBlob):
            return entry.message
        if entry.size > LARGEST_COMMIT:
            raise Unprocessable("too-large")
        if entry.id in blobs:
            return blobs[entry.id]
        raise EntryWaits(WaitForBlob(open_reference(mls, entry)))
    except BadEntry:
        raise Unprocessable("bad-entry") from None


def envelope_of(mls: coterie_mls.Group, message: bytes) -> coterie_mls.Envelope:
    try:
        envelope = coterie_mls.peek(message)
    except MlsError as error:
        raise Unprocessable(error.code) from None
    if envelope.group_id != mls.group_id or envelope.epoch != mls.epoch:
        raise Unprocessable("another-epoch")
    return envelope


def head_of(mls: coterie_mls.Group, row: GroupRow, sealed: bytes) -> Head:
    try:
        return open_head_untrusted(mls, row.queue, sealed)
    except BadHead:
        raise Unprocessable("bad-head") from None
