"""What each role may do in the coterie: one table (docs/protocol/register.md, "Powers").

Later kinds of entries add actions here. What one may do in a room is the room's to say (`group`).
"""

from enum import StrEnum
from typing import Final

from coterie.trust.kinds import Role


class Action(StrEnum):
    INVITE = "invite"
    REMOVE = "remove"
    """A member, or a device of another member."""
    REVOKE_INVITE = "revoke an invite"
    """Issued by anyone; one's own can always be revoked."""
    ROTATE_KEY = "rotate the coterie key"
    """At any time; who removed last may do it while it is due."""


_NOBODY: Final[frozenset[Role]] = frozenset()
_ANYONE: Final = frozenset(Role)
_ORDINARY: Final = frozenset({Role.MEMBER, Role.GUEST, Role.BOT})

POWERS: Final[dict[Role, dict[Action, frozenset[Role]]]] = {
    Role.FOUNDER: {
        Action.INVITE: _ORDINARY | {Role.STEWARD},
        Action.REMOVE: _ORDINARY | {Role.STEWARD},
        Action.REVOKE_INVITE: _ANYONE,
        Action.ROTATE_KEY: _ANYONE,
    },
    Role.STEWARD: {
        Action.INVITE: _ORDINARY,
        Action.REMOVE: _ORDINARY,
        Action.REVOKE_INVITE: _ANYONE,
        Action.ROTATE_KEY: _ANYONE,
    },
    Role.MEMBER: {Action.INVITE: frozenset({Role.MEMBER})},
    Role.GUEST: {},
    Role.BOT: {},
}
"""Role → action → the roles it may be done to (for the key: any set but the empty one)."""


def may(actor: Role, action: Action, subject: Role) -> bool:
    return subject in POWERS[actor].get(action, _NOBODY)
