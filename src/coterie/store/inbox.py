"""The device's inbox: its keys, what came and is not dealt with, what was seen, what is to go to other inboxes."""

from dataclasses import dataclass, field

from coterie.ids import DeviceId
from coterie.store.database import Database


@dataclass(frozen=True)
class InboxKey:
    """An X-Wing key pair; `retired_at` is None for the newest."""

    hash: bytes
    private: bytes = field(repr=False)
    public: bytes
    made_at: int
    retired_at: int | None


@dataclass(frozen=True)
class InboxPost:
    """An entry on its way to the inbox of `device`. `entry_id` and `key` stay the same over retries."""

    id: int
    device: DeviceId
    kind: str
    body: bytes = field(repr=False)
    entry_id: bytes
    key: bytes
    made_at: int


class InboxTable:
    """Writing needs an open transaction."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def put_key(self, key: InboxKey) -> None:
        """A new newest key; the one before is retired at the time this one was made."""
        self._db.execute("UPDATE inbox_key SET retired_at = ? WHERE retired_at IS NULL", (key.made_at,))
        self._db.execute(
            "INSERT INTO inbox_key VALUES (?, ?, ?, ?, ?)", (key.hash, key.private, key.public, key.made_at, None)
        )

    def keys(self) -> list[InboxKey]:
        """Newest first."""
        rows = self._db.rows(
            "SELECT hash, private, public, made_at, retired_at FROM inbox_key ORDER BY made_at DESC, hash", ()
        )
        return [InboxKey(bytes(r[0]), bytes(r[1]), bytes(r[2]), r[3], r[4]) for r in rows]

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

    def see(self, entry_id: bytes, at: int) -> bool:
        """Remember an entry's id. False if it was seen before: a replay."""
        if self._db.row("SELECT 1 FROM inbox_seen WHERE id = ?", (entry_id,)) is not None:
            return False
        self._db.execute("INSERT INTO inbox_seen VALUES (?, ?)", (entry_id, at))
        return True

    def forget_seen(self, before: int) -> None:
        self._db.execute("DELETE FROM inbox_seen WHERE at < ?", (before,))

    def add_post(self, device: DeviceId, kind: str, body: bytes, entry_id: bytes, key: bytes, now: int) -> None:
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
