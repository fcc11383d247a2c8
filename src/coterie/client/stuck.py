"""A commit that this device cannot process must not brick a room (docs/protocol/groups.md, "Stuck").

The device says so to the roster. Whoever merged the entry adds it again. If nobody did, an admin founds the successor
group: by command, or by itself when devices of two members were stuck for ten minutes and none reported a merge.
"""

from enum import Enum, auto

from coterie.client.chores import ChoreKind
from coterie.client.facts import RoomState
from coterie.client.new_group import new_group
from coterie.client.state import DeviceState
from coterie.client.wishes import Action
from coterie.errors import RefusedError
from coterie.group.inbox_bodies import Rejoin, Stuck, Succession
from coterie.group.judge import settled
from coterie.group.roster import Roster
from coterie.ids import DeviceId, GroupId, MemberId, RoomId
from coterie.store.chores import StuckReport, SuccessionRow
from coterie.store.groups import GroupRow


class NotStuck(RefusedError):
    code = "not_stuck"


def get_stuck(state: DeviceState, group: GroupId, entry_hash: bytes, reason: str) -> None:
    """This device cannot process the entry that ends the group's epoch: hold the room and tell everybody in it."""
    with state.groups.changing():
        mls = state.groups.get(group)
        row = state.store.groups.get(group)
        if row is None:
            raise KeyError(group)
        mls.discard_pending()
        state.store.groups.finish_commit(group)
        sentence = f"a change to this room cannot be processed ({reason}); waiting to be added again"
        state.store.rooms.set_state(row.room, RoomState.STUCK, sentence)
        report = StuckReport(state.own.device, entry_hash, reason, state.now())
        state.store.chores.report_stuck(group, mls.epoch, report)
        for leaf in state.roster(group):
            state.post(leaf.device, Stuck(group, mls.epoch, entry_hash, reason))
        state.store.chores.plan(ChoreKind.STUCK_ROOM, group, state.now() + ChoreKind.STUCK_ROOM.every_ms)
        if reason == "other-register":
            state.alarm(
                "forked register",
                group.hex(),
                f"a change to the room {state.room(row.room).name!r} names another register than yours",
                "the server may show different members to different people: compare safety numbers with a steward",
            )
    state.changed()


def epoch_left(state: DeviceState, group: GroupId, epoch: int, entry_hash: bytes) -> None:
    """This device merged the entry: add those again who said that they could not; in a transaction."""
    row = state.store.groups.get(group)
    for report in state.store.chores.stuck_reports(group, epoch):
        if row is not None and report.entry_hash == entry_hash:
            state.store.rooms.wish(row.room, Action.ADD_AGAIN, report.device, state.now())
    if row is not None and _succeeded(state, row, epoch):
        _split(state, row.room, None)


def _succeeded(state: DeviceState, row: GroupRow, epoch: int) -> bool:
    """Somebody founded a successor because this epoch's end could not be processed."""
    known = state.store.chores.successions(row.room)
    return any((said.group, said.epoch) == (row.group, epoch) for said in known)


def hear_stuck(state: DeviceState, sender: DeviceId, said: Stuck) -> None:
    """Another device is stuck; in a transaction."""
    row = state.store.groups.get(GroupId(said.group))
    if row is None or not state.store.groups.has_state(row.group):
        return
    if state.roster(row.group).leaf_of(sender) is None:
        return
    report = StuckReport(sender, said.entry_hash, said.reason, state.now())
    state.store.chores.report_stuck(row.group, said.epoch, report)
    merged = state.store.groups.epoch_ended_by(row.group, said.epoch)
    if merged == said.entry_hash:
        state.store.rooms.wish(row.room, Action.ADD_AGAIN, sender, state.now())
    elif merged is not None:
        _split(state, row.room, sender)


def hear_rejoin(state: DeviceState, sender: DeviceId, said: Rejoin) -> None:
    """A device of the room lost its state; in a transaction."""
    row = state.store.groups.get(GroupId(said.group))
    if row is None or state.room(row.room).state not in (RoomState.ACTIVE, RoomState.HELD):
        return
    if state.roster(row.group).leaf_of(sender) is not None:
        state.store.rooms.wish(row.room, Action.ADD_AGAIN, sender, state.now())


def hear_succession(state: DeviceState, member: MemberId, said: Succession) -> None:
    """An admin founded a successor; in a transaction. `place_of` then lets its Welcome in."""
    row = state.store.groups.get(GroupId(said.group))
    if row is None or row.room != said.room:
        return
    merged = state.store.groups.epoch_ended_by(row.group, said.epoch)
    if merged is not None:
        _split(state, row.room, None)
        return
    if not state.store.groups.has_state(row.group) or member not in state.context(row.group).admins:
        return
    state.store.chores.put_succession(_row_of(said))


def _row_of(said: Succession) -> SuccessionRow:
    groups = GroupId(said.group), GroupId(said.successor)
    return SuccessionRow(RoomId(said.room), *groups, said.epoch, said.entry_hash, said.rank)


class Place(Enum):
    """Whether a group may take its room's place on this device."""

    OPEN = auto()
    """The room is new here, or left, or this is its group, or its successor, which goes before what is here."""
    NOT_YET = auto()
    """The room is here with another group, and no succession explains it: that may still be on its way."""
    OUTRANKED = auto()
    """A successor of lower rank is known."""


def place_of(state: DeviceState, room: RoomId, group: GroupId) -> Place:
    here = state.store.rooms.get(room)
    if here is None or here.state in (RoomState.LEFT, RoomState.REMOVED) or here.group == group:
        return Place.OPEN
    known = state.store.chores.successions(room)
    origin = next((row.group for row in known if row.successor == group), None)
    rivals = [row.successor for row in known if row.group == origin]
    if origin is None or (here.group not in rivals and (here.group, here.state) != (origin, RoomState.STUCK)):
        return Place.NOT_YET
    return Place.OPEN if rivals[0] == group else Place.OUTRANKED


def _split(state: DeviceState, room: RoomId, sender: DeviceId | None) -> None:
    name = state.room(room).name
    state.alarm(
        "room split",
        room.hex(),
        f"devices in the room {name!r} were shown different changes at the same place",
        "ask the others what they see, over another channel; an admin can found a successor of the room",
    )


def successor_is_due(state: DeviceState, row: GroupRow) -> bool:
    """Devices of two members or more are stuck at the same entry, none merged it, and this device may found: its member
    is an admin."""
    here = state.room(row.room)
    if here.state != RoomState.STUCK or here.group != row.group or not state.store.groups.has_state(row.group):
        return False
    if state.own.member not in state.context(row.group).admins or state.store.chores.successions(row.room):
        return False
    reports = state.store.chores.stuck_reports(row.group, state.groups.get(row.group).epoch)
    at = {report.entry_hash for report in reports if report.device == state.own.device}
    devices = state.register.state.devices
    members = {devices[said.device].member for said in reports if said.entry_hash in at and said.device in devices}
    return len(members) >= 2


def ask_again(state: DeviceState, reason: str, only: RoomId | None = None) -> None:
    """Drop the ratchets of all rooms (the store was copied), or of one, and ask to be added again. History stays."""
    with state.groups.changing():
        for room in state.store.rooms.all():
            if only is not None and room.room != only:
                continue
            row = state.store.groups.get(room.group)
            if (
                row is None
                or room.state in (RoomState.LEFT, RoomState.REMOVED)
                or not state.store.groups.has_state(row.group)
            ):
                continue
            epoch = state.groups.get(row.group).epoch
            for leaf in state.roster(row.group):
                state.post(leaf.device, Rejoin(room.room, row.group, epoch))
            for out in state.store.outbox.of_room(room.room):
                state.store.outbox.not_accepted(out.id)
            state.groups.drop(row.group)
            state.store.rooms.set_state(room.room, RoomState.STUCK, reason)
    state.changed()


def found_successor(state: DeviceState, room: RoomId) -> GroupId:
    """Found the group that carries a stuck room on, and tell the roster. Raises NotStuck, also to who is no admin."""
    here, row = state.room(room), state.group_of(room)
    if here.state != RoomState.STUCK or not state.store.groups.has_state(row.group):
        raise NotStuck("this room is not stuck, or this device has no state of it", "`coterie status` says why")
    with state.groups.changing():
        context, roster = state.context(row.group), state.roster(row.group)
        if state.own.member not in context.admins:
            raise NotStuck("only an admin of the room can found its successor", "ask one of them")
        epoch = state.groups.get(row.group).epoch
        own = [said for said in state.store.chores.stuck_reports(row.group, epoch) if said.device == state.own.device]
        if not own:
            raise NotStuck("this device does not know which change the room is stuck at", "ask another admin")
        in_force = Roster.of_claims(leaf for leaf in roster if state.register.state.device_in_force(leaf.device))
        successor = new_group(state, settled(context, in_force, state.register.state), row.place + 1)
        said = Succession(room, row.group, epoch, own[0].entry_hash, successor.group, successor.queue)
        state.store.chores.put_succession(_row_of(said))
        for leaf in in_force:
            state.post(leaf.device, said)
        for member in sorted(in_force.members - {state.own.member}):
            state.store.rooms.wish(room, Action.ADD, member, state.now())
        state.notice(
            room, successor.place, None, "you founded this room again, because a change could not be processed"
        )
    state.changed()
    return successor.group
