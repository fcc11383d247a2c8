"""Restoring: a new folder with the history of a backup, and keys that nobody knows yet.

It can be read at once, and is no device until its member links it or comes back with the phrase.
"""

import os
from collections.abc import Generator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

import apsw

from coterie.client.backup.contents import KEPT, KEPT_FACTS, columns
from coterie.client.backup.errors import BackupDamaged, BackupUnreachable, OtherBackup
from coterie.client.backup.header import Head, read_head
from coterie.client.backup.stream import Record, Value, read_records
from coterie.client.backup.writing import END
from coterie.client.facts import MessageState, RoomState
from coterie.client.membership.entering import Step, entering
from coterie.client.state import Clock
from coterie.group.suites import Suite
from coterie.ids import GroupId, QueueId, RoomId, Seed
from coterie.store import Passphrase, Unlock
from coterie.store.facts import Fact
from coterie.store.groups import GroupRow
from coterie.store.store import Store
from coterie.store.wrap import DeviceExists
from coterie.trust.keys import SigningKey, device_id
from coterie.trust.phrase import Phrase

RECORDS_AT_ONCE: Final = 1000
_WAITING: Final = "restored from a backup; its members add this device when it is one"


@dataclass(frozen=True)
class Restored:
    """How much of the file was read, in bytes; `whole` when the folder can be used."""

    read: int
    size: int
    rooms: int = 0
    messages: int = 0
    whole: bool = False


def restore(
    home: Path, unlock: Unlock, path: Path, passphrase: Passphrase | None, phrase: Phrase | None, clock: Clock
) -> Generator[Restored, None, None]:
    """Fill `home` from the backup; stopped in the middle, the same again goes on where it was. The last `Restored` is
    whole. Raises DeviceExists, OtherBackup, CannotOpenBackup, BackupDamaged, BackupUnreachable, NewerBackup."""
    try:
        with path.open("rb") as file:
            head = read_head(file, passphrase, phrase)
            size = os.fstat(file.fileno()).st_size
            with entering(home, unlock, clock) as way_in:
                yield from _Restoring(way_in.store, head, clock).run(file, size)
    except OSError as error:
        raise BackupUnreachable(f"{path}: {error.strerror}", "is it there, and yours?") from None


class _Restoring:
    def __init__(self, store: Store, head: Head, clock: Clock) -> None:
        self._store = store
        self._head = head
        self._now = clock
        self._columns: dict[str, list[str]] = {}
        self._places: dict[bytes, int] = {}
        # put at the end: a folder that has them is opened as a device
        self._facts: dict[Fact, bytes] = {}
        self._complete = False

    def run(self, file: BinaryIO, size: int) -> Generator[Restored, None, None]:
        self._begin()
        records = read_records(file, self._head.key)
        while batch := list(islice(records, RECORDS_AT_ONCE)):
            with self._store.transaction():
                for record in batch:
                    self._take(record)
            yield Restored(file.tell(), size)
        if not self._complete:
            raise BackupDamaged("its last record is missing")
        yield self._finish(size)

    def _begin(self) -> None:
        """Note which backup this is, so that another is not mixed with it. Raises DeviceExists, OtherBackup."""
        facts = self._store.facts
        if facts.get(Fact.STEP) is not None:
            raise DeviceExists("this folder holds a device already", "use --home for another one")
        known = facts.get(Fact.RESTORING)
        if known is not None and known != self._head.hash:
            raise OtherBackup("this folder was begun with another backup", "use that one, or another --home")
        with self._store.transaction():
            facts.put(Fact.RESTORING, self._head.hash)

    def _take(self, record: Record) -> None:
        table, row = record
        match table:
            case "backup" | "end":
                self._complete = self._complete or table == END
            case "columns":
                name, *there = row
                if not isinstance(name, str) or name not in KEPT:
                    raise BackupDamaged("it names a table that no backup has")
                known = set(columns(self._store.database, name))
                if not all(isinstance(column, str) and column in known for column in there):
                    raise BackupDamaged(f"its {name} rows have fields that are not known here")
                self._columns[name] = [str(column) for column in there]
            case "fact":
                self._take_fact(row)
            case "place":
                room, place = row
                if not isinstance(room, bytes) or not isinstance(place, int):
                    raise BackupDamaged("a room has no place")
                self._places[room] = place
            case _:
                self._insert(table, row)

    def _take_fact(self, row: list[Value]) -> None:
        name, value = row
        if name not in {fact.value for fact in KEPT_FACTS} or not isinstance(value, bytes):
            raise BackupDamaged("it holds a fact that no backup has")
        self._facts[Fact(name)] = value

    def _insert(self, table: str, row: list[Value]) -> None:
        names = self._columns.get(table)
        if names is None or len(names) != len(row):
            raise BackupDamaged("a row does not fit its table")
        marks = ", ".join("?" * len(row))
        # names were compared with the schema's
        sql = f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608
        try:
            self._store.database.execute(sql, row)
        except (apsw.ConstraintError, apsw.MismatchError):
            raise BackupDamaged("a row does not fit its table") from None

    def _finish(self, size: int) -> Restored:
        store, facts = self._store, self._store.facts
        seeds = {fact: Seed(os.urandom(32)) for fact in (Fact.DEVICE_SEED, Fact.LEAF_SEED)}
        if not {Fact.COTERIE, Fact.MEMBER, Fact.SERVICE_KEY, Fact.ADDRESSES} <= set(self._facts):
            raise BackupDamaged("it does not say whose it is")
        rooms = store.rooms.all()
        with store.transaction():
            for room in rooms:
                self._place(room.room)
                if room.state not in (RoomState.LEFT, RoomState.REMOVED):
                    store.rooms.set_state(room.room, RoomState.REMOVED, _WAITING)
            store.database.execute(
                "UPDATE message SET state = ? WHERE state = ?", (MessageState.UNSENT, MessageState.QUEUED)
            )
            for fact, value in self._facts.items():
                facts.put(fact, value)
            for fact, seed in seeds.items():
                facts.put(fact, bytes(seed))
            facts.put(Fact.DEVICE, device_id(SigningKey(seeds[Fact.DEVICE_SEED]).public))
            facts.put(Fact.STEP, Step.RESTORED.encode())
            facts.forget(Fact.RESTORING)
        return Restored(size, size, len(rooms), store.messages.last_position(), whole=True)

    def _place(self, room: RoomId) -> None:
        """A group of nobody in place of the room's old one: what comes with the new one is shown behind it."""
        group = GroupRow(
            group=GroupId(os.urandom(16)),
            room=room,
            place=self._places.get(room, 0),
            queue=QueueId(os.urandom(32)),
            suite=Suite.XWING,
            cursor=0,
            first=0,
            chain=None,
            register_floor=0,
            leaving=None,
            opened=True,
            joined_at=self._now(),
            joined_epoch=0,
            epoch=0,
            roster=frozenset(),
            adder=None,
        )
        self._store.groups.put(group)
        self._store.database.execute("UPDATE room SET grp = ? WHERE room = ?", (group.group, room))
