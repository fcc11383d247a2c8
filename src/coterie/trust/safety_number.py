"""The safety number of two members: equal on both screens if, and only if, both see the same two identity keys.

docs/protocol/register.md, "Safety numbers". Pure.
"""

import hashlib
from typing import Final

from coterie.ids import CoterieId, PublicKey

GROUPS: Final = 12
DIGITS: Final = 5


def safety_number(coterie: CoterieId, mine: PublicKey, theirs: PublicKey) -> tuple[str, ...]:
    """Twelve groups of five digits, the same whoever asks. The keys are identity keys."""
    low, high = sorted((mine, theirs))
    digest = hashlib.sha512(b"coterie/1 safety number\0" + coterie + low + high).digest()
    parts = (digest[5 * group : 5 * group + 5] for group in range(GROUPS))
    return tuple(f"{int.from_bytes(part, 'big') % 10**DIGITS:0{DIGITS}}" for part in parts)
