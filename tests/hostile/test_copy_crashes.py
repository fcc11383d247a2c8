"""A copy of a device is told that it is one, and dies before all that follows from it is on disk: whatever was, no
generation that the original may have used is used by the copy."""

import shutil
from collections.abc import Iterable

import pytest

from coterie.client.facts import RoomState
from coterie.wire import frames
from coterie.wire.frames import Frame
from tests.hostile.scene import Person, Scene, Template, person
from tests.hostile.test_copies import COPIED, copied
from tests.hostile.test_queue_history import queue_of
from tests.hostile.twin import Answer, Trick, Wire


class Died(BaseException):
    """The process is gone: no transaction of it ends any more."""


class Dying(Trick):
    """Once the device is told that it is a copy, so many of its transactions still end."""

    def __init__(self, copy: Person, commits: int) -> None:
        self.commits_left = commits
        self.died = False
        self._connection = copy.state.store.database._connection

    def answered(self, wire: Wire, answer: Answer) -> Iterable[Frame]:
        if isinstance(answer, frames.StoreCopied):
            self._connection.set_commit_hook(self._commit)
        return (answer,)

    def _commit(self) -> bool:
        if self.commits_left == 0:
            self.died = True
            raise Died
        self.commits_left -= 1
        return False


def written_to_rooms(copy: Person, scene: Scene) -> list[frames.Request]:
    queues = {queue_of(scene.ada, room) for room in (scene.crew, scene.pair)}
    written = [request for request in copy.twin.requests if isinstance(request, (frames.Post, frames.Advance))]
    return [request for request in written if request.queue in queues]


async def started_again(scene: Scene, template: Template, commits: int) -> Person:
    """Bo's copy, told that it is one while Bo goes on, dead when so many transactions had ended; as it starts again."""
    copy = await copied(scene, template, scene.bo)
    await scene.bo.device.send(scene.crew, "from the original")
    copy.twin.trick = dying = Dying(copy, commits)
    with pytest.raises(Died):
        await copy.device.send(scene.crew, "from the copy")
    assert dying.died
    copy.device.close()
    assert written_to_rooms(copy, scene) == []

    home = copy.home.with_name("started again")
    shutil.copytree(copy.home, home)
    again = person("bo", home, template.keys["bo"], await scene.newcomer_twin())
    scene.stack.callback(again.device.close)
    return again


async def everybody_has(scene: Scene, copy: Person, *written: str) -> None:
    for who in (scene.ada, copy, scene.ada, copy, scene.ada, scene.cy):
        await who.sync()
    assert copy.room(scene.crew).state == RoomState.ACTIVE
    assert scene.ada.texts(scene.crew) == scene.cy.texts(scene.crew) == ["good morning", *written]
    assert scene.ada.all_alarms() == scene.cy.all_alarms() == []


@pytest.mark.parametrize("commits", range(1, 5))
async def test_a_copy_that_dies_after_it_dropped_its_ratchets_writes_nothing_until_it_is_added_again(
    scene: Scene, template: Template, commits: int
) -> None:
    copy = await started_again(scene, template, commits)
    await copy.sync()
    assert written_to_rooms(copy, scene) == []
    assert copy.room(scene.crew).state == RoomState.STUCK
    assert copy.alarms("store copied") == [COPIED]
    await everybody_has(scene, copy, "from the original", "from the copy")


async def test_a_copy_that_dies_before_it_dropped_its_ratchets_writes_nothing_before_its_own_path(
    scene: Scene, template: Template
) -> None:
    """By its counter, raised twice, it is let in; by what it finds in the room it knows that it is not alone."""
    copy = await started_again(scene, template, 0)
    await copy.device.send(scene.crew, "from the copy, started again")
    assert [type(request) for request in written_to_rooms(copy, scene)] == [frames.Advance, frames.Post, frames.Post]
    assert [alarm.partition(";")[0] for alarm in copy.alarms("unreadable entry")] == [
        "an entry of the room cannot be read (own-message)"
    ]
    await everybody_has(scene, copy, "from the original", "from the copy", "from the copy, started again")
