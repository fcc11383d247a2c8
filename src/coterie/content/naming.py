"""How messages, members and rooms are named inside content: the draft's message ids and URIs (§3.3, "Message ID")."""

import hashlib
from typing import Final, NewType

from coterie.content.limits import ID_BYTES
from coterie.ids import CoterieId, MemberId, RoomId

MimiId = NewType("MimiId", bytes)
"""The draft's message id: 1 for SHA-256, and 31 bytes of a hash over sender, room and the message; 32 bytes. Nobody can
make another message, or another's message, of the same id."""

SHA256: Final = b"\x01"


def member_uri(coterie: CoterieId, member: MemberId) -> str:
    """The draft's sender URI, and what a mention links to."""
    return f"coterie:{coterie.hex()}/u/{member.hex()}"


def room_uri(coterie: CoterieId, room: RoomId) -> str:
    return f"coterie:{coterie.hex()}/r/{room.hex()}"


def mimi_id(coterie: CoterieId, sender: MemberId, room: RoomId, encoded: bytes) -> MimiId:
    """The id of the message with these bytes, of this sender (whom MLS names) in this room."""
    who, where = member_uri(coterie, sender).encode(), room_uri(coterie, room).encode()
    return hash_id(who, where, encoded, encoded[2 : 2 + ID_BYTES])


def hash_id(sender: bytes, room: bytes, encoded: bytes, salt: bytes) -> MimiId:
    """The draft's formula; the salt again at the end keeps the hash from being extended."""
    lengths = len(sender).to_bytes(2, "big"), len(room).to_bytes(2, "big")
    whole = lengths[0] + sender + lengths[1] + room + encoded + salt
    return MimiId(SHA256 + hashlib.sha256(whole).digest()[:31])
