"""A member's further devices, and one who begins again with the identity key."""

from dataclasses import replace

from coterie.ids import PublicKey
from coterie.trust.entry import DecodedEntry
from coterie.trust.keys import Purpose, device_id
from coterie.trust.kinds import MOST_DEVICES, DeviceAdded, IdentityRecovered
from coterie.trust.reasons import Reason, RegisterError
from coterie.trust.register import Device, Member, Register, Removal
from coterie.trust.rules.rule import Signers, by_author


def device_keys(public: DeviceAdded | IdentityRecovered) -> tuple[bytes, ...]:
    return (public.device, public.leaf)


def adding_signers(state: Register, entry: DecodedEntry, public: DeviceAdded) -> Signers:
    return (
        *by_author(state, entry, public),
        (Purpose.ENTRY_DEVICE, public.device),
        (Purpose.ENTRY_LEAF, public.leaf),
    )


def added(state: Register, entry: DecodedEntry, public: DeviceAdded) -> Register:
    member = state.member_of(entry.author)
    if len(state.devices_of(member.id)) >= MOST_DEVICES:
        raise RegisterError(Reason.TOO_MANY_DEVICES)
    return _with_device(state, entry, member, public)


def _with_device(
    state: Register, entry: DecodedEntry, member: Member, public: DeviceAdded | IdentityRecovered
) -> Register:
    new = device_id(PublicKey(public.device))
    if new in state.devices:
        raise RegisterError(Reason.KEY_USED)
    device = Device(new, member.id, PublicKey(public.device), PublicKey(public.leaf), entry.at)
    owner = replace(member, devices=(*member.devices, new))
    return replace(state, members=state.members.set(owner.id, owner), devices=state.devices.set(new, device))


def recovering_device(public: IdentityRecovered) -> bytes:
    return public.device


def recovery_signers(state: Register, _: DecodedEntry, public: IdentityRecovered) -> Signers:
    return (
        (Purpose.ENTRY_IDENTITY, state.member(public.member_id).identity),
        (Purpose.ENTRY_DEVICE, public.device),
        (Purpose.ENTRY_LEAF, public.leaf),
    )


def identity_recovered(state: Register, entry: DecodedEntry, public: IdentityRecovered) -> Register:
    member = state.member(public.member_id)
    if member.removed is not None:
        raise RegisterError(Reason.MEMBER_GONE)
    removal = Removal(entry.at, entry.seq, member.id)
    devices = state.devices
    for device in (state.device(known) for known in member.devices):
        if device.removed is None:
            devices = devices.set(device.id, replace(device, removed=removal))
    return _with_device(replace(state, devices=devices, rotation_due=entry.author), entry, member, public)
