"""A record's draft into the tables, with the position that it brings, in one transaction or not at all."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import apsw
import msgspec

from coterie.server.rules.applied import Applied
from coterie.server.rules.draft import Draft, Rows
from coterie.server.rules.rows import QueueRow
from coterie.server.view.lookup import Value

K = TypeVar("K")
V = TypeVar("V")
_encode = msgspec.msgpack.Encoder().encode


def store(db: apsw.Connection, draft: Draft | None, applied: Applied) -> None:
    """Everything, or nothing where it raises. Raises apsw.Error."""
    db.execute("BEGIN IMMEDIATE")
    try:
        if draft is not None:
            _store_expiry(db, draft)
            _store_queues(db, draft)
            _store_entries(db, draft)
            if draft.register_entries:
                db.executemany("INSERT INTO register VALUES (?, ?, ?)", draft.register_entries)
            _store_rows(db, draft)
            _store_log(db, draft)
        db.execute(
            "UPDATE log SET position = ?, digest = ?, record_hash = ?, time = ? WHERE one = 1",
            (applied.seq, applied.digest, applied.record_hash, applied.time),
        )
        db.execute("COMMIT")
    except BaseException:
        if not db.get_autocommit():
            db.execute("ROLLBACK")
        raise


def _store_expiry(db: apsw.Connection, draft: Draft) -> None:
    if draft.blanked:
        db.executemany("UPDATE entries SET payload = NULL, hash = ?, expires = ? WHERE id = ?", draft.blanked)
    if draft.deleted:
        db.executemany("DELETE FROM entries WHERE id = ?", draft.deleted)
        db.executemany("DELETE FROM answers WHERE entry = ?", draft.deleted)
    if draft.lost_refs:
        db.executemany("DELETE FROM blob_refs WHERE entry = ?", draft.lost_refs)
    if draft.forgotten_epochs:
        db.executemany("DELETE FROM epochs WHERE queue = ? AND last = ?", draft.forgotten_epochs)
    for number in draft.buried:
        db.execute("DELETE FROM epochs WHERE queue = ?", (number,))
        db.execute("DELETE FROM dead WHERE number = ?", (number,))


def _store_queues(db: apsw.Connection, draft: Draft) -> None:
    if draft.dead:
        db.executemany("DELETE FROM queues WHERE number = ?", [(number,) for number in draft.dead])
        db.executemany("INSERT INTO dead VALUES (?)", [(number,) for number in draft.dead])
    fresh, moved = draft.new_queues, draft.moved_queues
    counted = [
        (row.last, row.live, row.size, row.number)
        for row in draft.queues.values()
        if row.number not in fresh and row.number not in moved
    ]
    if counted:
        db.executemany("UPDATE queues SET last = ?, live = ?, size = ? WHERE number = ?", counted)
    if moved:
        db.executemany(
            "UPDATE queues SET epoch = ?, post = ?, read = ?, last = ?, live = ?, size = ?, idle_at = ?"
            " WHERE number = ?",
            [
                (row.epoch, row.post, row.read, row.last, row.live, row.size, row.idle_at, number)
                for number, row in moved.items()
                if number not in fresh
            ],
        )
    if fresh:
        sql = "INSERT INTO queues VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        db.executemany(sql, [_queue_values(row) for row in fresh.values()])
    if draft.new_epochs:
        db.executemany("INSERT INTO epochs VALUES (?, ?, ?, ?, ?, 0)", draft.new_epochs)
    if draft.ended_epochs:
        db.executemany("UPDATE epochs SET last = ? WHERE queue = ? AND epoch = ?", draft.ended_epochs)


def _queue_values(row: QueueRow) -> tuple[Value, ...]:
    head = (row.number, row.id, int(row.purpose), row.close, row.epoch, row.post, row.read)
    return (*head, row.last, row.live, row.size, row.ttl, row.idle_at)


def _store_entries(db: apsw.Connection, draft: Draft) -> None:
    if draft.entries:
        db.executemany(
            "INSERT INTO entries (id, queue, n, at, expires, key, kind, payload, blobs)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            draft.entries,
        )
    if draft.answers:
        rows = [(entry, _encode(undelivered)) for entry, undelivered in draft.answers.items()]
        db.executemany("INSERT INTO answers VALUES (?, ?)", rows)
    if draft.new_refs:
        db.executemany("INSERT INTO blob_refs VALUES (?, ?)", draft.new_refs)


def _store_rows(db: apsw.Connection, draft: Draft) -> None:
    _write(db, "sessions", ("device",), 5, draft.sessions, lambda k, r: (k, r.counter, r.incarnation, r.seq, r.index))
    stock = ("device", "suite")
    _write(db, "stocks", stock, 7, draft.stocks, lambda k, r: (*k, r.first, r.end, r.last_resort, r.day, r.claims))
    _write(db, "bundles", ("device",), 2, draft.bundles, lambda k, r: (k, r))
    _write(db, "packages", ("device", "suite", "number"), 4, draft.packages, lambda k, r: (*k, r))
    claim = ("device", "suite", "key")
    _write(db, "claims", claim, 8, draft.claims, lambda k, r: (*k, r.package, r.bundle, r.last_resort, r.at, r.expires))
    _write(db, "puts", ("device", "key"), 5, draft.puts, lambda k, r: (*k, r.one_time, r.last_resort, r.expires))
    _write(db, "packets", ("invite",), 3, draft.packets, lambda k, r: (k, r.packet, r.expires))
    if draft.blobs.changed:
        _write(db, "blobs", ("blob",), 4, draft.blobs, lambda k, r: (k, r.size, r.refs, r.expires))
        gone = [(blob, draft.time) for blob, row in draft.blobs.changed.items() if row is None]
        back = [(blob,) for blob, row in draft.blobs.changed.items() if row is not None]
        db.executemany("DELETE FROM dropped_blobs WHERE blob = ?", back)
        db.executemany("INSERT OR REPLACE INTO dropped_blobs VALUES (?, ?)", gone)
    for device in draft.removed:
        db.execute("DELETE FROM stocks WHERE device = ?", (device,))
        db.execute("DELETE FROM bundles WHERE device = ?", (device,))
        db.execute("DELETE FROM packages WHERE device = ?", (device,))


def _write(
    db: apsw.Connection,
    table: str,
    key: tuple[str, ...],
    columns: int,
    rows: Rows[K, V],
    values: Callable[[K, V], tuple[Value, ...]],
) -> None:
    if not rows.changed:
        return
    kept = [values(place, row) for place, row in rows.changed.items() if row is not None]
    gone = [place if isinstance(place, tuple) else (place,) for place, row in rows.changed.items() if row is None]
    if gone:
        where = " AND ".join(f"{name} = ?" for name in key)
        db.executemany(f"DELETE FROM {table} WHERE {where}", gone)  # noqa: S608 - names of our own
    if kept:
        places = ", ".join("?" * columns)
        db.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({places})", kept)  # noqa: S608 - names of our own


def _store_log(db: apsw.Connection, draft: Draft) -> None:
    db.executemany("INSERT OR REPLACE INTO hubs VALUES (?, ?, ?, ?, ?, ?, ?)", _changed_hubs(draft))
    if draft.log is not draft.base.log and draft.log is not None:
        keys = (draft.log.log, draft.log.service_key, draft.log.founding_key)
        db.execute("UPDATE log SET log = ?, service_key = ?, founding_key = ? WHERE one = 1", keys)
    db.execute("UPDATE log SET next_queue = ?, next_entry = ? WHERE one = 1", (draft.next_queue, draft.next_entry))


def _changed_hubs(draft: Draft) -> Iterable[tuple[Value, ...]]:
    before = draft.base.hubs
    for row in draft.hubs.values():
        if before.get(row.incarnation) is not row:
            yield (row.incarnation, row.hub, row.last, row.at, row.rules, row.blob_store, row.in_force)
