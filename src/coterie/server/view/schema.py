"""The view's file: its tables, and how it is opened (docs/protocol/log.md, "View").

Layout decides the speed: entries in log order under an integer id, small indexes on integer queue numbers, nothing
large clustered by queue. WAL with synchronous=NORMAL: a power cut loses a tail, which the log brings again.
"""

from pathlib import Path
from typing import Final

import apsw

from coterie.server.view.failure import ViewDamaged, storage_failure

APPLICATION_ID: Final = 0x436F7456
SCHEMA_VERSION: Final = 1
CACHE_KIB: Final = 64 * 1024
READER_CACHE_KIB: Final = 2 * 1024
WAL_RESTART_BYTES: Final = 64 * 1024 * 1024
_WRITER_BUSY_MS: Final = 200
_READER_BUSY_MS: Final = 2000
_CHECKED_BYTES: Final = 32 * 1024 * 1024
"""A file up to this size is checked whole when it is opened."""

TABLES: Final[dict[str, str]] = {
    "log": """one INTEGER PRIMARY KEY CHECK (one = 1), log BLOB, service_key BLOB, founding_key BLOB,
        generation INTEGER NOT NULL, position INTEGER NOT NULL, digest BLOB NOT NULL, record_hash BLOB NOT NULL,
        time INTEGER NOT NULL, next_queue INTEGER NOT NULL, next_entry INTEGER NOT NULL""",
    "hubs": """incarnation BLOB PRIMARY KEY, hub BLOB NOT NULL, last INTEGER NOT NULL, at INTEGER NOT NULL,
        rules INTEGER NOT NULL, blob_store BLOB NOT NULL, in_force INTEGER NOT NULL""",
    "register": "seq INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, entry BLOB NOT NULL",
    "queues": """number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, purpose INTEGER NOT NULL, close BLOB NOT NULL,
        epoch INTEGER NOT NULL, post BLOB NOT NULL, read BLOB NOT NULL, last INTEGER NOT NULL, live INTEGER NOT NULL,
        size INTEGER NOT NULL, ttl INTEGER NOT NULL, idle_at INTEGER NOT NULL""",
    "epochs": """queue INTEGER NOT NULL, epoch INTEGER NOT NULL, post BLOB NOT NULL, read BLOB NOT NULL,
        first INTEGER NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (queue, epoch)""",
    "entries": """id INTEGER PRIMARY KEY, queue INTEGER NOT NULL, n INTEGER NOT NULL, at INTEGER NOT NULL,
        expires INTEGER NOT NULL, key BLOB NOT NULL, kind INTEGER NOT NULL, blobs INTEGER NOT NULL, hash BLOB,
        payload BLOB""",
    "answers": "entry INTEGER PRIMARY KEY, undelivered BLOB NOT NULL",
    "blob_refs": "entry INTEGER NOT NULL, blob BLOB NOT NULL, PRIMARY KEY (entry, blob)",
    "blobs": "blob BLOB PRIMARY KEY, size INTEGER NOT NULL, refs INTEGER NOT NULL, expires INTEGER NOT NULL",
    "sessions": """device BLOB PRIMARY KEY, counter INTEGER NOT NULL, incarnation BLOB NOT NULL, seq INTEGER NOT NULL,
        place INTEGER NOT NULL""",
    "stocks": """device BLOB NOT NULL, suite INTEGER NOT NULL, first INTEGER NOT NULL, end INTEGER NOT NULL,
        last_resort BLOB NOT NULL, day INTEGER NOT NULL, claims INTEGER NOT NULL, PRIMARY KEY (device, suite)""",
    "bundles": "device BLOB PRIMARY KEY, bundle BLOB NOT NULL",
    "packages": """device BLOB NOT NULL, suite INTEGER NOT NULL, number INTEGER NOT NULL, package BLOB NOT NULL,
        PRIMARY KEY (device, suite, number)""",
    "claims": """device BLOB NOT NULL, suite INTEGER NOT NULL, key BLOB NOT NULL, package BLOB NOT NULL,
        bundle BLOB NOT NULL, last_resort INTEGER NOT NULL, at INTEGER NOT NULL, expires INTEGER NOT NULL,
        PRIMARY KEY (device, suite, key)""",
    "puts": """device BLOB NOT NULL, key BLOB NOT NULL, one_time INTEGER NOT NULL, last_resort INTEGER NOT NULL,
        expires INTEGER NOT NULL, PRIMARY KEY (device, key)""",
    "packets": "invite BLOB PRIMARY KEY, packet BLOB NOT NULL, expires INTEGER NOT NULL",
    "dead": "number INTEGER PRIMARY KEY",
}
"""Every table that the log alone decides."""
ORDERS: Final[dict[str, str]] = {
    "log": "one",
    "hubs": "incarnation",
    "register": "seq",
    "queues": "number",
    "epochs": "queue, epoch",
    "entries": "id",
    "answers": "entry",
    "blob_refs": "entry, blob",
    "blobs": "blob",
    "sessions": "device",
    "stocks": "device, suite",
    "bundles": "device",
    "packages": "device, suite, number",
    "claims": "device, suite, key",
    "puts": "device, key",
    "packets": "invite",
    "dead": "number",
}
"""The logical order of each: its primary key."""
LOCAL_TABLES: Final[dict[str, str]] = {"dropped_blobs": "blob BLOB PRIMARY KEY, at INTEGER NOT NULL"}
"""What this hub has still to do; no part of the state."""
# Those keyed by something small, with small rows, need no second tree.
_WITHOUT_ROWID: Final = ("hubs", "epochs", "blob_refs", "blobs", "sessions")
_INDEXES: Final = (
    "CREATE UNIQUE INDEX entries_by_queue ON entries (queue, n)",
    "CREATE INDEX entries_by_expiry ON entries (expires)",
    "CREATE INDEX queues_by_idle ON queues (idle_at)",
    "CREATE INDEX blobs_by_expiry ON blobs (expires) WHERE refs = 0",
    "CREATE INDEX claims_by_expiry ON claims (expires)",
    "CREATE INDEX puts_by_expiry ON puts (expires)",
    "CREATE INDEX packets_by_expiry ON packets (expires)",
)


def open_writer(path: Path) -> apsw.Connection:
    """The only writing connection; a missing or empty file becomes an empty view. Raises ViewDamaged, StorageFailed."""
    try:
        db = apsw.Connection(str(path))
        try:
            db.set_busy_timeout(_WRITER_BUSY_MS)
            tables = db.execute("SELECT count(*) FROM sqlite_schema").fetchall()[0][0]
            if tables == 0:
                db.execute("PRAGMA page_size = 4096")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            db.execute("PRAGMA temp_store = MEMORY")
            db.wal_autocheckpoint(0)
            if tables == 0:
                _create(db)
            else:
                _check(db, path)
        except BaseException:
            db.close()
            raise
    except apsw.Error as error:
        raise storage_failure(error) from error
    return db


def open_reader(path: Path) -> apsw.Connection:
    """A read-only connection. Raises StorageFailed."""
    try:
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        db.set_busy_timeout(_READER_BUSY_MS)
        db.execute(f"PRAGMA cache_size = -{READER_CACHE_KIB}")
    except apsw.Error as error:
        raise storage_failure(error) from error
    return db


def delete_view(path: Path) -> None:
    """The file and what SQLite keeps beside it. Nothing may have it open."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _create(db: apsw.Connection) -> None:
    with db:
        for name, columns in (TABLES | LOCAL_TABLES).items():
            db.execute(f"CREATE TABLE {name} ({columns}){' WITHOUT ROWID' if name in _WITHOUT_ROWID else ''}")
        for index in _INDEXES:
            db.execute(index)
        db.execute("INSERT INTO log VALUES (1, NULL, NULL, NULL, 0, 0, zeroblob(32), zeroblob(32), 0, 1, 1)")
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _check(db: apsw.Connection, path: Path) -> None:
    found = [db.execute(f"PRAGMA {name}").fetchall()[0][0] for name in ("application_id", "user_version")]
    if found != [APPLICATION_ID, SCHEMA_VERSION]:
        raise ViewDamaged("the file is not a view of this version", "it is rebuilt from the log")
    if path.stat().st_size <= _CHECKED_BYTES:
        report = db.execute("PRAGMA quick_check(1)").fetchall()[0][0]
        if report != "ok":
            raise ViewDamaged(f"the view is damaged: {report}", "it is rebuilt from the log")
    whole = db.execute("SELECT next_entry > coalesce((SELECT max(id) FROM entries), 0) FROM log").fetchall()
    if whole != [(1,)]:
        raise ViewDamaged("the view's parts do not fit each other", "it is rebuilt from the log")
