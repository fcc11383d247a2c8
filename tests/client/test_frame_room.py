"""However many are added to however large a room, commit and Welcomes go in one frame that a server takes."""

import os
from pathlib import Path

import pytest
from coterie_mls import Client, KeyPackage

from coterie.client.rooms import commits
from coterie.client.rooms.commits import Claimed, make_commit
from coterie.client.rooms.plan import ADDS_PER_COMMIT, ADDS_WITH_PATH, plan_commit
from coterie.client.rooms.wishes import Action
from coterie.client.state import DeviceState
from coterie.group.context import LARGEST_NAME, LARGEST_TOPIC, encode_context, renamed, with_admins
from coterie.group.credential import encode_credential
from coterie.group.entry import InBlob, decode_entry_untrusted
from coterie.group.inbox_key import InboxKey
from coterie.group.suites import Suite
from coterie.ids import InviteId, QueueId, RoomId, Seed
from coterie.trust import author
from coterie.trust.apply import apply
from coterie.trust.author import NewMemberKeys
from coterie.trust.bundle import VerifiedBundle
from coterie.trust.entry import entry_hash
from coterie.trust.keys import SigningKey, device_id, member_id
from coterie.wire.codec import decode_request_untrusted
from coterie.wire.frames import Advance
from tests.client.conftest import COTERIE_KEY, NOW
from tests.client.newsroom import newsroom, texts
from tests.client.test_wishes import Person, wish


def recruit(state: DeviceState, count: int) -> list[Person]:
    """So many members more, known at once."""
    register, entries, people = state.register.state, [], []
    for _ in range(count):
        seeds = [Seed(os.urandom(32)) for _ in range(4)]
        invite, *own = (SigningKey(seed) for seed in seeds)
        keys = NewMemberKeys(*own)
        issued = author.issue_invite(
            register,
            state.own.key,
            invite,
            expires_at=NOW + 1000,
            coterie_key=COTERIE_KEY,
            now_ms=NOW,
            nonce=os.urandom(12),
        )
        register = apply(register, issued)
        joined = author.join(register, InviteId(entry_hash(issued)), invite, keys, now_ms=NOW)
        register = apply(register, joined)
        entries += [issued, joined]
        people.append(Person(member_id(keys.identity.public), device_id(keys.device.public), bytes(seeds[3])))
    verified = state.register.verify(entries)
    with state.register.learning(verified), state.groups.changing():
        state.register.store(verified)
    return people


def package_of(state: DeviceState, person: Person) -> KeyPackage:
    client = Client(encode_credential(state.own.coterie, person.member, person.device), person.leaf_seed)
    return client.key_package(int(Suite.XWING))


def settle(state: DeviceState, room: RoomId, people: list[Person], topic: str) -> None:
    """All of them are in, and admins; none has renewed a path yet, so each costs whoever does a ciphertext."""
    group = state.group_of(room).group
    with state.groups.changing():
        mls = state.groups.get(group)
        if people:
            mls.commit(add=[package_of(state, person).wire for person in people], path=False)
            mls.merge_pending()
        admins = frozenset({state.own.member} | {person.member for person in people})
        context = with_admins(renamed(state.context(group), name="n" * LARGEST_NAME, topic=topic), admins)
        mls.commit(extension=encode_context(context), path=False)
        mls.merge_pending()


def claimed(state: DeviceState, person: Person) -> Claimed:
    key = InboxKey(Seed(os.urandom(32)), NOW)
    bundle = VerifiedBundle(person.device, key.public, QueueId(os.urandom(32)), b"", NOW)
    return Claimed(package_of(state, person), bundle)


@pytest.mark.parametrize("topic", ["", "t" * LARGEST_TOPIC], ids=["no topic", "long topic"])
@pytest.mark.parametrize(("members", "path"), [(0, False), (0, True), (120, True), (200, False), (200, True)])
def test_commit_and_welcomes_fit_one_frame(
    state: DeviceState, room: RoomId, members: int, path: bool, topic: str
) -> None:
    adds = ADDS_WITH_PATH if path else ADDS_PER_COMMIT
    people = recruit(state, members + adds + 1)
    settle(state, room, people[:members], topic)
    for person in people[members:]:
        wish(state, room, Action.ADD, person.member)
    if path:
        wish(state, room, Action.UPDATE)
    row = state.group_of(room)
    planned = plan_commit(state, row)
    by_device = {person.device: person for person in people}
    make_commit(state, row.group, planned, {device: claimed(state, by_device[device]) for device in planned.add})

    stored = state.store.groups.commit(row.group)
    assert stored is not None
    # raises if it is larger than a frame
    frame = decode_request_untrusted(stored.frame)
    assert isinstance(frame, Advance)
    assert len(frame.deliveries) == adds
    named = {*frame.blobs, *(blob for delivery in frame.deliveries for blob in delivery.blobs)}
    assert named == {blob for blob, _ in state.store.groups.blobs_out(row.group)}
    if (members, path) == (200, False):
        payload = decode_entry_untrusted(frame.payload)
        # of short Welcomes not all and the commit have room, though each of them would alone
        assert isinstance(payload, InBlob) is (topic == "")
        assert {len(delivery.blobs) for delivery in frame.deliveries} == {1 if topic == "" else 2}


async def test_welcome_in_a_blob_is_joined_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits, "WELCOME_INLINE", 0)
    async with newsroom(tmp_path, "Bo", "Cy") as gazette:
        room = await gazette.room("by blob", "Ada", "Bo", "Cy")
        await gazette["Ada"].send(room, "and here it is")
        await gazette.sync("Bo", "Cy")
        for name in ("Bo", "Cy"):
            assert texts(gazette[name], room) == ["and here it is"]
            assert gazette[name].alarms() == []
