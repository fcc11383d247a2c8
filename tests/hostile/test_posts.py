"""The keys and ids of messages: the same key in two queues, with another payload; the same message id twice."""

import os
from functools import partial

from coterie.content import encode_text
from coterie.group.entry import make_entry
from coterie.group.exports import post_token
from coterie.group.sealed_blob import BlobKey
from coterie.ids import MessageId, RoomId
from coterie.wire import frames
from tests.hostile.scene import Scene
from tests.hostile.test_queue_history import queue_of


def post_by_bo(scene: Scene, room: RoomId, number: int, key: bytes, message: MessageId, text: str) -> frames.Post:
    bo = scene.bo
    with bo.state.groups.changing():
        row = bo.state.group_of(room)
        mls = bo.state.groups.get(row.group)
        made = mls.encrypt(encode_text(message, text), bo.state.sealed_head(mls, row))
        payload = make_entry(mls, made.wire, BlobKey(os.urandom(32)), os.urandom(12)).payload
        return frames.Post(number, row.queue, bytes(post_token(mls)), mls.epoch, key, payload)


async def test_one_key_in_two_queues_is_two_posts_and_with_another_payload_the_first_stands(scene: Scene) -> None:
    key, bo = os.urandom(16), scene.bo
    ids = [MessageId(os.urandom(16)) for _ in range(3)]
    async with bo.online():
        wire = bo.twin.wire
        first = await wire.own(lambda n: post_by_bo(scene, scene.crew, n, key, ids[0], "to the crew"))
        other = await wire.own(lambda n: post_by_bo(scene, scene.pair, n, key, ids[1], "to Ada"))
        again = await wire.own(lambda n: post_by_bo(scene, scene.crew, n, key, ids[2], "something else"))
    assert isinstance(first, frames.Posted) and isinstance(other, frames.Posted) and isinstance(again, frames.Posted)
    assert first.n == again.n
    await scene.ada.sync()
    assert scene.ada.texts(scene.crew)[1:] == ["to the crew"]
    assert scene.ada.texts(scene.pair)[1:] == ["to Ada"]


async def test_a_message_id_is_shown_once_whatever_arrives_under_it(scene: Scene) -> None:
    message = MessageId(os.urandom(16))
    async with scene.bo.online():
        for text in ("we meet at eight", "we meet at nine"):
            said = partial(post_by_bo, scene, scene.crew, key=os.urandom(16), message=message, text=text)
            posted = await scene.bo.twin.wire.own(said)
            assert isinstance(posted, frames.Posted)
    await scene.ada.sync()
    assert scene.ada.texts(scene.crew)[1:] == ["we meet at eight"]
    assert queue_of(scene.ada, scene.crew) == queue_of(scene.bo, scene.crew)
