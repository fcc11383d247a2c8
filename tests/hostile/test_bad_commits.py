"""A member who turns sends commits that no app makes; the server cannot read them, so it takes them.

Nobody merges them, the room says why, the other rooms go on, and the room itself is carried on.
"""

import hashlib
import os
from collections.abc import Iterable

import msgspec
import pytest
from coterie_mls import Client

from coterie.client.facts import RoomState
from coterie.client.online.session import NotSettled
from coterie.group.credential import encode_credential
from coterie.group.entry import MLS_MESSAGE, make_entry
from coterie.group.exports import post_token, read_token
from coterie.group.sealed_blob import BlobKey
from coterie.ids import DeviceId, MemberId
from coterie.wire import frames
from coterie.wire.frames import Frame, Request
from coterie.wire.queues import token_hash
from tests.hostile.scene import Person, Scene
from tests.hostile.test_queue_history import queue_of, the_other_room_goes_on
from tests.hostile.test_register_lies import Unheard
from tests.hostile.twin import Answer, Trick, Wire


async def commit_as(
    person: Person, scene: Scene, payload: bytes, next_post: bytes, next_read: bytes, through: Person | None = None
) -> Frame:
    """Advance the Crew's queue with the token that this member truly has, on whosever connection."""
    mls = person.state.groups.get(person.state.group_of(scene.crew).group)
    accomplice = through or person
    async with accomplice.online():
        return await accomplice.twin.wire.own(
            lambda number: frames.Advance(
                number,
                queue_of(person, scene.crew),
                bytes(post_token(mls)),
                mls.epoch,
                os.urandom(16),
                payload,
                next_post,
                next_read,
            )
        )


async def the_crew_is_carried_on(scene: Scene) -> None:
    """Ada, an admin, founds the successor: the same room, and everybody is in it again."""
    await scene.ada.device.found_successor(scene.crew)
    for _ in range(2):
        for person in scene.people:
            await person.sync()
    await scene.ada.device.send(scene.crew, "on we go")
    for person in scene.people:
        await person.sync()
        assert person.texts(scene.crew) == ["good morning", "on we go"]
        assert person.room(scene.crew).state == RoomState.ACTIVE


async def test_a_garbage_commit_stops_the_room_with_a_reason_and_an_admin_carries_it_on(scene: Scene) -> None:
    advanced = await commit_as(scene.bo, scene, bytes([MLS_MESSAGE]) + bytes(300), b"p" * 32, b"r" * 32)
    assert isinstance(advanced, frames.Advanced), "the server cannot know"

    for person in scene.people:
        await person.sync()
        assert person.room(scene.crew).state == RoomState.STUCK
        assert person.room(scene.crew).reason == (
            "a change to this room cannot be processed (malformed); waiting to be added again"
        )
    await the_other_room_goes_on(scene, scene.bo)
    await the_crew_is_carried_on(scene)


async def test_a_commit_that_adds_a_stranger_is_refused_by_everybody(scene: Scene) -> None:
    """Ada, an admin, adds a device that no register knows."""
    ada = scene.ada
    own = ada.state.own
    stranger = Client(encode_credential(own.coterie, MemberId(b"m" * 16), DeviceId(b"d" * 16)), os.urandom(32))
    await ada.sync()
    with ada.state.groups.changing():
        row = ada.state.group_of(scene.crew)
        mls = ada.state.groups.get(row.group)
        pending = mls.commit(
            add=[stranger.key_package(row.suite).wire], path=False, aad=ada.state.sealed_head(mls, row)
        )
        payload = make_entry(mls, pending.wire, BlobKey(os.urandom(32)), os.urandom(12)).payload
        tokens = token_hash(post_token(pending)), token_hash(read_token(pending))
        mls.discard_pending()
    await commit_as(ada, scene, payload, *tokens)

    for person in (scene.bo, scene.cy):
        await person.sync()
        assert person.room(scene.crew).state == RoomState.STUCK
        assert person.room(scene.crew).reason.startswith("a change to this room cannot be processed (added-leaf)")
        assert len(person.room(scene.crew).members) == 3
    await the_other_room_goes_on(scene, scene.bo)


class WrongNextTokens(Trick):
    def asked(self, wire: Wire, request: Request) -> Iterable[Frame]:
        if isinstance(request, frames.Advance):
            return (msgspec.structs.replace(request, next_post=b"p" * 32, next_read=b"r" * 32),)
        return (request,)


async def test_a_valid_commit_with_wrong_next_tokens_is_merged_by_nobody(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server puts them in: not even the committer may go on alone, or the room could not be carried on."""
    monkeypatch.setattr("coterie.client.device.WAIT_S", 1.0)
    scene.ada.twin.trick = WrongNextTokens()
    with pytest.raises(NotSettled):
        await scene.ada.device.rename_room(scene.crew, topic="tokens")
    scene.ada.twin.trick = Trick()

    for person in scene.people:
        await person.sync()
        assert person.room(scene.crew).state == RoomState.STUCK
        assert person.room(scene.crew).reason.startswith("a change to this room cannot be processed (wrong-tokens)")
        assert person.room(scene.crew).topic == ""
    await the_other_room_goes_on(scene, scene.bo)
    await the_crew_is_carried_on(scene)
    assert scene.bo.room(scene.crew).topic == "tokens", "what Ada wished is done in the successor"


class LieAboutTheEnd(Trick):
    """The server says that other tokens, or another entry, ended the epoch."""

    def __init__(self, ended: frames.EpochEnd | None = None) -> None:
        self.ended = ended

    def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
        if isinstance(answer, frames.FollowEnded) and answer.ended is not None:
            return (
                msgspec.structs.replace(
                    answer, ended=msgspec.structs.replace(answer.ended, next_read=hashlib.sha256(b"lie").digest())
                ),
            )
        return (answer,)


async def test_who_alone_is_lied_to_about_the_next_tokens_is_added_again_by_the_others(scene: Scene) -> None:
    scene.bo.twin.trick = LieAboutTheEnd()
    await scene.ada.device.rename_room(scene.crew, topic="tokens")
    await scene.bo.sync()
    assert scene.bo.room(scene.crew).state == RoomState.STUCK
    assert "(wrong-tokens)" in scene.bo.room(scene.crew).reason
    await the_other_room_goes_on(scene, scene.bo)

    scene.bo.twin.trick = Trick()
    for person in (scene.ada, scene.bo, scene.ada, scene.bo):
        await person.sync()
    assert scene.bo.room(scene.crew).state == RoomState.ACTIVE
    await scene.bo.device.send(scene.crew, "back again")
    for person in (scene.cy, scene.ada):
        await person.sync()
        assert person.texts(scene.crew)[-1] == "back again"
        assert person.all_alarms() == []


async def test_a_commit_that_names_a_head_not_here_yet_waits_and_is_not_refused(scene: Scene) -> None:
    scene.bo.twin.trick = Unheard(scene.bo)
    await scene.ada.device.create_invite()
    await scene.ada.device.rename_room(scene.crew, topic="later")

    await scene.bo.sync_as_far_as_it_goes()
    assert scene.bo.room(scene.crew).state == RoomState.ACTIVE
    assert scene.bo.room(scene.crew).topic == ""

    scene.bo.twin.trick = Trick()
    await scene.bo.sync()
    assert scene.bo.room(scene.crew).topic == "later"


class EndsAtAMessage(Trick):
    """The victim is told that an ordinary message ended the epoch."""

    def __init__(self, scene: Scene) -> None:
        self.queue = queue_of(scene.bo, scene.crew)
        self.lied = False

    def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
        if isinstance(answer, frames.Pushed) and answer.queue == self.queue and not self.lied:
            self.lied = True
            ended = frames.EpochEnd(answer.after + len(answer.payloads), b"p" * 32, b"r" * 32)
            return (answer, frames.FollowEnded(answer.queue, "epoch", ended))
        return (answer,)


async def test_a_message_called_the_end_of_the_epoch_is_no_commit(scene: Scene) -> None:
    scene.bo.twin.trick = EndsAtAMessage(scene)
    await scene.ada.device.send(scene.crew, "only a message")
    await scene.bo.sync_as_far_as_it_goes()
    assert scene.bo.room(scene.crew).state == RoomState.STUCK
    assert "(no-commit)" in scene.bo.room(scene.crew).reason
    await the_other_room_goes_on(scene, scene.bo)


async def test_a_commit_by_a_device_that_the_register_removed_is_refused(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cy is out of the register and not yet out of the room; with the server's help Cy commits."""
    monkeypatch.setattr("coterie.client.device.WAIT_S", 0.5)
    ada, cy = scene.ada, scene.cy
    await cy.sync()
    with cy.state.groups.changing():
        row = cy.state.group_of(scene.crew)
        mls = cy.state.groups.get(row.group)
        pending = mls.commit(path=True, aad=cy.state.sealed_head(mls, row))
        payload = make_entry(mls, pending.wire, BlobKey(os.urandom(32)), os.urandom(12)).payload
        tokens = token_hash(post_token(pending)), token_hash(read_token(pending))
        mls.discard_pending()
    await ada.device.remove_member(cy.member)
    for person in (ada, scene.bo, ada, scene.bo):
        await person.sync()
    # Cy's token is of an epoch that has ended
    refused = await commit_as(cy, scene, payload, *tokens, through=scene.bo)
    assert isinstance(refused, frames.Conflict)
    assert cy.member not in ada.room(scene.crew).members
