"""How SQLite's failures come out of the view: each stops the hub; a damaged file is deleted and built again."""

import apsw

from coterie.server.rules.base import StorageFailed


class ViewDamaged(StorageFailed):
    """The file is not this version's view, or not whole. `delete_view` it and apply the log from its beginning."""

    code = "view_damaged"


class NotNext(StorageFailed):
    """The record is not the one after the view's position: the log was cut or replaced, or the tail skipped."""

    code = "not_next"


_DAMAGED = (apsw.CorruptError, apsw.NotADBError, apsw.FormatError)


def storage_failure(error: apsw.Error) -> StorageFailed:
    """What to raise for an error of SQLite's."""
    if isinstance(error, _DAMAGED):
        return ViewDamaged(f"the view is damaged: {error}", "it is rebuilt from the log")
    if isinstance(error, apsw.FullError):
        return StorageFailed("the disk is full", "make room; the server goes on where it stopped")
    return StorageFailed(f"the view cannot be read or written: {error}", "look at the disk")
