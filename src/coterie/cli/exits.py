"""What a command's exit code says: mapped here, once, from the error tree (docs/guide/commands.md, "Exit codes")."""

from enum import IntEnum
from typing import Final

from coterie.errors import CallerError, CoterieError, OfflineError, PeerError, RefusedError


class Exit(IntEnum):
    DONE = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    QUEUED = 4


USAGE_CODES: Final = frozenset(
    {
        "caller",
        "usage",
        "unknown_name",
        "ambiguous_name",
        "wrong_link",
        "wrong_address",
        "bad_name",
        "bad_room_text",
        "text_too_long",
        "no_safety_number",
    }
)
"""The caller's errors that another way of typing the command mends."""


def exit_of(error: CoterieError) -> Exit:
    match error:
        case CallerError() if error.code in USAGE_CODES:
            return Exit.USAGE
        case RefusedError() | PeerError():
            return Exit.REFUSED
        case OfflineError():
            return Exit.QUEUED
        case _:
            return Exit.FAILED
