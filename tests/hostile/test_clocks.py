"""Clocks that are wrong, and entries that lie about the time: order decides, not anybody's clock."""

import pytest

from coterie.client.membership.registration import ClockApart, RegisterAlarm
from coterie.trust import Register, apply
from coterie.trust.kinds import MemberRemoved, ProfileSet
from coterie.wire import frames
from tests.hostile.forger import entry_after
from tests.hostile.scene import Scene
from tests.hostile.test_removed_device import PushedEntry

DAY_MS = 86_400_000
YEAR_2099_MS = 4_070_908_800_000
CLOCKS = {"a day behind": -DAY_MS, "a day ahead": DAY_MS, "1970": None, "2099": YEAR_2099_MS}


@pytest.mark.parametrize("clock", CLOCKS)
async def test_a_device_with_a_wrong_clock_sees_the_same_register_reads_sends_and_is_warned(
    scene: Scene, clock: str
) -> None:
    ada, bo = scene.ada, scene.bo
    await ada.device.create_invite()
    await ada.device.send(scene.crew, "what time is it?")
    ahead = CLOCKS[clock]
    bo.watch.ahead = -bo.watch() + 1_000 if ahead is None else ahead if abs(ahead) == DAY_MS else ahead - bo.watch()

    await bo.sync()
    assert bo.texts(scene.crew)[-1] == "what time is it?"
    await bo.device.send(scene.crew, "no idea")
    await ada.sync()
    assert ada.texts(scene.crew)[-1] == "no idea"
    assert bo.state.register.state.head == ada.state.register.state.head
    assert bo.alarms("clock") == [
        "this device's clock is more than five minutes from the server's; "
        "messages go on; set the clock: until then this device can invite, remove and rename nobody"
    ]
    with pytest.raises(ClockApart):
        await bo.device.create_invite()


def test_one_register_has_one_verdict_whoever_looks_and_whenever(scene_register: list[bytes]) -> None:
    states: set[bytes] = set()
    for _ in range(5):
        state: Register | None = None
        for entry in scene_register:
            state = apply(state, entry)
        assert state is not None
        states.add(state.head.hash)
    assert len(states) == 1, "apply takes no clock"


async def test_an_entry_of_2099_is_refused_by_the_server(scene: Scene) -> None:
    bo = scene.bo
    entry = entry_after(bo.state.register.state, ProfileSet(), bo.state.own, at=YEAR_2099_MS)
    async with bo.online():
        reply = await bo.twin.wire.own(lambda number: frames.RegisterAppend(number, entry))
    assert isinstance(reply, frames.Error)
    assert (reply.code, reply.message) == ("register_refused", "clock-apart")


async def test_an_entry_older_than_the_one_before_is_refused_by_server_and_clients(scene: Scene) -> None:
    ada, bo = scene.ada, scene.bo
    register = ada.state.register.state
    entry = entry_after(register, MemberRemoved(scene.cy.member), ada.state.own, at=register.at - 1)
    async with ada.online():
        reply = await ada.twin.wire.own(lambda number: frames.RegisterAppend(number, entry))
    assert isinstance(reply, frames.Error)
    assert (reply.code, reply.message) == ("register_refused", "time-went-back")
    bo.twin.trick = PushedEntry(bo, entry)
    with pytest.raises(RegisterAlarm) as alarm:
        await bo.sync()
    assert alarm.value.fact == (
        "the server sent a register entry that the rules refuse: the entry is older than the one before it"
    )
