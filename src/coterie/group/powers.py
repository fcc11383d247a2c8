"""What a member may do in a room: one table (docs/protocol/groups.md, "Room powers"). Pure.

What is a consequence (a leaf that the register refuses, a member who left, a device that is stuck) is open to all, so
that a room never waits for its admins to be online.
"""

from enum import StrEnum
from typing import Final

from coterie.group.context import RoomContext
from coterie.ids import MemberId
from coterie.trust.kinds import Role
from coterie.trust.register import Register


class RoomAction(StrEnum):
    ADD = "add"
    """A device of another member."""
    REMOVE = "remove"
    """A device of another member."""
    RENAME = "rename"
    """Name and topic."""
    APPOINT = "appoint"
    """Change who is an admin, oneself included."""
    SET_POLICY = "set the policy"
    ADD_OWN_DEVICE = "add a device of one's own"
    REMOVE_OWN_DEVICE = "remove a device of one's own"
    REMOVE_REFUSED = "remove what the register refuses"
    REMOVE_LEAVING = "remove a member who left"
    ADD_AGAIN = "remove and add the same device in one commit"
    REPLACE_REFUSED = "add a device of a member of whom the same commit removes one that the register refuses"


class Standing(StrEnum):
    """What a member is in a room."""

    ADMIN = "admin"
    GUEST_ADMIN = "admin, a guest of the coterie"
    ORDINARY = "ordinary member"
    GUEST = "guest"


_OPEN_TO_ALL: Final = frozenset(
    {
        RoomAction.ADD_OWN_DEVICE,
        RoomAction.REMOVE_OWN_DEVICE,
        RoomAction.REMOVE_REFUSED,
        RoomAction.REMOVE_LEAVING,
        RoomAction.ADD_AGAIN,
        RoomAction.REPLACE_REFUSED,
    }
)

ROOM_POWERS: Final[dict[Standing, frozenset[RoomAction]]] = {
    Standing.ADMIN: frozenset(RoomAction),
    Standing.GUEST_ADMIN: frozenset(RoomAction) - {RoomAction.ADD},
    Standing.ORDINARY: _OPEN_TO_ALL,
    Standing.GUEST: _OPEN_TO_ALL,
}


def standing(context: RoomContext, register: Register, member: MemberId) -> Standing:
    """Of a member that the register knows. Raises RegisterError(UNKNOWN_MEMBER)."""
    guest = register.member(member).role is Role.GUEST
    if member in context.admins:
        return Standing.GUEST_ADMIN if guest else Standing.ADMIN
    return Standing.GUEST if guest else Standing.ORDINARY


def may(who: Standing, action: RoomAction) -> bool:
    return action in ROOM_POWERS[who]
