"""What has expired goes, at most so many rows a record, in one order for all hubs (docs/protocol/log.md, "Expiry").

Runs before a record's operations. Hidden it is from the moment it expires, whether it went or not.
"""

import hashlib

from coterie.server.rules.base import EntryRow
from coterie.server.rules.blobs import release_blobs
from coterie.server.rules.draft import Draft
from coterie.server.rules.keys import COMMIT
from coterie.server.rules.limits import COMMIT_TTL_MS, PURGED_PER_RECORD


def purge(draft: Draft) -> None:
    """Entries by (expires, id), then what is left of ended queues, then the other tables, each by (expires, id)."""
    if draft.base.soonest > draft.time and draft.base.dead_queue() is None:
        return
    draft.purged = True
    room = PURGED_PER_RECORD
    seen: dict[int, None] = {}
    for entry in draft.base.due_entries(draft.time, room):
        _expire(draft, entry)
        seen[entry.id] = None
        room -= 1
    room -= _bury(draft, seen, room)
    for queue in draft.base.due_queues(draft.time, room):
        row = draft.stored_queue(queue)
        if row is not None:
            draft.end_queue(row)
        room -= 1
    for claim in draft.base.due_claims(draft.time, room):
        draft.claims.drop(claim)
        room -= 1
    for put in draft.base.due_puts(draft.time, room):
        draft.puts.drop(put)
        room -= 1
    for blob in draft.base.due_blobs(draft.time, room):
        draft.blobs.drop(blob)
        draft.dropped_blobs.append(blob)
        room -= 1
    for invite in draft.base.due_packets(draft.time, room):
        draft.packets.drop(invite)
        room -= 1


def _expire(draft: Draft, entry: EntryRow) -> None:
    if entry.payload is None:
        _delete(draft, entry)
        return
    gone = entry.at + COMMIT_TTL_MS
    if gone <= draft.time:
        _delete(draft, entry)
    else:
        draft.blanked.append((hashlib.sha256(entry.payload).digest(), draft.expires(gone), entry.id))
    _discount(draft, entry, entry.payload)


def _discount(draft: Draft, entry: EntryRow, payload: bytes) -> None:
    queue = draft.base.queue_numbered(entry.number)
    row = None if queue is None else draft.stored_queue(queue)
    if row is not None:
        row.live -= 1
        row.size -= len(payload)
    if entry.blobs:
        release_blobs(draft, entry.id)


def _delete(draft: Draft, entry: EntryRow) -> None:
    draft.deleted.append((entry.id,))
    if entry.kind == COMMIT:
        draft.forgotten_epochs.append((entry.number, entry.n))


def _bury(draft: Draft, seen: dict[int, None], room: int) -> int:
    """Delete entries of the ended queue with the lowest number; how many."""
    number = draft.base.dead_queue()
    if number is None or room == 0:
        return 0
    entries = draft.base.dead_entries(number, room)
    fresh = [entry for entry in entries if entry.id not in seen]
    for entry in fresh:
        draft.deleted.append((entry.id,))
        if entry.payload is not None and entry.blobs:
            release_blobs(draft, entry.id)
    if len(entries) < room:
        draft.buried.append(number)
    return len(fresh)
