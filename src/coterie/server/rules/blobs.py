"""Blobs as the log knows them: declared by `BlobPut`, kept by the entries that name them (docs/protocol/queues.md)."""

from typing import Final

from coterie.server.rules.draft import Draft
from coterie.server.rules.limits import UNREFERENCED_BLOB_MS
from coterie.server.rules.outcomes import Outcome, Stored
from coterie.server.rules.record import BlobPut
from coterie.server.rules.rows import BlobRow

_STORED: Final = Stored()


def put_blob(draft: Draft, op: BlobPut) -> Outcome:
    """Put again, one that no entry names yet stays for another day."""
    known = draft.blobs.get(op.blob)
    refs = 0 if known is None else known.refs
    draft.blobs.put(op.blob, BlobRow(op.size, refs, draft.expires(draft.time + UNREFERENCED_BLOB_MS)))
    return _STORED


def release_blobs(draft: Draft, entry: int) -> None:
    """The entry's payload is gone: it names its blobs no longer."""
    for blob in draft.base.blobs_of(entry):
        row = draft.blobs.get(blob)
        if row is not None:
            expires = draft.expires(draft.time + UNREFERENCED_BLOB_MS)
            draft.blobs.put(blob, BlobRow(row.size, row.refs - 1, expires))
    draft.lost_refs.append((entry,))
