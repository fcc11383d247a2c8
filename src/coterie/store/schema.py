"""The device store's tables, version by version (docs/protocol/device-store.md). A shipped version never changes.

Ids are raw bytes, times are ms since the epoch. A table belongs to the file of the same noun in this folder.
"""

from typing import Final

MIGRATIONS: Final[tuple[tuple[int, str], ...]] = (
    (
        1,
        """
        CREATE TABLE fact (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

        CREATE TABLE register_entry (seq INTEGER PRIMARY KEY, hash BLOB NOT NULL, entry BLOB NOT NULL);
        CREATE TABLE coterie_key (generation INTEGER PRIMARY KEY, key BLOB NOT NULL, announced INTEGER NOT NULL);
        CREATE TABLE invite (invite BLOB PRIMARY KEY, seed BLOB NOT NULL, link TEXT NOT NULL) WITHOUT ROWID;

        CREATE TABLE inbox_key (
            hash BLOB PRIMARY KEY, seed BLOB NOT NULL, made_at INTEGER NOT NULL, retired_at INTEGER) WITHOUT ROWID;
        CREATE TABLE inbox_seen (id BLOB PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE inbox_entry (n INTEGER PRIMARY KEY, at INTEGER NOT NULL, payload BLOB NOT NULL);
        CREATE TABLE inbox_post (
            id INTEGER PRIMARY KEY, device BLOB NOT NULL, kind INTEGER NOT NULL, body BLOB NOT NULL,
            entry_id BLOB NOT NULL, key BLOB NOT NULL, made_at INTEGER NOT NULL);

        CREATE TABLE client_row (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
        CREATE TABLE room (
            room BLOB PRIMARY KEY, name TEXT NOT NULL, topic TEXT NOT NULL, state TEXT NOT NULL,
            reason TEXT NOT NULL, grp BLOB NOT NULL, made_at INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE mls_group (
            grp BLOB PRIMARY KEY, room BLOB NOT NULL, place INTEGER NOT NULL, queue BLOB NOT NULL,
            suite INTEGER NOT NULL, cursor INTEGER NOT NULL, first INTEGER NOT NULL, chain BLOB,
            register_floor INTEGER NOT NULL, leaving BLOB, opened INTEGER NOT NULL, joined_at INTEGER NOT NULL,
            joined_epoch INTEGER NOT NULL, epoch INTEGER NOT NULL, roster BLOB NOT NULL, adder BLOB) WITHOUT ROWID;
        CREATE UNIQUE INDEX mls_group_queue ON mls_group (queue);
        CREATE TABLE added_again (
            grp BLOB, device BLOB, at INTEGER NOT NULL, PRIMARY KEY (grp, device)) WITHOUT ROWID;
        CREATE INDEX mls_group_room ON mls_group (room, place);
        CREATE TABLE group_row (grp BLOB, key BLOB, value BLOB NOT NULL, PRIMARY KEY (grp, key)) WITHOUT ROWID;
        CREATE TABLE chain (grp BLOB, n INTEGER, hash BLOB NOT NULL, chain BLOB, PRIMARY KEY (grp, n)) WITHOUT ROWID;
        CREATE TABLE epoch_end (grp BLOB, epoch INTEGER, hash BLOB NOT NULL, PRIMARY KEY (grp, epoch)) WITHOUT ROWID;

        CREATE TABLE message (
            id INTEGER PRIMARY KEY AUTOINCREMENT, message BLOB NOT NULL UNIQUE, room BLOB NOT NULL,
            place INTEGER NOT NULL, n INTEGER, member BLOB NOT NULL, device BLOB NOT NULL,
            sent_at INTEGER NOT NULL, received_at INTEGER NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL,
            content BLOB NOT NULL, state TEXT NOT NULL, named BLOB NOT NULL, reply_to BLOB, edited_at INTEGER,
            gone TEXT NOT NULL, gone_by BLOB, expires_at INTEGER, expires_after INTEGER, unread INTEGER NOT NULL);
        CREATE INDEX message_order ON message (room, place, n);
        CREATE INDEX message_named ON message (named, room);
        CREATE INDEX message_expiry ON message (expires_at) WHERE expires_at IS NOT NULL;
        CREATE INDEX message_unread ON message (room) WHERE unread;
        CREATE TABLE event (
            id INTEGER PRIMARY KEY AUTOINCREMENT, named BLOB NOT NULL UNIQUE, message BLOB NOT NULL,
            room BLOB NOT NULL, target BLOB NOT NULL, place INTEGER NOT NULL, n INTEGER, member BLOB NOT NULL,
            at INTEGER NOT NULL, content BLOB NOT NULL, by_admin INTEGER NOT NULL, expires_at INTEGER);
        CREATE INDEX event_expiry ON event (expires_at) WHERE expires_at IS NOT NULL;
        CREATE INDEX event_target ON event (target, room);
        CREATE INDEX event_message ON event (message);
        CREATE TABLE receipt (
            room BLOB, target BLOB, member BLOB, status INTEGER NOT NULL, at INTEGER NOT NULL,
            PRIMARY KEY (room, target, member)) WITHOUT ROWID;
        CREATE TABLE receipt_due (
            room BLOB, target BLOB, status INTEGER NOT NULL, PRIMARY KEY (room, target)) WITHOUT ROWID;
        CREATE TABLE room_mark (
            room BLOB PRIMARY KEY, muted_until INTEGER, archived INTEGER NOT NULL, draft TEXT NOT NULL) WITHOUT ROWID;
        CREATE TABLE evidence (
            message BLOB PRIMARY KEY, tbs BLOB NOT NULL, key BLOB NOT NULL, signature BLOB NOT NULL) WITHOUT ROWID;

        CREATE TABLE outbox (
            id INTEGER PRIMARY KEY, room BLOB NOT NULL, message BLOB NOT NULL UNIQUE, key BLOB NOT NULL,
            content BLOB NOT NULL, grp BLOB, epoch INTEGER, ciphertext BLOB, hash BLOB, posted INTEGER);
        CREATE INDEX outbox_hash ON outbox (hash);
        CREATE INDEX outbox_room ON outbox (room, id);
        CREATE TABLE wish (
            id INTEGER PRIMARY KEY AUTOINCREMENT, room BLOB NOT NULL, action TEXT NOT NULL, subject BLOB NOT NULL,
            made_at INTEGER NOT NULL, not_before INTEGER NOT NULL DEFAULT 0, UNIQUE (room, action, subject));
        CREATE TABLE pending_commit (
            grp BLOB PRIMARY KEY, epoch INTEGER NOT NULL, hash BLOB NOT NULL, frame BLOB NOT NULL,
            plan BLOB NOT NULL) WITHOUT ROWID;
        CREATE TABLE blob_out (blob BLOB PRIMARY KEY, grp BLOB NOT NULL, bytes BLOB NOT NULL) WITHOUT ROWID;

        CREATE TABLE verified (
            member BLOB PRIMARY KEY, identity BLOB NOT NULL, verified INTEGER NOT NULL, changed_at INTEGER NOT NULL,
            device BLOB NOT NULL) WITHOUT ROWID;
        CREATE TABLE history_promise (
            device BLOB PRIMARY KEY, since INTEGER NOT NULL, parts INTEGER NOT NULL,
            kept INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE history_sent (device BLOB, room BLOB, PRIMARY KEY (device, room)) WITHOUT ROWID;

        CREATE TABLE chore (
            kind TEXT, subject BLOB, due_at INTEGER NOT NULL, tries INTEGER NOT NULL,
            PRIMARY KEY (kind, subject)) WITHOUT ROWID;
        CREATE TABLE stuck_report (
            grp BLOB, epoch INTEGER, device BLOB, entry_hash BLOB NOT NULL, reason TEXT NOT NULL, at INTEGER NOT NULL,
            PRIMARY KEY (grp, epoch, device)) WITHOUT ROWID;
        CREATE TABLE succession (
            room BLOB, grp BLOB, successor BLOB, epoch INTEGER NOT NULL, entry_hash BLOB NOT NULL, rank BLOB NOT NULL,
            queue BLOB NOT NULL, author BLOB NOT NULL,
            PRIMARY KEY (room, grp, successor)) WITHOUT ROWID;
        CREATE TABLE alarm (
            id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, subject TEXT NOT NULL,
            fact TEXT NOT NULL, hint TEXT NOT NULL, raised_at INTEGER NOT NULL, resolved_at INTEGER, resolved_by BLOB);
        CREATE UNIQUE INDEX alarm_standing ON alarm (kind, subject) WHERE resolved_at IS NULL;
        """,
    ),
)
