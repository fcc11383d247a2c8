"""What the judge says of a commit, in values that programs compare and words that people read. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from coterie.group.context import RoomContext
from coterie.group.roster import Roster
from coterie.ids import DeviceId, MemberId


class Refusal(StrEnum):
    PROPOSAL = "proposal"
    REGISTER_WENT_BACK = "register-went-back"
    UNKNOWN_COMMITTER = "unknown-committer"
    COMMITTER_NOT_IN_FORCE = "committer-not-in-force"
    PATH_LEAF = "path-leaf"
    REMOVES_ITSELF = "removes-itself"
    UNKNOWN_LEAF = "unknown-leaf"
    ADDED_LEAF = "added-leaf"
    ADDED_TWICE = "added-twice"
    REFUSED_LEAF_STAYS = "refused-leaf-stays"
    NO_POWER = "no-power"
    CONTEXT = "context"
    ANOTHER_ROOM = "another-room"
    LEAST_SUITE = "least-suite"
    ADMINS = "admins"


SENTENCES: dict[Refusal, str] = {
    Refusal.PROPOSAL: "it proposes something that rooms do not have",
    Refusal.REGISTER_WENT_BACK: "it was made by an older register than a commit before it",
    Refusal.UNKNOWN_COMMITTER: "its author is not in the room",
    Refusal.COMMITTER_NOT_IN_FORCE: "its author's device or seat is no longer in force",
    Refusal.PATH_LEAF: "it changes its author's credential or key",
    Refusal.REMOVES_ITSELF: "it removes its own author",
    Refusal.UNKNOWN_LEAF: "it removes a device that is not in the room",
    Refusal.ADDED_LEAF: "it adds a device that the register refuses",
    Refusal.ADDED_TWICE: "it adds a device that is in the room already",
    Refusal.REFUSED_LEAF_STAYS: "it leaves a device in the room that the register refuses",
    Refusal.NO_POWER: "its author may not do this in this room",
    Refusal.CONTEXT: "it gives the room a malformed description",
    Refusal.ANOTHER_ROOM: "it makes the group another room's",
    Refusal.LEAST_SUITE: "it lowers the least cipher suite",
    Refusal.ADMINS: "it leaves the room with an admin who is not in it, or with none",
}


class ChangeKind(StrEnum):
    MEMBER_ADDED = "member-added"
    MEMBER_REMOVED = "member-removed"
    """By an admin."""
    MEMBER_LEFT = "member-left"
    MEMBER_LOST = "member-lost"
    """The register no longer has them."""
    DEVICE_ADDED = "device-added"
    """Of a member who was and stays in the room."""
    DEVICE_REMOVED = "device-removed"
    """Of a member who stays."""
    DEVICE_ADDED_AGAIN = "device-added-again"
    RENAMED = "renamed"
    TOPIC_CHANGED = "topic-changed"
    ADMIN_APPOINTED = "admin-appointed"
    ADMIN_DISMISSED = "admin-dismissed"
    POLICY_CHANGED = "policy-changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that people in the room are shown. `text` is the new name or topic, or what the policy says now."""

    kind: ChangeKind
    member: MemberId | None = None
    device: DeviceId | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """What merging leads to."""

    changes: tuple[Change, ...]
    roster: Roster
    context: RoomContext


@dataclass(frozen=True, slots=True)
class Refused:
    """Never merged; the room is stuck for this device (`Stuck`). `detail` names which leaf or field, for a log."""

    refusal: Refusal
    detail: str = ""

    @property
    def sentence(self) -> str:
        return SENTENCES[self.refusal]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not to be decided yet: this device joined lately and does not know who asked to leave before (`Base` says)."""

    members: frozenset[MemberId]


Verdict = Accepted | Refused | Waiting
