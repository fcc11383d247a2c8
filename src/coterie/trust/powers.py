"""What each role may do in the coterie: one table (docs/protocol/register.md, "Powers").

The documents and the command line show `POWERS_IN_WORDS`, which is made from the table. What one may do in a room is
the room's to say (`group`).
"""

from enum import StrEnum
from typing import Final

from coterie.trust.kinds import Role


class Action(StrEnum):
    INVITE = "invites"
    RENEW_SEAT = "renews seats"
    """Not one's own."""
    LAPSE_SEAT = "notes that a seat ran out"
    REMOVE = "removes members and their devices"
    CHANGE_ROLE = "changes roles"
    """From and to these."""
    REVOKE_INVITE = "revokes any invite"
    ROTATE_KEY = "rotates the coterie key"
    SET_POLICY = "sets the policy"


_NOBODY: Final[frozenset[Role]] = frozenset()
_ANYONE: Final = frozenset(Role)
_ORDINARY: Final = frozenset({Role.MEMBER, Role.GUEST, Role.BOT})
_OTHERS: Final = _ORDINARY | {Role.STEWARD}
_PEOPLE: Final = frozenset({Role.MEMBER, Role.GUEST})

POWERS: Final[dict[Role, dict[Action, frozenset[Role]]]] = {
    Role.FOUNDER: {
        Action.INVITE: _OTHERS,
        Action.RENEW_SEAT: _OTHERS,
        Action.LAPSE_SEAT: _OTHERS,
        Action.REMOVE: _OTHERS,
        Action.CHANGE_ROLE: _PEOPLE | {Role.STEWARD},
        Action.REVOKE_INVITE: _ANYONE,
        Action.ROTATE_KEY: _ANYONE,
        Action.SET_POLICY: _ANYONE,
    },
    Role.STEWARD: {
        Action.INVITE: _ORDINARY,
        Action.RENEW_SEAT: _OTHERS,
        Action.LAPSE_SEAT: _OTHERS,
        Action.REMOVE: _ORDINARY,
        Action.CHANGE_ROLE: _PEOPLE,
        Action.REVOKE_INVITE: _ANYONE,
        Action.ROTATE_KEY: _ANYONE,
    },
    Role.MEMBER: {Action.INVITE: frozenset({Role.MEMBER})},
    Role.GUEST: {},
    Role.BOT: {},
}
"""Role → action → the roles it may be done to (where it is done to nobody: any set but the empty one)."""

WEIGHTY: Final[dict[Action, frozenset[Role]]] = {
    Action.INVITE: frozenset({Role.STEWARD}),
    Action.REMOVE: frozenset({Role.STEWARD}),
    Action.CHANGE_ROLE: frozenset({Role.STEWARD}),
    Action.SET_POLICY: _ANYONE,
}
"""What the founder and the stewards decide together when the policy asks for a quorum, and the stewards may always
decide together."""


def may(actor: Role, action: Action, subject: Role) -> bool:
    """By the table alone. What is weighty, `Register.decides` and the policy narrow further."""
    return subject in POWERS[actor].get(action, _NOBODY)


def is_weighty(action: Action, subject: Role) -> bool:
    return subject in WEIGHTY.get(action, _NOBODY)


def _cell(role: Role, action: Action) -> str:
    alone = POWERS[role].get(action, _NOBODY)
    if role is Role.STEWARD:
        together = WEIGHTY.get(action, _NOBODY) & POWERS[Role.FOUNDER].get(action, _NOBODY) - alone
        together = _NOBODY if action is Action.INVITE else together
    else:
        together = _NOBODY
    said = [_roles(alone)] if alone else []
    if together:
        said.append("together" if not alone else f"{_roles(together)} together")
    return "; ".join(said) or "–"


def _roles(roles: frozenset[Role]) -> str:
    return "yes" if roles == _ANYONE else ", ".join(role.value for role in Role if role in roles)


POWERS_IN_WORDS: Final[tuple[tuple[str, ...], ...]] = (
    ("", *(role.value for role in Role)),
    *((action.value, *(_cell(role, action) for role in Role)) for action in Action),
)
"""The table as rows of cells, headings first: a row an action, a column a role."""
