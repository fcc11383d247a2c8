"""What all frames have in common, and the parts they are made of.

A `repr` shows the type, and a frame's request id, only: tokens, payloads and secrets never reach a log by accident.
"""

from msgspec import Struct


class Frame(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A request's `id` is the device's, and comes back in the reply; what is pushed has none."""

    def __repr__(self) -> str:
        number = getattr(self, "id", None)
        return type(self).__name__ if number is None else f"{type(self).__name__}#{number}"


class Part(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An array inside a frame's: no tag."""

    def __repr__(self) -> str:
        return type(self).__name__
