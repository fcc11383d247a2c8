"""A founder's device that is offline: a real store, a real register, real ratchets, no server."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from coterie.client.own import Own
from coterie.client.rooms.new_group import new_group
from coterie.client.state import DeviceState
from coterie.group.context import new_context
from coterie.group.suites import Suite
from coterie.ids import CoterieId, CoterieKey, RoomId, Secret, Seed
from coterie.store.store import Store
from coterie.trust.author import NewMemberKeys, found
from coterie.trust.entry import entry_hash
from coterie.trust.keys import SigningKey, device_id, member_id

NOW = 1_790_000_000_000
COTERIE_KEY = CoterieKey(bytes(range(32)))
STORE_KEY = Secret(bytes(range(32, 64)))


@pytest.fixture
def state(tmp_path: Path) -> Iterator[DeviceState]:
    """The founder's device, offline, with an open room."""
    seeds = [Seed(os.urandom(32)) for _ in range(5)]
    founding, service, *own = (SigningKey(seed) for seed in seeds)
    keys = NewMemberKeys(*own)
    entry = found(
        founding,
        service.public,
        keys,
        coterie_key=COTERIE_KEY,
        coterie_name="The Gazette",
        name="Ada",
        now_ms=NOW,
        nonce=os.urandom(12),
    )
    store = Store(tmp_path, STORE_KEY)
    me = Own(
        coterie=CoterieId(entry_hash(entry)),
        member=member_id(keys.identity.public),
        device=device_id(keys.device.public),
        service_key=service.public,
        addresses=("127.0.0.1:1",),
        key=keys.device,
        leaf_seed=seeds[4],
    )
    state = DeviceState(tmp_path, store, me, lambda: NOW)
    verified = state.register.verify([entry])
    with state.register.learning(verified), state.groups.changing():
        state.register.store(verified)
        store.register.put_key(0, COTERIE_KEY, announced=True)
    yield state
    store.close()


@pytest.fixture
def room(state: DeviceState) -> RoomId:
    room = RoomId(os.urandom(16))
    with state.groups.changing():
        new_group(state, new_context(room, "plans", state.own.member, Suite.XWING), 0)
    return room
