"""The server and the inboxes: Welcomes not taken, damaged trees, entries repeated, copied and kept back."""

import os
from collections.abc import Iterable
from functools import partial

import msgspec

from coterie.ids import QueueId
from coterie.store.facts import Fact
from coterie.trust.coterie_key import inbox_post_token
from coterie.wire import frames
from coterie.wire.frames import Frame, Request
from tests.hostile.scene import Person, Scene
from tests.hostile.twin import Answer, Trick, Wire


def inbox_of(person: Person) -> QueueId:
    return QueueId(person.state.store.facts.need(Fact.INBOX_QUEUE))


class FullInbox(Trick):
    """The commit is taken, its Welcomes are not: as when the inbox of whom it adds is full."""

    def __init__(self) -> None:
        self.dropped = 0

    def asked(self, wire: Wire, request: Request) -> Iterable[Frame]:
        if isinstance(request, frames.Advance):
            self.dropped += len(request.deliveries)
            return (msgspec.structs.replace(request, deliveries=[]),)
        return (request,)

    def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
        if isinstance(answer, frames.Advanced):
            return (msgspec.structs.replace(answer, undelivered=list(range(self.dropped))),)
        return (answer,)


async def test_the_commit_stands_when_an_inbox_is_full_and_the_welcome_is_sent_again(scene: Scene) -> None:
    scene.ada.twin.trick = full = FullInbox()
    await scene.ada.device.add_to_room(scene.pair, scene.cy.member)
    assert full.dropped == 1
    assert scene.cy.member in scene.ada.room(scene.pair).members
    await scene.ada.sync()

    await scene.cy.sync()
    await scene.ada.device.send(scene.pair, "welcome, Cy")
    await scene.cy.sync()
    assert scene.cy.texts(scene.pair) == ["welcome, Cy"]
    assert scene.ada.all_alarms() == scene.cy.all_alarms() == []


class DamagedBlob(Trick):
    def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
        if isinstance(answer, frames.BlobChunk):
            return (msgspec.structs.replace(answer, data=answer.data[:-1] + bytes([answer.data[-1] ^ 1])),)
        return (answer,)


async def test_a_damaged_tree_is_not_joined_and_says_who_to_ask(scene: Scene) -> None:
    await scene.ada.device.add_to_room(scene.pair, scene.cy.member)
    scene.cy.twin.trick = DamagedBlob()
    await scene.cy.sync()
    assert scene.cy.alarms("invitation") == [
        "an invitation by Ada was refused: the server sent a damaged blob; "
        "ask them to invite you again; if it happens again, tell a steward"
    ]
    assert [room.room for room in scene.cy.device.rooms()] == [scene.crew]
    scene.cy.twin.trick = Trick()
    await scene.ada.device.send(scene.crew, "are you there?")
    await scene.cy.sync()
    assert scene.cy.texts(scene.crew)[-1] == "are you there?"


async def test_an_inbox_entry_repeated_or_moved_to_another_inbox_acts_once(scene: Scene) -> None:
    """Ada's Welcome for Cy, twice to Cy and once to Bo."""
    ada, bo, cy = scene.ada, scene.bo, scene.cy
    await ada.device.add_to_room(scene.pair, cy.member)
    advance = next(request for request in ada.twin.requests if isinstance(request, frames.Advance))
    entry = advance.deliveries[0].payload

    class Inserted(Trick):
        def __init__(self, person: Person) -> None:
            self.queue, self.done = inbox_of(person), False

        def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
            if isinstance(answer, frames.Following) and not self.done:
                question = wire.question(answer)
                assert isinstance(question, frames.Follow)
                if question.queue == self.queue:
                    self.done = True
                    push = frames.Pushed(self.queue, answer.last, [1_800_000_000_000] * 2, [entry, entry])
                    return (answer, push)
            return (answer,)

    await bo.sync()
    await cy.sync()
    for person in (bo, cy):
        person.twin.trick = Inserted(person)
        before = person.device.rooms()
        await person.sync()
        assert person.device.rooms() == before
        assert person.all_alarms() == []
    assert len(cy.device.rooms()) == 2


async def test_an_inbox_set_back_is_noticed_and_nothing_is_done_twice(scene: Scene) -> None:
    class SetBack(Trick):
        def asked(self, wire: Wire, request: Request) -> Iterable[Frame]:
            if isinstance(request, frames.Follow) and request.queue == inbox_of(scene.bo):
                wire.say(frames.Behind(request.id, 0, 0))
                return ()
            return (request,)

    rooms = scene.bo.device.rooms()
    scene.bo.twin.trick = SetBack()
    await scene.bo.sync_as_far_as_it_goes()
    assert scene.bo.alarms("server behind") == [
        "the server has lost entries of this device's inbox; tell a steward: the server may have been set back"
    ]
    scene.bo.twin.trick = Trick()
    await scene.bo.sync()
    assert scene.bo.device.rooms() == rooms
    assert [alarm for alarm in scene.bo.all_alarms() if not alarm.startswith("server behind")] == []


async def test_a_welcome_said_to_be_undelivered_and_delivered_all_the_same_is_joined_once(scene: Scene) -> None:
    class Undelivered(Trick):
        def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
            if isinstance(answer, frames.Advanced):
                return (msgspec.structs.replace(answer, undelivered=[0, 0, -1, 7]),)
            return (answer,)

    scene.ada.twin.trick = Undelivered()
    await scene.ada.device.add_to_room(scene.pair, scene.cy.member)
    await scene.ada.sync()
    await scene.cy.sync()
    await scene.ada.device.send(scene.pair, "welcome, Cy")
    await scene.cy.sync()
    assert scene.cy.texts(scene.pair) == ["welcome, Cy"]
    assert scene.ada.all_alarms() == []
    assert scene.cy.all_alarms() == [
        "invitation: an invitation by Ada was refused: somebody sent an old invitation to the room 'Pair'"
    ]


async def test_a_flooded_inbox_still_lets_the_welcome_through(scene: Scene) -> None:
    """Bo has the token of Cy's inbox, as every member has."""
    bo, cy = scene.bo, scene.cy
    key = bo.state.register.key_of(0)
    token = bytes(inbox_post_token(key, cy.state.own.device))
    async with bo.online():
        for _ in range(200):
            post = partial(frames.Post, queue=inbox_of(cy), token=token, epoch=0)
            reply = await bo.twin.wire.own(partial(post, key=os.urandom(16), payload=os.urandom(2_000)))
            assert isinstance(reply, (frames.Posted, frames.Error))
    await scene.ada.device.add_to_room(scene.pair, cy.member)
    await cy.sync()
    assert scene.pair in [room.room for room in cy.device.rooms()]
    assert cy.all_alarms() == []
