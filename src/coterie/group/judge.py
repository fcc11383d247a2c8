"""Whether a commit stands (docs/protocol/groups.md, "Judging"). Pure: all devices come to the same verdict.

The register is the state that the commit's sealed head names; one that is not here yet means wait: the caller does.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from coterie.group.commit import ALLOWED_PROPOSALS, Commit
from coterie.group.context import MalformedContext, RoomContext, decode_context_untrusted, policy_change, with_admins
from coterie.group.credential import LeafClaim, MalformedCredential, RawLeaf, claim_untrusted
from coterie.group.powers import RoomAction, Standing, may, standing
from coterie.group.roster import Roster, check_leaf
from coterie.group.suites import meets
from coterie.group.verdict import Accepted, Change, ChangeKind, Refusal, Refused, Verdict, Waiting
from coterie.ids import DeviceId, MemberId
from coterie.trust.kinds import Role
from coterie.trust.register import Register


@dataclass(frozen=True, slots=True)
class RoomState:
    """A group between two commits, as every member knows it.

    `register_floor` is the highest register seq that a merged commit (or the Welcome) named. `leaving` are the members
    whose leave stands in the queue before this commit; None while a device that joined lately does not know yet.
    """

    roster: Roster
    context: RoomContext
    register_floor: int
    leaving: frozenset[MemberId] | None = frozenset()


class _No(Exception):
    """Inside this module only: the first rule that a commit breaks."""

    def __init__(self, refusal: Refusal, detail: str = "") -> None:
        super().__init__(refusal)
        self.refused = Refused(refusal, detail)


def judge(state: RoomState, register: Register, commit: Commit) -> Verdict:
    """Raises NeedsAnotherCoterie for a context that this version does not know; then nobody here may merge it."""
    try:
        return _Case(state, register, commit).verdict()
    except _No as no:
        return no.refused


def settled(context: RoomContext, roster: Roster, register: Register) -> RoomContext:
    """The context that a commit leading to `roster` must carry if it appoints nobody: admins who are gone are dropped;
    if none is left, the member of the lowest leaf follows, guests last. The same context: nothing to carry."""
    left = roster.members & frozenset(context.admins)
    if left == frozenset(context.admins):
        return context
    return with_admins(context, left or frozenset({_heir(roster, register)}))


def _heir(roster: Roster, register: Register) -> MemberId:
    by_leaf = [leaf.member for leaf in roster]
    no_guests = (member for member in by_leaf if register.member(member).role is not Role.GUEST)
    return next(no_guests, by_leaf[0])


class _Case:
    """One commit before the judge."""

    def __init__(self, state: RoomState, register: Register, commit: Commit) -> None:
        self.state = state
        self.register = register
        self.commit = commit
        self.by_index = {leaf.index: leaf for leaf in state.roster}

    def verdict(self) -> Verdict:
        self._check_form()
        committer = self._committer()
        removed = tuple(self._leaf_in_roster(leaf, Refusal.UNKNOWN_LEAF) for leaf in self.commit.removed)
        gone = {leaf.index for leaf in removed}
        # MLS refuses it too (RFC 9420 §12.2); the rules below rely on somebody staying
        if committer.index in gone:
            raise _No(Refusal.REMOVES_ITSELF)
        staying = tuple(leaf for leaf in self.state.roster if leaf.index not in gone)
        added = self._added(staying)
        roster = Roster.of_claims(staying + added)
        refused = roster.refused(self.register)
        if refused:
            raise _No(Refusal.REFUSED_LEAF_STAYS, f"leaf {refused[0].leaf.index}: {refused[0].sentence}")
        who = standing(self.state.context, self.register, committer.member)
        unknown_leavers = self._check_membership(committer, who, removed, added)
        context = self._context(who, roster)
        if unknown_leavers:
            return Waiting(unknown_leavers)
        changes = (*self._membership_changes(removed, added, roster), *_context_changes(self.state.context, context))
        return Accepted(changes, roster, context)

    def _check_form(self) -> None:
        for proposal in self.commit.proposals:
            if proposal not in ALLOWED_PROPOSALS:
                raise _No(Refusal.PROPOSAL, proposal)
        if self.register.head.seq < self.state.register_floor:
            raise _No(Refusal.REGISTER_WENT_BACK, f"{self.register.head.seq} after {self.state.register_floor}")

    def _committer(self) -> LeafClaim:
        commit = self.commit
        committer = self._leaf_in_roster(commit.committer, Refusal.UNKNOWN_COMMITTER)
        reason = check_leaf(committer, self.register)
        if reason is not None:
            raise _No(Refusal.COMMITTER_NOT_IN_FORCE, reason)
        # the leaf key stands in the register, so a path brings a new encryption key and nothing else
        if commit.updated != ((commit.committer,) if commit.has_path else ()):
            raise _No(Refusal.PATH_LEAF)
        return committer

    def _leaf_in_roster(self, leaf: RawLeaf, refusal: Refusal) -> LeafClaim:
        known = self.by_index.get(leaf.index)
        if known is None or known != _claim(leaf, refusal):
            raise _No(refusal, f"leaf {leaf.index}")
        return known

    def _added(self, staying: tuple[LeafClaim, ...]) -> tuple[LeafClaim, ...]:
        present: set[DeviceId] = {leaf.device for leaf in staying}
        added = []
        for leaf in self.commit.added:
            claim = _claim(leaf, Refusal.ADDED_LEAF)
            reason = check_leaf(claim, self.register)
            if reason is not None:
                raise _No(Refusal.ADDED_LEAF, f"leaf {leaf.index}: {reason}")
            if claim.device in present:
                raise _No(Refusal.ADDED_TWICE, f"leaf {leaf.index}")
            present.add(claim.device)
            added.append(claim)
        return tuple(added)

    def _check_membership(
        self, committer: LeafClaim, who: Standing, removed: tuple[LeafClaim, ...], added: tuple[LeafClaim, ...]
    ) -> frozenset[MemberId]:
        """Returns the members of whom only a leave, not known here, could justify the removal."""
        removed_devices = {leaf.device for leaf in removed}
        added_devices = {leaf.device for leaf in added}
        perhaps_leaving = set()
        replaced = {leaf.member for leaf in removed if check_leaf(leaf, self.register) is not None}
        for leaf in added:
            if leaf.member == committer.member:
                action = RoomAction.ADD_OWN_DEVICE
            elif leaf.device in removed_devices:
                action = RoomAction.ADD_AGAIN
            else:
                action = RoomAction.REPLACE_REFUSED if leaf.member in replaced else RoomAction.ADD
            if not may(who, action):
                raise _No(Refusal.NO_POWER, action)
        for leaf in removed:
            removal = self._removal(leaf, committer, again=leaf.device in added_devices)
            if may(who, removal):
                continue
            if self.state.leaving is not None:
                raise _No(Refusal.NO_POWER, removal)
            perhaps_leaving.add(leaf.member)
        return frozenset(perhaps_leaving)

    def _removal(self, leaf: LeafClaim, committer: LeafClaim, *, again: bool) -> RoomAction:
        if check_leaf(leaf, self.register) is not None:
            return RoomAction.REMOVE_REFUSED
        if again:
            return RoomAction.ADD_AGAIN
        if leaf.member == committer.member:
            return RoomAction.REMOVE_OWN_DEVICE
        if leaf.member in (self.state.leaving or frozenset()):
            return RoomAction.REMOVE_LEAVING
        return RoomAction.REMOVE

    def _context(self, who: Standing, roster: Roster) -> RoomContext:
        before = self.state.context
        after = before
        if self.commit.extension is not None:
            try:
                after = decode_context_untrusted(self.commit.extension, before.suite)
            except MalformedContext as malformed:
                raise _No(Refusal.CONTEXT, malformed.fact) from None
        if after.room != before.room:
            raise _No(Refusal.ANOTHER_ROOM)
        if not meets(after.policy.least_suite, before.policy.least_suite):
            raise _No(Refusal.LEAST_SUITE)
        if not roster.members.issuperset(after.admins):
            raise _No(Refusal.ADMINS)
        for action, changed in (
            (RoomAction.RENAME, (after.name, after.topic) != (before.name, before.topic)),
            (RoomAction.APPOINT, after.admins != settled(before, roster, self.register).admins),
            (RoomAction.SET_POLICY, after.policy != before.policy),
        ):
            if changed and not may(who, action):
                raise _No(Refusal.NO_POWER, action)
        return after

    def _membership_changes(
        self, removed: tuple[LeafClaim, ...], added: tuple[LeafClaim, ...], roster: Roster
    ) -> Iterator[Change]:
        before, after = self.state.roster.members, roster.members
        again = {leaf.device for leaf in removed} & {leaf.device for leaf in added}
        for member in dict.fromkeys(leaf.member for leaf in removed):
            if member not in after:
                yield Change(self._departure(member, removed), member)
        for member in dict.fromkeys(leaf.member for leaf in added):
            if member not in before:
                yield Change(ChangeKind.MEMBER_ADDED, member)
        for leaf in removed:
            if leaf.member in after and leaf.device not in again:
                yield Change(ChangeKind.DEVICE_REMOVED, leaf.member, leaf.device)
        for leaf in added:
            if leaf.device in again:
                yield Change(ChangeKind.DEVICE_ADDED_AGAIN, leaf.member, leaf.device)
            elif leaf.member in before:
                yield Change(ChangeKind.DEVICE_ADDED, leaf.member, leaf.device)

    def _departure(self, member: MemberId, removed: tuple[LeafClaim, ...]) -> ChangeKind:
        if all(check_leaf(leaf, self.register) is not None for leaf in removed if leaf.member == member):
            return ChangeKind.MEMBER_LOST
        return ChangeKind.MEMBER_LEFT if member in (self.state.leaving or frozenset()) else ChangeKind.MEMBER_REMOVED


def _claim(leaf: RawLeaf, refusal: Refusal) -> LeafClaim:
    try:
        return claim_untrusted(leaf)
    except MalformedCredential as malformed:
        raise _No(refusal, f"leaf {leaf.index}: {malformed.fact}") from None


def _context_changes(before: RoomContext, after: RoomContext) -> Iterator[Change]:
    if after.name != before.name:
        yield Change(ChangeKind.RENAMED, text=after.name)
    if after.topic != before.topic:
        yield Change(ChangeKind.TOPIC_CHANGED, text=after.topic)
    for member in sorted(set(after.admins) - set(before.admins)):
        yield Change(ChangeKind.ADMIN_APPOINTED, member)
    for member in sorted(set(before.admins) - set(after.admins)):
        yield Change(ChangeKind.ADMIN_DISMISSED, member)
    if after.policy != before.policy:
        yield Change(ChangeKind.POLICY_CHANGED, text=policy_change(before.policy, after.policy))
