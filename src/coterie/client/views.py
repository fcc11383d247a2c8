"""The device's state as facts for people and programs. Reads only."""

from coterie.client.alarms import alarms
from coterie.client.facts import (
    InviteFacts,
    MemberFacts,
    MessageFacts,
    MessageState,
    RoomFacts,
    RoomState,
    Status,
)
from coterie.client.recovery.keeping import phrase_here
from coterie.client.state import DeviceState
from coterie.ids import InviteId, MemberId, RoomId
from coterie.store.facts import Fact
from coterie.store.messages import MessageRow
from coterie.store.rooms import RoomRow


def members(state: DeviceState) -> list[MemberFacts]:
    """All there ever were, in the order of joining."""
    names = state.register.names.members
    register = state.register.state
    return [
        MemberFacts(
            member=member.id,
            name=names.get(member.id),
            role=member.role.value,
            invited_by=member.invited_by,
            joined_at=member.joined_at,
            seat_expires_at=member.seat_expires_at,
            state="active" if member.removed is None else "removed",
            devices=tuple(device for device in member.devices if register.device_in_force(device)),
        )
        for member in sorted(register.members.values(), key=lambda member: (member.joined_at, member.id))
    ]


def invites(state: DeviceState) -> list[InviteFacts]:
    """All that the register knows, in the order of issuing."""
    issued = sorted(state.register.state.invites.values(), key=lambda invite: (invite.issued_at, invite.id))
    return [invite_facts(state, invite.id) for invite in issued]


def invite_facts(state: DeviceState, invite: InviteId) -> InviteFacts:
    known = state.register.state.invite(invite)
    own = state.store.register.invite(invite)
    return InviteFacts(
        invite=known.id,
        link=None if own is None else own.link,
        role=known.role.value,
        seat_seconds=known.seat,
        expires_at=known.expires_at,
        issued_by=known.issued_by,
        state=state.register.invite_state(invite, state.now()),
    )


def room_facts(state: DeviceState, row: RoomRow) -> RoomFacts:
    """Without a state of the group (left, removed) nobody is listed."""
    members: tuple[MemberId, ...] = ()
    admins: tuple[MemberId, ...] = ()
    if state.store.groups.has_state(row.group):
        roster = state.roster(row.group)
        members = tuple(dict.fromkeys(leaf.member for leaf in roster))
        admins = state.context(row.group).admins
    return RoomFacts(row.room, row.name, row.topic, RoomState(row.state), row.reason, members, admins)


def rooms(state: DeviceState) -> list[RoomFacts]:
    return [room_facts(state, row) for row in state.store.rooms.all()]


def message_facts(state: DeviceState, row: MessageRow) -> MessageFacts:
    return MessageFacts(
        message=row.message,
        room=RoomId(row.room),
        sender=state.register.name(row.member),
        sender_member=row.member,
        sent_at=row.sent_at,
        received_at=row.received_at,
        kind=row.kind,
        text=row.text,
        state=MessageState(row.state),
    )


def status(state: DeviceState, *, connected: bool) -> Status:
    held = [room for room in rooms(state) if room.state in (RoomState.HELD, RoomState.STUCK, RoomState.SPLIT)]
    return Status(
        coterie=state.own.coterie,
        coterie_name=state.register.names.coterie,
        member=state.own.member,
        device=state.own.device,
        server=state.own.addresses[0],
        connected=connected,
        confirmed=bool(state.store.facts.number(Fact.CONFIRMED)),
        phrase_confirmed=not phrase_here(state.store.facts),
        outbox=state.store.outbox.unsent(),
        register_seq=state.register.seq,
        register_hash=state.register.state.head.hash,
        held_rooms=tuple(held),
        alarms=tuple(alarms(state)),
    )
