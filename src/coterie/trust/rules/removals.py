"""Removals, and the coterie key that is rotated after them."""

from dataclasses import replace

from coterie.trust.entry import DecodedEntry
from coterie.trust.kinds import DeviceRemoved, KeyRotated, MemberRemoved, Role
from coterie.trust.powers import Action, may
from coterie.trust.reasons import Reason, RegisterError
from coterie.trust.register import Act, Member, Register, Removal
from coterie.trust.rules.rule import demand


def device_removal(state: Register, author: Member, public: DeviceRemoved) -> Act | None:
    owner = state.members[state.device(public.device_id).member]
    return None if owner.id == author.id else _removal(state, author, owner)


def device_removed(state: Register, entry: DecodedEntry, public: DeviceRemoved) -> Register:
    device = state.device(public.device_id)
    member = state.members[device.member]
    if device.removed is not None or member.removed is not None:
        raise RegisterError(Reason.DEVICE_GONE)
    removal = Removal(entry.at, entry.seq, state.device(entry.author).member)
    devices = state.devices.set(device.id, replace(device, removed=removal))
    return replace(state, devices=devices, rotation_due=entry.author)


def member_removal(state: Register, author: Member, public: MemberRemoved) -> Act | None:
    member = state.member(public.member_id)
    if member.role is Role.FOUNDER:
        raise RegisterError(Reason.FOUNDER_STAYS)
    return _removal(state, author, member)


def _removal(state: Register, author: Member, member: Member) -> Act | None:
    owner = state.owner(member)
    if owner is not None and owner.id == author.id:
        return None
    return Act(Action.REMOVE, frozenset({member.role}), member.id)


def member_removed(state: Register, entry: DecodedEntry, public: MemberRemoved) -> Register:
    member = state.member(public.member_id)
    if member.removed is not None:
        raise RegisterError(Reason.MEMBER_GONE)
    removed = replace(member, removed=Removal(entry.at, entry.seq, state.device(entry.author).member))
    return replace(state, members=state.members.set(member.id, removed), rotation_due=entry.author)


def key_rotated(state: Register, entry: DecodedEntry, public: KeyRotated) -> Register:
    author = state.member_of(entry.author)
    demand(entry.author == state.rotation_due or may(author.role, Action.ROTATE_KEY, author.role))
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
