"""The ids, keys and secrets that every part speaks of (docs/protocol/constants.md).

Ids are distinct types over bytes, hexadecimal for people. Secrets never show themselves and compare in constant time.
Imports nothing of Coterie.
"""

import hmac
from typing import Final, NewType

CoterieId = NewType("CoterieId", bytes)
"""SHA-256 of the whole `Founded` entry; 32 bytes."""
MemberId = NewType("MemberId", bytes)
"""First 16 bytes of SHA-256("coterie/1 member\\0" ‖ identity key)."""
DeviceId = NewType("DeviceId", bytes)
"""First 16 bytes of SHA-256("coterie/1 device\\0" ‖ device key)."""
InviteId = NewType("InviteId", bytes)
"""SHA-256 of the whole `InviteIssued` entry; 32 bytes."""
EntryHash = NewType("EntryHash", bytes)
"""SHA-256 of a whole register entry; 32 bytes."""
QueueId = NewType("QueueId", bytes)
"""Commits to the queue's opening terms (docs/protocol/queues.md); 32 bytes."""
RoomId = NewType("RoomId", bytes)
"""Random; 16 bytes. Outlives the groups that carry the room."""
GroupId = NewType("GroupId", bytes)
"""Random MLS group id; 16 bytes."""
MessageId = NewType("MessageId", bytes)
"""Random, chosen by the sender; 16 bytes. Shown once, whatever arrives twice."""
BlobId = NewType("BlobId", bytes)
"""SHA-256 of the blob's ciphertext; 32 bytes. Knowing it is the right to fetch it."""
LogId = NewType("LogId", bytes)
"""Random; 16 bytes."""
HubId = NewType("HubId", bytes)
"""Random, kept in the hub's data folder; 16 bytes."""
Incarnation = NewType("Incarnation", bytes)
"""Random, one for each start of a hub; 16 bytes."""
PublicKey = NewType("PublicKey", bytes)
"""Ed25519, 32 bytes, checked (canonical, not of small order) by `trust.keys` before it is used."""

NO_COTERIE: Final = CoterieId(bytes(32))
"""Signed over by `Founded`, and said by a device that comes to found."""
FINGERPRINT_CHARS: Final = 8
"""How much of an id people are shown where the whole is not needed."""


class Secret:
    """Bytes that must not be seen: `repr` hides them, `==` takes constant time, `bytes(secret)` gives them up."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = bytes(value)

    def __bytes__(self) -> bytes:
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and hmac.compare_digest(self._value, bytes(other))

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class PostToken(Secret):
    """Lets its bearer post to one queue for one epoch; 32 bytes."""


class ReadToken(Secret):
    """Lets its bearer read one queue up to the end of one epoch; 32 bytes."""


class ClosingSecret(Secret):
    """Lets its bearer close an inbox or call queue; 32 bytes."""


class Seed(Secret):
    """An Ed25519 or X-Wing seed; 32 bytes."""


class CoterieKey(Secret):
    """One generation of the key that seals names; 32 bytes."""
