"""Seats that go on or run out, roles that change, and the policy by which that goes."""

from dataclasses import replace

from coterie.trust.entry import DecodedEntry
from coterie.trust.kinds import PolicySet, Role, RoleChanged, SeatLapsed, SeatRenewed
from coterie.trust.powers import Action, may
from coterie.trust.reasons import Reason, RegisterError
from coterie.trust.register import Act, Member, Register, Removal
from coterie.trust.rules.rule import demand


def renewed(state: Register, entry: DecodedEntry, public: SeatRenewed) -> Register:
    author = state.member_of(entry.author)
    member = state.member(public.member_id)
    demand(may(author.role, Action.RENEW_SEAT, member.role))
    demand(author.id != member.id, Reason.OWN_SEAT)
    if member.removed is not None:
        raise RegisterError(Reason.MEMBER_GONE)
    demand(_is_longer(entry.at, member, public.expires_at), Reason.SEAT_NOT_LONGER)
    seated = replace(member, seat_expires_at=public.expires_at, lapsed=None)
    return replace(state, members=state.members.set(member.id, seated))


def _is_longer(at: int, member: Member, expires_at: int | None) -> bool:
    """A renewal takes nothing away: else it would be a removal in disguise."""
    if member.seat_expires_at is None:
        return False
    return expires_at is None or expires_at > max(at, member.seat_expires_at)


def lapsed(state: Register, entry: DecodedEntry, public: SeatLapsed) -> Register:
    author = state.member_of(entry.author)
    member = state.member(public.member_id)
    demand(may(author.role, Action.LAPSE_SEAT, member.role))
    if member.removed is not None:
        raise RegisterError(Reason.MEMBER_GONE)
    if member.lapsed is not None:
        raise RegisterError(Reason.SEAT_LAPSED)
    ends_at = state.seat_lapses_at(member)
    demand(ends_at is not None and entry.at >= ends_at, Reason.SEAT_NOT_OVER)
    over = replace(member, lapsed=Removal(entry.at, entry.seq, author.id))
    return replace(state, members=state.members.set(member.id, over), rotation_due=entry.author)


def role_change(state: Register, author: Member, public: RoleChanged) -> Act | None:
    member = state.member(public.member_id)
    if member.role is Role.FOUNDER:
        raise RegisterError(Reason.FOUNDER_STAYS)
    if public.role is Role.FOUNDER:
        raise RegisterError(Reason.NO_SECOND_FOUNDER)
    if author.id == member.id and member.role is Role.STEWARD and public.role in (Role.MEMBER, Role.GUEST):
        return None
    return Act(Action.CHANGE_ROLE, frozenset({member.role, public.role}), member.id)


def role_changed(state: Register, _: DecodedEntry, public: RoleChanged) -> Register:
    member = state.member(public.member_id)
    if member.removed is not None:
        raise RegisterError(Reason.MEMBER_GONE)
    demand(member.role is not public.role, Reason.SAME_ROLE)
    return replace(state, members=state.members.set(member.id, replace(member, role=public.role)))


def policy_setting(_state: Register, _author: Member, _public: PolicySet) -> Act | None:
    return Act(Action.SET_POLICY, frozenset(Role))


def policy_set(state: Register, _: DecodedEntry, public: PolicySet) -> Register:
    return replace(state, policy=public)
