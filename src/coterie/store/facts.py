"""Single facts about the device: who it is, its seeds, where its server is, how far it has read. Bytes and numbers."""

from enum import StrEnum

from coterie.store.database import Database


class Fact(StrEnum):
    """Every fact there is; a fact that is absent was not learned yet."""

    COTERIE = "coterie"
    MEMBER = "member"
    DEVICE = "device"
    IDENTITY_SEED = "identity seed"
    """Until the recovery phrase is confirmed; then it is on paper alone."""
    PHRASE_KEY = "phrase key"
    """The public key to which backups are sealed so that the phrase opens them; absent while the seed is here."""
    DEVICE_SEED = "device seed"
    LEAF_SEED = "leaf seed"
    SERVICE_KEY = "service key"
    ADDRESSES = "addresses"
    RESTORING = "restoring"
    """SHA-256 of the head of the backup that is being restored, until all of it is here."""
    LINK = "link"
    STEP = "step"
    PROFILE_NAME = "profile name"
    """The name that is to be published; absent once it is."""
    FOUNDED = "founded entry"
    COTERIE_NAME = "coterie name"
    STORE_COUNTER = "store counter"
    POSITION = "position"
    GENERATION = "generation"
    INBOX_QUEUE = "inbox queue"
    INBOX_TERMS = "inbox terms"
    INBOX_READ = "inbox read token"
    INBOX_CLOSE = "inbox closing secret"
    INBOX_EPOCH = "inbox epoch"
    INBOX_CURSOR = "inbox cursor"
    CONFIRMED = "confirmed"
    NOTES_ROOM = "notes room"
    """The room of this member alone."""
    HISTORY_PARTS = "history parts"
    """So many parts of another own device's history were taken in."""
    OTHER_COPY = "inbox read by another copy"
    """Another copy of this store may have joined by the Welcomes up to here, and used what they gave."""


class Facts:
    """Reads and writes one table; writing needs an open transaction."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def get(self, fact: Fact) -> bytes | None:
        row = self._db.row("SELECT value FROM fact WHERE name = ?", (fact,))
        return None if row is None else bytes(row[0])

    def need(self, fact: Fact) -> bytes:
        """Raises KeyError if it was not learned: a fault of the program, not of the person."""
        value = self.get(fact)
        if value is None:
            raise KeyError(fact)
        return value

    def put(self, fact: Fact, value: bytes) -> None:
        self._db.execute(
            "INSERT INTO fact VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", (fact, value)
        )

    def forget(self, fact: Fact) -> None:
        self._db.execute("DELETE FROM fact WHERE name = ?", (fact,))

    def number(self, fact: Fact) -> int:
        """0 if it was not learned."""
        return int.from_bytes(self.get(fact) or b"", "big")

    def put_number(self, fact: Fact, value: int) -> None:
        self.put(fact, value.to_bytes(8, "big"))
