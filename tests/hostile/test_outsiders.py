"""Somebody outside a room who knows its ids, as a former member does: they bring no room back, put no group in its
place, hand it no words, and stop nothing.

(What one who is in the room can do: tests/hostile/test_one_member.py.)
"""

from collections.abc import Callable, Iterable
from functools import partial

import msgspec
import pytest

from coterie.client.facts import MessageState, RoomState
from coterie.client.rooms import commits, outgoing
from coterie.client.rooms.new_group import new_group
from coterie.client.rooms.wishes import Action
from coterie.group.context import new_context
from coterie.group.exports import post_token
from coterie.group.inbox_bodies import Base, Rejoin, Welcome
from coterie.group.suites import Suite
from coterie.ids import GroupId, QueueId
from coterie.wire import frames
from coterie.wire.frames import Frame, Request
from tests.hostile.scene import Person, Scene
from tests.hostile.test_inboxes import inbox_of
from tests.hostile.test_queue_history import queue_of
from tests.hostile.twin import Trick, Wire

ASK = "; ask them to invite you again; if it happens again, tell a steward"


def group_of(person: Person, scene: Scene) -> GroupId:
    return person.state.group_of(scene.pair).group


def epoch_of(person: Person, scene: Scene) -> int:
    return person.state.groups.get(group_of(person, scene)).epoch


def found_false_pair(thief: Person, scene: Scene, whom: Person | None, *, group: GroupId | None = None) -> None:
    """A group in which the thief is alone, under the id of the room Pair (and of its group), to which `whom` is to be
    added."""
    state = thief.state
    with state.groups.changing(), pytest.MonkeyPatch.context() as patch:
        if group is not None:
            patch.setattr(state, "random", lambda length: group[:length])
        new_group(state, new_context(scene.pair, "Pair", thief.member, Suite.XWING), 1)
    if whom is not None:
        wish(thief, scene, Action.ADD, whom.member)


def wish(person: Person, scene: Scene, action: Action, subject: bytes = b"") -> None:
    with person.state.groups.changing():
        person.state.store.rooms.wish(scene.pair, action, subject, person.state.now())


def welcomes_name(patch: pytest.MonkeyPatch, queue: QueueId) -> None:
    """From here on, whoever invites says that the room is on this queue."""
    honest: Callable[..., Welcome] = commits._welcome

    def lying(*args: object) -> Welcome:
        return msgspec.structs.replace(honest(*args), queue=queue)

    patch.setattr(commits, "_welcome", lying)


def an_hour_passes(patch: pytest.MonkeyPatch) -> None:
    """For what waits in inboxes: everybody's clock goes on, the server's too."""
    patch.setattr("coterie.client.inbox.inbox._WAIT_MS", -1)


async def assert_pair_goes_on(scene: Scene) -> None:
    """Bo's words reach Ada and not Cy; Ada's reach Bo."""
    await scene.bo.device.send(scene.pair, "for Ada only")
    await scene.ada.device.send(scene.pair, "for Bo only")
    for person in (scene.bo, scene.cy, scene.ada):
        await person.sync()
    for person in (scene.ada, scene.bo):
        assert person.room(scene.pair).state == RoomState.ACTIVE
        assert person.texts(scene.pair) == ["just us", "for Ada only", "for Bo only"]
    assert scene.cy.texts(scene.pair) == []


async def test_a_known_group_is_not_moved_to_another_queue(scene: Scene) -> None:
    found_false_pair(scene.cy, scene, scene.bo, group=group_of(scene.bo, scene))
    await scene.cy.sync()
    await scene.bo.sync()
    assert scene.bo.all_alarms() == [
        "invitation: an invitation by Cy was refused: "
        "an invitation makes a known group another room's, or puts it on another queue"
    ]
    assert scene.bo.alarms("invitation")[0].endswith(ASK)
    assert scene.bo.notices(scene.pair)[-1] == "Ada added you"
    await assert_pair_goes_on(scene)


async def test_an_outsider_with_the_groups_id_and_queue_does_not_take_a_living_room(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    found_false_pair(scene.cy, scene, scene.bo, group=group_of(scene.bo, scene))
    welcomes_name(monkeypatch, queue_of(scene.bo, scene.pair))
    await scene.cy.sync()
    monkeypatch.undo()
    await scene.bo.sync()
    assert scene.bo.all_alarms() == [
        "invitation: an invitation by Cy was refused: somebody sent an old invitation to the room 'Pair'"
    ]
    await assert_pair_goes_on(scene)


async def test_an_outsider_with_a_later_epoch_does_not_take_a_living_room(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if Bo's device had been added again: that is believed only when the queue has brought the removal."""
    found_false_pair(scene.cy, scene, None, group=group_of(scene.bo, scene))
    welcomes_name(monkeypatch, queue_of(scene.bo, scene.pair))
    for _ in range(epoch_of(scene.bo, scene) + 1):
        wish(scene.cy, scene, Action.UPDATE)
        await scene.cy.sync()
    assert epoch_of(scene.cy, scene) > epoch_of(scene.bo, scene)
    wish(scene.cy, scene, Action.ADD, scene.bo.member)
    await scene.cy.sync()
    monkeypatch.undo()
    await assert_pair_goes_on(scene)
    assert len(list(scene.bo.state.store.inbox.entries())) == 2, "the Welcome and its Base wait"

    an_hour_passes(monkeypatch)
    await scene.bo.sync()
    assert list(scene.bo.state.store.inbox.entries()) == [], "it does not wait for ever"
    assert scene.bo.room(scene.pair).state == RoomState.ACTIVE
    assert scene.bo.notices(scene.pair)[-1] == "Ada added you"


async def test_an_outsider_does_not_bring_a_removed_device_back_into_its_group(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await scene.ada.device.remove_from_room(scene.pair, scene.bo.member)
    await scene.bo.sync()
    found_false_pair(scene.cy, scene, scene.bo, group=group_of(scene.bo, scene))
    welcomes_name(monkeypatch, queue_of(scene.bo, scene.pair))
    await scene.cy.sync()
    monkeypatch.undo()
    await scene.bo.sync()
    assert scene.bo.all_alarms() == [
        "invitation: an invitation by Cy was refused: somebody who was not in a room sent an invitation to it"
    ]
    assert scene.bo.room(scene.pair).state == RoomState.REMOVED


async def test_another_group_does_not_take_the_place_of_a_living_room(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    found_false_pair(scene.cy, scene, scene.bo)
    await scene.cy.sync()
    await assert_pair_goes_on(scene)
    assert scene.bo.all_alarms() == [], "it may be a successor whose founding is still on its way"

    an_hour_passes(monkeypatch)
    await scene.bo.sync()
    assert scene.bo.alarms("invitation") == [
        "an invitation by Cy was refused: somebody tried to put another group in place of the room 'Pair'" + ASK
    ]
    assert scene.bo.room(scene.pair).state == RoomState.ACTIVE
    assert scene.bo.texts(scene.pair) == ["just us", "for Ada only", "for Bo only"]


async def test_a_rejoin_for_a_group_whose_state_is_gone_stops_nothing(scene: Scene) -> None:
    ada, bo = scene.ada, scene.bo
    first = group_of(ada, scene)
    await ada.device.remove_from_room(scene.pair, bo.member)
    await bo.sync()
    assert bo.room(scene.pair).state == RoomState.REMOVED
    found_false_pair(ada, scene, bo)
    await ada.sync()
    await bo.sync()
    assert bo.room(scene.pair).state == RoomState.ACTIVE
    assert bo.notices(scene.pair)[-1] == "Ada added you to this room anew; who is in it may be others than before"

    with ada.state.groups.changing():
        ada.state.post(bo.state.own.device, Rejoin(scene.pair, first, 1))
    await ada.device.send(scene.pair, "do you read me?")
    await ada.device.create_room("Third", [bo.member])
    async with bo.online():
        await bo.until(lambda: len(bo.device.rooms()) == 3)
        await bo.until(lambda: bo.texts(scene.pair)[-1] == "do you read me?")
    assert bo.all_alarms() == []


@pytest.mark.parametrize("whose", ["a room's", "the inbox's"])
async def test_a_room_on_a_queue_that_is_something_elses_is_refused_and_that_goes_on(scene: Scene, whose: str) -> None:
    ada, bo, cy = scene.people
    queue = inbox_of(bo) if whose == "the inbox's" else queue_of(bo, scene.crew)
    async with bo.online():
        with pytest.MonkeyPatch.context() as patch:
            welcomes_name(patch, queue)
            await cy.device.create_room("Trap", [bo.member])
        await bo.until(lambda: bool(bo.all_alarms()))
        await ada.device.send(scene.crew, "after the trap")
        await ada.device.create_room("Honest", [bo.member])
        await bo.until(lambda: "after the trap" in bo.texts(scene.crew))
        await bo.until(lambda: "Honest" in [room.name for room in bo.device.rooms()])
    assert bo.alarms("invitation") == [
        "an invitation by Cy was refused: an invitation to a room names a queue that is something else's" + ASK
    ]
    assert len(bo.all_alarms()) == 1
    assert "Trap" not in [room.name for room in bo.device.rooms()]
    await bo.sync()


async def test_what_waited_in_a_room_that_is_over_does_not_go_to_who_founds_it_again(scene: Scene) -> None:
    ada, bo, cy = scene.people
    await ada.device.remove_from_room(scene.pair, bo.member)
    outgoing.queue_text(bo.state, scene.pair, "written for Ada")
    await bo.sync()
    assert bo.room(scene.pair).state == RoomState.REMOVED
    unsent = bo.messages(scene.pair)[-1]
    assert (unsent.text, unsent.state) == ("written for Ada", MessageState.UNSENT)
    assert bo.device.status().outbox == 0

    found_false_pair(cy, scene, bo)
    for person in (cy, bo, cy):
        await person.sync()
    assert bo.room(scene.pair).state == RoomState.ACTIVE
    assert bo.notices(scene.pair)[-1] == "Cy added you to this room anew; who is in it may be others than before"
    await bo.device.send(scene.pair, "who are you?")
    await cy.sync()
    assert cy.texts(scene.pair) == ["who are you?"]
    assert [message.state for message in bo.messages(scene.pair) if message.text == "written for Ada"] == ["unsent"]


class Dropped(Trick):
    """What is posted to one queue does not arrive, and is not answered."""

    def __init__(self, queue: QueueId) -> None:
        self.queue = queue
        self.posts: list[frames.Post] = []

    def asked(self, wire: Wire, request: Request) -> Iterable[Frame]:
        if isinstance(request, frames.Post) and request.queue == self.queue:
            self.posts.append(request)
            return ()
        return (request,)


async def test_a_base_counts_only_from_who_added_the_device(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bo knows all the numbers; his Base is there before Ada's, who added Cy."""
    monkeypatch.setattr("coterie.client.online.shared_session.LAST_WORDS_SECONDS", 0.2)
    ada, bo, cy = scene.people
    ada.twin.trick = held = Dropped(inbox_of(cy))
    await ada.device.add_to_room(scene.pair, cy.member)
    assert len(held.posts) == 1
    await bo.sync()
    group = bo.state.group_of(scene.pair)
    with bo.state.groups.changing():
        bo.state.post(cy.state.own.device, Base(group.group, group.epoch, 2**40, bytes(32), []))
        bo.state.post(cy.state.own.device, Base(group.group, group.epoch, group.cursor, b"f" * 32, [ada.member]))
    await bo.sync()
    await cy.sync()
    joined = cy.state.group_of(scene.pair)
    assert (joined.chain, joined.leaving) == (None, None)
    assert cy.state.store.rooms.wishes(scene.pair) == []

    ada.twin.trick = Trick()
    await ada.sync()
    await ada.device.send(scene.pair, "welcome, Cy")
    await cy.sync()
    assert cy.texts(scene.pair) == ["welcome, Cy"]
    assert cy.state.group_of(scene.pair).chain == ada.state.group_of(scene.pair).chain
    assert cy.all_alarms() == []


async def test_a_ciphertext_that_comes_back_in_another_room_is_not_taken_as_sent(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cy, in league with the server, posts to Crew what Bo wrote to Pair; in Pair it is held back."""
    monkeypatch.setattr("coterie.client.online.shared_session.LAST_WORDS_SECONDS", 0.2)
    ada, bo, cy = scene.people
    bo.twin.trick = held = Dropped(queue_of(bo, scene.pair))
    sent = await bo.device.send(scene.pair, "for Ada", wait=0.2)
    assert sent.state == MessageState.QUEUED
    payload = held.posts[0].payload
    group = cy.state.groups.get(cy.state.group_of(scene.crew).group)
    post = partial(frames.Post, queue=queue_of(cy, scene.crew), token=bytes(post_token(group)), epoch=group.epoch)
    async with cy.online():
        reply = await cy.twin.wire.own(lambda number: post(number, key=bytes(16), payload=payload))
    assert isinstance(reply, frames.Posted)

    await bo.sync_as_far_as_it_goes()
    assert bo.state.group_of(scene.crew).cursor == reply.n
    assert bo.messages(scene.pair)[-1].state == MessageState.QUEUED
    assert bo.device.status().outbox == 1
    assert bo.all_alarms() == [
        "unreadable entry: an entry of the room cannot be read (another-epoch); it was passed over"
    ]
    bo.twin.trick = Trick()
    await bo.sync()
    await ada.sync()
    assert bo.messages(scene.pair)[-1].state == MessageState.SENT
    assert ada.texts(scene.pair) == ["just us", "for Ada"]
