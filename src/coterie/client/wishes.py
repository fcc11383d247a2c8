"""What this device wants to change in a room, and the commit that would do as much of it as can go together.

A wish stays in the store until the room is as wished, whoever's commit made it so; a commit that lost its race is built
again from the wishes that are left. The removals that the register demands are wishes too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from typing import Final

import msgspec

from coterie.client.state import DeviceState
from coterie.group.context import RoomContext, renamed
from coterie.group.credential import LeafClaim
from coterie.group.judge import settled
from coterie.group.roster import Roster
from coterie.ids import DeviceId, MemberId, RoomId
from coterie.store.groups import GroupRow
from coterie.store.rooms import Wish
from coterie.trust import Register

ADDS_PER_COMMIT: Final = 30
ADDS_WITH_PATH: Final = 15
"""Commit and Welcomes fit one frame (a Welcome is sealed in 3.2 kB, and a path may fill an entry by itself); more adds
are more commits."""
RANK_DELAY_MS: Final = 1000
LONGEST_DELAY_MS: Final = 10_000


class Action(StrEnum):
    ADD = "add"
    """subject: a member; all their devices come in."""
    REMOVE = "remove"
    """subject: a member, by an admin's will."""
    REMOVE_LEAVING = "remove leaving"
    """subject: a member who said that they leave."""
    REMOVE_REFUSED = "remove refused"
    """subject: a device that the register refuses."""
    ADD_AGAIN = "add again"
    """subject: a device of the room that lost its state."""
    RENAME = "rename"
    """subject: MessagePack of [name or nil, topic or nil]."""
    RENEW = "renew"
    """no subject: the same, before anything is written: another copy of this device may have used its ratchet."""
    UPDATE = "update"
    """no subject: fresh keys on this device's path."""


_FOR_ANYBODY: Final = frozenset({Action.REMOVE_LEAVING, Action.REMOVE_REFUSED, Action.ADD_AGAIN})
"""Any member may do these, so the lowest leaf goes first and the others wait, each a little longer."""


@dataclass(frozen=True)
class CommitPlan:
    """`carried` are the wishes that it does in full, `fulfilled` those for which nothing is left to do. `ripe_at`: some
    wish waits for others to go first until then (None: nothing waits)."""

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


def encode_rename(name: str | None, topic: str | None) -> bytes:
    return msgspec.msgpack.encode([name, topic])


def decode_rename(subject: bytes) -> tuple[str | None, str | None]:
    name, topic = msgspec.msgpack.decode(subject, type=tuple[str | None, str | None])
    return name, topic


def wish_refused_out(state: DeviceState, room: RoomId, roster: Roster) -> bool:
    """Wish out what the register refuses; in a transaction. True while there is such a leaf: the room is held."""
    refused = roster.refused(state.register.state)
    for leaf in refused:
        state.store.rooms.wish(room, Action.REMOVE_REFUSED, leaf.leaf.device, state.now())
    return bool(refused)


def plan_commit(state: DeviceState, row: GroupRow) -> CommitPlan:
    """The next commit of a room, from its wishes, roster and register."""
    register, roster = state.register.state, state.roster(row.group)
    before = context = state.context(row.group)
    own = roster.leaf_of(state.own.device)
    add: list[DeviceId] = []
    remove: set[int] = set()
    carried: list[Wish] = []
    fulfilled: list[Wish] = []
    ripe_at: int | None = None
    path = held = False
    wishes = state.store.rooms.wishes(row.room)
    most = ADDS_PER_COMMIT if all(wish.action == Action.ADD for wish in wishes) else ADDS_WITH_PATH
    for wish in wishes:
        action = Action(wish.action)
        if action in _FOR_ANYBODY:
            ripe = wish.made_at + _delay(roster, state.own.device, wish)
            # one made later than now is of a clock that was ahead
            if wish.made_at <= state.now() < ripe:
                ripe_at = ripe if ripe_at is None else min(ripe, ripe_at)
                held = held or action is Action.REMOVE_REFUSED
                continue
        if wish.not_before > state.now():
            ripe_at = wish.not_before if ripe_at is None else min(wish.not_before, ripe_at)
            continue
        space = most - len(add)
        if action in (Action.UPDATE, Action.RENEW):
            path = True
            carried.append(wish)
        elif action is Action.RENAME:
            name, topic = decode_rename(wish.subject)
            changed = renamed(context, name=name, topic=topic)
            (fulfilled if changed == context else carried).append(wish)
            context = changed
        elif action is Action.ADD:
            member = MemberId(wish.subject)
            devices = [device.id for device in register.devices_of(member) if register.device_in_force(device.id)]
            missing = [device for device in devices if device not in roster.devices and device not in add]
            add.extend(missing[:space])
            if len(missing) <= space:
                (carried if missing else fulfilled).append(wish)
        else:
            leaves = _leaves(roster, action, wish.subject)
            if own is not None:
                leaves = tuple(leaf for leaf in leaves if leaf != own.index)
            add_again = action is Action.ADD_AGAIN
            if not leaves or (add_again and not register.device_in_force(DeviceId(wish.subject))):
                fulfilled.append(wish)
                continue
            if add_again and not space:
                continue
            if add_again:
                add.append(DeviceId(wish.subject))
            remove.update(leaves)
            carried.append(wish)
    if held:
        # no commit stands that leaves them in, and others go first
        return CommitPlan(fulfilled=tuple(fulfilled), ripe_at=ripe_at)
    if add or remove or path or context != before:
        # a commit drops the admins who are not in, or it does not stand
        context = settled(context, _roster_after(roster, remove, add, register), register)
    return CommitPlan(
        add=tuple(add),
        remove=frozenset(remove),
        context=None if context == before else context,
        path=path or bool(remove),
        carried=tuple(carried),
        fulfilled=tuple(fulfilled),
        ripe_at=ripe_at,
    )


def _roster_after(roster: Roster, remove: set[int], add: Sequence[DeviceId], register: Register) -> Roster:
    staying = [leaf for leaf in roster if leaf.index not in remove]
    taken = {leaf.index for leaf in staying}
    free = (index for index in count() if index not in taken)
    devices = [register.device(device) for device in add]
    joining = [LeafClaim(next(free), register.coterie, one.member, one.id, one.leaf) for one in devices]
    return Roster.of_claims([*staying, *joining])


def _leaves(roster: Roster, action: Action, subject: bytes) -> tuple[int, ...]:
    if action in (Action.REMOVE, Action.REMOVE_LEAVING):
        return tuple(leaf.index for leaf in roster.leaves_of(MemberId(subject)))
    leaf = roster.leaf_of(DeviceId(subject))
    return () if leaf is None else (leaf.index,)


def _delay(roster: Roster, own: DeviceId, wish: Wish) -> int:
    """The lowest leaf that may act goes at once; each next one waits a little longer, so that few race."""
    able = [leaf for leaf in roster if wish.subject not in (leaf.device, leaf.member)]
    rank = next((rank for rank, leaf in enumerate(able) if leaf.device == own), len(able))
    return min(rank * RANK_DELAY_MS, LONGEST_DELAY_MS)
