"""Sizes that say little: padding before sealing (docs/protocol/inbox.md, "Padding"). Pure.

A padded value is its length (4 bytes, big end first), the value, zeros. Up to 4 KiB the whole is a multiple of 256;
above, Padmé (Nikitin et al., PURBs, 2019): at most 12 % more, and the size leaks O(log log size) bits.
"""

from typing import Final

STEP: Final = 256
STEPS_UP_TO: Final = 4096
LENGTH_BYTES: Final = 4


class BadPadding(Exception):
    """Inside `group` only: each opener turns it into its one named error."""


def padme(size: int) -> int:
    """The least size ≥ `size` whose lower bits Padmé zeroes."""
    if size < 2:
        return size
    exponent = size.bit_length() - 1
    mask = (1 << (exponent - exponent.bit_length())) - 1
    return (size + mask) & ~mask


def padded_size(size: int) -> int:
    """Of the whole, for a value of `size` bytes."""
    whole = size + LENGTH_BYTES
    return -(-whole // STEP) * STEP if whole <= STEPS_UP_TO else padme(whole)


def pad(value: bytes) -> bytes:
    return (len(value).to_bytes(LENGTH_BYTES, "big") + value).ljust(padded_size(len(value)), b"\0")


def unpad_untrusted(padded: bytes) -> bytes:
    """Raises BadPadding unless `pad` made it."""
    size = int.from_bytes(padded[:LENGTH_BYTES], "big")
    end = LENGTH_BYTES + size
    if len(padded) < end or len(padded) != padded_size(size) or any(padded[end:]):
        raise BadPadding
    return padded[LENGTH_BYTES:end]
