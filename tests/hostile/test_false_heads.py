"""A member writes a false head into a message: it is a claim, its author is named, and the room goes on."""

import os

import pytest

from coterie.content import encode_text
from coterie.group.entry import make_entry
from coterie.group.exports import post_token
from coterie.group.heads import Head, seal_head
from coterie.group.sealed_blob import BlobKey
from coterie.ids import EntryHash, MessageId
from coterie.trust.heads import RegisterHead
from coterie.wire import frames
from tests.hostile.scene import Scene
from tests.hostile.test_queue_history import queue_of


async def bo_says(scene: Scene, head: Head, text: str) -> None:
    bo, queue = scene.bo, queue_of(scene.bo, scene.crew)
    await bo.sync()
    with bo.state.groups.changing():
        mls = bo.state.groups.get(bo.state.group_of(scene.crew).group)
        made = mls.encrypt(encode_text(MessageId(os.urandom(16)), text), seal_head(mls, queue, head, os.urandom(12)))
        payload = make_entry(mls, made.wire, BlobKey(os.urandom(32)), os.urandom(12)).payload
        token, epoch = bytes(post_token(mls)), mls.epoch
    async with bo.online():
        posted = await bo.twin.wire.own(
            lambda number: frames.Post(number, queue, token, epoch, os.urandom(16), payload)
        )
    assert isinstance(posted, frames.Posted)


@pytest.mark.parametrize("n", [1, 10**6, 2**64 - 1])
async def test_a_false_word_about_the_queue_names_its_author_and_stops_nothing(scene: Scene, n: int) -> None:
    await bo_says(scene, Head(scene.bo.state.register.state.head, n, b"c" * 32), "trust me")
    await scene.ada.sync()
    assert scene.ada.alarms("split queue")[0].startswith(
        f"Bo and you were shown two histories of the room 'Crew', up to entry {n}; "
    )
    await scene.cy.device.send(scene.crew, "do not mind Bo")
    await scene.ada.sync()
    assert scene.ada.texts(scene.crew) == ["good morning", "trust me", "do not mind Bo"]


@pytest.mark.parametrize("seq", [0, 1])
async def test_a_false_word_about_the_register_names_its_author_and_stops_nothing(scene: Scene, seq: int) -> None:
    group = scene.bo.state.group_of(scene.crew)
    assert group.chain is not None
    await bo_says(scene, Head(RegisterHead(seq, EntryHash(b"h" * 32)), group.cursor, group.chain), "trust me")
    await scene.ada.sync()
    assert scene.ada.alarms("forked register")[0].startswith(f"Bo has another register than you, at entry {seq}; ")
    await scene.cy.device.send(scene.crew, "do not mind Bo")
    await scene.ada.sync()
    assert scene.ada.texts(scene.crew) == ["good morning", "trust me", "do not mind Bo"]


@pytest.mark.parametrize("seq", [2**64 - 1])
async def test_a_word_about_entries_that_are_not_here_waits_and_people_are_told(
    scene: Scene, seq: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That the room goes on all the same, the claimant named, comes with the exchange of proofs."""
    monkeypatch.setattr("coterie.client.online.shared_session.LAST_WORDS_SECONDS", 0.2)
    group = scene.bo.state.group_of(scene.crew)
    assert group.chain is not None
    await bo_says(scene, Head(RegisterHead(seq, EntryHash(b"h" * 32)), group.cursor, group.chain), "trust me")
    await scene.ada.sync_as_far_as_it_goes()
    assert scene.ada.alarms("register withheld")[0].startswith(f"a member names entry {seq} of the register")
    await scene.bo.device.send(scene.pair, "this room goes on")
    await scene.ada.sync_as_far_as_it_goes()
    assert scene.ada.texts(scene.pair)[-1] == "this room goes on"
