"""Finding what a person names: an exact id, an exact name, or the beginning of an id (6 characters or more)."""

from collections.abc import Mapping
from typing import ClassVar, Final, TypeVar

from coterie.errors import CallerError

SHORTEST_PREFIX: Final = 6

Id = TypeVar("Id", bound=bytes)


class NotFound(CallerError):
    """What was named is not known here, or not uniquely."""

    code: ClassVar[str] = "not_found"


class Unknown(NotFound):
    code: ClassVar[str] = "unknown_name"


class Ambiguous(NotFound):
    code: ClassVar[str] = "ambiguous_name"


def find(what: str, named: str, candidates: Mapping[Id, str | None]) -> Id:
    """`what` is the noun for the message, `candidates` the ids with their names. Raises Unknown, Ambiguous."""
    lowered = named.lower()
    exact = [found for found in candidates if found.hex() == lowered]
    if not exact:
        exact = [found for found, name in candidates.items() if name == named]
    if not exact and len(named) >= SHORTEST_PREFIX:
        exact = [found for found in candidates if found.hex().startswith(lowered)]
    if not exact:
        raise Unknown(
            f"there is no {what} {named!r}", f"name it exactly, or give {SHORTEST_PREFIX} characters of its id"
        )
    if len(exact) > 1:
        listed = ", ".join(f"{candidates[found] or 'unknown name'} ({found.hex()})" for found in sorted(exact))
        raise Ambiguous(f"{named!r} is more than one {what}: {listed}", "give more of the id")
    return exact[0]
