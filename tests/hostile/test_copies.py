"""The device's store is copied, or set back to an earlier state: no ratchet is used twice, and the person is told.

(Power loss that drops unsynced writes: tests/store/test_power_loss.py.)
"""

import shutil

from coterie.client.facts import RoomState
from coterie.wire import frames
from tests.hostile.scene import Person, Scene, Template, person
from tests.hostile.test_queue_history import queue_of

COPIED = (
    "another copy of this device has been in use; its rooms are joined anew and history stays; "
    "if you made no copy, remove this device and add a new one"
)


async def copied(scene: Scene, template: Template, original: Person) -> Person:
    """What somebody took while the device was closed. The original is opened again."""
    original.device.close()
    home = scene.folder / "copy"
    shutil.copytree(original.home, home)
    twin = await scene.newcomer_twin()
    again = person(original.name, original.home, template.keys[original.name], original.twin)
    original.device, original.state = again.device, again.state
    scene.stack.callback(original.device.close)
    copy = person(original.name, home, template.keys[original.name], twin)
    scene.stack.callback(copy.device.close)
    return copy


def room_posts(copy: Person, scene: Scene) -> list[frames.Post]:
    queues = {queue_of(scene.ada, room) for room in (scene.crew, scene.pair)}
    return [request for request in copy.twin.requests if isinstance(request, frames.Post) and request.queue in queues]


async def test_a_copy_that_runs_beside_the_original_sends_nothing_and_is_added_again(
    scene: Scene, template: Template
) -> None:
    copy = await copied(scene, template, scene.bo)
    await scene.bo.device.send(scene.crew, "from the original")

    sent = await copy.device.send(scene.crew, "from the copy", wait=0.2)
    assert sent.state == "queued"
    assert room_posts(copy, scene) == [], "no generation is used twice"
    assert copy.alarms("store copied") == [COPIED]
    assert copy.room(scene.crew).state == RoomState.STUCK
    assert copy.room(scene.crew).reason == "another copy of this device was in use; waiting to be added again"
    assert copy.texts(scene.crew) == ["good morning", "from the copy"], "history stays"

    for who in (scene.ada, copy, scene.ada, copy, scene.ada):
        await who.sync()
    assert copy.room(scene.crew).state == RoomState.ACTIVE
    assert scene.ada.texts(scene.crew) == ["good morning", "from the original", "from the copy"]
    assert scene.ada.all_alarms() == []


async def test_a_store_set_back_does_not_use_what_it_used_before(scene: Scene, template: Template) -> None:
    """A machine restored from a snapshot: the generations since then are spent, and it does not know."""
    snapshot = await copied(scene, template, scene.bo)
    for number in range(3):
        await scene.bo.device.send(scene.crew, f"before {number}")
    scene.bo.device.close()

    await snapshot.device.send(scene.crew, "after", wait=0.2)
    assert room_posts(snapshot, scene) == []
    assert snapshot.alarms("store copied") == [COPIED]
    for who in (scene.ada, snapshot, scene.ada, snapshot, scene.ada, scene.cy):
        await who.sync()
    for who in (scene.ada, scene.cy):
        assert who.texts(scene.crew)[1:] == ["before 0", "before 1", "before 2", "after"]
        assert who.all_alarms() == []
