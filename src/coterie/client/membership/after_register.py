"""What a device does when register entries were learned: greet newcomers, hold rooms, plan the key's rotation.

Runs in the transaction that stores the entries, so that none is learned and not acted on.
"""

from collections.abc import Sequence

from coterie.client.chores import ChoreKind
from coterie.client.facts import RoomState
from coterie.client.linking.own_devices import device_added
from coterie.client.rooms.wishes import Action as RoomWish
from coterie.client.rooms.wishes import wish_refused_out
from coterie.client.state import DeviceState
from coterie.group.inbox_bodies import HeadNotice, KeyDelivery
from coterie.ids import DeviceId, InviteId, MemberId, PublicKey
from coterie.trust.coterie_key import key_hash
from coterie.trust.entry import DecodedEntry
from coterie.trust.keys import device_id
from coterie.trust.kinds import (
    DeviceAdded,
    DeviceRemoved,
    IdentityRecovered,
    InviteRevoked,
    Joined,
    KeyRotated,
    MemberRemoved,
    Role,
    SeatLapsed,
)
from coterie.trust.powers import Action, may

STEWARD_WAIT_MS = 60_000


def entries_learned(state: DeviceState, entries: Sequence[DecodedEntry]) -> None:
    """In a transaction; the register's state has them already."""
    for entry in entries:
        match state.register.state.in_effect(entry):
            case Joined() as joined:
                if _came_after_us(state, entry):
                    _greet(state, entry.author, joined.invite_id)
                state.store.register.forget_invite(joined.invite_id)
            case InviteRevoked() as revoked:
                state.store.register.forget_invite(revoked.invite_id)
            case DeviceAdded() as added:
                device_added(state, device_id(PublicKey(added.device)), entry.author)
            case KeyRotated() as rotated:
                _announce(state, rotated.generation)
            case IdentityRecovered() as recovered:
                if _came_after_us(state, entry):
                    _greet_again(state, entry.author, recovered.member_id)
                    _wish_back(state, recovered.member_id)
                plan_rotation(state)
            case DeviceRemoved() | MemberRemoved() | SeatLapsed():
                plan_rotation(state)
    _hold_rooms(state)
    if state.register.current_key() is None:
        state.store.chores.plan(ChoreKind.KEY_WANTED, b"", state.now())


def _came_after_us(state: DeviceState, entry: DecodedEntry) -> bool:
    """What was there before this device, others have dealt with."""
    joined = state.register.joined_seq(state.own.device)
    return joined is not None and entry.seq > joined


def _greet(state: DeviceState, newcomer: DeviceId, invite: InviteId) -> None:
    """The inviter's and the stewards' devices tell a newcomer how far the register goes, and the key's generation."""
    register = state.register.state
    inviter = register.invite(invite).issued_by
    own = register.member(state.own.member)
    if newcomer == state.own.device or (own.id != inviter and own.role not in (Role.FOUNDER, Role.STEWARD)):
        return
    head = register.head
    state.post(newcomer, HeadNotice(head.seq, head.hash, b""))
    key = state.register.current_key()
    if key is not None and register.generation > 0:
        state.post(newcomer, KeyDelivery(register.generation, bytes(key)))


def _greet_again(state: DeviceState, device: DeviceId, member: MemberId) -> None:
    """A member came back with a device that knows nobody's word for the register and has no key: who vouches for them
    gives both. For the founder everybody does, since nobody invited them."""
    register = state.register.state
    own, back = register.member(state.own.member), register.member(member)
    vouching = own.role in (Role.FOUNDER, Role.STEWARD) or back.invited_by in (own.id, None)
    if own.id == member or not vouching:
        return
    state.post(device, HeadNotice(register.head.seq, register.head.hash, b""))
    key = state.register.current_key()
    if key is not None:
        state.post(device, KeyDelivery(register.generation, bytes(key)))


def _wish_back(state: DeviceState, member: MemberId) -> None:
    """Whose devices were removed because they came back stays in the rooms where they were."""
    for room in state.store.rooms.all():
        if room.state in (RoomState.ACTIVE, RoomState.HELD) and state.roster(room.group).leaves_of(member):
            state.store.rooms.wish(room.room, RoomWish.ADD_BACK, member, state.now())


def _announce(state: DeviceState, generation: int) -> None:
    """If the rotation is ours, send the new key to everybody who is still in; then it may be used."""
    key = state.store.register.unannounced_key(generation)
    register = state.register.state
    if key is None or register.key_hashes.get(generation) != key_hash(key):
        return
    state.store.register.put_key(generation, key, announced=True)
    state.register.forget_names()
    for member in register.members_in_force():
        for device in register.devices_of(member.id):
            if register.device_in_force(device.id):
                state.post(device.id, KeyDelivery(generation, bytes(key)))
    state.store.chores.finish(ChoreKind.ROTATE_KEY, b"")


def plan_rotation(state: DeviceState) -> None:
    """The remover's client rotates at once; a steward's, if it has not happened a minute later. A recovered device has
    no key yet that it could pass on, so it leaves the rotation to the stewards."""
    register = state.register.state
    if register.rotation_due is None or not register.device_in_force(state.own.device):
        return
    if register.rotation_due == state.own.device and state.register.current_key() is not None:
        state.store.chores.plan(ChoreKind.ROTATE_KEY, b"", state.now())
    elif may(register.role(state.own.device), Action.ROTATE_KEY, Role.MEMBER):
        jitter = int.from_bytes(state.random(2), "big")
        state.store.chores.plan(ChoreKind.ROTATE_KEY, b"", state.now() + STEWARD_WAIT_MS + jitter)


def _hold_rooms(state: DeviceState) -> None:
    for room in state.store.rooms.all():
        if room.state not in (RoomState.ACTIVE, RoomState.HELD):
            continue
        roster = state.roster(room.group)
        if wish_refused_out(state, room.room, roster) and room.state == RoomState.ACTIVE:
            refused = roster.refused(state.register.state)[0]
            whom = state.register.name(refused.leaf.member)
            reason = f"waiting until a device of {whom} is out: {refused.sentence}"
            state.store.rooms.set_state(room.room, RoomState.HELD, reason)
