"""What is in a backup, table by table, and what is left out and why (docs/protocol/backup.md, "What is in it")."""

from collections.abc import Iterator
from typing import Final

from coterie.client.backup.stream import Value
from coterie.store.database import Database
from coterie.store.facts import Fact

KEPT: Final = (
    *("register_entry", "coterie_key", "invite", "room", "room_mark", "message", "event", "receipt", "evidence"),
    *("alarm", "verified"),
)
"""In the order in which they are written. Rooms go without their groups."""
KEPT_FACTS: Final = (Fact.COTERIE, Fact.MEMBER, Fact.SERVICE_KEY, Fact.ADDRESSES, Fact.GENERATION, Fact.PHRASE_KEY)
LEFT_OUT: Final = {
    "fact": "but for the kept ones: the device's keys and tokens must not be in two places",
    "client_row": "private keys of key packages",
    "group_row": "ratchets: run twice, they would use a key twice",
    "mls_group": "a new device is added anew, at another place of the queue",
    "added_again": "of the same groups",
    "chain": "of the same groups",
    "epoch_end": "of the same groups",
    "pending_commit": "a commit of the old device",
    "blob_out": "goes with a commit",
    "inbox_key": "the old device's inbox",
    "inbox_entry": "sealed to the old device",
    "inbox_seen": "of the old inbox",
    "inbox_post": "signed for by the old device",
    "receipt_due": "what the old device owes",
    "outbox": "encrypted by the old device; the messages are kept, as unsent",
    "wish": "of the same groups",
    "chore": "of the old device",
    "stuck_report": "of the same groups",
    "succession": "of the same groups",
    "history_promise": "what the old device owes",
    "history_sent": "what the old device owes",
}
"""Every other table, with the reason."""
ROWS_AT_ONCE: Final = 500


def columns(database: Database, table: str) -> list[str]:
    return [row[1] for row in database.rows(f"PRAGMA table_info({table})")]


def all_rows(database: Database, table: str, upto: int | None = None) -> Iterator[list[list[Value]]]:
    """The rows of a kept table, some at a time. `upto`: the last message, by its order of arrival."""
    if table == "message":
        last = 0
        while rows := database.rows(
            "SELECT * FROM message WHERE id > ? AND id <= ? ORDER BY id LIMIT ?", (last, upto, ROWS_AT_ONCE)
        ):
            last = rows[-1][0]
            yield [list(row) for row in rows]
        return
    where = "" if table != "coterie_key" else " WHERE announced"
    if table == "evidence":
        where = f" WHERE message IN (SELECT message FROM message WHERE id <= {upto or 0})"  # noqa: S608 - a number
    start = 0
    while rows := database.rows(f"SELECT * FROM {table}{where} LIMIT ? OFFSET ?", (ROWS_AT_ONCE, start)):  # noqa: S608
        start += len(rows)
        yield [list(row) for row in rows]
