"""The verified register entries, the coterie keys that open their names, and the invites this device made."""

from dataclasses import dataclass, field

from coterie.ids import CoterieKey, EntryHash, InviteId, Seed
from coterie.store.database import Database


@dataclass(frozen=True)
class OwnInvite:
    invite: InviteId
    seed: Seed
    link: str = field(repr=False)


class RegisterTable:
    """Writing needs an open transaction."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, seq: int, entry_hash: EntryHash, entry: bytes) -> None:
        self._db.execute("INSERT INTO register_entry VALUES (?, ?, ?)", (seq, entry_hash, entry))

    def entries(self, after: int = 0) -> list[bytes]:
        """In order."""
        return [
            bytes(row[0])
            for row in self._db.rows("SELECT entry FROM register_entry WHERE seq > ? ORDER BY seq", (after,))
        ]

    def put_key(self, generation: int, key: CoterieKey, *, announced: bool) -> None:
        """Keep a generation of the coterie key. `announced` is False until our own rotation is in the register."""
        self._db.execute(
            "INSERT INTO coterie_key VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET key = excluded.key, announced = excluded.announced",
            (generation, bytes(key), announced),
        )

    def keys(self) -> dict[int, CoterieKey]:
        """The generations in force or past, by number."""
        rows = self._db.rows("SELECT generation, key FROM coterie_key WHERE announced ORDER BY generation", ())
        return {row[0]: CoterieKey(row[1]) for row in rows}

    def unannounced_key(self, generation: int) -> CoterieKey | None:
        row = self._db.row("SELECT key FROM coterie_key WHERE generation = ? AND NOT announced", (generation,))
        return None if row is None else CoterieKey(row[0])

    def put_invite(self, invite: OwnInvite) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO invite VALUES (?, ?, ?)", (invite.invite, bytes(invite.seed), invite.link)
        )

    def invite(self, invite: InviteId) -> OwnInvite | None:
        row = self._db.row("SELECT invite, seed, link FROM invite WHERE invite = ?", (invite,))
        return None if row is None else OwnInvite(InviteId(bytes(row[0])), Seed(row[1]), row[2])

    def forget_invite(self, invite: InviteId) -> None:
        self._db.execute("DELETE FROM invite WHERE invite = ?", (invite,))
