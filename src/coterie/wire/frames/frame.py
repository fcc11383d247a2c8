"""What all frames have in common.

A frame's `repr` shows its type and request id only: tokens, payloads and secrets never reach a log by accident.
"""

from msgspec import Struct


class Frame(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A request's `id` is the device's, and comes back in the reply; what is pushed has none."""

    def __repr__(self) -> str:
        number = getattr(self, "id", None)
        return type(self).__name__ if number is None else f"{type(self).__name__}#{number}"
