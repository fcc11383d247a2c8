"""Removals that the server, or who was removed, would have otherwise: withheld, back-dated, brought from elsewhere; and
a room's creator who left it and would end it for the others."""

from dataclasses import replace

import pytest

from coterie.client.membership.registration import RegisterAlarm
from coterie.group.exports import post_token, read_token
from coterie.ids import CoterieId
from coterie.trust.kinds import MemberRemoved
from coterie.wire import frames
from tests.hostile.forger import entry_after
from tests.hostile.scene import Scene
from tests.hostile.test_queue_history import queue_of, the_other_room_goes_on
from tests.hostile.test_register_lies import Unheard
from tests.hostile.test_removed_device import PushedEntry
from tests.hostile.twin import Trick


async def test_a_removal_withheld_from_one_is_noticed_at_the_removers_next_step_and_nothing_goes_out(
    scene: Scene,
) -> None:
    ada, bo = scene.ada, scene.bo
    seq = bo.state.register.seq
    bo.twin.trick = Unheard(bo)
    await ada.device.remove_member(scene.cy.member)
    await ada.device.send(scene.crew, "Cy is out")

    await bo.sync_as_far_as_it_goes()
    assert bo.alarms("register withheld")[0].startswith("a member names entry ")
    assert f"but the server shows this device {seq} entries only" in bo.alarms("register withheld")[0]
    posted = len(bo.twin.payloads(queue_of(bo, scene.crew)))
    sent = await bo.device.send(scene.crew, "what Cy must not read", wait=0.5)
    assert sent.state == "queued"
    assert len(bo.twin.payloads(queue_of(bo, scene.crew))) == posted

    bo.twin.trick = Trick()
    for person in (bo, ada):
        await person.sync()
    assert ada.texts(scene.crew)[-2:] == ["Cy is out", "what Cy must not read"]
    assert scene.cy.member not in bo.room(scene.crew).members


async def test_a_removal_dated_back_takes_nothing_away_that_was_done_before(scene: Scene) -> None:
    """Order decides, not the time that an entry claims."""
    ada, bo, cy = scene.ada, scene.bo, scene.cy
    await cy.device.set_profile("Cyrus")
    await ada.sync()
    register = ada.state.register.state
    entry = entry_after(register, MemberRemoved(cy.member), ada.state.own, at=register.at)
    async with ada.online():
        reply = await ada.twin.wire.own(lambda number: frames.RegisterAppend(number, entry))
    assert isinstance(reply, frames.Appended)
    await bo.sync()
    assert [(member.name, member.state) for member in bo.device.members() if member.member == cy.member] == [
        ("Cyrus", "removed")
    ]


async def test_a_removal_signed_for_another_coterie_is_refused_by_server_and_clients(scene: Scene) -> None:
    """The same steward, the same device key, the right place in the order: the signature names the coterie."""
    ada, bo = scene.ada, scene.bo
    register = ada.state.register.state
    elsewhere = replace(register, coterie=CoterieId(b"e" * 32))
    entry = entry_after(elsewhere, MemberRemoved(scene.cy.member), ada.state.own)
    async with ada.online():
        reply = await ada.twin.wire.own(lambda number: frames.RegisterAppend(number, entry))
    assert isinstance(reply, frames.Error)
    assert (reply.code, reply.message) == ("register_refused", "forged")
    bo.twin.trick = PushedEntry(bo, entry)
    with pytest.raises(RegisterAlarm):
        await bo.sync()
    assert bo.state.register.state.head == register.head
    bo.twin.trick = Trick()
    await the_other_room_goes_on(scene, bo)


async def test_the_creator_who_left_cannot_close_the_rooms_queue(scene: Scene) -> None:
    """A room's queue has no closing secret: not even the tokens of its last epoch end it."""
    ada, bo, cy, crew = scene.ada, scene.bo, scene.cy, scene.crew
    queue = queue_of(ada, crew)
    mls = ada.state.groups.get(ada.state.group_of(crew).group)
    known = [bytes(post_token(mls)), bytes(read_token(mls)), bytes(32), bytes(queue)]
    await ada.device.leave_room(crew)
    async with ada.online():
        for secret in known:
            reply = await ada.twin.wire.own(
                lambda number, secret=secret: frames.CloseQueue(number, queue, secret)  # type: ignore[misc]  # bound now
            )
            assert isinstance(reply, frames.Error), reply
    for person in (bo, cy, bo):
        await person.sync()
    await bo.device.send(crew, "still here")
    await cy.sync()
    assert cy.texts(crew)[-1] == "still here"
