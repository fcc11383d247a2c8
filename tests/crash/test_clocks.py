"""Clocks that are wrong: a device still reads and sends, says so, and signs nothing for the register; a hub does not
start behind its own log. Long times are simulated by the clocks that device and server are given."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from coterie.client import Device, MessageState
from coterie.client.membership.registration import ClockApart
from coterie.server.clock import ClockBehind
from tests.client.newsroom import FakeClock, Newsroom, newsroom, texts
from tests.crash.device import PASSPHRASE
from tests.serving import serving_here

DAY_MS = 86_400_000
YEAR_2099_MS = 4_070_908_800_000
NOW_MS = time.time_ns() // 1_000_000
WRONG = {"a day behind": -DAY_MS, "a day ahead": DAY_MS, "1970": -NOW_MS, "2099": YEAR_2099_MS - NOW_MS}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gazette(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Newsroom]:
    async with newsroom(tmp_path_factory.mktemp("gazette"), "Bo", "Cy") as gazette:
        yield gazette


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("ahead_ms", WRONG.values(), ids=WRONG)
async def test_device_with_a_wrong_clock_reads_and_sends_and_signs_nothing(gazette: Newsroom, ahead_ms: int) -> None:
    ada, bo = gazette["Ada"], gazette["Bo"]
    room = await gazette.room(f"clock {ahead_ms}", "Ada", "Bo")
    seq = ada.status().register_seq
    gazette.clocks["Ada"].ahead_ms = ahead_ms
    await bo.send(room, "what time is it?")
    await ada.sync()
    assert (await ada.send(room, "I cannot say")).state is MessageState.SENT
    await bo.sync()
    assert texts(ada, room) == texts(bo, room) == ["what time is it?", "I cannot say"]
    (alarm,) = ada.alarms()
    assert (alarm.kind, "clock is more than five minutes" in alarm.fact, "set the clock" in alarm.hint) == (
        "clock",
        True,
        True,
    )
    with pytest.raises(ClockApart):
        await ada.create_invite()
    with pytest.raises(ClockApart):
        await ada.remove_member(gazette.member("Bo"))
    # a room's changes need no clock
    await ada.rename_room(room, name="whenever")
    await bo.sync()
    assert bo.room(room).name == "whenever"
    assert ada.status().register_seq == seq

    gazette.clocks["Ada"].ahead_ms = 0
    await ada.sync()
    assert ada.alarms() == bo.alarms() == []
    assert (await ada.create_invite()).state == "open"
    assert ada.status().register_seq == seq + 1


@pytest.mark.asyncio(loop_scope="module")
async def test_what_was_planned_by_a_clock_ahead_is_done_when_it_is_set_right(gazette: Newsroom) -> None:
    ada, bo, cy = gazette["Ada"], gazette["Bo"], gazette["Cy"]
    room = await gazette.room("planned in 2099", "Ada", "Bo", "Cy")
    # Bo, who is not the first to act, hears in 2099 that Cy leaves
    gazette.clocks["Bo"].ahead_ms = WRONG["2099"]
    await cy.leave_room(room)
    await bo.sync()
    gazette.clocks["Bo"].ahead_ms = 0
    await bo.sync()
    assert gazette.member("Cy") not in bo.room(room).members
    await gazette.sync("Ada")
    assert ada.room(room).members == bo.room(room).members
    latest = bo._state.now() + 8 * DAY_MS
    assert all(chore.due_at <= latest for chore in bo._state.store.chores.due(2 * YEAR_2099_MS))


async def test_hub_refuses_to_start_behind_its_log_and_warns_far_ahead_of_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    async with serving_here(tmp_path, clock=clock) as ready:
        assert ready.founding_link is not None
        await Device.found(tmp_path / "Ada", PASSPHRASE, ready.founding_link, "The Gazette", "Ada")
    for behind_ms in (-NOW_MS, -DAY_MS, -6 * 60_000):
        clock.ahead_ms = behind_ms
        with pytest.raises(ClockBehind, match="minutes behind the log"):
            async with serving_here(tmp_path, clock=clock):
                pass
    clock.ahead_ms = -4 * 60_000
    async with serving_here(tmp_path, clock=clock):
        pass
    assert "clock.far_ahead" not in caplog.text
    clock.ahead_ms = 31 * DAY_MS
    async with serving_here(tmp_path, clock=clock):
        pass
    assert "clock.far_ahead" in caplog.text


async def test_log_of_a_hub_whose_clock_was_months_ahead_is_still_read_by_devices(tmp_path: Path) -> None:
    clock = FakeClock()
    async with serving_here(tmp_path, clock=clock) as ready:
        assert ready.founding_link is not None
        await Device.found(tmp_path / "Ada", PASSPHRASE, ready.founding_link, "The Gazette", "Ada")
        async with Device.open(tmp_path / "Ada", PASSPHRASE) as ada:
            room = await ada.create_room("diary")
            await ada.send(room.room, "before")
    clock.ahead_ms = 60 * DAY_MS
    async with serving_here(tmp_path, clock=clock), Device.open(tmp_path / "Ada", PASSPHRASE) as ada:
        assert (await ada.send(room.room, "long after")).state is MessageState.SENT
        assert [alarm.kind for alarm in ada.alarms()] == ["clock"]
        with pytest.raises(ClockApart):
            await ada.create_invite()
