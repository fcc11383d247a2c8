"""The device's inbox: its keys, what came and is not dealt with, what was seen, what is to go to other inboxes."""

from dataclasses import dataclass, field

from coterie.ids import DeviceId, Seed
from coterie.store.database import Database


@dataclass(frozen=True)
class InboxKeyRow:
    """The seed of an X-Wing key pair; `retired_at` is None for the newest."""

    hash: bytes
    seed: Seed
    made_at: int
    retired_at: int | None


@dataclass(frozen=True)
class InboxPost:
    """An entry on its way to the inbox of `device`. `entry_id` and `key` stay the same over retries."""

    id: int
    device: DeviceId
    kind: int
    body: bytes = field(repr=False)
    entry_id: bytes
    key: bytes
    made_at: int


class InboxTable:
    """Writing needs an open transaction."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def put_key(self, key_hash: bytes, seed: Seed, made_at: int) -> None:
        """A new newest key; the one before is retired now."""
        self._db.execute("UPDATE inbox_key SET retired_at = ? WHERE retired_at IS NULL", (made_at,))
        self._db.execute("INSERT INTO inbox_key VALUES (?, ?, ?, ?)", (key_hash, bytes(seed), made_at, None))

    def key_rows(self) -> list[InboxKeyRow]:
        """Newest first."""
        rows = self._db.rows("SELECT hash, seed, made_at, retired_at FROM inbox_key ORDER BY made_at DESC, hash", ())
        return [InboxKeyRow(bytes(r[0]), Seed(r[1]), r[2], r[3]) for r in rows]

    def forget_keys(self, retired_before: int) -> None:
        self._db.execute("DELETE FROM inbox_key WHERE retired_at < ?", (retired_before,))

    def add_entry(self, n: int, at: int, payload: bytes) -> None:
        self._db.execute("INSERT OR IGNORE INTO inbox_entry VALUES (?, ?, ?)", (n, at, payload))

    def entries(self) -> list[tuple[int, int, bytes]]:
        """What waits to be dealt with: (n, log time, payload), in order."""
        return [
            (r[0], r[1], bytes(r[2])) for r in self._db.rows("SELECT n, at, payload FROM inbox_entry ORDER BY n", ())
        ]

    def finish_entry(self, n: int) -> None:
        self._db.execute("DELETE FROM inbox_entry WHERE n = ?", (n,))

    def saw(self, entry_id: bytes) -> bool:
        return self._db.row("SELECT 1 FROM inbox_seen WHERE id = ?", (entry_id,)) is not None

    def see(self, entry_id: bytes, at: int) -> None:
        """Remember an entry's id: it is acted on once."""
        self._db.execute("INSERT OR IGNORE INTO inbox_seen VALUES (?, ?)", (entry_id, at))

    def forget_seen(self, before: int) -> None:
        self._db.execute("DELETE FROM inbox_seen WHERE at < ?", (before,))

    def add_post(self, device: DeviceId, kind: int, body: bytes, entry_id: bytes, key: bytes, now: int) -> None:
        self._db.execute(
            "INSERT INTO inbox_post (device, kind, body, entry_id, key, made_at) VALUES (?, ?, ?, ?, ?, ?)",
            (device, kind, body, entry_id, key, now),
        )

    def posts(self) -> list[InboxPost]:
        """Oldest first."""
        rows = self._db.rows("SELECT id, device, kind, body, entry_id, key, made_at FROM inbox_post ORDER BY id", ())
        return [InboxPost(r[0], DeviceId(bytes(r[1])), r[2], bytes(r[3]), bytes(r[4]), bytes(r[5]), r[6]) for r in rows]

    def finish_post(self, post: int) -> None:
        self._db.execute("DELETE FROM inbox_post WHERE id = ?", (post,))
