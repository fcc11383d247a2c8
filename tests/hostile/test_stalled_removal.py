"""The register removes Cy; the server stalls every Remove, and would let Cy read on."""

from collections.abc import Iterable

import pytest

from coterie.client.facts import RoomState
from coterie.wire import frames
from coterie.wire.frames import Frame, Request
from tests.hostile.scene import Scene
from tests.hostile.test_queue_history import queue_of
from tests.hostile.twin import Trick, Wire


class Stalled(Trick):
    """No commit gets through: each is told that another one won, which never comes."""

    def asked(self, wire: Wire, request: Request) -> Iterable[Frame]:
        if isinstance(request, frames.Advance):
            wire.say(frames.Conflict(request.id, request.epoch + 1))
            return ()
        return (request,)


async def test_nothing_is_encrypted_while_the_removed_device_could_read_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coterie.client.device.WAIT_S", 0.5)
    monkeypatch.setattr("coterie.client.online.shared_session.LAST_WORDS_SECONDS", 0.2)
    ada, bo, crew = scene.ada, scene.bo, scene.crew
    ada.twin.trick = bo.twin.trick = Stalled()

    await ada.device.remove_member(scene.cy.member)
    sent = await ada.device.send(crew, "now that Cy is gone", wait=0.5)
    await bo.sync_as_far_as_it_goes()
    from_bo = await bo.device.send(crew, "good", wait=0.5)

    for person, said in ((ada, sent), (bo, from_bo)):
        assert person.room(scene.crew).state == RoomState.HELD
        assert person.room(scene.crew).reason == (
            "waiting until a device of Cy is out: its member was removed, or their seat ended"
        )
        assert said.state == "queued"
        posts = [request for request in person.twin.requests if isinstance(request, frames.Post)]
        assert not [post for post in posts if post.queue == queue_of(person, crew)], "zero ciphertexts"
    assert (await ada.device.send(scene.pair, "just us two")).state == "sent"

    ada.twin.trick = bo.twin.trick = Trick()
    await ada.sync()
    await bo.sync()
    await ada.sync()
    await bo.sync()
    assert ada.room(scene.crew).state == bo.room(scene.crew).state == RoomState.ACTIVE
    assert scene.cy.member not in ada.room(scene.crew).members
    assert ada.texts(crew)[1:] == bo.texts(crew)[1:]
    assert sorted(bo.texts(crew)[1:]) == ["good", "now that Cy is gone"]
