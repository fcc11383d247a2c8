"""The view to start with: the one on disk if it belongs to this log, else an empty one, to be built anew."""

from pathlib import Path

from coterie.errors import CallerError
from coterie.server import events
from coterie.server.log import Log, LogEnds
from coterie.server.view import View, ViewDamaged, delete_view


class LogLost(CallerError):
    code = "log_lost"


async def fitting_view(path: Path, log: Log, ends: LogEnds) -> View:
    """Raises LogLost, LogUnavailable, StorageFailed."""
    try:
        view = View(path)
    except ViewDamaged as error:
        events.warn("view.rebuilt", why=error.code)
        delete_view(path)
        return View(path)
    if view.position and ends.last == 0:
        view.close()
        raise LogLost(
            "the log is empty, but this server has served one", "restore the engine's store, or give an empty --data"
        )
    if view.position <= ends.last and view.fits(await log.record(view.position) if view.position else None):
        return view
    events.warn("view.rebuilt", why="it does not fit the log", position=view.position, log_last=ends.last)
    view.close()
    delete_view(path)
    return View(path)
