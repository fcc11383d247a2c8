"""Queues: open, post, advance, close (docs/protocol/queues.md). Epochs, keys and limits are decided here, by order.

The order of the checks is part of the rules: queue, key, epoch, limits, blobs.
"""

from typing import Final

from coterie.ids import BlobId, QueueId
from coterie.server.rules.applied import EpochEnd, Run
from coterie.server.rules.draft import Draft
from coterie.server.rules.keys import COMMIT, POST, entry_of, n_of, pack_place, place_key
from coterie.server.rules.limits import (
    COMMIT_TTL_MS,
    IDLE_SLACK,
    LARGEST_FIRST_EPOCH,
    MESSAGE_TTL_MS,
    QUEUE_LIMITS,
    SECOND_MS,
)
from coterie.server.rules.outcomes import (
    Advanced,
    Conflict,
    Opened,
    Outcome,
    Posted,
    Stale,
    Stored,
    refused,
)
from coterie.server.rules.record import Advance, CloseQueue, Delivery, OpenQueue, Post
from coterie.server.rules.rows import QueueRow
from coterie.wire.codes import ErrorCode
from coterie.wire.limits import LINK_SECONDS, MESSAGE_TTL_SECONDS
from coterie.wire.queues import QueuePurpose

_OPENED: Final = Opened()
_STORED: Final = Stored()
_NO_QUEUE: Final = refused(ErrorCode.NO_QUEUE)
_QUEUE_EXISTS: Final = refused(ErrorCode.QUEUE_EXISTS)
_BAD_TERMS: Final = refused(ErrorCode.BAD_TERMS)
_QUEUE_FULL: Final = refused(ErrorCode.QUEUE_FULL)
_NO_BLOB: Final = refused(ErrorCode.NO_BLOB)
_NOT_ALLOWED: Final = refused(ErrorCode.NOT_ALLOWED)


def open_queue(draft: Draft, op: OpenQueue) -> Outcome:
    row = draft.stored_queue(QueueId(op.queue))
    if row is not None and row.idle_at <= draft.time:
        draft.end_queue(row)
        row = None
    if op.epoch > LARGEST_FIRST_EPOCH or (op.purpose == QueuePurpose.LINK and op.ttl > LINK_SECONDS):
        return _BAD_TERMS
    if row is not None:
        return _OPENED if (row.purpose, row.close) == (op.purpose, op.close) else _QUEUE_EXISTS
    ttl = op.ttl * SECOND_MS
    row = QueueRow(
        number=draft.next_queue,
        id=QueueId(op.queue),
        purpose=op.purpose,
        close=op.close,
        epoch=op.epoch,
        post=op.post,
        read=op.read,
        last=0,
        live=0,
        size=0,
        ttl=op.ttl,
        idle_at=draft.expires(draft.time + ttl + ttl // IDLE_SLACK),
    )
    draft.next_queue += 1
    draft.queues[row.id] = row
    draft.new_queues[row.number] = row
    draft.new_epochs.append((row.number, op.epoch, op.post, op.read, 1))
    return _OPENED


def post(draft: Draft, op: Post) -> Outcome:
    row = draft.queue(op.queue)
    if row is None:
        return _NO_QUEUE
    place = draft.known(row, op.key, POST)
    if place is not None:
        return Posted(n_of(place))
    if op.epoch != row.epoch:
        return Stale(row.epoch)
    limits = QUEUE_LIMITS[row.purpose]
    if row.live >= limits.entries or row.size + len(op.payload) > limits.size:
        return _QUEUE_FULL
    if op.blobs and not _blobs_known(draft, op.blobs):
        return _NO_BLOB
    ttl = MESSAGE_TTL_MS if op.ttl is None else min(op.ttl, MESSAGE_TTL_SECONDS) * SECOND_MS
    return Posted(n_of(_append(draft, row, op.key, POST, op.payload, op.blobs, ttl)))


def advance(draft: Draft, op: Advance) -> Outcome:
    row = draft.queue(op.queue)
    if row is None:
        return _NO_QUEUE
    if row.purpose == QueuePurpose.LINK:
        return _NOT_ALLOWED
    place = draft.known(row, op.key, COMMIT)
    if place is not None:
        entry = entry_of(place)
        undelivered = draft.answers.get(entry, ()) if entry >= draft.base.next_entry else draft.base.undelivered(entry)
        return Advanced(n_of(place), undelivered)
    if op.epoch != row.epoch:
        return Conflict(row.epoch)
    if not _takes_commit(row, op.payload):
        return _QUEUE_FULL
    if op.blobs and not _blobs_known(draft, op.blobs):
        return _NO_BLOB
    place = _append(draft, row, op.key, COMMIT, op.payload, op.blobs, COMMIT_TTL_MS)
    _end_epoch(draft, row, op.next_post, op.next_read)
    undelivered = tuple(index for index, delivery in enumerate(op.deliveries) if not _deliver(draft, delivery))
    if undelivered:
        draft.answers[entry_of(place)] = undelivered
    return Advanced(n_of(place), undelivered)


def close_queue(draft: Draft, op: CloseQueue) -> Outcome:
    row = draft.queue(op.queue)
    if row is None:
        return _STORED
    if row.purpose == QueuePurpose.ROOM:
        return _NOT_ALLOWED
    draft.end_queue(row)
    return _STORED


def _takes_commit(row: QueueRow, payload: bytes) -> bool:
    limits = QUEUE_LIMITS[row.purpose]
    return row.live < limits.commit_entries and row.size + len(payload) <= limits.commit_size


def _blobs_known(draft: Draft, blobs: list[BlobId]) -> bool:
    for blob in blobs:
        row = draft.blobs.get(blob)
        if row is None or (row.refs == 0 and row.expires <= draft.time):
            return False
    return True


def _append(draft: Draft, row: QueueRow, key: bytes, kind: int, payload: bytes, blobs: list[BlobId], ttl: int) -> int:
    """Where the entry now stands (see `keys.pack_place`)."""
    entry = draft.next_entry
    n = row.last + 1
    expires = draft.time + ttl
    names = 0
    if blobs:
        for blob in dict.fromkeys(blobs):
            found = draft.blobs.get(blob)
            if found is not None:
                draft.blobs.put(blob, type(found)(found.size, found.refs + 1, found.expires))
                draft.new_refs.append((entry, blob))
                names += 1
    draft.next_entry = entry + 1
    row.last = n
    row.live += 1
    row.size += len(payload)
    place = draft.keys[place_key(row.number, key, kind)] = pack_place(entry, n)
    draft.entries.append((entry, row.number, n, draft.time, expires, key, kind, payload, names))
    if expires < draft.soonest:
        draft.soonest = expires
    run = draft.runs.get(row.id)
    if run is None:
        draft.runs[row.id] = Run(n - 1, [payload])
    else:
        run.payloads.append(payload)
    if row.purpose != QueuePurpose.LINK:
        draft.used(row)
    return place


def _end_epoch(draft: Draft, row: QueueRow, next_post: bytes, next_read: bytes) -> None:
    draft.ended_epochs.append((row.last, row.number, row.epoch))
    draft.epoch_ends.append(EpochEnd(row.id, row.epoch, row.last, next_post, next_read, next_read == row.read))
    row.epoch += 1
    row.post = next_post
    row.read = next_read
    draft.new_epochs.append((row.number, row.epoch, next_post, next_read, row.last + 1))
    draft.moved_queues[row.number] = row


def _deliver(draft: Draft, delivery: Delivery) -> bool:
    """Whether the inbox has it. A full inbox, or one that moved on, never fails the commit."""
    inbox = draft.queue(delivery.queue)
    if inbox is None or inbox.purpose != QueuePurpose.INBOX:
        return False
    if draft.known(inbox, delivery.key, POST) is not None:
        return True
    if delivery.epoch != inbox.epoch or not _takes_commit(inbox, delivery.payload):
        return False
    if delivery.blobs and not _blobs_known(draft, delivery.blobs):
        return False
    _append(draft, inbox, delivery.key, POST, delivery.payload, delivery.blobs, MESSAGE_TTL_MS)
    return True
