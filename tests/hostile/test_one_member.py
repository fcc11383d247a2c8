"""What one member, one race or one copied home can do to the others: it is named, it is waited for ten minutes at most,
and everybody goes on with one key and one history.

(Who is outside a room: tests/hostile/test_outsiders.py.)
"""

import asyncio
import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator

import coterie_mls
import pytest

from coterie.client import Device
from coterie.client.facts import MessageState, RoomState
from coterie.client.rooms import commits
from coterie.client.rooms.wishes import Action
from coterie.content import encode_text
from coterie.group.entry import InBlob, decode_entry_untrusted
from coterie.group.heads import Head, seal_head
from coterie.ids import EntryHash, QueueId
from coterie.store import wrap
from coterie.store.facts import Fact
from coterie.store.groups import GroupRow
from coterie.trust.entry import decode_entry_untrusted as decode_register_entry_untrusted
from coterie.trust.heads import RegisterHead
from coterie.trust.kinds import KeyRotated
from coterie.wire import frames
from coterie.wire.frames import Frame, Request
from tests.hostile.scene import MINUTE_MS, NOT_COPIED, UNLOCK, Person, Scene, Template, person
from tests.hostile.test_inboxes import inbox_of
from tests.hostile.test_queue_history import queue_of
from tests.hostile.twin import SECONDS, Answer, Trick, Wire

FAR = 10**6


class HeldBack(Trick):
    """What comes in one queue is told later."""

    def __init__(self, queue: QueueId) -> None:
        self.queue = queue
        self.held: list[tuple[Wire, Frame]] = []
        self.holds = asyncio.Event()
        self.released = False

    def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
        if isinstance(answer, (frames.Pushed, frames.FollowEnded)) and answer.queue == self.queue and not self.released:
            self.held.append((wire, answer))
            self.holds.set()
            return ()
        return (answer,)

    def release(self) -> None:
        self.released = True
        for wire, answer in self.held:
            wire.say(answer)


class RotationHeldBack(Trick):
    """A new generation of the key is on its way to the register, and somebody else's overtakes it."""

    def __init__(self) -> None:
        self.held: list[tuple[Wire, Request]] = []
        self.holds = asyncio.Event()

    def asked(self, wire: Wire, request: Request) -> Iterable[Frame]:
        if isinstance(request, frames.RegisterAppend) and not self.held:
            entry = decode_register_entry_untrusted(request.entry)
            if isinstance(entry.public, KeyRotated):
                self.held.append((wire, request))
                self.holds.set()
                return ()
        return (request,)

    def release(self) -> None:
        for wire, request in self.held:
            wire.ask(request)


async def joined(scene: Scene, name: str, role: str) -> Person:
    """Another member, by Ada's invite."""
    invite = await scene.ada.device.create_invite(role)
    assert invite.link is not None
    home = scene.folder / name.lower()
    await Device.join(home, UNLOCK, invite.link, name)
    newcomer = person(name.lower(), home, wrap.unlock(home, UNLOCK), await scene.newcomer_twin())
    scene.stack.callback(newcomer.device.close)
    for who in (scene.ada, newcomer):
        await who.sync()
    return newcomer


def coterie_key(who: Person) -> bytes:
    key = who.state.register.current_key()
    assert key is not None
    return bytes(key)


async def test_two_stewards_rotate_at_once_and_everybody_has_the_one_key(scene: Scene) -> None:
    ada, bo = scene.ada, scene.bo
    dee = await joined(scene, "Dee", "steward")
    await bo.sync()
    ada.twin.trick = race = RotationHeldBack()
    removing = asyncio.create_task(ada.device.remove_member(scene.cy.member))
    await asyncio.wait_for(race.holds.wait(), SECONDS)
    await dee.sync()
    assert dee.state.register.state.rotation_due == ada.state.own.device, "Dee gives Ada a minute, and then some"
    dee.watch.ahead = 4 * MINUTE_MS
    await dee.sync()
    assert dee.state.register.state.generation == 1
    race.release()
    await removing

    for who in (ada, dee, bo, ada, dee, bo):
        await who.sync()
    assert {who.state.register.state.generation for who in (ada, bo, dee)} == {1}
    assert coterie_key(ada) == coterie_key(bo) == coterie_key(dee)
    for steward in (ada, dee):
        assert (await steward.device.create_invite()).link is not None
        assert steward.all_alarms() == []
    await ada.device.create_room("Third", [bo.member, dee.member])
    for who in (bo, dee):
        await who.sync()
        assert "Third" in [room.name for room in who.device.rooms()]


async def test_a_commit_that_does_not_fit_its_frame_travels_as_a_blob(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, bo, cy = scene.people
    monkeypatch.setattr(commits, "FRAME_BYTES", commits.FRAME_ROOM)
    await ada.device.add_to_room(scene.pair, cy.member)
    await ada.device.rename_room(scene.pair, "Three")
    monkeypatch.undo()
    made = [request for request in ada.twin.requests if isinstance(request, frames.Advance)]
    assert [len(advance.deliveries) for advance in made] == [1, 0]
    assert isinstance(decode_entry_untrusted(made[0].payload), InBlob)
    assert len(made[0].blobs) == 1

    for who in (bo, cy):
        await who.sync()
        assert who.room(scene.pair).name == "Three"
    assert bo.notices(scene.pair)[-2:] == ["Ada added Cy", "Ada named the room 'Three'"]
    await bo.device.send(scene.pair, "welcome, Cy")
    for who in scene.people:
        await who.sync()
        assert who.texts(scene.pair)[-1] == "welcome, Cy"
        assert who.all_alarms() == []


async def test_a_copy_made_while_online_writes_nothing_before_its_own_path(scene: Scene, template: Template) -> None:
    """It raises the counter as the original would have: the server cannot tell them apart, the queue can."""
    ada, bo = scene.ada, scene.bo
    home = scene.folder / "copy"
    async with bo.online():
        shutil.copytree(bo.home, home, ignore=NOT_COPIED)
        sent = await bo.device.send(scene.crew, "by the original, after the copy")
        assert sent.state == MessageState.SENT
    bo.device.close()
    copy = person("bo", home, template.keys["bo"], await scene.newcomer_twin())
    scene.stack.callback(copy.device.close)

    assert (await copy.device.send(scene.crew, "by the copy")).state == MessageState.SENT
    written = [
        type(request)
        for request in copy.twin.requests
        if isinstance(request, (frames.Advance, frames.Post)) and request.queue == queue_of(copy, scene.crew)
    ]
    assert written == [frames.Advance, frames.Post], "no generation of the epoch is used twice"
    assert copy.alarms("unreadable entry") == [
        "an entry of the room cannot be read (own-message); it was passed over; "
        "somebody in the room, or the server, sent what no member's app makes; the other messages are complete"
    ]
    for who in (ada, scene.cy):
        await who.sync()
        assert who.texts(scene.crew) == ["good morning", "by the original, after the copy", "by the copy"]
        assert who.all_alarms() == []


async def test_a_message_id_taken_in_another_room_hides_nobodys_words(scene: Scene) -> None:
    """Cy reads Ada's words first and sends the same id to a room of his own; Bo sees that before them."""
    ada, bo, cy = scene.people
    side = (await cy.device.create_room("Side", [bo.member])).room
    for who in (bo, cy, bo):
        await who.sync()
    sent = await ada.device.send(scene.crew, "from Ada")
    await cy.sync()
    with cy.state.groups.changing():
        cy.state.store.outbox.add(side, sent.message, os.urandom(16), encode_text(sent.message, "squatted"))
    bo.twin.trick = late = HeldBack(queue_of(bo, scene.crew))
    await cy.sync()
    async with bo.online():
        await bo.until(lambda: bo.texts(side) == ["squatted"])
        assert bo.texts(scene.crew) == ["good morning"]
        late.release()
        await bo.until(lambda: bo.texts(scene.crew) == ["good morning", "from Ada"])
    assert [message.sender for message in bo.messages(side)] == ["Cy"]
    assert bo.messages(scene.crew)[-1].sender == "Ada"
    assert bo.all_alarms() == []


async def test_a_rejoin_heard_after_it_was_done_is_not_done_again(scene: Scene) -> None:
    ada, bo, cy = scene.people
    await bo.device.rejoin(scene.crew)
    for who in (ada, bo, ada, bo):
        await who.sync()
    assert bo.room(scene.crew).state == RoomState.ACTIVE
    epoch = ada.state.groups.get(ada.state.group_of(scene.crew).group).epoch

    cy.twin.trick = late = HeldBack(inbox_of(cy))
    async with cy.online():
        await cy.until(lambda: cy.state.groups.get(cy.state.group_of(scene.crew).group).epoch == epoch)
        await asyncio.wait_for(late.holds.wait(), SECONDS)
        cursor = cy.state.store.facts.number(Fact.INBOX_CURSOR)
        late.release()
        await cy.until(lambda: cy.state.store.facts.number(Fact.INBOX_CURSOR) > cursor)
        await cy.until(lambda: not list(cy.state.store.inbox.entries()))
    assert cy.state.store.rooms.wishes(scene.crew) == []
    # longer than anybody waits for others to go first
    cy.watch.ahead = MINUTE_MS
    for who in (cy, ada, bo):
        await who.sync()
        assert who.state.groups.get(who.state.group_of(scene.crew).group).epoch == epoch
    assert bo.notices(scene.crew)[-1] == "Ada added this device again; what was said in between is missing"


@contextlib.contextmanager
def claiming_a_far_register(who: Person) -> Iterator[None]:
    """What they write names an entry of the register that nobody has."""

    def sealed_head(mls: coterie_mls.Group, row: GroupRow) -> bytes:
        head = Head(RegisterHead(FAR, EntryHash(b"h" * 32)), row.cursor, row.chain or bytes(32))
        return seal_head(mls, row.queue, head, os.urandom(12))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(who.state, "sealed_head", sealed_head)
        yield


async def test_a_message_that_names_a_far_register_is_shown_after_ten_minutes_and_its_author_named(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coterie.client.online.shared_session.LAST_WORDS_SECONDS", 0.2)
    ada, bo = scene.ada, scene.bo
    with claiming_a_far_register(bo):
        await bo.device.send(scene.pair, "trust me")
    await ada.sync_as_far_as_it_goes(0.5)
    assert ada.texts(scene.pair) == ["just us"]
    assert ada.alarms("register withheld") == [
        f"a member names entry {FAR} of the register, but the server shows this device "
        f"{ada.state.register.seq} entries only; what names it waits; "
        "compare with the others over another channel: the server may keep entries from you"
    ]
    ada.watch.ahead = 9 * MINUTE_MS
    await ada.sync_as_far_as_it_goes(0.5)
    assert ada.texts(scene.pair) == ["just us"]

    ada.watch.ahead = 11 * MINUTE_MS
    await ada.sync()
    assert ada.texts(scene.pair) == ["just us", "trust me"]
    assert ada.alarms("register withheld")[1:] == [
        f"Bo names entry {FAR} of the register, which the server does not show; either the server keeps entries from "
        "you, or they claim what is not so: compare over another channel"
    ]
    await ada.device.send(scene.pair, "the room goes on")
    await bo.sync()
    assert bo.texts(scene.pair)[-1] == "the room goes on"


async def test_a_commit_that_names_a_far_register_makes_stuck_after_ten_minutes_and_is_mended(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coterie.client.online.shared_session.LAST_WORDS_SECONDS", 0.2)
    ada, bo = scene.ada, scene.bo
    with bo.state.groups.changing():
        bo.state.store.rooms.wish(scene.pair, Action.UPDATE, b"", bo.state.now())
    with claiming_a_far_register(bo):
        await bo.sync()
    await ada.sync_as_far_as_it_goes(0.5)
    assert ada.room(scene.pair).state == RoomState.ACTIVE
    await scene.cy.device.send(scene.crew, "the other rooms go on")

    ada.watch.ahead = 11 * MINUTE_MS
    await ada.sync()
    assert ada.texts(scene.crew)[-1] == "the other rooms go on"
    assert ada.room(scene.pair).state == RoomState.STUCK
    assert ada.room(scene.pair).reason == (
        "a change to this room cannot be processed (waited-too-long); waiting to be added again"
    )
    for who in (bo, ada, bo, ada):
        await who.sync()
    assert ada.room(scene.pair).state == RoomState.ACTIVE
    assert ada.notices(scene.pair)[-1] == "Bo added this device again; what was said in between is missing"
    await bo.device.send(scene.pair, "sorry")
    await ada.sync()
    assert ada.texts(scene.pair)[-1] == "sorry"
