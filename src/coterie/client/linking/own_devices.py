"""One's own other devices belong in all of one's rooms: whichever of them is in a room adds those that are not.

A chore for each such device, since it may have published no key package yet; done when it is in every room.
"""

from collections.abc import Iterable

from coterie.client.chores import ChoreKind
from coterie.client.connection import Connection
from coterie.client.rooms.wishes import Action
from coterie.client.state import DeviceState
from coterie.ids import DeviceId, RoomId
from coterie.store.groups import GroupRow
from coterie.wire import frames

OTHERS_WAIT_MS = 5_000
"""The device that linked another adds it at once; one's further devices leave it the time."""
LOOK_AGAIN_MS = 1_000


def others_in_force(state: DeviceState) -> list[DeviceId]:
    """One's own devices but this one."""
    devices = state.register.state.devices_of(state.own.member)
    return [device.id for device in devices if device.id != state.own.device]


def device_added(state: DeviceState, device: DeviceId, author: DeviceId) -> None:
    """The register has a new device; in the transaction that learns it."""
    if device == state.own.device or state.register.state.devices[device].member != state.own.member:
        return
    jitter = int.from_bytes(state.random(2), "big") % OTHERS_WAIT_MS
    wait = 0 if author == state.own.device else OTHERS_WAIT_MS + jitter
    state.store.chores.plan(ChoreKind.OWN_DEVICE, device, state.now() + wait)
    if state.store.linking.promised(device) is not None:
        state.store.chores.plan(ChoreKind.HISTORY, device, state.now())


def plan_own_devices(state: DeviceState, roster: Iterable[DeviceId]) -> None:
    """This device has just come into a room with this roster, or made it; in a transaction."""
    present = set(roster)
    for device in others_in_force(state):
        if device not in present and state.store.chores.planned(ChoreKind.OWN_DEVICE, device) is None:
            state.store.chores.plan(ChoreKind.OWN_DEVICE, device, state.now())
            state.wake_home()


def rooms_without(state: DeviceState, device: DeviceId) -> list[GroupRow]:
    """The living groups that this device is in and the other is not."""
    return [row for row in state.live_groups() if device not in state.roster(row.group).devices]


async def bring_in(state: DeviceState, connection: Connection, device: DeviceId, tries: int) -> None:
    """One look: wish it into the rooms it is not in, as soon as it can be added; look again until it is in all."""
    if not state.register.state.device_in_force(device) or not rooms_without(state, device):
        with state.groups.changing():
            state.store.chores.finish(ChoreKind.OWN_DEVICE, device)
        state.changed()
        return
    answer = await connection.request(frames.GetBundles, devices=[device])
    with state.groups.changing():
        if answer.bundles and answer.bundles[0] is not None:
            for row in rooms_without(state, device):
                state.store.rooms.wish(RoomId(row.room), Action.ADD, state.own.member, state.now())
        wait = min(LOOK_AGAIN_MS * 2 ** min(tries, 10), ChoreKind.OWN_DEVICE.every_ms)
        state.store.chores.plan(ChoreKind.OWN_DEVICE, device, state.now() + wait, tries + 1)


def look_now(state: DeviceState, device: DeviceId) -> None:
    """The device says that it can be added."""
    with state.groups.changing():
        for kind in (ChoreKind.OWN_DEVICE, ChoreKind.HISTORY):
            if state.store.chores.planned(kind, device) is not None:
                state.store.chores.plan(kind, device, state.now())
    state.wake_home()
