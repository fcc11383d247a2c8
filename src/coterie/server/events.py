"""What the server writes about itself: JSON, one object a line, on standard error.

An event is a fixed name and facts that the caller chose: counts, codes, versions, seconds. Payloads, tokens, ids of
devices, members and queues, names and addresses never go in, and of an exception only its type and the place.
"""

import asyncio
import json
import logging
import sys
import time
import traceback
from typing import Any, Final

_logger: Final = logging.getLogger("coterie.server")

Fact = str | int | float | bool | None


class JsonLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"
        line: dict[str, Fact] = {"at": at, "level": record.levelname.lower(), "event": _event_name(record)}
        facts: dict[str, Fact] | None = getattr(record, "facts", None)
        line.update(facts or {})
        if record.exc_info and record.exc_info[1] is not None:
            line.update(_fault(record.exc_info[1]))
        return json.dumps(line)


def _event_name(record: logging.LogRecord) -> str:
    # other libraries put what a peer sent into their messages: only where it came from is told
    return record.getMessage() if record.name == _logger.name else f"{record.name}.{record.funcName}"


def _fault(error: BaseException) -> dict[str, Fact]:
    place = traceback.extract_tb(error.__traceback__)[-1:]
    return {
        "error": type(error).__name__,
        "where": f"{place[0].filename.rsplit('/', 1)[-1]}:{place[0].lineno}" if place else None,
    }


def _of_ours(record: logging.LogRecord) -> bool:
    """Not what picows says of a peer that breaks the WebSocket protocol: anybody can make it say that."""
    return not record.name.startswith("picows") or bool(record.exc_info)


def loop_fault(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The loop's exception handler: a peer that breaks off, or speaks no TLS, is no fault."""
    error = context.get("exception")
    if error is None:
        warn("loop.complaint")
    elif not isinstance(error, OSError | EOFError):
        fault("loop.fault", error)


def write_json_lines(level: int = logging.INFO) -> None:
    """Send every event of this process to standard error. Libraries speak up from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLine())
    handler.addFilter(_of_ours)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    _logger.setLevel(level)


def tell(event: str, **facts: Fact) -> None:
    _logger.info(event, extra={"facts": facts})


def warn(event: str, **facts: Fact) -> None:
    _logger.warning(event, extra={"facts": facts})


def fault(event: str, error: BaseException, **facts: Fact) -> None:
    """Something that should not happen; the operator should look."""
    _logger.error(event, exc_info=error, extra={"facts": facts})
