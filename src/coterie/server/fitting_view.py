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
        return _anew(path, ends, why=error.code)
    if view.position and ends.last == 0:
        view.close()
        raise LogLost(
            "the log is empty, but this server has served one", "restore the engine's store, or give an empty --data"
        )
    if _reaches(view, ends) and view.fits(await log.record(view.position) if view.position else None):
        return view
    view.close()
    return _anew(path, ends, why="it does not fit the log", position=view.position)


def _reaches(view: View, ends: LogEnds) -> bool:
    """The log has the record at the view's position; an empty view needs the log from its beginning."""
    return ends.first <= view.position <= ends.last or (view.position == 0 and ends.first == 1)


def _anew(path: Path, ends: LogEnds, **why: str | int) -> View:
    """What is here goes only where the whole log is there to make it again. Raises LogLost, StorageFailed."""
    if ends.first > 1:
        raise LogLost(
            f"the log begins at record {ends.first}, and the view here does not reach to it",
            "restore the engine's store, or the view.db that belongs to it",
        )
    events.warn("view.rebuilt", log_last=ends.last, **why)
    delete_view(path)
    return View(path)
