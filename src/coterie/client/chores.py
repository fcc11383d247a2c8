"""What is due at a time: each deadline is a row in the store, so that it survives the process. Names only."""

from enum import StrEnum
from typing import Final

_MINUTE: Final = 60_000
_DAY: Final = 86_400_000


class ChoreKind(StrEnum):
    """`subject` in brackets."""

    UPDATE_PATH = "update path"
    """(group) Fresh keys for this device's path: soon after joining, then weekly."""
    STUCK_ROOM = "stuck room"
    """(group) Ten minutes have passed since this device got stuck."""
    DECIDE = "decide"
    """(group) Ten minutes have passed since an entry came that names what is not here."""
    REFILL = "refill"
    """() Look at the stock of key packages and the age of the inbox key."""
    ROTATE_KEY = "rotate key"
    """() A removal has not been followed by a key rotation yet."""
    KEY_WANTED = "key wanted"
    """() Names of the present generation cannot be opened: ask a steward's devices."""
    EXPIRE = "expire"
    """() Some message disappears then."""
    OWN_DEVICE = "own device"
    """(device) Another device of one's own is not in all of one's rooms yet."""
    HISTORY = "history"
    """(device) A device that was linked here was promised the history."""
    SWEEP = "sweep"
    """() Delete what is old: inbox keys, ids seen."""

    @property
    def every_ms(self) -> int:
        """How long until it comes round again, or is tried again."""
        return _PERIODS[self]


_PERIODS: Final = {
    ChoreKind.UPDATE_PATH: 7 * _DAY,
    ChoreKind.STUCK_ROOM: 10 * _MINUTE,
    ChoreKind.DECIDE: 10 * _MINUTE,
    ChoreKind.REFILL: _DAY,
    # longer than a steward waits for the remover: one planned further ahead is taken for a wrong clock's
    ChoreKind.ROTATE_KEY: 3 * _MINUTE,
    ChoreKind.KEY_WANTED: 10 * _MINUTE,
    ChoreKind.EXPIRE: _DAY,
    ChoreKind.OWN_DEVICE: 10 * _MINUTE,
    ChoreKind.HISTORY: 10 * _MINUTE,
    ChoreKind.SWEEP: _DAY,
}
