"""What each kind of entry needs and does: one row a kind (docs/protocol/register.md, "Kinds").

`trust.apply` asks a row for the new keys, for who must have signed, and for the next state. A new kind is a new row.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar

from immutables import Map

from coterie.ids import CoterieId, InviteId, PublicKey
from coterie.trust.entry import DecodedEntry
from coterie.trust.heads import RegisterHead
from coterie.trust.keys import Purpose, device_id, member_id
from coterie.trust.kinds import (
    MOST_DEVICES,
    DeviceAdded,
    DeviceRemoved,
    Founded,
    IdentityRecovered,
    InviteIssued,
    InviteRevoked,
    Joined,
    KeyRotated,
    MemberRemoved,
    ProfileSet,
    Public,
    Role,
)
from coterie.trust.powers import Action, may
from coterie.trust.reasons import Reason, RegisterError
from coterie.trust.register import Device, Invite, InviteState, Member, Register, Removal

P = TypeVar("P", bound=Public)
Signers = tuple[tuple[Purpose, bytes], ...]
"""Purposes and public keys in the order of the entry's signatures."""


@dataclass(frozen=True, slots=True)
class Rule(Generic[P]):
    """One kind. `effect` runs when author, keys and signatures are right; it checks powers and gives the next state
    but for `head`, `at` and the new keys in `used`, which are the same for every kind."""

    public: type[P]
    new_device: Callable[[P], bytes] | None
    """For a kind whose author is the device that it brings: that device's key. None: the author is one in force."""
    new_keys: Callable[[P], tuple[bytes, ...]]
    signers: Callable[[Register, DecodedEntry, P], Signers]
    effect: Callable[[Register, DecodedEntry, P], Register]


def no_keys(_: Public) -> tuple[bytes, ...]:
    return ()


def by_author(state: Register, entry: DecodedEntry, _: Public) -> Signers:
    return ((Purpose.ENTRY_DEVICE, state.device(entry.author).key),)


def _demand(allowed: bool) -> None:
    if not allowed:
        raise RegisterError(Reason.NO_POWER)


# Founded


def founding_keys(public: Founded) -> tuple[bytes, ...]:
    return (public.founding_key, public.service_key, public.identity, public.device, public.leaf)


def founding_signers(public: Founded) -> Signers:
    return (
        (Purpose.ENTRY_FOUNDING, public.founding_key),
        (Purpose.ENTRY_IDENTITY, public.identity),
        (Purpose.ENTRY_DEVICE, public.device),
        (Purpose.ENTRY_LEAF, public.leaf),
    )


def founded(entry: DecodedEntry, public: Founded) -> Register:
    founder = Member(
        id=member_id(PublicKey(public.identity)),
        role=Role.FOUNDER,
        identity=PublicKey(public.identity),
        invited_by=None,
        invite=None,
        joined_at=entry.at,
        seat_expires_at=None,
        devices=(entry.author,),
    )
    device = Device(entry.author, founder.id, PublicKey(public.device), PublicKey(public.leaf), entry.at)
    return Register(
        coterie=CoterieId(entry.hash),
        founding_key=PublicKey(public.founding_key),
        service_key=PublicKey(public.service_key),
        founder=founder.id,
        members=Map({founder.id: founder}),
        devices=Map({device.id: device}),
        invites=Map(),
        used=Map({key: entry.seq for key in (*founding_keys(public), public.key_hash)}),
        generation=0,
        key_hashes=Map({0: public.key_hash}),
        rotation_due=None,
        head=RegisterHead(entry.seq, entry.hash),
        at=entry.at,
    )


# Invites and joining


def _invite_key(public: InviteIssued) -> tuple[bytes, ...]:
    return (public.invite_key,)


def _invite_signers(state: Register, entry: DecodedEntry, public: InviteIssued) -> Signers:
    return (*by_author(state, entry, public), (Purpose.ENTRY_INVITE, public.invite_key))


def _invite_issued(state: Register, entry: DecodedEntry, public: InviteIssued) -> Register:
    issuer = state.member_of(entry.author)
    if public.role is Role.FOUNDER:
        raise RegisterError(Reason.NO_SECOND_FOUNDER)
    _demand(may(issuer.role, Action.INVITE, public.role))
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


def _invite_revoked(state: Register, entry: DecodedEntry, public: InviteRevoked) -> Register:
    author = state.member_of(entry.author)
    invite = state.invite(public.invite_id)
    _demand(author.id == invite.issued_by or may(author.role, Action.REVOKE_INVITE, invite.role))
    if invite.state is InviteState.SPENT:
        raise RegisterError(Reason.INVITE_SPENT)
    if invite.state is InviteState.REVOKED:
        raise RegisterError(Reason.INVITE_REVOKED)
    revoked = replace(invite, state=InviteState.REVOKED, ended_at=entry.at, ended_by=author.id)
    return replace(state, invites=state.invites.set(invite.id, revoked))


def _joining_device(public: Joined) -> bytes:
    return public.device


def _joining_keys(public: Joined) -> tuple[bytes, ...]:
    return (public.identity, public.device, public.leaf)


def _joining_signers(state: Register, _: DecodedEntry, public: Joined) -> Signers:
    return (
        (Purpose.ENTRY_INVITE, state.invite(public.invite_id).key),
        (Purpose.ENTRY_IDENTITY, public.identity),
        (Purpose.ENTRY_DEVICE, public.device),
        (Purpose.ENTRY_LEAF, public.leaf),
    )


def _joined(state: Register, entry: DecodedEntry, public: Joined) -> Register:
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


def _profile_set(state: Register, _entry: DecodedEntry, _public: ProfileSet) -> Register:
    return state


# Devices


def _device_keys(public: DeviceAdded | IdentityRecovered) -> tuple[bytes, ...]:
    return (public.device, public.leaf)


def _device_signers(state: Register, entry: DecodedEntry, public: DeviceAdded) -> Signers:
    return (
        *by_author(state, entry, public),
        (Purpose.ENTRY_DEVICE, public.device),
        (Purpose.ENTRY_LEAF, public.leaf),
    )


def _device_added(state: Register, entry: DecodedEntry, public: DeviceAdded) -> Register:
    member = state.member_of(entry.author)
    if len(state.devices_of(member.id)) >= MOST_DEVICES:
        raise RegisterError(Reason.TOO_MANY_DEVICES)
    return _with_device(state, entry, member, public)


def _with_device(
    state: Register, entry: DecodedEntry, member: Member, public: DeviceAdded | IdentityRecovered
) -> Register:
    added = device_id(PublicKey(public.device))
    if added in state.devices:
        raise RegisterError(Reason.KEY_USED)
    device = Device(added, member.id, PublicKey(public.device), PublicKey(public.leaf), entry.at)
    owner = replace(member, devices=(*member.devices, added))
    return replace(state, members=state.members.set(owner.id, owner), devices=state.devices.set(added, device))


def _recovering_device(public: IdentityRecovered) -> bytes:
    return public.device


def _recovery_signers(state: Register, _: DecodedEntry, public: IdentityRecovered) -> Signers:
    return (
        (Purpose.ENTRY_IDENTITY, state.member(public.member_id).identity),
        (Purpose.ENTRY_DEVICE, public.device),
        (Purpose.ENTRY_LEAF, public.leaf),
    )


def _identity_recovered(state: Register, entry: DecodedEntry, public: IdentityRecovered) -> Register:
    member = state.member(public.member_id)
    if member.removed is not None:
        raise RegisterError(Reason.MEMBER_GONE)
    removal = Removal(entry.at, entry.seq, member.id)
    devices = state.devices
    for device in state.devices_of(member.id):
        devices = devices.set(device.id, replace(device, removed=removal))
    return _with_device(replace(state, devices=devices, rotation_due=entry.author), entry, member, public)


# Removals and the coterie key


def _device_removed(state: Register, entry: DecodedEntry, public: DeviceRemoved) -> Register:
    author = state.member_of(entry.author)
    device = state.device(public.device_id)
    owner = state.member(device.member)
    _demand(owner.id == author.id or may(author.role, Action.REMOVE, owner.role))
    if not state.device_in_force(device.id):
        raise RegisterError(Reason.DEVICE_GONE)
    removed = replace(device, removed=Removal(entry.at, entry.seq, author.id))
    return replace(state, devices=state.devices.set(device.id, removed), rotation_due=entry.author)


def _member_removed(state: Register, entry: DecodedEntry, public: MemberRemoved) -> Register:
    author = state.member_of(entry.author)
    member = state.member(public.member_id)
    if member.role is Role.FOUNDER:
        raise RegisterError(Reason.FOUNDER_STAYS)
    _demand(may(author.role, Action.REMOVE, member.role))
    if member.removed is not None:
        raise RegisterError(Reason.MEMBER_GONE)
    removed = replace(member, removed=Removal(entry.at, entry.seq, author.id))
    return replace(state, members=state.members.set(member.id, removed), rotation_due=entry.author)


def _key_rotated(state: Register, entry: DecodedEntry, public: KeyRotated) -> Register:
    author = state.member_of(entry.author)
    _demand(entry.author == state.rotation_due or may(author.role, Action.ROTATE_KEY, author.role))
    if public.generation != state.generation + 1:
        raise RegisterError(Reason.WRONG_GENERATION)
    # A former key must not come back: who was removed may hold it.
    if public.key_hash in state.used:
        raise RegisterError(Reason.KEY_USED)
    return replace(
        state,
        used=state.used.set(public.key_hash, entry.seq),
        generation=public.generation,
        key_hashes=state.key_hashes.set(public.generation, public.key_hash),
        rotation_due=None,
    )


# `Founded` has no row: it alone has no state before it.
RULES: Final[dict[str, Rule[Any]]] = {
    rule.public.__name__: rule
    for rule in (
        Rule(InviteIssued, None, _invite_key, _invite_signers, _invite_issued),
        Rule(InviteRevoked, None, no_keys, by_author, _invite_revoked),
        Rule(Joined, _joining_device, _joining_keys, _joining_signers, _joined),
        Rule(ProfileSet, None, no_keys, by_author, _profile_set),
        Rule(DeviceAdded, None, _device_keys, _device_signers, _device_added),
        Rule(DeviceRemoved, None, no_keys, by_author, _device_removed),
        Rule(MemberRemoved, None, no_keys, by_author, _member_removed),
        Rule(KeyRotated, None, no_keys, by_author, _key_rotated),
        Rule(IdentityRecovered, _recovering_device, _device_keys, _recovery_signers, _identity_recovered),
    )
}
