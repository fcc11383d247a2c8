"""Spans of time as people write them: 180d, 12h, 30m, 45s, 2w."""

import re
from typing import Final

import typer

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_LONGEST: Final = 2**32 - 1


def seconds_of(text: str) -> int:
    """Raises typer.BadParameter."""
    found = re.fullmatch(r"([0-9]{1,10})([smhdw])", text.strip().lower())
    if found is None:
        raise typer.BadParameter(f"{text!r} is not a time such as 180d, 12h or 30m")
    seconds = int(found[1]) * _SECONDS[found[2]]
    if not 1 <= seconds <= _LONGEST:
        raise typer.BadParameter(f"{text!r} is not between a second and a century")
    return seconds


def seconds_or_forever(text: str) -> int | None:
    """The same; `forever` gives None."""
    return None if text.strip().lower() == "forever" else seconds_of(text)
