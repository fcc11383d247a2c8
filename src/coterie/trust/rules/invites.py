"""Invites, and joining by one."""

from dataclasses import replace

from coterie.ids import InviteId, PublicKey
from coterie.trust.entry import DecodedEntry
from coterie.trust.keys import Purpose, member_id
from coterie.trust.kinds import InviteIssued, InviteRevoked, Joined, Role
from coterie.trust.powers import Action, is_weighty, may
from coterie.trust.reasons import Reason, RegisterError
from coterie.trust.register import Device, Invite, InviteState, Member, Register
from coterie.trust.rules.rule import Signers, by_author, demand


def invite_key(public: InviteIssued) -> tuple[bytes, ...]:
    return (public.invite_key,)


def issuing_signers(state: Register, entry: DecodedEntry, public: InviteIssued) -> Signers:
    return (*by_author(state, entry, public), (Purpose.ENTRY_INVITE, public.invite_key))


def issued(state: Register, entry: DecodedEntry, public: InviteIssued) -> Register:
    issuer = state.member_of(entry.author)
    if public.role is Role.FOUNDER:
        raise RegisterError(Reason.NO_SECOND_FOUNDER)
    if not state.may_invite(issuer, public.role):
        decides = may(issuer.role, Action.INVITE, public.role) and is_weighty(Action.INVITE, public.role)
        raise RegisterError(Reason.NEEDS_QUORUM if decides else Reason.NO_POWER)
    if public.expires_at <= entry.at:
        raise RegisterError(Reason.BORN_EXPIRED)
    invite = Invite(
        id=InviteId(entry.hash),
        key=PublicKey(public.invite_key),
        role=public.role,
        seat=public.seat,
        issued_by=issuer.id,
        issued_at=entry.at,
        expires_at=public.expires_at,
    )
    return replace(state, invites=state.invites.set(invite.id, invite))


def revoked(state: Register, entry: DecodedEntry, public: InviteRevoked) -> Register:
    author = state.member_of(entry.author)
    invite = state.invite(public.invite_id)
    demand(author.id == invite.issued_by or may(author.role, Action.REVOKE_INVITE, invite.role))
    if invite.state is InviteState.SPENT:
        raise RegisterError(Reason.INVITE_SPENT)
    if invite.state is InviteState.REVOKED:
        raise RegisterError(Reason.INVITE_REVOKED)
    ended = replace(invite, state=InviteState.REVOKED, ended_at=entry.at, ended_by=author.id)
    return replace(state, invites=state.invites.set(invite.id, ended))


def joining_device(public: Joined) -> bytes:
    return public.device


def joining_keys(public: Joined) -> tuple[bytes, ...]:
    return (public.identity, public.device, public.leaf)


def joining_signers(state: Register, _: DecodedEntry, public: Joined) -> Signers:
    return (
        (Purpose.ENTRY_INVITE, state.invite(public.invite_id).key),
        (Purpose.ENTRY_IDENTITY, public.identity),
        (Purpose.ENTRY_DEVICE, public.device),
        (Purpose.ENTRY_LEAF, public.leaf),
    )


def joined(state: Register, entry: DecodedEntry, public: Joined) -> Register:
    invite = state.open_invite(public.invite_id)
    if entry.at > invite.expires_at:
        raise RegisterError(Reason.INVITE_EXPIRED)
    member = Member(
        id=member_id(PublicKey(public.identity)),
        role=invite.role,
        identity=PublicKey(public.identity),
        invited_by=invite.issued_by,
        invite=invite.id,
        joined_at=entry.at,
        seat_expires_at=None if invite.seat is None else entry.at + invite.seat * 1000,
        devices=(entry.author,),
    )
    # Ids are cut to 16 bytes: two keys of one id are feasible to find, so an id is used once, too.
    if member.id in state.members or entry.author in state.devices:
        raise RegisterError(Reason.KEY_USED)
    device = Device(entry.author, member.id, PublicKey(public.device), PublicKey(public.leaf), entry.at)
    spent = replace(invite, state=InviteState.SPENT, ended_at=entry.at, ended_by=member.id)
    return replace(
        state,
        members=state.members.set(member.id, member),
        devices=state.devices.set(device.id, device),
        invites=state.invites.set(invite.id, spent),
    )
