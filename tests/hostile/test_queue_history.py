"""The server shows one reader another history of a room: it drops, reorders, inserts, repeats, withholds, hides.

Whoever is lied to is alarmed as soon as one message of somebody who saw more gets through; both sides are named.
"""

import hashlib
from collections.abc import Iterable

from coterie.ids import QueueId, RoomId
from coterie.wire import frames
from coterie.wire.frames import Frame, Request
from tests.hostile.history import History, Shown, dropping, inserting, swapping
from tests.hostile.scene import Person, Scene
from tests.hostile.twin import Answer, Trick, Wire

ADA_AND_YOU = "Ada and you were shown two histories of the room 'Crew', up to entry {n}; compare the messages with them"


def queue_of(person: Person, room: RoomId) -> QueueId:
    return person.state.group_of(room).queue


def end_of(person: Person, room: RoomId) -> int:
    return person.state.group_of(room).cursor


async def say(person: Person, room: RoomId, *texts: str) -> None:
    """Each said after the one before came back: its head names what is before it."""
    for text in texts:
        await person.device.send(room, text)
        await person.sync()


async def the_other_room_goes_on(scene: Scene, other: Person) -> None:
    await scene.ada.device.send(scene.pair, "still here")
    await other.sync_as_far_as_it_goes()
    assert other.texts(scene.pair)[-1] == "still here"


async def test_a_dropped_message_is_noticed_by_its_reader_at_the_next(scene: Scene) -> None:
    n = end_of(scene.bo, scene.crew)
    scene.bo.twin.trick = History(queue_of(scene.bo, scene.crew), dropping(n + 2))
    await say(scene.ada, scene.crew, "one", "do not sign", "three")

    await scene.bo.sync_as_far_as_it_goes()

    assert scene.bo.texts(scene.crew)[1:] == ["one", "three"]
    assert scene.bo.alarms("split queue")[0].startswith(ADA_AND_YOU.format(n=n + 2))
    await the_other_room_goes_on(scene, scene.bo)


async def test_a_dropped_message_is_noticed_by_its_author_at_the_readers_answer(scene: Scene) -> None:
    n = end_of(scene.bo, scene.crew)
    scene.bo.twin.trick = History(queue_of(scene.bo, scene.crew), dropping(n + 1))
    await say(scene.ada, scene.crew, "do not sign", "or ask me first")
    await scene.bo.sync()

    await scene.bo.device.send(scene.crew, "signed")
    await scene.ada.sync()

    assert scene.ada.alarms("split queue")[0].startswith(
        f"Bo and you were shown two histories of the room 'Crew', up to entry {n + 1}"
    )


async def test_two_messages_the_other_way_round(scene: Scene) -> None:
    n = end_of(scene.bo, scene.crew)
    scene.bo.twin.trick = History(queue_of(scene.bo, scene.crew), swapping(n + 1))
    await say(scene.ada, scene.crew, "shall I?", "yes", "so I do")

    await scene.bo.sync_as_far_as_it_goes()

    assert sorted(scene.bo.texts(scene.crew)[1:]) == ["shall I?", "so I do", "yes"]
    assert scene.bo.alarms("split queue")[0].startswith(ADA_AND_YOU.format(n=n + 1))
    await the_other_room_goes_on(scene, scene.bo)


async def test_a_message_repeated_is_shown_once_and_noticed(scene: Scene) -> None:
    n = end_of(scene.bo, scene.crew)
    await say(scene.ada, scene.crew, "pay ten", "paid")
    again = scene.ada.twin.payloads(queue_of(scene.ada, scene.crew))[0]
    scene.bo.twin.trick = History(queue_of(scene.bo, scene.crew), inserting(n + 2, again))

    await scene.bo.sync_as_far_as_it_goes()

    assert scene.bo.texts(scene.crew)[1:] == ["pay ten", "paid"]
    assert (
        "an entry of the room cannot be read (secret-reused); it was passed over"
        in scene.bo.alarms("unreadable entry")[0]
    )
    await the_other_room_goes_on(scene, scene.bo)


async def test_an_inserted_entry_is_passed_over_and_noticed(scene: Scene) -> None:
    n = end_of(scene.bo, scene.crew)
    garbage = (b"", b"\xff" * 300, bytes(256))
    scene.bo.twin.trick = History(queue_of(scene.bo, scene.crew), inserting(n + 2, *garbage))
    await say(scene.ada, scene.crew, "one", "two", "three")

    await scene.bo.sync_as_far_as_it_goes()

    assert scene.bo.texts(scene.crew)[1:] == ["one", "two", "three"]
    assert len(scene.bo.alarms("unreadable entry")) == len(garbage)
    assert "sent what no member's app makes" in scene.bo.alarms("unreadable entry")[0]
    assert scene.bo.alarms("split queue")[0].startswith(ADA_AND_YOU.format(n=n + 2))


async def test_my_own_message_handed_back_twice_is_shown_once_and_noticed(scene: Scene) -> None:
    n = end_of(scene.bo, scene.crew)
    await say(scene.bo, scene.crew, "mine")
    mine = scene.bo.twin.payloads(queue_of(scene.bo, scene.crew))[0]
    scene.bo.twin.trick = History(queue_of(scene.bo, scene.crew), inserting(n + 2, mine))
    await say(scene.ada, scene.crew, "yours")

    await scene.bo.sync_as_far_as_it_goes()

    assert scene.bo.texts(scene.crew)[1:] == ["mine", "yours"]
    assert "(own-message)" in scene.bo.alarms("unreadable entry")[0]


async def test_a_message_called_expired_leaves_a_gap_that_is_seen(scene: Scene) -> None:
    n = end_of(scene.bo, scene.crew)

    def expire(number: int, entry: Shown) -> list[Shown]:
        assert entry.payload is not None
        return [Shown(entry.at, None, hashlib.sha256(entry.payload).digest())] if number == n + 1 else [entry]

    scene.bo.twin.trick = History(queue_of(scene.bo, scene.crew), expire)
    await say(scene.ada, scene.crew, "do not sign", "two")

    await scene.bo.sync()

    assert scene.bo.texts(scene.crew)[1:] == ["two"]
    assert "1 message expired before this device could read it" in scene.bo.notices(scene.crew)
    assert scene.bo.all_alarms() == []


async def test_a_lie_about_the_hash_of_what_expired_is_noticed(scene: Scene) -> None:
    n = end_of(scene.bo, scene.crew)
    scene.bo.twin.trick = History(
        queue_of(scene.bo, scene.crew),
        lambda number, entry: [Shown(entry.at, None, b"h" * 32)] if number == n + 1 else [entry],
    )
    await say(scene.ada, scene.crew, "do not sign", "two")

    await scene.bo.sync()

    assert scene.bo.alarms("split queue")[0].startswith(ADA_AND_YOU.format(n=n + 1))


class Hole(Trick):
    """One entry is never shown, and nothing is numbered anew."""

    def __init__(self, queue: QueueId, missing: int) -> None:
        self.queue, self.missing = queue, missing
        self.follows = 0

    def asked(self, wire: Wire, request: Request) -> Iterable[Frame]:
        self.follows += isinstance(request, frames.Follow) and request.queue == self.queue
        return (request,)

    def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
        if not isinstance(answer, frames.Pushed) or answer.queue != self.queue:
            return (answer,)
        keep = max(0, self.missing - answer.after)
        return (frames.Pushed(answer.queue, answer.after + keep, answer.at[keep:], answer.payloads[keep:], []),)


async def test_a_hole_in_the_numbers_stops_the_room_and_says_so(scene: Scene) -> None:
    n = end_of(scene.bo, scene.crew)
    await say(scene.ada, scene.crew, "do not sign", "two")
    scene.bo.twin.trick = hole = Hole(queue_of(scene.bo, scene.crew), n + 1)

    refused = await scene.bo.sync_as_far_as_it_goes()

    assert refused is not None and refused.code == "not_settled"
    assert scene.bo.texts(scene.crew) == ["good morning"]
    assert f"the server leaves out entry {n + 1} of the room 'Crew'" in scene.bo.alarms("withheld")[0]
    assert hole.follows < 20
    await the_other_room_goes_on(scene, scene.bo)
    scene.bo.twin.trick = Trick()
    await scene.bo.sync()
    assert scene.bo.texts(scene.crew)[1:] == ["do not sign", "two"]


class Older(Trick):
    """The queue ends earlier than it did."""

    def __init__(self, queue: QueueId) -> None:
        self.queue = queue

    def asked(self, wire: Wire, request: Request) -> Iterable[Frame]:
        if isinstance(request, frames.Follow) and request.queue == self.queue:
            wire.say(frames.Behind(request.id, request.after - 1, 0))
            return ()
        return (request,)


async def test_a_queue_set_back_is_noticed_and_nothing_is_sent_into_it(scene: Scene) -> None:
    n = end_of(scene.bo, scene.crew)
    scene.bo.twin.trick = Older(queue_of(scene.bo, scene.crew))

    sent = await scene.bo.device.send(scene.crew, "hello", wait=0.5)

    assert sent.state == "queued"
    assert (
        f"the server has lost entries of the room 'Crew': it has {n - 1}, this device read {n}"
        in (scene.bo.alarms("server behind")[0])
    )
    assert scene.bo.twin.payloads(queue_of(scene.bo, scene.crew)) == []
    await the_other_room_goes_on(scene, scene.bo)
