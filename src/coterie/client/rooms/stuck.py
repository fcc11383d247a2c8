"""A commit that this device cannot process must not brick a room (docs/protocol/groups.md, "Stuck").

The device says so to the roster. Whoever merged the entry adds it again. If nobody did, an admin founds the successor
group: by command, or by itself when devices of two members were stuck for ten minutes and none reported a merge.
"""

from enum import Enum, auto
from typing import Final

from coterie.client.chores import ChoreKind
from coterie.client.facts import RoomState
from coterie.client.rooms.new_group import new_group
from coterie.client.rooms.wishes import Action
from coterie.client.state import DeviceState
from coterie.errors import RefusedError
from coterie.group.inbox_bodies import Rejoin, Stuck, Succession
from coterie.group.judge import settled
from coterie.group.roster import Roster
from coterie.ids import DeviceId, GroupId, MemberId, QueueId, RoomId
from coterie.store.chores import StuckReport, SuccessionRow
from coterie.store.groups import GroupRow

EPOCHS_AHEAD: Final = 1000
"""Reports about epochs further ahead than this are not kept: nobody can be that far ahead of the queue."""


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
        _split(state, row.room)


def _succeeded(state: DeviceState, row: GroupRow, epoch: int) -> bool:
    """Somebody founded a successor because this epoch's end could not be processed."""
    known = state.store.chores.successions(row.room)
    return any((said.group, said.epoch) == (row.group, epoch) for said in known)


def hear_stuck(state: DeviceState, sender: DeviceId, said: Stuck, at: int) -> None:
    """Another device said at log time `at` that it is stuck; in a transaction."""
    row = state.store.groups.get(GroupId(said.group))
    if row is None or not state.store.groups.has_state(row.group):
        return
    if state.roster(row.group).leaf_of(sender) is None:
        return
    report = StuckReport(sender, said.entry_hash, said.reason, state.now())
    merged = state.store.groups.epoch_ended_by(row.group, said.epoch)
    if merged == said.entry_hash:
        if not state.store.groups.added_again_since(row.group, sender, at):
            state.store.rooms.wish(row.room, Action.ADD_AGAIN, sender, state.now())
    elif merged is not None:
        _split(state, row.room)
    elif said.epoch <= state.groups.get(row.group).epoch + EPOCHS_AHEAD:
        state.store.chores.report_stuck(row.group, said.epoch, report)


def hear_rejoin(state: DeviceState, sender: DeviceId, said: Rejoin, at: int) -> None:
    """A device of the room said at log time `at` that it lost its state; in a transaction."""
    row = state.store.groups.get(GroupId(said.group))
    if row is None or not state.store.groups.has_state(row.group):
        return
    here = state.room(row.room)
    if here.group != row.group or here.state not in (RoomState.ACTIVE, RoomState.HELD):
        return
    mended = state.store.groups.added_again_since(row.group, sender, at)
    if state.roster(row.group).leaf_of(sender) is not None and not mended:
        state.store.rooms.wish(row.room, Action.ADD_AGAIN, sender, state.now())


def hear_succession(state: DeviceState, member: MemberId, said: Succession) -> None:
    """An admin founded a successor; in a transaction. `place_of` then lets its Welcome in."""
    row = state.store.groups.get(GroupId(said.group))
    if row is None or row.room != said.room:
        return
    own = [seen for seen in state.store.chores.stuck_reports(row.group, said.epoch) if seen.device == state.own.device]
    elsewhere = any(seen.entry_hash != said.entry_hash for seen in own)
    if elsewhere or state.store.groups.epoch_ended_by(row.group, said.epoch) is not None:
        _split(state, row.room)
        return
    if not state.store.groups.has_state(row.group) or member not in state.context(row.group).admins:
        return
    state.store.chores.put_succession(_row_of(said, member))


def _row_of(said: Succession, author: MemberId) -> SuccessionRow:
    groups = GroupId(said.group), GroupId(said.successor)
    queue = QueueId(said.successor_queue)
    return SuccessionRow(RoomId(said.room), *groups, said.epoch, said.entry_hash, said.rank, queue, author)


def founder_of(state: DeviceState, room: RoomId, successor: GroupId) -> SuccessionRow | None:
    """The succession that explains this group, if one does."""
    known = state.store.chores.successions(room)
    return next((row for row in known if row.successor == successor), None)


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


def _split(state: DeviceState, room: RoomId) -> None:
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
    epoch = state.groups.get(row.group).epoch
    if state.own.member not in state.context(row.group).admins or _succeeded(state, row, epoch):
        return False
    reports = state.store.chores.stuck_reports(row.group, epoch)
    at = {report.entry_hash for report in reports if report.device == state.own.device}
    devices = state.register.state.devices
    members = {devices[said.device].member for said in reports if said.entry_hash in at and said.device in devices}
    return len(members) >= 2


def ask_again(state: DeviceState, reason: str, only: RoomId | None = None) -> None:
    """Drop the ratchets of all rooms, or of one, and ask to be added again. History stays."""
    with state.groups.changing():
        drop_ratchets(state, reason, only)
    state.changed()


def drop_ratchets(state: DeviceState, reason: str, only: RoomId | None = None) -> None:
    """The same, inside a transaction. A room whose ratchets are gone already is asked for once more."""
    for room in state.store.rooms.all():
        row = state.store.groups.get(room.group)
        if (only is not None and room.room != only) or row is None:
            continue
        if room.state in (RoomState.LEFT, RoomState.REMOVED):
            continue
        _ask_roster(state, row)
        for out in state.store.outbox.of_room(room.room):
            state.store.outbox.not_accepted(out.id)
        state.groups.drop(row.group)
        state.store.rooms.set_state(room.room, RoomState.STUCK, reason)
        state.store.chores.plan(ChoreKind.STUCK_ROOM, row.group, state.now() + ChoreKind.STUCK_ROOM.every_ms)


def _ask_roster(state: DeviceState, row: GroupRow) -> None:
    """Say to all that this device cannot follow: with the entry that it is stuck at, or that its state is lost."""
    if not state.store.groups.has_state(row.group):
        for device in sorted(row.roster):
            state.post(device, Rejoin(row.room, row.group, row.epoch))
        return
    epoch = state.groups.get(row.group).epoch
    own = [said for said in state.store.chores.stuck_reports(row.group, epoch) if said.device == state.own.device]
    for leaf in state.roster(row.group):
        if own:
            state.post(leaf.device, Stuck(row.group, epoch, own[0].entry_hash, own[0].reason))
        else:
            state.post(leaf.device, Rejoin(row.room, row.group, epoch))


def still_stuck(state: DeviceState, row: GroupRow) -> None:
    """Nobody has added this device again yet: ask once more; in a transaction."""
    _ask_roster(state, row)


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
        state.store.chores.put_succession(_row_of(said, state.own.member))
        for leaf in in_force:
            state.post(leaf.device, said)
        for member in sorted(in_force.members - {state.own.member}):
            state.store.rooms.wish(room, Action.ADD, member, state.now())
        state.notice(
            room, successor.place, None, "you founded this room again, because a change could not be processed"
        )
    state.changed()
    return successor.group
