"""What follows once a commit has been merged: the room's name, its lines for people, Bases for joiners, its wishes.

Runs inside the transaction that merged it.
"""

from dataclasses import replace

import msgspec

from coterie.client.chores import ChoreKind
from coterie.client.facts import MessageState, RoomState
from coterie.client.rooms.wishes import Action
from coterie.client.state import DeviceState
from coterie.group.inbox_bodies import Base
from coterie.group.verdict import Accepted, Change, ChangeKind
from coterie.ids import DeviceId, MemberId, RoomId
from coterie.store.groups import GroupRow, PendingRow


class PendingPlan(msgspec.Struct, frozen=True, array_like=True):
    """What our own commit is to be followed by: the joiners with their encoded Welcomes, in the order of the
    deliveries; the lines that people are shown; which devices it added again; the register it was judged by; the wishes
    it does."""

    joiners: list[tuple[bytes, bytes]]
    notices: list[str]
    again: list[bytes]
    register_seq: int
    wishes: list[int]

    def encode(self) -> bytes:
        return msgspec.msgpack.encode(self)


def decode_plan(encoded: bytes) -> PendingPlan:
    return msgspec.msgpack.decode(encoded, type=PendingPlan)


def commit_won(state: DeviceState, row: GroupRow, pending: PendingRow, at: int) -> None:
    """Our own commit is in the queue since log time `at`, and merged. `row` has it behind."""
    plan = decode_plan(pending.plan)
    row = replace(row, register_floor=plan.register_seq)
    row = _settle(state, row, [DeviceId(device) for device in plan.again], at)
    for text in plan.notices:
        state.notice(row.room, row.place, row.cursor, text)
    for wish in plan.wishes:
        # whatever comes after it: a wish is for once
        state.store.rooms.finish_wish(wish)
    if row.chain is not None:
        base = Base(row.group, row.epoch, row.cursor, row.chain, sorted(row.leaving or ()))
        for device, _ in plan.joiners:
            state.post(DeviceId(device), base)


def commit_merged(
    state: DeviceState, row: GroupRow, verdict: Accepted, committer: MemberId, at: int, *, removes_me: bool
) -> None:
    """Another's commit is merged. `row` has it behind."""
    for change in verdict.changes:
        text = sentence(state, change, committer)
        if text:
            state.notice(row.room, row.place, row.cursor, text)
    if removes_me:
        state.store.groups.put(row)
        left = row.leaving is not None and state.own.member in row.leaving
        state.store.rooms.set_state(
            row.room, RoomState.LEFT if left else RoomState.REMOVED, "you left" if left else "you were removed"
        )
        keep_unsent(state, row.room)
        state.groups.drop(row.group)
        return
    again = [change.device for change in verdict.changes if change.kind is ChangeKind.DEVICE_ADDED_AGAIN]
    _settle(state, row, [device for device in again if device is not None], at)


def _settle(state: DeviceState, row: GroupRow, again: list[DeviceId], at: int) -> GroupRow:
    """Bring the room's row, wishes and outbox to the epoch that has begun, and store `row`."""
    roster, context = state.roster(row.group), state.context(row.group)
    leaving = None if row.leaving is None else row.leaving & roster.members
    epoch = state.groups.get(row.group).epoch
    row = replace(row, leaving=leaving, epoch=epoch, roster=roster.devices)
    state.store.groups.put(row)
    room = state.room(row.room)
    state.store.rooms.put(replace(room, name=context.name, topic=context.topic))
    state.store.groups.finish_commit(row.group)
    state.store.chores.finish(ChoreKind.DECIDE, row.group)
    state.undecidable.discard(row.group)
    for device in again:
        state.store.groups.note_added_again(row.group, device, at)
    for wish in state.store.rooms.wishes(row.room):
        if wish.action == Action.ADD_AGAIN and wish.subject in again:
            state.store.rooms.finish_wish(wish.id)
    for out in state.store.outbox.of_room(row.room):
        # the queue is ordered and a post is bound to its epoch: what has not come back by now was not accepted
        if out.group == row.group and out.ciphertext is not None:
            state.store.outbox.not_accepted(out.id)
    if state.store.chores.planned(ChoreKind.UPDATE_PATH, row.group) is None:
        state.store.chores.plan(ChoreKind.UPDATE_PATH, row.group, state.now() + ChoreKind.UPDATE_PATH.every_ms)
    return row


def keep_unsent(state: DeviceState, room: RoomId) -> None:
    """The room is over for this device: what waited to be sent stays readable here, in this place, and goes nowhere."""
    row = state.group_of(room)
    for out in state.store.outbox.of_room(room):
        if out.posted is None:
            state.store.messages.place(out.message, row.place, row.cursor, MessageState.UNSENT)
        state.store.outbox.finish(out.id)
    for wish in state.store.rooms.wishes(room):
        state.store.rooms.finish_wish(wish.id)


def _a_device_of(state: DeviceState, change: Change, whom: str) -> str:
    return "another device of yours" if change.member == state.own.member else f"a device of {whom}"


def sentence(state: DeviceState, change: Change, committer: MemberId | None) -> str:
    """A change in words, with names as known now; empty for what nobody needs to read."""
    who = "you" if committer == state.own.member else state.register.name(committer) if committer else "somebody"
    whom = "" if change.member is None else state.register.name(change.member)
    if change.member == state.own.member:
        whom = "you"
    match change.kind:
        case ChangeKind.MEMBER_ADDED:
            return f"{who} added {whom}"
        case ChangeKind.MEMBER_REMOVED:
            return f"{who} removed {whom}"
        case ChangeKind.MEMBER_LEFT:
            return f"{whom} left"
        case ChangeKind.MEMBER_LOST:
            return f"{whom} is no longer in the coterie and was removed"
        case ChangeKind.DEVICE_ADDED:
            return f"{_a_device_of(state, change, whom)} was added"
        case ChangeKind.DEVICE_REMOVED:
            return f"{_a_device_of(state, change, whom)} was removed"
        case ChangeKind.DEVICE_ADDED_AGAIN:
            return ""
        case ChangeKind.RENAMED:
            return f"{who} named the room {change.text!r}"
        case ChangeKind.TOPIC_CHANGED:
            return f"{who} set the topic: {change.text}"
        case ChangeKind.ADMIN_APPOINTED:
            return f"{whom} became an admin"
        case ChangeKind.ADMIN_DISMISSED:
            return f"{whom} is no longer an admin"
        case ChangeKind.POLICY_CHANGED:
            return f"{who} set for the room: {change.text}" if change.text else f"{who} changed the room's policy"
