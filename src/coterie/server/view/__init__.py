"""The view: the state that applying the log gives, in one SQLite file, rebuildable from the log (docs/protocol/log.md).

`View` applies records (one thread, the only writer) and answers the hub's intake from memory; a `Reader` answers long
reads on a connection and in a thread of its own. Imports `coterie.server.rules`, never the log or a connection.
"""

from coterie.server.rules.base import StorageFailed
from coterie.server.view.failure import NotNext, ViewDamaged
from coterie.server.view.pages import Beyond, Page, PageEntry
from coterie.server.view.reader import Reader
from coterie.server.view.schema import delete_view
from coterie.server.view.view import Checkpointer, View

__all__ = [
    "Beyond",
    "Checkpointer",
    "NotNext",
    "Page",
    "PageEntry",
    "Reader",
    "StorageFailed",
    "View",
    "ViewDamaged",
    "delete_view",
]
