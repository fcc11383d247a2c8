"""Where a read token's epochs begin, and what ended them: the next tokens a commit installed (docs/protocol/queues.md).

Both are told to readers, who compare them with what the commit's exporter gives before they merge.
"""

from pathlib import Path

from coterie.server.rules.rows import QueueRow
from coterie.server.view.lookup import Lookup
from coterie.server.view.schema import open_reader
from coterie.wire.frames import EpochEnd


class EpochEnds:
    """A read-only look at the view, short enough for the loop. Every method raises StorageFailed."""

    def __init__(self, view: Path) -> None:
        self._db = open_reader(view)
        self._look = Lookup(self._db)

    def before_first(self, row: QueueRow, token_hash: bytes) -> int:
        """The entry before the first epoch that has this read token; 0 if none has it."""
        found = self._look.row("SELECT min(first) FROM epochs WHERE queue = ? AND read = ?", (row.number, token_hash))
        return 0 if found is None or found[0] is None else int(found[0]) - 1

    def at(self, row: QueueRow, n: int) -> EpochEnd | None:
        """What commit `n` installed; None for n = 0, the epoch that has not ended."""
        if n == 0:
            return None
        found = self._look.row("SELECT post, read FROM epochs WHERE queue = ? AND first = ?", (row.number, n + 1))
        return None if found is None else EpochEnd(n, found[0], found[1])

    def close(self) -> None:
        self._db.close()
