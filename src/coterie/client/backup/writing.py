"""Writing a backup: streamed to a file beside the one that was asked for, read back, and only then in its place."""

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from coterie.client.backup.contents import KEPT, KEPT_FACTS, all_rows, columns
from coterie.client.backup.errors import BackupDamaged, BackupUnreachable
from coterie.client.backup.header import Head, Openers, new_head
from coterie.client.backup.stream import SealedWriter, Value, read_records
from coterie.client.recovery.keeping import backup_key
from coterie.store.facts import Fact
from coterie.store.store import Store

META: Final = "backup"
COLUMNS: Final = "columns"
FACT: Final = "fact"
PLACE: Final = "place"
END: Final = "end"


@dataclass(frozen=True)
class Written:
    """`done` of `total` messages so far; `size` in bytes once it is written, read again and in its place."""

    done: int
    total: int
    size: int | None = None


async def write_backup(store: Store, path: Path, openers: Openers, now: int) -> AsyncGenerator[Written, None]:
    """Write the device's history to `path`, a new file of mode 0600. What comes in meanwhile is left for the next one.

    The last `Written` has a size: by then the whole file was read back and is on disk. Before that, and after any
    error, there is no `path`. Raises BackupUnreachable, CannotOpenBackup, BackupDamaged (the disk gave back other
    bytes).
    """
    _must_be_new(path)
    head = await asyncio.to_thread(new_head, openers)
    part = path.with_name(path.name + ".part")
    total = _count(store)
    try:
        written = _Hashing()
        with _new_file(part) as file:
            file.write(head.encoded)
            writer = SealedWriter(file, head.key)
            done = 0
            for table, rows in _batches(store, now):
                for row in rows:
                    writer.write(table, row)
                    written.take(table, row)
                if table == "message":
                    done += len(rows)
                    yield Written(done, total)
                # a device that is online goes on meanwhile
                await asyncio.sleep(0)
            writer.write(END, [written.records])
            writer.finish()
            file.flush()
            os.fsync(file.fileno())
        await asyncio.to_thread(_read_back, part, head, written.digest)
        size = part.stat().st_size
        _must_be_new(path)
        part.rename(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise BackupUnreachable(f"{path}: {error.strerror}", "is the folder there, yours, and has it space?") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    yield Written(total, total, size)


class _Hashing:
    """What was written, so that it can be compared with what is read back."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.records = 0

    def take(self, table: str, row: list[Value]) -> None:
        self._hash.update(msgspec.msgpack.encode((table, row)))
        self.records += 1

    @property
    def digest(self) -> bytes:
        return self._hash.digest()


def _batches(store: Store, now: int) -> Iterator[tuple[str, list[list[Value]]]]:
    """Everything that is in a backup, in its order."""
    database, facts = store.database, store.facts
    last = store.messages.last_position()
    yield META, [[now, last]]
    yield COLUMNS, [[table, *columns(database, table)] for table in KEPT]
    kept = {fact: facts.get(fact) for fact in KEPT_FACTS} | {Fact.PHRASE_KEY: backup_key(facts)}
    yield FACT, [[fact.value, value] for fact, value in kept.items() if value is not None]
    yield PLACE, [list(row) for row in database.rows("SELECT room, max(place) FROM mls_group GROUP BY room")]
    for table in KEPT:
        for rows in all_rows(database, table, last):
            yield table, rows


def _must_be_new(path: Path) -> None:
    if path.exists():
        raise BackupUnreachable(f"{path} is there already", "name a new file: nothing is written over")


def _count(store: Store) -> int:
    row = store.database.row("SELECT count(*) FROM message")
    return 0 if row is None else int(row[0])


def _new_file(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb")


def _read_back(path: Path, head: Head, expected: bytes) -> None:
    """Raises BackupDamaged."""
    read = _Hashing()
    with path.open("rb") as file:
        file.seek(len(head.encoded))
        for table, row in read_records(file, head.key):
            if table != END:
                read.take(table, row)
    if read.digest != expected:
        raise BackupDamaged("the disk gave back other bytes than were written")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
