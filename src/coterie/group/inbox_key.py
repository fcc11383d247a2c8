"""A device's inbox keys: X-Wing, a new one each month, the old ones deleted (docs/protocol/inbox.md, "Keys").

Deleting is what makes old entries unreadable and unplayable. No clock: times are passed in, in ms.
"""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from coterie_mls import hpke_keypair

from coterie.ids import Secret, Seed

ROTATE_AFTER_MS: Final = 30 * 86_400_000
DELETE_AFTER_MS: Final = 30 * 86_400_000
"""After the rotation: what was sealed to it before may still arrive."""


class InboxPrivateKey(Secret):
    """What opens entries; X-Wing, 32 bytes."""


def inbox_key_hash(public: bytes) -> bytes:
    """SHA-256; by it an entry names the key it is for, and a bundle the key before."""
    return hashlib.sha256(public).digest()


@dataclass(frozen=True)
class InboxKey:
    """`retired_at` is when a newer one took its place; None for the present one."""

    seed: Seed
    made_at: int
    retired_at: int | None = None

    @cached_property
    def _pair(self) -> tuple[bytes, bytes]:
        return hpke_keypair(bytes(self.seed))

    @property
    def private(self) -> InboxPrivateKey:
        return InboxPrivateKey(self._pair[0])

    @property
    def public(self) -> bytes:
        """1,216 bytes: what the bundle publishes."""
        return self._pair[1]

    def due(self, now: int) -> bool:
        """Time to make another and retire this one."""
        return self.retired_at is None and now >= self.made_at + ROTATE_AFTER_MS

    def spent(self, now: int) -> bool:
        """Time to delete it."""
        return self.retired_at is not None and now >= self.retired_at + DELETE_AFTER_MS

    def retired(self, now: int) -> "InboxKey":
        return replace(self, retired_at=now)
