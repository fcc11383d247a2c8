"""Somebody had Bo's unlocked device in their hands once, copied all of it, and the server hands over every entry: what
was read before is gone from it, and what is said after Bo's next fresh path is not for them."""

import coterie_mls
import pytest
from coterie_mls import Application, MlsError, Own, StagedCommit

from coterie.client.rooms.wishes import Action
from tests.client.newsroom import wish
from tests.hostile.scene import Person, Scene, Template
from tests.hostile.test_copies import copied
from tests.hostile.test_queue_history import queue_of

DAY_MS = 86_400_000


def written(author: Person, scene: Scene) -> list[bytes]:
    """The MLS messages that this person put into the room, in order."""
    return [payload[1:] for payload in author.twin.payloads(queue_of(scene.ada, scene.crew))]


def stolen(thief: Person, scene: Scene) -> coterie_mls.Group:
    """The copy's state of the room, as the thief runs it: against the app's rules if need be, never online."""
    return thief.state.groups.get(thief.state.group_of(scene.crew).group)


async def test_what_was_read_before_cannot_be_decrypted_with_the_taken_device(scene: Scene, template: Template) -> None:
    await scene.ada.device.send(scene.crew, "read by Bo")
    await scene.bo.sync()
    await scene.bo.device.send(scene.crew, "and answered")
    await scene.cy.device.send(scene.crew, "not read by Bo yet")
    thief = await copied(scene, template, scene.bo)
    group = stolen(thief, scene)

    (said,) = written(scene.ada, scene)
    with pytest.raises(MlsError, match="secret-reused"):
        group.process(said)
    (answered,) = written(scene.bo, scene)
    assert isinstance(group.process(answered), Own), "no key of one's own message is kept"
    (waiting,) = written(scene.cy, scene)
    assert isinstance(group.process(waiting), Application), "what was not read yet is the thief's"


async def test_what_is_said_after_a_fresh_path_is_not_for_who_has_the_keys_of_before(
    scene: Scene, template: Template
) -> None:
    ada, bo = scene.ada, scene.bo
    thief = await copied(scene, template, bo)
    group = stolen(thief, scene)
    await ada.device.rename_room(scene.crew, topic="Ada's path is fresh, Bo's is not")
    await ada.device.send(scene.crew, "read by the thief")
    followed, overheard = written(ada, scene)
    staged = group.process(followed)
    assert isinstance(staged, StagedCommit)
    group.merge(staged)
    assert isinstance(group.process(overheard), Application), "the copy is good as long as Bo's keys are"

    await bo.sync()
    wish(bo.device, scene.crew, Action.UPDATE)
    await bo.sync()
    (fresh,) = written(bo, scene)
    await ada.device.rename_room(scene.crew, topic="among ourselves")
    await ada.device.send(scene.crew, "not for the thief")
    for message in (fresh, *written(ada, scene)[2:]):
        try:
            assert isinstance(group.process(message), Own)
        except MlsError as refused:
            assert refused.code == "wrong-epoch"
    await bo.sync()
    assert bo.texts(scene.crew)[-1] == "not for the thief"


async def test_a_fresh_path_comes_by_itself_within_the_week(scene: Scene, template: Template) -> None:
    for person in (scene.ada, scene.bo, scene.cy):
        person.watch.ahead = 8 * DAY_MS
    before = scene.bo.state.groups.get(scene.bo.state.group_of(scene.crew).group).epoch
    await scene.bo.sync()
    assert scene.bo.state.groups.get(scene.bo.state.group_of(scene.crew).group).epoch > before
    assert len(written(scene.bo, scene)) == 1
