"""The device's encrypted SQLite file: opening, transactions, migrations, errors (docs/protocol/device-store.md).

Knows no table. SQLite3MC encrypts every page, the WAL's too, with ChaCha20-Poly1305 under a raw random key. A commit
returns after fsync. SQLite's errors leave here as errors of ours, mapped once; a wrong statement stays an apsw error.
"""

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Self

import apsw

from coterie.errors import DeviceError
from coterie.ids import Secret

BUSY_MS: Final = 5_000
KEY_BYTES: Final = 32

Row = tuple[Any, ...]
"""What a column holds is known to the statement that asked for it."""
Bindings = Sequence[Any] | dict[str, Any]


class DiskFull(DeviceError):
    code = "disk_full"


class StoreDamaged(DeviceError):
    code = "store_damaged"


class StoreBusy(DeviceError):
    code = "store_busy"


class StoreUnreachable(DeviceError):
    code = "store_unreachable"


class StoreReadOnly(DeviceError):
    code = "store_read_only"


class NewerStore(DeviceError):
    code = "newer_store"


class NestedTransaction(RuntimeError):
    """A fault of ours: a transaction was begun inside another."""


class Database:
    """One open store. Not shared between processes (`client.owner` sees to that); a transaction holds no `await`."""

    def __init__(self, connection: apsw.Connection, path: Path) -> None:
        self._connection = connection
        self.path = path

    @classmethod
    def open(cls, path: Path, key: Secret, migrations: Sequence[tuple[int, str]]) -> Self:
        """Create (0600) or open, and bring the schema to the last migration, each in a transaction of its own.

        `key` is 32 random bytes; `migrations` are (version, sql), versions 1, 2, 3 … Raises StoreDamaged (also if the
        key is another store's), NewerStore, StoreUnreachable, StoreReadOnly, StoreBusy, DiskFull; what was there stays.
        """
        if len(key) != KEY_BYTES:
            raise ValueError(f"a store's key has {KEY_BYTES} bytes")
        if [version for version, _ in migrations] != list(range(1, len(migrations) + 1)):
            raise ValueError("migrations count 1, 2, 3 …")
        _create_private(path)
        with _mapped(path):
            connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
            try:
                _configure(connection, key)
                database = cls(connection, path)
                database._migrate(migrations)
            except BaseException:
                connection.close()
                raise
        return database

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing; on disk, power loss included, when the block has ended without an error."""
        if self._connection.in_transaction:
            raise NestedTransaction("a transaction is open already")
        with _mapped(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            with _mapped(self.path):
                self._connection.execute("COMMIT")
        except BaseException:
            # SQLite has rolled back by itself after some errors (full disk, I/O)
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def execute(self, sql: str, bindings: Bindings = ()) -> int:
        """Run a statement and return how many rows it changed. Outside a transaction it is one by itself."""
        with _mapped(self.path):
            before = self._connection.total_changes()
            self._connection.execute(sql, bindings)
            return self._connection.total_changes() - before

    def execute_many(self, sql: str, bindings: Iterable[Bindings]) -> None:
        """The statement once for each of `bindings`; in a transaction, since half of it is seldom wanted."""
        if not self._connection.in_transaction:
            with self.transaction():
                self.execute_many(sql, bindings)
            return
        with _mapped(self.path):
            self._connection.executemany(sql, bindings)

    def rows(self, sql: str, bindings: Bindings = ()) -> list[Row]:
        """Every row, read before this returns: page with LIMIT."""
        with _mapped(self.path):
            return self._connection.execute(sql, bindings).fetchall()

    def row(self, sql: str, bindings: Bindings = ()) -> Row | None:
        """The first row, or None."""
        with _mapped(self.path):
            cursor = self._connection.execute(sql, bindings)
            row: Row | None = cursor.fetchone()
            cursor.close(True)
            return row

    def last_row_id(self) -> int:
        """The row id of the last insert that succeeded."""
        return self._connection.last_insert_rowid()

    def truncate(self) -> None:
        """Write the WAL back and cut it to nothing: what was deleted is then nowhere on disk. Raises StoreBusy."""
        with _mapped(self.path):
            busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0]
        if busy:
            raise StoreBusy("the store's log could not be cut: another reader holds it", "it is cut at the next chance")

    def wipe(self) -> None:
        """Write the whole store anew, so that what was deleted is not left in the unused part of any page either; then
        cut the WAL. Takes time and space in proportion to the store."""
        self.execute("VACUUM")
        with contextlib.suppress(StoreBusy):
            self.truncate()

    def close(self) -> None:
        """Cut the WAL and close. An open transaction is rolled back. Closing again does nothing."""
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self.truncate()
        except (StoreBusy, apsw.ConnectionClosedError):
            pass
        finally:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _migrate(self, migrations: Sequence[tuple[int, str]]) -> None:
        row = self.row("PRAGMA user_version")
        current = row[0] if row else 0
        if current > len(migrations):
            raise NewerStore(
                f"the store is of version {current}; this program knows up to {len(migrations)}",
                "use the newer Coterie that wrote it",
            )
        for version, sql in migrations[current:]:
            with self.transaction():
                self._connection.execute(sql)
                self._connection.execute(f"PRAGMA user_version = {version}")


def forbid_core_dumps() -> None:
    """From here on this process leaves no core file and no debugger of the same user can attach (Linux)."""
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        pr_set_dumpable = 4
        if ctypes.CDLL(None, use_errno=True).prctl(pr_set_dumpable, 0, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE)")


def _create_private(path: Path) -> None:
    """SQLite gives WAL and index the mode of the main file."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise StoreUnreachable(f"the store {path} cannot be created: {error.strerror}") from None


def _configure(connection: apsw.Connection, key: Secret) -> None:
    connection.set_busy_timeout(BUSY_MS)
    connection.execute("PRAGMA cipher = 'chacha20'")
    # "raw:" takes the bytes as the key: they are random, and no passphrase is to be stretched here
    connection.execute(f"PRAGMA key = 'raw:{bytes(key).hex()}'")
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    for pragma in (
        "temp_store = MEMORY",
        "secure_delete = ON",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "trusted_schema = OFF",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()


@contextlib.contextmanager
def _mapped(path: Path) -> Iterator[None]:
    try:
        yield
    except apsw.FullError:
        raise DiskFull(f"the disk that holds {path} is full", "free some space; nothing was lost") from None
    except (apsw.CorruptError, apsw.NotADBError, apsw.FormatError):
        raise StoreDamaged(
            f"the store {path} is damaged, or belongs to another device.key",
            "put both files back from one backup; a device restored so is added to its rooms again",
        ) from None
    except (apsw.BusyError, apsw.LockedError):
        raise StoreBusy(f"the store {path} is in use", "another Coterie works with it; try again") from None
    except (apsw.CantOpenError, apsw.PermissionsError):
        raise StoreUnreachable(f"the store {path} cannot be opened", "is the folder there, and yours?") from None
    except apsw.ReadOnlyError:
        raise StoreReadOnly(f"the store {path} cannot be written", "is the disk or the file read-only?") from None
    except apsw.IOError as error:
        # the WAL's index cannot grow: SQLite gives this its own name
        if getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_SHMSIZE:
            raise DiskFull(f"the disk that holds {path} is full", "free some space; nothing was lost") from None
        raise StoreUnreachable(f"the disk failed under the store {path}: {error}", "look after the disk") from None
