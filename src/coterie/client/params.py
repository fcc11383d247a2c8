"""The form of the values that commands take: what many of them share."""

from typing import Annotated

import msgspec
from msgspec import Meta

Name = Annotated[str, Meta(min_length=1)]
Seconds = Annotated[int, Meta(ge=1, le=2**32 - 1)]


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The values of a command; one subclass for each form."""


class InRoom(Params, frozen=True):
    room: Name
