"""The device's state as facts for people and programs. Reads only."""

from collections.abc import Sequence

from coterie.client.alarms import alarms
from coterie.client.facts import (
    InviteFacts,
    MemberFacts,
    MessageFacts,
    MessageState,
    OptionFacts,
    ReactionFacts,
    RoomFacts,
    RoomState,
    Status,
)
from coterie.client.membership.entering import Step
from coterie.client.recovery.keeping import phrase_here
from coterie.client.rooms import said
from coterie.client.rooms.content_row import understood
from coterie.client.state import DeviceState
from coterie.content import MessageStatus, Poll, mentioned, with_names
from coterie.content.projection import NOTHING, Shown
from coterie.group.context import Policy
from coterie.ids import InviteId, MemberId, MessageId, RoomId
from coterie.store.facts import Fact
from coterie.store.messages import Gone, MessageRow
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
            state=state.register.member_state(member),
            devices=tuple(device for device in member.devices if register.device_in_force(device)),
            verified=state.store.verified.holds(member.id, member.identity),
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
    policy = Policy(receipts=False)
    if state.store.groups.has_state(row.group):
        roster, context = state.roster(row.group), state.context(row.group)
        members = tuple(dict.fromkeys(leaf.member for leaf in roster))
        admins, policy = context.admins, context.policy
    mark = state.store.marks.get(row.room)
    muted = mark.muted_until is not None and mark.muted_until > state.now()
    return RoomFacts(
        room=row.room,
        name=row.name,
        topic=row.topic,
        state=RoomState(row.state),
        reason=row.reason,
        members=members,
        admins=admins,
        unread=state.store.messages.unread(row.room),
        receipts=policy.receipts,
        expiry_seconds=policy.expiry,
        muted_until=mark.muted_until if muted else None,
        archived=mark.archived,
        draft=mark.draft,
    )


def rooms(state: DeviceState) -> list[RoomFacts]:
    return [room_facts(state, row) for row in state.store.rooms.all()]


def messages(state: DeviceState, rows: Sequence[MessageRow]) -> list[MessageFacts]:
    """With what was said about them, in the order of `rows`."""
    about: dict[MessageId, Shown] = {}
    for room in dict.fromkeys(row.room for row in rows):
        about |= said.shown(state, room, [row for row in rows if row.room == room])
    return [_message(state, row, about.get(row.message, NOTHING)) for row in rows]


def _message(state: DeviceState, row: MessageRow, shown: Shown) -> MessageFacts:
    answered = None if row.reply_to is None else state.store.messages.named(row.room, row.reply_to)
    mine = row.member == state.own.member and bool(row.named) and not row.gone
    receipts = state.store.receipts.of_target(row.room, row.named) if mine else {}
    return MessageFacts(
        message=row.message,
        room=RoomId(row.room),
        sender=state.register.name(row.member),
        sender_member=row.member,
        sent_at=row.sent_at,
        received_at=row.received_at,
        kind=row.kind,
        text=with_names(row.text, state.own.coterie, state.register.name) if row.kind == "text" else row.text,
        state=MessageState(row.state),
        reply_to=None if answered is None else answered.message,
        reactions=tuple(ReactionFacts(emoji, members) for emoji, members in shown.reactions),
        edited=row.edited_at is not None and not row.gone,
        deleted=row.gone in (Gone.DELETED, Gone.HIDDEN),
        expired=row.gone == Gone.EXPIRED,
        expires_at=row.expires_at,
        mentions=mentioned(row.text, state.own.coterie) if row.kind == "text" else (),
        pinned=shown.pinned_by is not None,
        options=_options(row, shown),
        read_by=tuple(member for member, status in receipts.items() if status == MessageStatus.READ),
        unread=row.unread,
    )


def _options(row: MessageRow, shown: Shown) -> tuple[OptionFacts, ...]:
    content = understood(row.content) if row.kind == "poll" and not row.gone else None
    if not isinstance(content, Poll):
        return ()
    votes = shown.votes or ((),) * len(content.options)
    return tuple(OptionFacts(text, members) for text, members in zip(content.options, votes, strict=True))


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
        history_only=state.store.facts.get(Fact.STEP) == Step.RESTORED.encode(),
        outbox=state.store.outbox.unsent(),
        register_seq=state.register.seq,
        register_hash=state.register.state.head.hash,
        held_rooms=tuple(held),
        alarms=tuple(alarms(state)),
    )
