"""What a device does when register entries were learned: greet newcomers, hold rooms, plan the key's rotation.

Runs in the transaction that stores the entries, so that none is learned and not acted on.
"""

from collections.abc import Sequence

from coterie.client.chores import ChoreKind
from coterie.client.facts import RoomState
from coterie.client.rooms.wishes import wish_refused_out
from coterie.client.state import DeviceState
from coterie.group.inbox_bodies import HeadNotice, KeyDelivery
from coterie.ids import DeviceId, InviteId
from coterie.trust.coterie_key import key_hash
from coterie.trust.entry import DecodedEntry
from coterie.trust.kinds import DeviceRemoved, IdentityRecovered, InviteRevoked, Joined, KeyRotated, MemberRemoved, Role
from coterie.trust.powers import Action, may

STEWARD_WAIT_MS = 60_000


def entries_learned(state: DeviceState, entries: Sequence[DecodedEntry]) -> None:
    """In a transaction; the register's state has them already."""
    for entry in entries:
        match entry.public:
            case Joined():
                _greet(state, entry.author, entry.public.invite_id)
                state.store.register.forget_invite(entry.public.invite_id)
            case InviteRevoked():
                state.store.register.forget_invite(entry.public.invite_id)
            case KeyRotated():
                _announce(state, entry.public.generation)
            case DeviceRemoved() | MemberRemoved() | IdentityRecovered():
                _plan_rotation(state)
    _hold_rooms(state)
    if state.register.current_key() is None:
        state.store.chores.plan(ChoreKind.KEY_WANTED, b"", state.now())


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


def _plan_rotation(state: DeviceState) -> None:
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
