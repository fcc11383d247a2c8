"""Why an entry is refused, in words for people (docs/protocol/register.md, "Refusals").

Reasons are outcomes that every hub must agree on: a changed one is a new version of the rules.
"""

from enum import StrEnum
from typing import Final

from coterie.errors import DeviceError, RefusedError


class Reason(StrEnum):
    NOT_FOUNDED = "not-founded"
    ALREADY_FOUNDED = "already-founded"
    OTHER_FOUNDING = "other-founding"
    NOT_NEXT = "not-next"
    OTHER_HISTORY = "other-history"
    TIME_WENT_BACK = "time-went-back"
    CLOCK_APART = "clock-apart"
    UNKNOWN_AUTHOR = "unknown-author"
    AUTHOR_REMOVED = "author-removed"
    NOT_THE_NEW_DEVICE = "not-the-new-device"
    BAD_KEY = "bad-key"
    KEY_USED = "key-used"
    WRONG_SIGNATURES = "wrong-signatures"
    FORGED = "forged"
    NO_POWER = "no-power"
    NEEDS_QUORUM = "needs-quorum"
    NO_QUORUM_NEEDED = "no-quorum-needed"
    UNKNOWN_PROPOSAL = "unknown-proposal"
    PROPOSAL_DONE = "proposal-done"
    PROPOSAL_OVER = "proposal-over"
    APPROVED_ALREADY = "approved-already"
    NOT_COUNTED = "not-counted"
    NO_SECOND_FOUNDER = "no-second-founder"
    FOUNDER_STAYS = "founder-stays"
    UNKNOWN_INVITE = "unknown-invite"
    INVITE_SPENT = "invite-spent"
    INVITE_REVOKED = "invite-revoked"
    INVITE_EXPIRED = "invite-expired"
    INVITER_GONE = "inviter-gone"
    BORN_EXPIRED = "born-expired"
    UNKNOWN_MEMBER = "unknown-member"
    MEMBER_GONE = "member-gone"
    OWN_SEAT = "own-seat"
    SEAT_NOT_LONGER = "seat-not-longer"
    SEAT_NOT_OVER = "seat-not-over"
    SEAT_LAPSED = "seat-lapsed"
    SAME_ROLE = "same-role"
    UNKNOWN_DEVICE = "unknown-device"
    DEVICE_GONE = "device-gone"
    TOO_MANY_DEVICES = "too-many-devices"
    WRONG_GENERATION = "wrong-generation"


_NAMES: Final = frozenset(reason.value for reason in Reason)
_SYNC: Final = "sync and try again"
_NEW_INVITE: Final = "ask whoever invited you for a new invite"
_REPORT: Final = "this does not happen by accident: report it to a steward"

_TEXTS: Final[dict[Reason, tuple[str, str]]] = {
    Reason.NOT_FOUNDED: ("this coterie is not founded yet", "use the founding link first"),
    Reason.ALREADY_FOUNDED: ("this coterie is founded already", "ask a member for an invite"),
    Reason.OTHER_FOUNDING: (
        "this is not the founding that the link is for",
        "use the founding link that the server printed",
    ),
    Reason.NOT_NEXT: ("the register has moved on, or an entry is missing", _SYNC),
    Reason.OTHER_HISTORY: ("the entry continues another register", _SYNC),
    Reason.TIME_WENT_BACK: ("the entry is older than the one before it", "check this device's clock"),
    Reason.CLOCK_APART: ("the entry's time is more than five minutes from now", "check this device's clock"),
    Reason.UNKNOWN_AUTHOR: ("the author is not in the register", _SYNC),
    Reason.AUTHOR_REMOVED: (
        "the author is not in force: removed, or the seat has lapsed",
        "ask a steward",
    ),
    Reason.NOT_THE_NEW_DEVICE: ("the author is not the device that joins", _REPORT),
    Reason.BAD_KEY: ("a key in the entry is malformed", _REPORT),
    Reason.KEY_USED: ("a key in the entry was used before", "make new keys and try again"),
    Reason.WRONG_SIGNATURES: ("the entry has too few or too many signatures", _REPORT),
    Reason.FORGED: ("a signature of the entry does not verify", _REPORT),
    Reason.NO_POWER: ("the author's role does not allow this", "ask a steward or the founder"),
    Reason.NEEDS_QUORUM: ("this needs the approval of others", "propose it: the founder and the stewards approve"),
    Reason.NO_QUORUM_NEEDED: ("this needs nobody's approval", "do it directly"),
    Reason.UNKNOWN_PROPOSAL: ("this proposal is not in the register", _SYNC),
    Reason.PROPOSAL_DONE: ("this proposal has taken effect already", "nothing is left to do"),
    Reason.PROPOSAL_OVER: ("this proposal is older than thirty days", "propose it again"),
    Reason.APPROVED_ALREADY: ("the author approved this proposal already", "others have to approve it"),
    Reason.NOT_COUNTED: (
        "the author was not the founder or a steward when this was proposed, or it is about them",
        "others have to approve it",
    ),
    Reason.NO_SECOND_FOUNDER: ("nobody can become founder", "choose another role"),
    Reason.FOUNDER_STAYS: ("the founder stays the founder", "the founder can remove a device of their own"),
    Reason.UNKNOWN_INVITE: ("this invite is not in the register", _NEW_INVITE),
    Reason.INVITE_SPENT: ("this invite was used already", _NEW_INVITE),
    Reason.INVITE_REVOKED: ("this invite was revoked", _NEW_INVITE),
    Reason.INVITE_EXPIRED: ("this invite has expired", _NEW_INVITE),
    Reason.INVITER_GONE: ("the member who issued this invite may no longer invite", "ask another member for an invite"),
    Reason.BORN_EXPIRED: ("the invite would expire before it is issued", "choose a later expiry"),
    Reason.UNKNOWN_MEMBER: ("this member is not in the register", _SYNC),
    Reason.MEMBER_GONE: ("this member was removed already", "nothing is left to do"),
    Reason.OWN_SEAT: ("nobody renews their own seat", "ask the founder or another steward"),
    Reason.SEAT_NOT_LONGER: ("the seat would not end later than it does now", "choose a later end"),
    Reason.SEAT_NOT_OVER: ("the seat and its grace are not over yet", "wait until they are, or remove the member"),
    Reason.SEAT_LAPSED: ("this seat has lapsed already", "renew it to bring the member back"),
    Reason.SAME_ROLE: ("the member has this role already", "nothing is left to do"),
    Reason.UNKNOWN_DEVICE: ("this device is not in the register", _SYNC),
    Reason.DEVICE_GONE: ("this device was removed already", "nothing is left to do"),
    Reason.TOO_MANY_DEVICES: ("the member has eight devices already", "remove one that is not used any more"),
    Reason.WRONG_GENERATION: ("the new key's generation is not the next one", _SYNC),
}

MALFORMED_ENTRY: Final = "malformed-entry"
NEWER_COTERIE: Final = "newer-coterie"
_BESIDE: Final = {
    MALFORMED_ENTRY: "the entry is malformed",
    NEWER_COTERIE: "the entry needs a newer Coterie on the server",
}
"""What a server also names, of entries on which there is nothing to judge."""


def refusal_in_words(name: str) -> str:
    """The sentence for a refusal that a server named. A name of a newer server stays as it is."""
    return _TEXTS[Reason(name)][0] if name in _NAMES else _BESIDE.get(name, name)


class RegisterError(RefusedError):
    """An entry that the register refuses. `reason` is what programs compare."""

    code = "register_refused"

    def __init__(self, reason: Reason) -> None:
        super().__init__(*_TEXTS[reason])
        self.reason = reason


class NewerCoterie(DeviceError):
    """An entry of a kind that this version does not know: stop before it; it is not refused."""

    code = "newer_coterie"

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"the register has an entry ({kind}) that needs a newer Coterie", "update Coterie on this device"
        )
        self.kind = kind
