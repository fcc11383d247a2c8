"""The packet that waits for whoever joins with an invite: the sealed coterie key."""

from typing import Annotated

from msgspec import Meta

from coterie.wire import limits
from coterie.wire.fields import Invite, Number
from coterie.wire.frames.frame import Frame


class PutPacket(Frame, tag=31, frozen=True):
    """The inviter leaves the sealed coterie key for whoever joins with this invite. → Done"""

    id: Number
    invite: Invite
    packet: Annotated[bytes, Meta(min_length=1, max_length=limits.PACKET_BYTES)]


class GetPacket(Frame, tag=32, frozen=True):
    """Only for the device that `Joined` with it. → Packet"""

    id: Number
    invite: Invite


class Packet(Frame, tag=82, frozen=True):
    id: Number
    packet: bytes


class PacketDone(Frame, tag=33, frozen=True):
    """The newcomer has the key on disk: delete the packet. → Done"""

    id: Number
    invite: Invite
