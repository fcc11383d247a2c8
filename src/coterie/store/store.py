"""The device's whole store, table by table, and the one transaction in which they change together."""

from contextlib import AbstractContextManager
from pathlib import Path

from coterie.ids import Secret
from coterie.store.alarms import AlarmTable
from coterie.store.chores import ChoreTable
from coterie.store.database import Database
from coterie.store.events import EventTable
from coterie.store.facts import Facts
from coterie.store.groups import GroupTable
from coterie.store.inbox import InboxTable
from coterie.store.linking import LinkingTable
from coterie.store.marks import RoomMarks
from coterie.store.messages import MessageTable, Outbox
from coterie.store.receipts import ReceiptTable
from coterie.store.register import RegisterTable
from coterie.store.rooms import RoomTable
from coterie.store.schema import MIGRATIONS
from coterie.store.verified import VerifiedTable

FILE = "device.db"


class Store:
    """Open with the unwrapped database key. Raises what `Database.open` raises."""

    def __init__(self, home: Path, key: Secret) -> None:
        self.database = Database.open(home / FILE, key, MIGRATIONS)
        self.facts = Facts(self.database)
        self.register = RegisterTable(self.database)
        self.inbox = InboxTable(self.database)
        self.rooms = RoomTable(self.database)
        self.linking = LinkingTable(self.database)
        self.groups = GroupTable(self.database)
        self.messages = MessageTable(self.database)
        self.outbox = Outbox(self.database)
        self.events = EventTable(self.database)
        self.receipts = ReceiptTable(self.database)
        self.marks = RoomMarks(self.database)
        self.chores = ChoreTable(self.database)
        self.alarms = AlarmTable(self.database)
        self.verified = VerifiedTable(self.database)

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing; on disk (fsynced) when the block ends."""
        return self.database.transaction()

    def close(self) -> None:
        self.database.close()
