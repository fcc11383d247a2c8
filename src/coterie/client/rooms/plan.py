"""The next commit of a room: as much of what is wished as can go together.

Removals first, so that who is removed and wished in again comes in by the commit after.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Final

from coterie.client.rooms.wishes import Action, decode_policy, decode_rename
from coterie.client.state import DeviceState
from coterie.group.context import RoomContext, renamed
from coterie.group.credential import LeafClaim
from coterie.group.judge import settled
from coterie.group.powers import RoomAction, may, standing
from coterie.group.roster import Roster
from coterie.ids import DeviceId, MemberId
from coterie.store.groups import GroupRow
from coterie.store.rooms import Wish
from coterie.trust import Register

ADDS_PER_COMMIT: Final = 30
ADDS_WITH_PATH: Final = 15
"""Commit and Welcomes fit one frame (a Welcome is sealed in 3.2 kB, and a path may fill an entry by itself); more adds
are more commits."""
RANK_DELAY_MS: Final = 1000
LONGEST_DELAY_MS: Final = 10_000
_FOR_ANYBODY: Final = frozenset({Action.REMOVE_LEAVING, Action.REMOVE_REFUSED, Action.ADD_AGAIN, Action.ADD_BACK})
"""Any member may do these, so the lowest leaf goes first and the others wait, each a little longer."""


@dataclass(frozen=True)
class CommitPlan:
    """`carried` are the wishes that it does in full, `fulfilled` those for which nothing is left to do. `ripe_at`: some
    wish waits until then (None: nothing waits)."""

    add: tuple[DeviceId, ...] = ()
    remove: frozenset[int] = frozenset()
    context: RoomContext | None = None
    path: bool = False
    carried: tuple[Wish, ...] = ()
    fulfilled: tuple[Wish, ...] = ()
    ripe_at: int | None = None

    @property
    def empty(self) -> bool:
        return not (self.add or self.remove or self.path or self.context)


def plan_commit(state: DeviceState, row: GroupRow) -> CommitPlan:
    """The next commit of a room, from its wishes, roster and register."""
    wishes = state.store.rooms.wishes(row.room)
    planning = _Planning(state, row, only_adds=all(wish.action == Action.ADD for wish in wishes))
    for wish in sorted(wishes, key=lambda wish: wish.action in (Action.ADD, Action.ADD_BACK)):
        planning.take(wish)
    return planning.plan()


class _Planning:
    def __init__(self, state: DeviceState, row: GroupRow, *, only_adds: bool) -> None:
        self._now = state.now()
        self._own = state.own.device
        self._member = state.own.member
        self._register = state.register.state
        self._roster = state.roster(row.group)
        self._leaving = row.leaving or frozenset()
        self._before = self._context = state.context(row.group)
        self._most = ADDS_PER_COMMIT if only_adds else ADDS_WITH_PATH
        self._add: list[DeviceId] = []
        self._remove: set[int] = set()
        self._path = False
        self._carried: list[Wish] = []
        self._fulfilled: list[Wish] = []
        self._ripe_at: int | None = None
        self._held = False

    def take(self, wish: Wish) -> None:
        """Plan it, find it fulfilled, or leave it for a later commit."""
        action = Action(wish.action)
        ripe_at = self._ripe(action, wish)
        if ripe_at > self._now:
            self._ripe_at = ripe_at if self._ripe_at is None else min(ripe_at, self._ripe_at)
            self._held = self._held or action is Action.REMOVE_REFUSED
            return
        match action:
            case Action.UPDATE | Action.RENEW:
                self._path = True
                self._carried.append(wish)
            case Action.RENAME:
                self._take_rename(wish)
            case Action.POLICY:
                self._take_policy(wish)
            case Action.ADD:
                self._take_add(wish)
            case Action.ADD_BACK:
                self._take_add_back(wish)
            case Action.ADD_AGAIN:
                self._take_add_again(wish)
            case Action.REMOVE | Action.REMOVE_LEAVING:
                self._take_removal(wish, self._roster.leaves_of(MemberId(wish.subject)))
            case Action.REMOVE_REFUSED:
                leaf = self._roster.leaf_of(DeviceId(wish.subject))
                self._take_removal(wish, () if leaf is None else (leaf,))

    def plan(self) -> CommitPlan:
        if self._held:
            # no commit stands that leaves them in, and others go first
            return CommitPlan(fulfilled=tuple(self._fulfilled), ripe_at=self._ripe_at)
        context = self._context
        if self._add or self._remove or self._path or context != self._before:
            # a commit drops the admins who are not in, or it does not stand
            context = settled(context, self._roster_after(), self._register)
        return CommitPlan(
            add=tuple(self._add),
            remove=frozenset(self._remove),
            context=None if context == self._before else context,
            path=self._path or bool(self._remove),
            carried=tuple(self._carried),
            fulfilled=tuple(self._fulfilled),
            ripe_at=self._ripe_at,
        )

    def _ripe(self, action: Action, wish: Wish) -> int:
        # one made later than now is of a clock that was ahead
        if action in _FOR_ANYBODY and wish.made_at <= self._now:
            return max(wish.not_before, wish.made_at + _delay(self._roster, self._own, wish))
        return wish.not_before

    def _take_rename(self, wish: Wish) -> None:
        name, topic = decode_rename(wish.subject)
        changed = renamed(self._context, name=name, topic=topic)
        (self._fulfilled if changed == self._context else self._carried).append(wish)
        self._context = changed

    def _take_policy(self, wish: Wish) -> None:
        receipts, expiry = decode_policy(wish.subject)
        policy = self._context.policy
        if receipts is not None:
            policy = replace(policy, receipts=receipts)
        if expiry is not None:
            policy = replace(policy, expiry=expiry or None)
        changed = replace(self._context, policy=policy)
        (self._fulfilled if changed == self._context else self._carried).append(wish)
        self._context = changed

    def _take_add(self, wish: Wish) -> None:
        member = MemberId(wish.subject)
        going = any(leaf.index in self._remove for leaf in self._roster.leaves_of(member))
        if going or member in self._leaving:
            return
        self._add_missing(wish, member)

    def _take_add_back(self, wish: Wish) -> None:
        """Anybody may, in the commit that removes a device of theirs that the register refuses; later an admin only."""
        member, register = MemberId(wish.subject), self._register
        refused = {refused.leaf.index for refused in self._roster.refused(register) if refused.leaf.member == member}
        replaces = bool(refused & self._remove)
        if refused and not replaces:
            return
        may_add = may(standing(self._before, register, self._member), RoomAction.ADD)
        if member in self._leaving or not (replaces or may_add):
            self._fulfilled.append(wish)
        else:
            self._add_missing(wish, member)

    def _add_missing(self, wish: Wish, member: MemberId) -> None:
        devices = [device.id for device in self._register.devices_of(member)]
        missing = [device for device in devices if device not in self._roster.devices and device not in self._add]
        space = self._most - len(self._add)
        self._add.extend(missing[:space])
        if len(missing) <= space:
            (self._carried if missing else self._fulfilled).append(wish)

    def _take_add_again(self, wish: Wish) -> None:
        device = DeviceId(wish.subject)
        leaf = self._roster.leaf_of(device)
        if leaf is None or device == self._own or not self._register.device_in_force(device):
            self._fulfilled.append(wish)
        elif len(self._add) < self._most:
            self._add.append(device)
            self._remove.add(leaf.index)
            self._carried.append(wish)

    def _take_removal(self, wish: Wish, leaves: Sequence[LeafClaim]) -> None:
        others = {leaf.index for leaf in leaves if leaf.device != self._own}
        self._remove |= others
        (self._carried if others else self._fulfilled).append(wish)

    def _roster_after(self) -> Roster:
        return _roster_after(self._roster, self._remove, self._add, self._register)


def _roster_after(roster: Roster, remove: set[int], add: Sequence[DeviceId], register: Register) -> Roster:
    staying = [leaf for leaf in roster if leaf.index not in remove]
    taken = {leaf.index for leaf in staying}
    free = (index for index in count() if index not in taken)
    devices = [register.device(device) for device in add]
    joining = [LeafClaim(next(free), register.coterie, one.member, one.id, one.leaf) for one in devices]
    return Roster.of_claims([*staying, *joining])


def _delay(roster: Roster, own: DeviceId, wish: Wish) -> int:
    """The lowest leaf that may act goes at once; each next one waits a little longer, so that few race."""
    able = [leaf for leaf in roster if wish.subject not in (leaf.device, leaf.member)]
    rank = next((rank for rank, leaf in enumerate(able) if leaf.device == own), len(able))
    return min(rank * RANK_DELAY_MS, LONGEST_DELAY_MS)
